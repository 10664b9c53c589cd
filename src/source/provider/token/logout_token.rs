//! A logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6): the provider says, server to server, that a session or all
//! sessions of a person have ended. That it is used once is the store's affair; the token says under which id and until when.

use std::time::Duration;

use super::claims::Claims;
use super::fault::TokenFault;
use super::id_token::{Expected, SKEW, is_for_us};
use super::jwk::KeySet;
use super::jws::{Verified, verify};
use crate::base::Time;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A token is not believed for longer than this after it was issued, whatever its `exp`; so long its id is remembered.
const OLDEST: Duration = Duration::from_secs(5 * 60);

/// Whose sessions end.
#[derive(Clone, Debug)]
pub struct LogoutToken {
    pub id: String,
    /// From here on it is refused by its age alone.
    pub forget_after: Time,
    /// All sessions of this person, unless a session is named.
    pub subject: Option<String>,
    pub session: Option<String>,
    /// Entra ID's tenant and object are claims; the person is found by all of them.
    pub claims: Claims,
}

/// Verifies a logout token.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_logout_token(token: &str, keys: &KeySet, expected: Expected<'_>) -> Result<LogoutToken, TokenFault> {
    let Verified { kind, claims, .. } = verify(token, keys)?;
    if kind.is_some_and(|kind| kind != "logout+jwt" && kind != "jwt") {
        return Err(TokenFault::Type);
    }
    is_for_us(&claims, expected)?;
    let issued = is_current(&claims, expected.now)?;
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(serde_json::Value::is_object) {
        return Err(TokenFault::Claim("events"));
    }
    // With a nonce it would be an ID token.
    if claims.has("nonce") {
        return Err(TokenFault::Nonce);
    }
    let (subject, session) = (claims.text("sub")?.map(str::to_owned), claims.text("sid")?.map(str::to_owned));
    if subject.is_none() && session.is_none() {
        return Err(TokenFault::Claim("sub"));
    }
    let id = claims.required("jti")?.to_owned();
    Ok(LogoutToken { id, forget_after: issued.plus(OLDEST + SKEW), subject, session, claims })
}

fn is_current(claims: &Claims, now: Time) -> Result<Time, TokenFault> {
    let issued = claims.time("iat")?.ok_or(TokenFault::Claim("iat"))?;
    // Owed since the specification's final form; providers of before send none.
    if claims.time("exp")?.is_some_and(|expires| now >= expires.plus(SKEW)) {
        return Err(TokenFault::Expired);
    }
    if issued > now.plus(SKEW) {
        return Err(TokenFault::Future);
    }
    if now.since(issued) > OLDEST + SKEW { Err(TokenFault::Old) } else { Ok(issued) }
}
