//! The words of messages: one file for each language, embedded, any part of which an operator may put their own over.
//!
//! In `DIR/messages/` an operator's `de.toml` replaces the entries it has and adds languages; `layout.html` replaces the frame of the
//! HTML part. Everything is rendered once when it is loaded, so that a misspelt name is told then, not at somebody's sign-in.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, context};
use serde::Deserialize;

use super::message::{Content, Message, MessageKind, Recipient};
use crate::base::Time;

const EMBEDDED: [(&str, &str); 5] = [
    ("en", include_str!("../../templates/messages/en.toml")),
    ("de", include_str!("../../templates/messages/de.toml")),
    ("fr", include_str!("../../templates/messages/fr.toml")),
    ("es", include_str!("../../templates/messages/es.toml")),
    ("zh-Hans", include_str!("../../templates/messages/zh-Hans.toml")),
];
const LAYOUT: &str = include_str!("../../templates/messages/layout.html");
const FALLBACK: &str = "en";

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct TemplateError {
    /// The file and entry.
    pub place: String,
    pub what: String,
}

/// A written e-mail.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
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

/// Every message in every language.
#[derive(Debug)]
pub struct Texts {
    environment: Environment<'static>,
    languages: BTreeMap<String, Language>,
    layout: String,
}

impl Texts {
    /// The embedded texts, with those in `overrides/messages/` over them.
    ///
    /// # Errors
    /// A file that cannot be read, an entry that does not exist, a name in it that means nothing.
    pub fn load(overrides: Option<&Path>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut texts = Self { environment, languages: BTreeMap::new(), layout: LAYOUT.to_owned() };
        for (tag, source) in EMBEDDED {
            texts.add(tag, source, tag)?;
        }
        if let Some(folder) = overrides {
            texts.add_folder(&folder.join("messages"))?;
        }
        texts.prove()?;
        Ok(texts)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), TemplateError> {
        let fault = |path: &Path, what: &dyn ToString| TemplateError { place: path.display().to_string(), what: what.to_string() };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(fault(folder, &error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| fault(folder, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let read = || std::fs::read_to_string(&path).map_err(|error| fault(&path, &error));
            match name.strip_suffix(".toml") {
                Some(tag) => self.add(tag, &read()?, &path.display().to_string())?,
                None if name == "layout.html" => self.layout = read()?,
                None => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, tag: &str, source: &str, place: &str) -> Result<(), TemplateError> {
        let fault = |what: String| TemplateError { place: place.to_owned(), what };
        let added: Language = toml::from_str(source).map_err(|error| fault(error.message().to_owned()))?;
        let language = self.languages.entry(tag.to_owned()).or_default();
        language.words.extend(added.words);
        for (name, text) in added.messages {
            if !MessageKind::ALL.iter().any(|kind| kind.name() == name) {
                return Err(fault(format!("there is no message “{name}”")));
            }
            let whole = language.messages.entry(name).or_default();
            whole.subject = text.subject.or_else(|| whole.subject.take());
            whole.text = text.text.or_else(|| whole.text.take());
            whole.sms = text.sms.or_else(|| whole.sms.take());
        }
        Ok(())
    }

    /// Renders every message of every language with sample values.
    fn prove(&self) -> Result<(), TemplateError> {
        for lang in self.languages.keys() {
            for content in Content::samples() {
                let has_sms = content.kind().has_sms();
                let (user, site, host) = ("Alice".to_owned(), "Sign in".to_owned(), "host.example".to_owned());
                let to = Recipient::Email(String::new());
                let message = Message { to, lang: lang.clone(), user, site, host, at: Time::from_secs(0), content };
                self.mail(&message)?;
                if has_sms {
                    self.sms(&message)?;
                }
            }
        }
        Ok(())
    }

    /// The languages there are.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    pub(super) fn mail(&self, message: &Message) -> Result<Written, TemplateError> {
        let tag = self.pick(&message.lang);
        let subject = self.render(tag, message, "subject", |text| text.subject.as_deref())?;
        let text = self.render(tag, message, "text", |text| text.text.as_deref())?;
        let subject = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned();
        let (code, link) = match &message.content {
            Content::SignInCode { code, .. } | Content::EnrolmentCode { code, .. } => (Some(code.expose()), None),
            Content::SetupLink { link, .. } | Content::ResetLink { link, .. } => (None, Some(link.expose())),
            _ => (None, None),
        };
        let paragraphs: Vec<&str> = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).collect();
        let dir = self.languages.get(tag).and_then(|language| language.words.get("dir")).map_or("ltr", String::as_str);
        let values = context! { lang => tag, dir, subject => &subject, site => &message.site, paragraphs, code, link };
        let html = self
            .environment
            .render_named_str("layout.html", &self.layout, values)
            .map_err(|error| TemplateError { place: "layout.html".into(), what: error.to_string() })?;
        Ok(Written { subject, text, html })
    }

    pub(super) fn sms(&self, message: &Message) -> Result<String, TemplateError> {
        let tag = self.pick(&message.lang);
        self.render(tag, message, "sms", |text| text.sms.as_deref()).map(|text| text.trim().to_owned())
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
        let tongue = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
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
