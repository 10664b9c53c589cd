//! The words of messages: one file for each language, embedded, any part of which an operator may put their own over.
//!
//! In `DIR/messages/` an operator's `de.toml` replaces the entries it has and adds languages; `layout.html` replaces the frame of the
//! HTML part. Everything is rendered once when it is loaded, so that a misspelt name is told then, not at somebody's sign-in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior, context};
use serde::Deserialize;

use super::message::{Content, Message, MessageKind, Recipient};
use crate::base::language::tongue;
use crate::base::{Secret, Time};
use crate::config::{Accent, Brand, Picture, Problem, Problems, TextEntry, TextFile, read_text, text_files, text_problem, unknown_text};

const EMBEDDED: [(&str, &str); 8] = [
    ("en", include_str!("../../templates/messages/en.toml")),
    ("de", include_str!("../../templates/messages/de.toml")),
    ("fr", include_str!("../../templates/messages/fr.toml")),
    ("es", include_str!("../../templates/messages/es.toml")),
    ("zh-Hans", include_str!("../../templates/messages/zh-Hans.toml")),
    ("zh-Hant", include_str!("../../templates/messages/zh-Hant.toml")),
    ("pt", include_str!("../../templates/messages/pt.toml")),
    ("ja", include_str!("../../templates/messages/ja.toml")),
];
const LAYOUT: &str = include_str!("../../templates/messages/layout.html");
const FALLBACK: &str = "en";

/// What is wrong with a text when it is written: none that was proved when it was loaded is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct TemplateError {
    /// Language and entry, or the layout.
    pub place: String,
    pub what: String,
}

/// A written e-mail.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    /// What the HTML part shows as `cid:logo`.
    pub(super) logo: Option<Picture>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    #[serde(default)]
    words: BTreeMap<String, String>,
    #[serde(default)]
    messages: BTreeMap<String, Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    subject: Option<String>,
    text: Option<String>,
    sms: Option<String>,
}

impl Text {
    fn part(&self, part: &str) -> Option<&str> {
        match part {
            "subject" => self.subject.as_deref(),
            "sms" => self.sms.as_deref(),
            _ => self.text.as_deref(),
        }
    }
}

/// Whether there is such a message with such a part.
fn has_part(name: &str, part: &str) -> bool {
    MessageKind::ALL.iter().any(|kind| kind.name() == name && (matches!(part, "subject" | "text") || part == "sms" && kind.has_sms()))
}

/// The keys of every message.
fn keys() -> impl Iterator<Item = String> {
    let parts = |kind: MessageKind| ["subject", "text", "sms"].into_iter().filter(move |part| has_part(kind.name(), part));
    MessageKind::ALL.into_iter().flat_map(move |kind| parts(kind).map(move |part| format!("messages.{}.{part}", kind.name())))
}

fn sample(tag: &str, content: Content) -> Message {
    let (user, site, host) = ("Alice".to_owned(), "Sign in".to_owned(), "host.example".to_owned());
    let to = Recipient::Email(String::new());
    Message { to, lang: tag.to_owned(), user, site, host, at: Time::from_secs(0), by_admin: true, content }
}

/// Every message in every language.
#[derive(Debug)]
pub struct Texts {
    environment: Environment<'static>,
    languages: BTreeMap<String, Language>,
    layout: String,
    brand: Arc<Brand>,
}

/// Where an operator's texts came from, by language, message and part: `("de", "locked", "text")`.
type Origins = BTreeMap<(String, String, String), (PathBuf, TextEntry)>;

