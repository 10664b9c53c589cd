//! What a provider says of itself (OpenID Connect Discovery 1.0 section 4): the issuer must be the configured one byte for byte, and
//! every address one that may be asked.

use serde::Deserialize;

use super::endpoint::Endpoint;
use super::http::{Answer, HttpClient};
use crate::source::provider::error::ProviderError;

const WHAT: &str = "discovery";

/// A provider's addresses and abilities.
#[derive(Clone, Debug)]
pub struct Metadata {
    pub authorization: Endpoint,
    pub token: Endpoint,
    pub keys: Endpoint,
    pub userinfo: Option<Endpoint>,
    pub end_session: Option<Endpoint>,
    /// It names itself in every answer (RFC 9207), so an answer without the name is not its own.
    pub names_itself: bool,
    /// Whether it takes the client's secret in a header; else in the form.
    pub basic: bool,
    /// It announces back-channel logout.
    pub back_channel: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    backchannel_logout_supported: bool,
}

/// Asks a provider what it is. `issuer` is the configured text.
///
/// # Errors
/// If it cannot be reached, or says something that is not accepted.
pub async fn discover(http: &HttpClient, issuer: &str) -> Result<Metadata, ProviderError> {
    let at = Endpoint::issuer(issuer).map_err(|why| ProviderError::unusable(WHAT, format!("the issuer cannot be used: {why}")))?;
    let Answer { status, body } = http.get(WHAT, &at.discovery(), None).await?;
    if !status.is_success() {
        return Err(ProviderError::unusable(WHAT, format!("{} answered {}", at.discovery(), status.as_u16())));
    }
    read(&body, issuer, &at)
}

fn read(body: &[u8], issuer: &str, at: &Endpoint) -> Result<Metadata, ProviderError> {
    let document: Document = serde_json::from_slice(body)
        .map_err(|why| ProviderError::unusable(WHAT, format!("{} is not a discovery document: {why}", at.discovery())))?;
    if document.issuer != issuer {
        let why =
            format!("the provider calls itself “{}”, the configuration “{issuer}”: they must be the same, byte for byte", document.issuer);
        return Err(ProviderError::unusable(WHAT, why));
    }
    let endpoint = |name: &str, text: &str| {
        Endpoint::announced(text, at).map_err(|why| ProviderError::unusable(WHAT, format!("{name} “{text}” cannot be used: {why}")))
    };
    let optional = |name: &str, text: Option<&String>| text.map(|text| endpoint(name, text)).transpose();
    Ok(Metadata {
        authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
        token: endpoint("token_endpoint", &document.token_endpoint)?,
        keys: endpoint("jwks_uri", &document.jwks_uri)?,
        userinfo: optional("userinfo_endpoint", document.userinfo_endpoint.as_ref())?,
        end_session: optional("end_session_endpoint", document.end_session_endpoint.as_ref())?,
        names_itself: document.authorization_response_iss_parameter_supported,
        // Absent means the header (OpenID Connect Discovery section 3).
        basic: document.token_endpoint_auth_methods_supported.is_none_or(|ways| ways.iter().any(|way| way == "client_secret_basic")),
        back_channel: document.backchannel_logout_supported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.example/tenant";

    fn document() -> serde_json::Value {
        serde_json::json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example/authorize",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://keys.example/jwks",
        })
    }

    fn read_as(document: &serde_json::Value) -> Result<Metadata, ProviderError> {
        read(document.to_string().as_bytes(), ISSUER, &Endpoint::issuer(ISSUER).unwrap())
    }

    #[test]
    fn a_provider_must_call_itself_what_the_configuration_calls_it() {
        let metadata = read_as(&document()).unwrap();
        assert!(metadata.basic && metadata.userinfo.is_none() && !metadata.names_itself);
        for other in ["https://idp.example/tenant/", "https://IDP.example/tenant", "https://evil.example", ""] {
            let mut document = document();
            document["issuer"] = other.into();
            assert!(matches!(read_as(&document), Err(ProviderError::Unusable { .. })), "{other}");
        }
    }

    #[test]
    fn no_address_leads_off_https() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"] {
            for bad in ["http://idp.example/x", "http://127.0.0.1/x", "file:///etc/passwd", "/x", "javascript:x"] {
                let mut document = document();
                document[name] = bad.into();
                assert!(matches!(read_as(&document), Err(ProviderError::Unusable { .. })), "{name} {bad}");
            }
        }
    }
}
