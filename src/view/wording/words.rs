//! The texts of the pages in eight languages, as a type: a key that does not exist does not compile, and a test finds a language that
//! lacks one. The texts are embedded and read once; a language that could not be read shows its keys, it never takes the gate down.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use super::words_keys::{Meta, Words};
use crate::factor::Method;

static ENGLISH: &str = include_str!("../../../templates/words/en.toml");
static GERMAN: &str = include_str!("../../../templates/words/de.toml");
static FRENCH: &str = include_str!("../../../templates/words/fr.toml");
static SPANISH: &str = include_str!("../../../templates/words/es.toml");
static CHINESE: &str = include_str!("../../../templates/words/zh-Hans.toml");

static TRADITIONAL_CHINESE: &str = include_str!("../../../templates/words/zh-Hant.toml");
static PORTUGUESE: &str = include_str!("../../../templates/words/pt.toml");
static JAPANESE: &str = include_str!("../../../templates/words/ja.toml");

const EMBEDDED: [&str; 8] = [ENGLISH, GERMAN, FRENCH, SPANISH, CHINESE, TRADITIONAL_CHINESE, PORTUGUESE, JAPANESE];

/// In the order of preference among equals; the first is what a browser gets that names none of them.
static ALL: LazyLock<[Words; 8]> = LazyLock::new(|| EMBEDDED.map(read));

fn read(text: &str) -> Words {
    toml::from_str(text).unwrap_or_else(|_| Words { meta: Meta { lang: "en".into(), dir: "ltr".into() }, ..Words::keys() })
}

impl Words {
    /// Every built-in language, English first.
    pub fn all() -> &'static [Words] {
        &*ALL
    }

    /// English, as it is built in.
    pub fn english() -> &'static Words {
        let [english, ..] = &*ALL;
        english
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
            Method::External => &self.method.external,
            Method::Recovery => &self.method.recovery,
        }
    }
}

impl Words {
    /// An event of the audit log in words; its name where there are none.
    pub fn event<'n>(&'n self, name: &'n str) -> &'n str {
        let key = format!("event.{}", name.replace('.', "_"));
        self.pairs().into_iter().find(|(known, _)| *known == key).map_or(name, |(_, text)| text)
    }

    /// Several, one after the other.
    pub fn methods(&self, methods: impl IntoIterator<Item = Method>) -> String {
        methods.into_iter().map(|method| self.method(method)).collect::<Vec<_>>().join(", ")
    }
}

/// The names in braces in a text.
pub(in crate::view) fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
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
    use super::*;

    #[test]
    fn every_language_has_every_key_and_no_other() {
        for (name, text) in ["en", "de", "fr", "es", "zh-Hans", "zh-Hant", "pt", "ja"].into_iter().zip(EMBEDDED) {
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
    fn an_event_is_told_in_words() {
        assert_eq!(Words::english().event("second_factor.wrong"), "Wrong second factor");
        assert_eq!(Words::english().event("unheard.of"), "unheard.of");
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
