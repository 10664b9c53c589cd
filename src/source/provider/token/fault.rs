//! What can be wrong with a token.

/// Bytes of a token: room for somebody in several hundred groups.
pub const LONGEST: usize = 64 * 1024;

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("the token is not a compact JWS of at most {} KiB", LONGEST / 1024)]
    Malformed,
    #[error("the token's algorithm is not one of RS256, RS384, PS256, ES256, ES384 and EdDSA")]
    Algorithm,
    #[error("the token is of another type")]
    Type,
    /// Worth one fetch of the keys.
    #[error("no key of the provider's fits the token")]
    UnknownKey,
    #[error("the token's signature is not right")]
    Signature,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another client")]
    Audience,
    #[error("the token has expired; is this machine's clock right?")]
    Expired,
    #[error("the token is dated in the future; is this machine's clock right?")]
    Future,
    #[error("the token is too old; is this machine's clock right?")]
    Old,
    #[error("the token answers another sign-in")]
    Nonce,
    #[error("the access token is not the one that the ID token was issued with")]
    AccessToken,
    #[error("the token lacks the claim {0}, or it has another form")]
    Claim(&'static str),
}

impl TokenFault {
    /// Whether a clock that is off explains it: the page says so.
    pub const fn is_about_time(self) -> bool {
        matches!(self, Self::Expired | Self::Future | Self::Old)
    }
}
