//! A signed statement of who asks: a JWT (RFC 7519) under ES256 (RFC 7518 section 3.4), made for one route and short-lived.
//! An application that checks `aud` and `exp` against `jwks.json` needs to trust no network. Guarantees that a statement is
//! handed out again only while every claim in it still holds.

mod cache;
mod keys;

pub use cache::{Assertions, Signed};
pub use keys::{BadSeed, Keys, SEED, Signer};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::base::Time;

/// What is said of somebody. Times are in whole seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Claims<'a> {
    /// The origin that signed: `portal.url`, else that of the request.
    pub iss: &'a str,
    /// The route's `assertion.audience`.
    pub aud: &'a str,
    /// The account's id, which is never given to anybody else.
    pub sub: &'a str,
    pub preferred_username: &'a str,
    pub name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub email: &'a str,
    pub groups: &'a [String],
    /// When the last factor was shown; for a token, when it was made.
    pub auth_time: u64,
    /// RFC 8176; a token has none.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub amr: &'a [&'static str],
    /// The session's or the token's id.
    pub sid: &'a str,
}

/// A statement cannot be made: no request goes out that should have had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the assertion could not be signed")]
pub struct Unsigned;

/// The claims as JSON, without the times of the statement: what two statements that may stand for each other have in common.
fn body(claims: &Claims<'_>) -> Result<String, Unsigned> {
    serde_json::to_string(claims).map_err(|_| Unsigned)
}

/// `body` signed, with the times of the statement put in.
fn sign(signer: &Signer, body: &str, from: Time, until: Time) -> Result<String, Unsigned> {
    let open = body.strip_suffix('}').ok_or(Unsigned)?;
    let claims = format!("{open},\"iat\":{},\"exp\":{}}}", from.unix(), until.unix());
    let header = format!("{{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"{}\"}}", signer.kid());
    let mut token = BASE64URL_NOPAD.encode(header.as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(claims.as_bytes(), &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut token);
    Ok(token)
}

#[cfg(test)]
mod tests;
