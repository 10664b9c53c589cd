//! The languages of the pages: the built-in ones, with an operator's words over them and in further languages. Every word is checked when
//! it is loaded; a page never meets one that is wrong.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::words::placeholders;
use super::words_keys::Words;
use crate::base::language::{own_name, tongue};
use crate::config::{Problem, Problems, TextEntry, TextFile, text_files, text_problem, unknown_text};

/// How many entries of an `Accept-Language` are looked at; browsers send fewer than ten.
const MAX_PREFERENCES: usize = 16;

/// Words that operators wrote, each set once: pages hold plain references to them for as long as they like, and words change a few times
/// a year, so that what a reload replaces stays.
static KEPT: Mutex<Vec<&'static Words>> = Mutex::new(Vec::new());

fn keep(words: Words) -> &'static Words {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.iter().find(|known| known.pairs() == words.pairs()) {
        Some(known) => known,
        None => {
            let words: &'static Words = Box::leak(Box::new(words));
            kept.push(words);
            words
        }
    }
}

/// The languages to choose from, English first.
#[derive(Clone, Debug)]
pub struct Languages {
    english: &'static Words,
    others: Vec<&'static Words>,
}

impl Default for Languages {
    fn default() -> Self {
        let others = Words::all().iter().skip(1).collect();
        Self { english: Words::english(), others }
    }
}

impl Languages {
    /// The built-in words, with those in `overrides/words/` over them. What a further language leaves out is English.
    ///
    /// # Errors
    /// All at once: files that cannot be read, words that no page has, names in them that mean nothing.
    pub fn load(overrides: Option<&Path>) -> Result<Self, Problems> {
        let mut languages = Self::default();
        let folder = overrides.map(|folder| folder.join("words"));
        let files = folder.map(|folder: PathBuf| text_files(&folder)).transpose().map_err(Problems)?.unwrap_or_default();
        let mut problems = Vec::new();
        for file in &files {
            match languages.over(file) {
                Ok(words) => languages.put(keep(words)),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(languages) } else { Err(Problems(problems)) }
    }

    /// A file's words over those that are there.
    fn over(&self, file: &TextFile) -> Result<Words, Vec<Problem>> {
        let base = self.all().find(|words| words.meta.lang.eq_ignore_ascii_case(&file.tag)).unwrap_or(self.english);
        let english = Words::english().pairs();
        let mut words = base.clone();
        words.meta.lang.clone_from(&file.tag);
        let mut problems = Vec::new();
        for entry in &file.entries {
            let Some((_, original)) = english.iter().find(|(key, _)| *key == entry.key).filter(|(key, _)| *key != "meta.lang") else {
                problems.push(unknown_text(&file.path, entry, english.iter().map(|(key, _)| *key)));
                continue;
            };
            match fault(entry, original) {
                Some((what, remedy)) => problems.push(text_problem(&file.path, Some(entry.line), &entry.key, &what, &remedy)),
                None => words.set(&entry.key, &entry.text),
            }
        }
        if problems.is_empty() { Ok(words) } else { Err(problems) }
    }

    fn put(&mut self, words: &'static Words) {
        let same = |other: &Words| other.meta.lang.eq_ignore_ascii_case(&words.meta.lang);
        if same(self.english) {
            self.english = words;
        } else if let Some(place) = self.others.iter_mut().find(|other| same(other)) {
            *place = words;
        } else {
            self.others.push(words);
        }
    }

    fn all(&self) -> impl Iterator<Item = &'static Words> {
        std::iter::once(self.english).chain(self.others.iter().copied())
    }

    pub const fn english(&self) -> &'static Words {
        self.english
    }

    /// The language of exactly this tag.
    pub fn named(&self, tag: &str) -> Option<&'static Words> {
        self.all().find(|words| words.meta.lang == tag)
    }

    /// Every tag, with what the language calls itself.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.all().map(|words| (words.meta.lang.as_str(), own_name(&words.meta.lang)))
    }

    /// The language that an `Accept-Language` header prefers (RFC 9110 section 12.5.4): the very tag, else one of the same primary
    /// subtag and script; English where it names none of ours or cannot be read.
    pub fn choose(&self, header: Option<&str>) -> &'static Words {
        let mut best: Option<(u16, &'static Words)> = None;
        for entry in header.unwrap_or_default().split(',').take(MAX_PREFERENCES) {
            let (tag, quality) = preference(entry);
            let exact = self.all().find(|words| words.meta.lang.eq_ignore_ascii_case(tag));
            if let Some(words) = exact.or_else(|| self.all().find(|words| tongue(&words.meta.lang) == tongue(tag)))
                && quality > best.map_or(0, |(q, _)| q)
            {
                best = Some((quality, words));
            }
        }
        best.map_or(self.english, |(_, words)| words)
    }
}