impl Texts {
    /// The embedded texts, with those in `overrides/messages/` over them, in the operator's own frame.
    ///
    /// # Errors
    /// All at once: files that cannot be read, entries that do not exist, names in them that mean nothing, a code or link left out.
    pub fn load(overrides: Option<&Path>, brand: &Arc<Brand>) -> Result<Self, Problems> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut texts = Self { environment, languages: BTreeMap::new(), layout: LAYOUT.to_owned(), brand: brand.clone() };
        for (tag, source) in EMBEDDED {
            let language = toml::from_str(source)
                .map_err(|e: toml::de::Error| Problems(vec![text_problem(Path::new(tag), None, "", e.message(), "report it")]))?;
            texts.languages.insert(tag.to_owned(), language);
        }
        let Some(folder) = overrides.map(|folder| folder.join("messages")) else { return Ok(texts) };
        let (mut origins, mut problems) = (Origins::new(), Vec::new());
        for file in text_files(&folder).map_err(Problems)? {
            problems.extend(texts.add(&file, &mut origins));
        }
        let layout = folder.join("layout.html");
        if layout.exists() {
            texts.layout = read_text(&layout).map_err(|problem| Problems(vec![problem]))?;
        }
        problems.extend(texts.prove(&origins, &layout));
        if problems.is_empty() { Ok(texts) } else { Err(Problems(problems)) }
    }

    /// Puts a file's entries over those that are there.
    fn add(&mut self, file: &TextFile, origins: &mut Origins) -> Vec<Problem> {
        let words: Vec<String> =
            self.languages.get(FALLBACK).iter().flat_map(|english| english.words.keys().map(|word| format!("words.{word}"))).collect();
        let language = self.languages.entry(file.tag.clone()).or_default();
        let mut problems = Vec::new();
        for entry in &file.entries {
            let parts: Vec<&str> = entry.key.split('.').collect();
            match parts.as_slice() {
                ["words", word] if words.contains(&entry.key) => drop(language.words.insert((*word).to_owned(), entry.text.clone())),
                ["messages", name, part] if has_part(name, part) => {
                    let whole = language.messages.entry((*name).to_owned()).or_default();
                    let place = match *part {
                        "subject" => &mut whole.subject,
                        "sms" => &mut whole.sms,
                        _ => &mut whole.text,
                    };
                    *place = Some(entry.text.clone());
                    let key = (file.tag.clone(), (*name).to_owned(), (*part).to_owned());
                    origins.insert(key, (file.path.clone(), entry.clone()));
                }
                _ => {
                    let known: Vec<String> = keys().chain(words.iter().cloned()).collect();
                    problems.push(unknown_text(&file.path, entry, known.iter().map(String::as_str)));
                }
            }
        }
        problems
    }

    /// Writes every message in every language with sample values: what an operator's text has wrong.
    fn prove(&self, origins: &Origins, layout: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        for ((tag, name, part), (file, entry)) in origins {
            for content in Content::samples().into_iter().filter(|content| content.kind().name() == name) {
                if let Err((what, remedy)) = self.prove_one(tag, part, content) {
                    problems.push(text_problem(file, Some(entry.line), &entry.key, &what, remedy));
                }
            }
        }
        let sample = Content::samples().into_iter().find_map(|content| self.mail(&sample(FALLBACK, content)).err());
        if let Some(error) = sample.filter(|_| problems.is_empty()) {
            problems.push(text_problem(
                layout,
                None,
                "",
                &error.what,
                "use only lang, dir, subject, site, paragraphs, code, link, company, accent, logo, support, support_shown and help",
            ));
        }
        problems
    }

    fn prove_one(&self, tag: &str, part: &str, content: Content) -> Result<(), (String, &'static str)> {
        let must = if part == "subject" { None } else { content.code_or_link() };
        let message = sample(tag, content);
        let written = self.render(tag, &message, part, |text| text.part(part)).map_err(|e| {
            (e.what, "use only user, site, host, at, by_admin, words and the values of the built-in text (templates/messages/en.toml)")
        })?;
        if written.trim().is_empty() {
            return Err(("the text is empty".into(), "write one, or leave the key out for the built-in one"));
        }
        match must {
            Some(value) if !written.contains(value.expose()) => {
                Err(("the code or link is left out".into(), "put {{ code }} or {{ link }} where the built-in text has it"))
            }
            _ => Ok(()),
        }
    }

    /// The languages there are.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    pub(super) fn mail(&self, message: &Message) -> Result<Written, TemplateError> {
        let tag = self.pick(&message.lang);
        let subject = self.render(tag, message, "subject", |text| text.part("subject"))?;
        let text = self.render(tag, message, "text", |text| text.part("text"))?;
        let subject = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned();
        let html = self.html(tag, message, &subject, &text)?;
        let help = self.brand.support_shown().map(|shown| format!("\n{} {shown}\n", self.word(tag, "help"))).unwrap_or_default();
        Ok(Written { subject, text: format!("{text}{help}"), html, logo: self.logo().cloned() })
    }

    /// Mail programs draw PNG alone.
    fn logo(&self) -> Option<&Picture> {
        self.brand.logo.as_ref().filter(|logo| logo.fits_mails())
    }

    fn html(&self, tag: &str, message: &Message, subject: &str, text: &str) -> Result<String, TemplateError> {
        let secret = message.content.code_or_link();
        let secret = secret.as_ref().map(Secret::expose);
        let (code, link) = if message.content.kind().has_sms() { (secret, None) } else { (None, secret) };
        let paragraphs: Vec<&str> = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).collect();
        let brand = &self.brand;
        let values = context! {
            lang => tag, dir => self.word(tag, "dir"), subject, site => &message.site, paragraphs, code, link,
            company => &brand.company, accent => brand.accent.as_ref().map(Accent::hex), logo => self.logo().is_some(),
            support => &brand.support, support_shown => brand.support_shown(), help => self.word(tag, "help"),
        };
        self.environment
            .render_named_str("layout.html", &self.layout, values)
            .map_err(|error| TemplateError { place: "layout.html".into(), what: error.to_string() })
    }

    /// A word of the language, or the English one.
    fn word(&self, tag: &str, word: &str) -> &str {
        let of = |tag: &str| self.languages.get(tag).and_then(|language| language.words.get(word));
        of(tag).or_else(|| of(FALLBACK)).map_or("", String::as_str)
    }

    pub(super) fn sms(&self, message: &Message) -> Result<String, TemplateError> {
        let tag = self.pick(&message.lang);
        self.render(tag, message, "sms", |text| text.part("sms")).map(|text| text.trim().to_owned())
    }

    /// The entry of the language, or the English one where an operator's language is not complete.
    fn render<'t>(
        &'t self,
        tag: &str,
        message: &Message,
        part: &str,
        choose: impl Fn(&'t Text) -> Option<&'t str>,
    ) -> Result<String, TemplateError> {
        let kind = message.content.kind().name();
        let fault = |what: String| TemplateError { place: format!("{tag}, {kind}.{part}"), what };
        let of = |tag: &str| self.languages.get(tag).and_then(|language| language.messages.get(kind)).and_then(&choose);
        let template = of(tag).or_else(|| of(FALLBACK)).ok_or_else(|| fault("there is no such text".into()))?;
        let values = context! {
            user => &message.user,
            site => &message.site,
            host => &message.host,
            at => readable(message.at),
            by_admin => message.by_admin,
            words => self.words(tag),
            ..minijinja::Value::from_serialize(&message.content)
        };
        self.environment.render_named_str("message.txt", template, values).map_err(|error| fault(error.to_string()))
    }

    fn words(&self, tag: &str) -> BTreeMap<&str, &str> {
        [FALLBACK, tag]
            .iter()
            .filter_map(|tag| self.languages.get(*tag))
            .flat_map(|language| language.words.iter().map(|(key, word)| (key.as_str(), word.as_str())))
            .collect()
    }

    /// The language asked for, one of the same tongue, or English.
    fn pick(&self, wanted: &str) -> &str {
        let mut tags = self.languages.keys();
        tags.clone()
            .find(|tag| tag.eq_ignore_ascii_case(wanted))
            .or_else(|| tags.find(|tag| tongue(tag) == tongue(wanted)))
            .map_or(FALLBACK, String::as_str)
    }
}

/// `2026-11-22 05:39 UTC`.
fn readable(at: Time) -> String {
    let text = at.rfc3339();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

#[cfg(test)]
mod tests;
