//! Server to server: the code for tokens (RFC 6749 section 4.1.3), a refresh token for fresh ones, and the userinfo answer.

use base64::Engine;
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::discovery::Metadata;
use super::http::{Answer, HttpClient};
use crate::base::Secret;
use crate::config::Provider;
use crate::source::provider::error::ProviderError;
use crate::source::provider::error::Refusal;
use crate::source::provider::token::Claims;

const TOKEN: &str = "token request";
const USERINFO: &str = "userinfo";

/// What the token endpoint gave.
#[derive(Debug, Deserialize)]
pub struct Tokens {
    /// Owed for a code; a refresh may leave it out.
    pub id_token: Option<Secret>,
    pub access_token: Option<Secret>,
    pub refresh_token: Option<Secret>,
    token_type: Option<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// What is handed in for tokens.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    Code { code: &'a Secret, verifier: &'a Secret, redirect_uri: &'a str },
    Refresh { token: &'a Secret },
}

/// Asks for tokens.
///
/// # Errors
/// [`ProviderError::Refused`] in the provider's words; a code is spent either way.
pub async fn tokens(http: &HttpClient, config: &Provider, metadata: &Metadata, grant: Grant<'_>) -> Result<Tokens, ProviderError> {
    let (form, authorization) = written(config, metadata, grant);
    let Answer { status, body } = http.post(TOKEN, &metadata.token, form, authorization.as_deref()).await?;
    if !status.is_success() {
        return Err(match serde_json::from_slice::<ErrorAnswer>(&body) {
            Ok(said) => ProviderError::Refused(Refusal::new(&said.error, &said.error_description)),
            Err(_) => ProviderError::unusable(TOKEN, format!("the answer was {}", status.as_u16())),
        });
    }
    let tokens: Tokens = serde_json::from_slice(&body).map_err(|_| ProviderError::unusable(TOKEN, "the answer is not a token answer"))?;
    if tokens.token_type.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
        Ok(tokens)
    } else {
        Err(ProviderError::unusable(TOKEN, "the access token is of a type that cannot be used"))
    }
}

/// The form, and the header that proves the client, if it is proved there.
fn written(config: &Provider, metadata: &Metadata, grant: Grant<'_>) -> (String, Option<String>) {
    let mut form = Serializer::new(String::new());
    match grant {
        Grant::Code { code, verifier, redirect_uri } => form
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose())
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", verifier.expose()),
        Grant::Refresh { token } => form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose()),
    };
    let authorization = authenticate(config, metadata, &mut form);
    (form.finish(), authorization)
}

/// The client's own proof: in the header that it returns, or in the form (RFC 6749 section 2.3.1); without a secret the id alone.
fn authenticate(config: &Provider, metadata: &Metadata, form: &mut Serializer<'_, String>) -> Option<String> {
    match &config.client_secret {
        Some(secret) if metadata.basic => {
            let part = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", part(&config.client_id), part(secret.expose()));
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        }
        Some(secret) => {
            form.append_pair("client_id", &config.client_id).append_pair("client_secret", secret.expose());
            None
        }
        None => {
            form.append_pair("client_id", &config.client_id);
            None
        }
    }
}

/// Asks for more claims (OpenID Connect Core section 5.3); empty if the provider offers none. They are about the same person, or
/// they are refused.
pub async fn userinfo(
    http: &HttpClient,
    metadata: &Metadata,
    access_token: Option<&Secret>,
    subject: &str,
) -> Result<Claims, ProviderError> {
    let (Some(endpoint), Some(token)) = (&metadata.userinfo, access_token) else { return Ok(Claims::default()) };
    let Answer { status, body } = http.get(USERINFO, endpoint, Some(token.expose())).await?;
    if !status.is_success() {
        return Err(ProviderError::unusable(USERINFO, format!("the answer was {}", status.as_u16())));
    }
    let claims = Claims::read(&body).ok_or_else(|| ProviderError::unusable(USERINFO, "the answer is not a JSON object"))?;
    match claims.text("sub")? {
        Some(other) if other == subject => Ok(claims),
        _ => Err(ProviderError::unusable(USERINFO, "the answer is about somebody else than the ID token")),
    }
}