/// What is wrong with an operator's word, and the remedy.
fn fault(entry: &TextEntry, original: &str) -> Option<(String, String)> {
    if entry.text.trim().is_empty() {
        return Some(("the text is empty".into(), "write one, or leave the key out for the built-in one".into()));
    }
    if entry.key == "meta.dir" {
        let known = matches!(entry.text.as_str(), "ltr" | "rtl");
        return (!known).then(|| ("no direction of writing".into(), "write ltr or rtl".into()));
    }
    let known = placeholders(original);
    let stray = placeholders(&entry.text).into_iter().find(|name| !known.contains(name))?;
    let remedy = if known.is_empty() {
        "this text has no names in braces".to_owned()
    } else {
        format!("use only {}", known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", "))
    };
    Some((format!("{{{stray}}} means nothing here"), remedy))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses() {
        for (header, lang) in [
            (None, "en"),
            (Some(""), "en"),
            (Some("de-CH"), "de"),
            (Some("DE"), "de"),
            (Some("it, fr;q=0.5, es;q=0.9"), "es"),
            (Some("zh-CN,zh;q=0.9,en;q=0.8"), "zh-Hans"),
            (Some("zh-TW,zh;q=0.9,en;q=0.8"), "zh-Hant"),
            (Some("zh-HK"), "zh-Hant"),
            (Some("pt-BR,pt;q=0.9"), "pt"),
            (Some("ja-JP"), "ja"),
            (Some("de;q=0, fr;q=0.1"), "fr"),
            (Some("*"), "en"),
            (Some("fr;q=7,de;q=x,es;q=0.2"), "es"),
            (Some(";;;,,,q=,-;q=1"), "en"),
        ] {
            assert_eq!(Languages::default().choose(header).meta.lang, lang, "{header:?}");
        }
    }

    fn loaded(files: &[(&str, &str)]) -> Result<Languages, Problems> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("words")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join("words").join(name), text).unwrap();
        }
        Languages::load(Some(folder.path()))
    }

    #[test]
    fn words_are_put_over_the_built_in_ones_and_languages_added() {
        let files = [
            ("de.toml", "[login]\nlead = \"Mit Ihrem ACME-Konto.\"\n"),
            ("ar.toml", "[meta]\ndir = \"rtl\"\n[login]\nheading = \"تسجيل الدخول\"\n"),
            ("de-CH.toml", "[login]\nheading = \"Grüezi\"\n"),
        ];
        let languages = loaded(&files).unwrap();
        let german = languages.choose(Some("de-AT"));
        assert_eq!((german.login.lead.as_str(), german.login.heading.as_str()), ("Mit Ihrem ACME-Konto.", "Anmelden"));
        let arabic = languages.choose(Some("ar-EG"));
        assert_eq!((arabic.meta.lang.as_str(), arabic.meta.dir.as_str(), arabic.login.or.as_str()), ("ar", "rtl", "or"));
        assert_eq!(languages.choose(Some("de-ch")).login.heading, "Grüezi");
        assert_eq!(languages.choose(None).login.lead, Words::english().login.lead);
        assert_eq!(Languages::default().choose(Some("de")).login.lead, Words::all()[1].login.lead, "nobody else's words change");
        let again = loaded(&files).unwrap();
        assert!(std::ptr::eq(again.choose(Some("de")), german), "the same words are kept once");
    }

    #[test]
    fn every_mistake_is_named_with_its_place_and_a_remedy() {
        for (text, line, key, said) in [
            ("[login]\nheadin = \"x\"\n", 2, "login.headin", "did you mean “login.heading”?"),
            ("[meta]\nlang = \"de\"\n", 2, "meta.lang", "no such text"),
            ("[meta]\ndir = \"up\"\n", 2, "meta.dir", "ltr or rtl"),
            ("[login]\n\nheading = \" \"\n", 3, "login.heading", "leave the key out"),
            ("[mfa]\nsent_to = \"To {too}\"\n", 2, "mfa.sent_to", "use only {to}"),
            ("[login]\nheading = \"{user}\"\n", 2, "login.heading", "no names in braces"),
        ] {
            let problems = loaded(&[("en.toml", text)]).unwrap_err().0;
            let said_so = problems.len() == 1 && problems[0].to_string().contains(said);
            assert!(said_so && problems[0].line == Some(line) && problems[0].key == key, "{problems:?}");
            assert!(problems[0].file.ends_with("words/en.toml"), "{problems:?}");
        }
    }
}
