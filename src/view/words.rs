//! The texts of the pages in five languages, as a type: a key that does not exist does not compile, and a test finds a language that
//! lacks one. The texts are embedded and read once; a language that could not be read shows its keys, it never takes the gate down.

use std::sync::LazyLock;
use std::time::Duration;

use super::words_keys::{Meta, Words};
use crate::factor::Method;

static ENGLISH: &str = include_str!("../../templates/words/en.toml");
static GERMAN: &str = include_str!("../../templates/words/de.toml");
static FRENCH: &str = include_str!("../../templates/words/fr.toml");
static SPANISH: &str = include_str!("../../templates/words/es.toml");
static CHINESE: &str = include_str!("../../templates/words/zh-Hans.toml");

/// In the order of preference among equals; the first is what a browser gets that names none of them.
static ALL: LazyLock<[Words; 5]> = LazyLock::new(|| [ENGLISH, GERMAN, FRENCH, SPANISH, CHINESE].map(read));

fn read(text: &str) -> Words {
    toml::from_str(text).unwrap_or_else(|_| Words { meta: Meta { lang: "en".into(), dir: "ltr".into() }, ..Words::keys() })
}

/// How many entries of an `Accept-Language` are looked at; browsers send fewer than ten.
const MAX_PREFERENCES: usize = 16;

impl Words {
    /// Every language, English first.
    pub fn all() -> &'static [Words] {
        &*ALL
    }

    /// English.
    pub fn english() -> &'static Words {
        let [english, ..] = &*ALL;
        english
    }

    /// The language that an `Accept-Language` header prefers (RFC 9110 section 12.5.4), by its primary subtag; English where it
    /// names none of ours or cannot be read.
    pub fn choose(header: Option<&str>) -> &'static Words {
        let mut best: Option<(u16, &'static Words)> = None;
        for entry in header.unwrap_or_default().split(',').take(MAX_PREFERENCES) {
            let (tag, quality) = preference(entry);
            let found = Self::all().iter().find(|words| words.speaks(tag));
            if let Some(words) = found
                && quality > best.map_or(0, |(q, _)| q)
            {
                best = Some((quality, words));
            }
        }
        best.map_or_else(Self::english, |(_, words)| words)
    }

    /// Whether these words are in the language of `tag`; `zh-Hans` speaks for every `zh`.
    fn speaks(&self, tag: &str) -> bool {
        let primary = |t: &str| t.split('-').next().unwrap_or_default().to_ascii_lowercase();
        primary(tag) == primary(&self.meta.lang)
    }

    /// "30 seconds", "5 minutes", "12 hours", "30 days": the largest unit that leaves at least two of it, rounded up.
    pub fn span(&self, span: Duration) -> String {
        let seconds = span.as_secs();
        let (unit, one, many) = match seconds {
            172_800.. => (86_400, &self.span.day, &self.span.days),
            7_200.. => (3_600, &self.span.hour, &self.span.hours),
            61.. => (60, &self.span.minute, &self.span.minutes),
            60 => (60, &self.span.minute, &self.span.minutes),
            _ => (1, &self.span.second, &self.span.seconds),
        };
        let n = seconds.div_ceil(unit);
        fill(if n == 1 { one } else { many }, &[("n", &n.to_string())])
    }

    /// What people call a second factor.
    pub fn method(&self, method: Method) -> &str {
        match method {
            Method::Totp => &self.method.totp,
            Method::Webauthn => &self.method.webauthn,
            Method::Email => &self.method.email,
            Method::Sms => &self.method.sms,
            Method::Recovery => &self.method.recovery,
        }
    }
}

/// One entry of an `Accept-Language`: the tag and its quality in thousandths; a quality that cannot be read counts as none.
fn preference(entry: &str) -> (&str, u16) {
    let (tag, parameters) = entry.split_once(';').unwrap_or((entry, ""));
    let quality = match parameters.trim().strip_prefix("q=") {
        Some(q) => q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).map_or(0, |q| (q * 1000.0) as u16),
        None => 1000,
    };
    (tag.trim(), quality)
}

/// Puts values in the place of `{name}`. What is put in is not looked at again; an unknown name stays as it stands.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let value = after.split_once('}').and_then(|(name, tail)| values.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v, tail)));
        match value {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
    }

    #[test]
    fn every_language_has_every_key_and_no_other() {
        for (name, text) in [("en", ENGLISH), ("de", GERMAN), ("fr", FRENCH), ("es", SPANISH), ("zh-Hans", CHINESE)] {
            let words: Words = toml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(words.meta.lang, name);
            for (key, value) in words.pairs() {
                assert!(!value.trim().is_empty(), "{name}: {key} is empty");
            }
        }
    }

    #[test]
    fn placeholders_are_the_same_in_every_language() {
        for words in Words::all() {
            for ((key, english), (_, other)) in Words::english().pairs().into_iter().zip(words.pairs()) {
                assert_eq!(placeholders(english), placeholders(other), "{}: {key}", words.meta.lang);
            }
        }
    }

    #[test]
    fn the_browser_chooses() {
        for (header, lang) in [
            (None, "en"),
            (Some(""), "en"),
            (Some("de-CH"), "de"),
            (Some("DE"), "de"),
            (Some("it, fr;q=0.5, es;q=0.9"), "es"),
            (Some("zh-CN,zh;q=0.9,en;q=0.8"), "zh-Hans"),
            (Some("de;q=0, fr;q=0.1"), "fr"),
            (Some("*"), "en"),
            (Some("fr;q=7,de;q=x,es;q=0.2"), "es"),
            (Some(";;;,,,q=,-;q=1"), "en"),
        ] {
            assert_eq!(Words::choose(header).meta.lang, lang, "{header:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        assert_eq!(fill("{a} and {b} and {c}", &[("a", "{b}"), ("b", "2")]), "{b} and 2 and {c}");
        assert_eq!(fill("open { brace", &[]), "open { brace");
    }

    #[test]
    fn spans_read_naturally() {
        let words = Words::english();
        for (seconds, text) in [
            (1, "1 second"),
            (30, "30 seconds"),
            (60, "1 minute"),
            (61, "2 minutes"),
            (900, "15 minutes"),
            (43_200, "12 hours"),
            (2_592_000, "30 days"),
        ] {
            assert_eq!(words.span(Duration::from_secs(seconds)), text);
        }
    }
}
