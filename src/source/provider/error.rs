//! What can go wrong with a provider, by what may be done about it. The words are for the log and the operator, never for a stranger.

use super::token::TokenFault;

/// Why a provider's help was not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be reached, is too slow, or says that it is ill: worth another try later.
    #[error("{what}: {why}")]
    Away { what: &'static str, why: String },
    /// It answered something that this gateway does not accept.
    #[error("{what}: {why}")]
    Unusable { what: &'static str, why: String },
    /// It refused, in the words of RFC 6749 section 5.2.
    #[error("the provider refused: {0}")]
    Refused(Refusal),
    #[error("{0}")]
    Token(#[from] TokenFault),
}

impl ProviderError {
    pub(in crate::source::provider) fn away(what: &'static str, why: impl Into<String>) -> Self {
        Self::Away { what, why: why.into() }
    }

    pub(in crate::source::provider) fn unusable(what: &'static str, why: impl Into<String>) -> Self {
        Self::Unusable { what, why: why.into() }
    }

    /// Whether another try later may help, so that what stood before goes on for as long as `max_stale` allows.
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Whether the provider no longer knows the refresh token: the sign-in there has ended.
    pub fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == "invalid_grant")
    }
}

/// An error answer: of the token endpoint, or in the browser's way back (RFC 6749 sections 4.1.2.1 and 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// At most 64 characters of a-z, 0-9 and `_`.
    pub code: String,
    /// At most 300 printable characters; only for the log.
    pub description: String,
}

impl Refusal {
    pub fn new(code: &str, description: &str) -> Self {
        let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
        let description = description.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        let code: String = code.chars().filter(is_plain).take(64).collect();
        Self { code: if code.is_empty() { "error".into() } else { code }, description }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.code)?;
        if self.description.is_empty() { Ok(()) } else { write!(f, " ({})", self.description) }
    }
}
