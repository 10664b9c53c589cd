//! What a token or the userinfo answer says, asked by name. A claim of another form than asked for is never read as an absent one.

use serde_json::{Map, Value};

use super::fault::TokenFault;
use crate::base::Time;

/// The longest text that a claim may hold where it becomes an identity.
pub const LONGEST_TEXT: usize = 255;

/// A JSON object of claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// `None` if the bytes are not one JSON object.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice(bytes).ok()? {
            Value::Object(map) => Some(Self(map)),
            _ => None,
        }
    }

    /// A claim by its whole name, else by the parts between dots (Keycloak's `realm_access.roles`). `null` is absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let whole = self.0.get(name);
        let found = whole.or_else(|| {
            let (first, rest) = name.split_once('.')?;
            rest.split('.').try_fold(self.0.get(first)?, |value, part| value.get(part))
        });
        found.filter(|value| !value.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text, or `None` if there is no such claim.
    ///
    /// # Errors
    /// If it is something else, empty, overlong, or holds control characters.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, TokenFault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_plain(text) => Ok(Some(text)),
            Some(_) => Err(TokenFault::Claim(name)),
        }
    }

    /// A text that must be there.
    pub fn required(&self, name: &'static str) -> Result<&str, TokenFault> {
        self.text(name)?.ok_or(TokenFault::Claim(name))
    }

    /// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction.
    pub fn time(&self, name: &'static str) -> Result<Option<Time>, TokenFault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let seconds = value.as_i64().or_else(|| value.as_f64().filter(|f| f.abs() < 1e12).map(|f| f as i64));
        seconds.filter(|seconds| (0..1_000_000_000_000).contains(seconds)).map(Time::from_secs).map(Some).ok_or(TokenFault::Claim(name))
    }

    /// A text or a list of texts; empty if there is no such claim.
    ///
    /// # Errors
    /// If it, or any member, is something else.
    pub fn texts<'a>(&'a self, name: &str, fault: &'static str) -> Result<Vec<&'a str>, TokenFault> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(members)) => members.iter().map(|one| one.as_str().ok_or(TokenFault::Claim(fault))).collect(),
            Some(_) => Err(TokenFault::Claim(fault)),
        }
    }

    /// `true`, also where a provider writes it as a text.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"))
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}
