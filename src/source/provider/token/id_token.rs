//! An ID token (OpenID Connect Core section 3.1.3.7): from this issuer, for this client, of this sign-in, now.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::fault::TokenFault;
use super::jwk::KeySet;
use super::jws::{Verified, verify};
use crate::base::{Secret, Time};

/// How far the provider's clock and ours may be apart.
pub const SKEW: Duration = Duration::from_secs(60);
/// An ID token older than this did not come from a request a moment ago.
const OLDEST: Duration = Duration::from_secs(10 * 60);

/// What a token must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub now: Time,
}

/// How the token came.
#[derive(Clone, Copy, Debug)]
pub enum Issued<'a> {
    /// For a code: it carries the nonce of the request.
    ForCode { nonce: &'a Secret, access_token: Option<&'a Secret> },
    /// For a refresh token: the same person as before; a nonce is not owed (OpenID Connect Core section 12.2).
    ForRefresh { subject: &'a str },
}

/// A token that is right.
#[derive(Clone, Debug)]
pub struct IdToken {
    pub subject: String,
    /// The provider's session, which a back-channel logout names.
    pub session: Option<String>,
    /// When the person proved who they are, by the provider's clock.
    pub auth_time: Option<Time>,
    pub claims: Claims,
}

/// Verifies an ID token.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_id_token(token: &str, keys: &KeySet, expected: Expected<'_>, issued: Issued<'_>) -> Result<IdToken, TokenFault> {
    let Verified { kind, algorithm, claims } = verify(token, keys)?;
    if kind.is_some_and(|kind| kind != "jwt") {
        return Err(TokenFault::Type);
    }
    is_for_us(&claims, expected)?;
    is_current(&claims, expected.now)?;
    // A logout token is none (OpenID Connect Back-Channel Logout section 2.4).
    if claims.has("events") {
        return Err(TokenFault::Type);
    }
    let subject = claims.required("sub")?.to_owned();
    match issued {
        Issued::ForCode { nonce, access_token } => {
            if !nonce.matches(claims.text("nonce")?.unwrap_or_default()) {
                return Err(TokenFault::Nonce);
            }
            is_of(&claims, algorithm, access_token)?;
        }
        Issued::ForRefresh { subject: before } if before != subject => return Err(TokenFault::Claim("sub")),
        Issued::ForRefresh { .. } => {}
    }
    let (session, auth_time) = (claims.text("sid")?.map(str::to_owned), claims.time("auth_time")?);
    Ok(IdToken { subject, session, auth_time, claims })
}

/// Issuer, audience and authorized party.
pub(super) fn is_for_us(claims: &Claims, expected: Expected<'_>) -> Result<(), TokenFault> {
    if claims.required("iss")? != expected.issuer {
        return Err(TokenFault::Issuer);
    }
    let audience = claims.texts("aud", "aud")?;
    let party = claims.text("azp")?;
    let named = audience.contains(&expected.client_id);
    let alone = audience.len() == 1 || party.is_some();
    if !named || !alone || party.is_some_and(|party| party != expected.client_id) {
        return Err(TokenFault::Audience);
    }
    Ok(())
}

fn is_current(claims: &Claims, now: Time) -> Result<(), TokenFault> {
    let expires = claims.time("exp")?.ok_or(TokenFault::Claim("exp"))?;
    let issued = claims.time("iat")?.ok_or(TokenFault::Claim("iat"))?;
    if now >= expires.plus(SKEW) {
        return Err(TokenFault::Expired);
    }
    let begins = claims.time("nbf")?.map_or(issued, |begins| begins.max(issued));
    if begins > now.plus(SKEW) {
        return Err(TokenFault::Future);
    }
    if now.since(issued) > OLDEST { Err(TokenFault::Old) } else { Ok(()) }
}

/// Whether the access token came with this ID token, if it says so (OpenID Connect Core section 3.1.3.8).
fn is_of(claims: &Claims, algorithm: Algorithm, access_token: Option<&Secret>) -> Result<(), TokenFault> {
    let (Some(said), Some(token)) = (claims.text("at_hash")?, access_token) else { return Ok(()) };
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &ring::digest::SHA256,
        Algorithm::Rs384 | Algorithm::Es384 => &ring::digest::SHA384,
        // The specification names no hash for Ed25519.
        Algorithm::EdDsa => return Ok(()),
    };
    let digest = ring::digest::digest(hash, token.expose().as_bytes());
    let left = digest.as_ref().get(..digest.as_ref().len() / 2).unwrap_or_default();
    let made = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, left);
    if crate::base::secret::same(made.as_bytes(), said.as_bytes()) { Ok(()) } else { Err(TokenFault::AccessToken) }
}
