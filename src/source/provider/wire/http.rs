//! Questions to a provider over HTTP: time limits, bounded answers, its own authorities, and no redirect followed. Nothing
//! that it answers makes this gateway ask somebody whom the configuration's issuer did not name.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::endpoint::Endpoint;
use crate::source::provider::error::ProviderError;

const CONNECT: Duration = Duration::from_secs(3);
/// One question and its whole answer.
const WHOLE: Duration = Duration::from_secs(8);
/// Bytes of an answer: discovery and keys are a few thousand, a person in very many groups some tens of thousands.
pub const LARGEST: usize = 256 * 1024;

/// An answer that was read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// A client for one provider.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// For one question and its whole answer.
    limit: Duration,
}

impl HttpClient {
    /// `authorities` in PEM; without them the public ones are believed.
    ///
    /// # Errors
    /// If the authorities are not certificates.
    pub fn new(authorities: Option<&[u8]>) -> Result<Self, ProviderError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(authorities)?).https_or_http().enable_http1().wrap_connector(connector);
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(20)).pool_max_idle_per_host(4);
        Ok(Self { client: client.build(tls), limit: WHOLE })
    }

    /// Asks for a JSON document, with an access token if there is one.
    pub async fn get(&self, what: &'static str, from: &Endpoint, bearer: Option<&str>) -> Result<Answer, ProviderError> {
        let mut request = Request::new(Full::new(Bytes::new()));
        if let Some(token) = bearer {
            request.headers_mut().insert(AUTHORIZATION, sensitive(what, &format!("Bearer {token}"))?);
        }
        self.ask(what, from, request).await
    }

    /// Posts a form, with an `Authorization` header if there is one.
    pub async fn post(
        &self,
        what: &'static str,
        to: &Endpoint,
        form: String,
        authorization: Option<&str>,
    ) -> Result<Answer, ProviderError> {
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, sensitive(what, value)?);
        }
        self.ask(what, to, request).await
    }

    async fn ask(&self, what: &'static str, at: &Endpoint, mut request: Request<Full<Bytes>>) -> Result<Answer, ProviderError> {
        *request.uri_mut() = at.as_str().parse().map_err(|_| ProviderError::unusable(what, "the address cannot be asked"))?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("vestibule"));
        match tokio::time::timeout(self.limit, self.whole(what, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ProviderError::away(what, format!("no answer from {at} within {} s", self.limit.as_secs()))),
        }
    }

    async fn whole(&self, what: &'static str, request: Request<Full<Bytes>>) -> Result<Answer, ProviderError> {
        let response = self.client.request(request).await.map_err(|error| ProviderError::away(what, causes(&error)))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(ProviderError::unusable(what, format!("the answer was a redirect ({}), which is not followed", status.as_u16())));
        }
        let body = read(what, response).await?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(ProviderError::away(what, format!("the answer was {}", status.as_u16())));
        }
        Ok(Answer { status, body })
    }
}

async fn read(what: &'static str, response: Response<Incoming>) -> Result<Bytes, ProviderError> {
    let large = || ProviderError::unusable(what, format!("the answer is larger than {} KiB", LARGEST / 1024));
    let announced = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST as u64) {
        return Err(large());
    }
    match Limited::new(response.into_body(), LARGEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(large()),
        Err(error) => Err(ProviderError::away(what, format!("the answer broke off: {error}"))),
    }
}

fn sensitive(what: &'static str, value: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| ProviderError::unusable(what, "a token cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error and what is behind it: `client error (Connect): tcp connect error: Connection refused`.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn tls(authorities: Option<&[u8]>) -> Result<rustls::ClientConfig, ProviderError> {
    let unusable = |why: String| ProviderError::unusable("TLS", why);
    let mut roots = rustls::RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().map_err(|error| unusable(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_provider_that_says_nothing_costs_a_bounded_time() {
        // It takes connections and never answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Endpoint::issuer(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let impatient = HttpClient { limit: Duration::from_millis(50), ..HttpClient::new(None).unwrap() };
        assert!(impatient.get("keys", &at, None).await.unwrap_err().is_away());
    }
}
