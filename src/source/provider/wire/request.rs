//! The way to the provider: the authorization request (code flow, PKCE, state and nonce), and the request to end the session there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::discovery::Metadata;
use crate::base::Secret;
use crate::config::Provider;
use crate::login::ProviderSecrets;

/// The verifier's hash, which the browser carries (RFC 7636 section 4.2).
fn challenge(secrets: &ProviderSecrets) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, secrets.verifier.expose().as_bytes()))
}

/// What is asked of the provider beyond who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// How fresh the authentication there must be, in seconds.
    pub max_age: Option<u64>,
    /// The person must authenticate, whatever session the provider has.
    pub prompt_login: bool,
    /// The second factor of `counts_as_second_factor` is wanted.
    pub second_factor: bool,
    /// Whom we expect.
    pub login_hint: Option<String>,
}

/// The address that the browser is sent to.
pub fn authorization_url(config: &Provider, metadata: &Metadata, redirect_uri: &str, secrets: &ProviderSecrets, demand: &Demand) -> String {
    let (scopes, challenge) = (config.scopes.join(" "), challenge(secrets));
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", &config.client_id),
        ("redirect_uri", redirect_uri),
        ("scope", &scopes),
        ("state", secrets.state.expose()),
        ("nonce", secrets.nonce.expose()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let (max_age, classes, claims) = (demand.max_age.map(|age| age.to_string()), config.counts.acr.join(" "), contexts(config));
    if let Some(max_age) = &max_age {
        parameters.push(("max_age", max_age));
    }
    if demand.prompt_login {
        parameters.push(("prompt", "login"));
    }
    if demand.second_factor && !classes.is_empty() {
        parameters.push(("acr_values", &classes));
    }
    if let Some(claims) = claims.as_ref().filter(|_| demand.second_factor) {
        parameters.push(("claims", claims));
    }
    if let Some(hint) = &demand.login_hint {
        parameters.push(("login_hint", hint));
    }
    metadata.authorization.with(&parameters)
}

/// The request for Entra ID's authentication contexts, which are a claim and not an `acr`.
fn contexts(config: &Provider) -> Option<String> {
    let contexts = &config.counts.acrs;
    let claims = serde_json::json!({ "id_token": { "acrs": { "essential": true, "values": contexts } } });
    (!contexts.is_empty()).then(|| claims.to_string())
}

/// The address that ends the session at the provider (OpenID Connect RP-Initiated Logout 1.0), if it has one.
pub fn end_session_url(config: &Provider, metadata: &Metadata, id_token: Option<&Secret>, back: &str) -> Option<String> {
    let mut parameters = vec![("client_id", config.client_id.as_str()), ("post_logout_redirect_uri", back)];
    if let Some(token) = id_token {
        parameters.push(("id_token_hint", token.expose()));
    }
    Some(metadata.end_session.as_ref()?.with(&parameters))
}
