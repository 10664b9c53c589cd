//! HTTP to an authority. Guarantees that no request takes longer than half a minute, that no answer is longer than 256 KiB, that plain
//! HTTP stays on this machine, and that a pause which the authority asks for is noted and never trusted as a number.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config;

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);
const LARGEST: usize = 256 * 1024;

/// A client of one authority.
#[derive(Clone)]
pub struct Authority {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    /// Whether the directory is on this machine over plain HTTP.
    is_plain: bool,
    /// The pause that the last refusal asked for.
    asked: Arc<Mutex<Option<Duration>>>,
}

impl Authority {
    /// # Errors
    /// What is wrong with the authorities in `acme.ca`.
    pub fn new(config: &config::Acme) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
        let tls = tls.with_root_certificates(roots(config.ca.as_deref().map(Vec::as_slice))?).with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector);
        Ok(Self { client, is_plain: config.directory.starts_with("http:"), asked: Arc::default() })
    }

    /// The pause that the last refusal asked for.
    pub fn asked(&self) -> Option<Duration> {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(self, mut request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, String> {
        let wanted = if self.is_plain { "http" } else { "https" };
        if request.uri().scheme_str() != Some(wanted) {
            return Err(format!("the authority leads to {}, which is not {wanted}", request.uri()));
        }
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION"))));
        let is_post = request.method() == Method::POST;
        let response = self.client.request(request).await.map_err(|e| explain(&e))?;
        let (mut parts, body) = response.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|e| format!("the answer broke off or is too long: {e}"))?.to_bytes();
        // instant-acme adds this number to a clock, which a number that is large enough would make a panic of.
        let pause = parts.headers.remove(RETRY_AFTER);
        if parts.status.is_success() || parts.status.is_redirection() {
            return Ok(BytesResponse::from(Response::from_parts(parts, http_body_util::Full::new(body))));
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = pause.as_ref().and_then(seconds);
        let is_problem = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
        if is_post && is_problem {
            return Ok(BytesResponse::from(Response::from_parts(parts, http_body_util::Full::new(body))));
        }
        Err(format!("the authority answered {}", parts.status))
    }
}

impl HttpClient for Authority {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = tokio::time::timeout(WHOLE, self.clone().exchange(request));
        Box::pin(async move {
            match exchange.await {
                Ok(answer) => answer.map_err(|why| Error::Other(why.into())),
                Err(_) => Err(Error::Other("the authority did not answer within 30 seconds".into())),
            }
        })
    }
}

/// In seconds, or as a date (RFC 9110 section 10.2.3), of which only that there is a pause is taken: one hour.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let is_date = text.ends_with("GMT");
    text.parse::<u64>().ok().map(Duration::from_secs).or_else(|| is_date.then(|| Duration::from_secs(3600)))
}

/// The own authority alone if there is one.
fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = ca else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "acme.ca is not valid PEM".to_owned())?;
        roots.add(certificate).map_err(|e| format!("acme.ca: {e}"))?;
    }
    Ok(roots)
}

/// The innermost cause says what is wrong: a name that does not resolve, a certificate that nobody vouches for.
fn explain(error: &dyn std::error::Error) -> String {
    let (mut innermost, mut depth) = (error, 0);
    while let Some(cause) = innermost.source().filter(|_| depth < 16) {
        (innermost, depth) = (cause, depth + 1);
    }
    format!("the authority cannot be reached: {innermost}")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn authority(directory: &str) -> Authority {
        Authority::new(&config::Acme { contact: None, directory: directory.to_owned(), ca: None, eab: None }).unwrap()
    }

    async fn asks(authority: &Authority, method: Method, url: &str) -> Result<u16, String> {
        let request = Request::builder().method(method).uri(url).body(BodyWrapper::default()).unwrap();
        authority.request(request).await.map(|answer| answer.parts.status.as_u16()).map_err(|e| e.to_string())
    }

    /// A server that says the same to everybody, or nothing at all.
    async fn server(says: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dir", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if says.is_empty() {
                    held.push(stream);
                    continue;
                }
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(says.as_bytes()).await;
            }
        });
        url
    }

    #[tokio::test]
    async fn a_refusal_names_its_status_and_the_pause_that_it_asks_for() {
        let url = server("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7200\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
        let authority = authority(&url);
        assert_eq!(asks(&authority, Method::GET, &url).await, Err("the authority answered 429 Too Many Requests".to_owned()));
        assert_eq!(authority.asked(), Some(Duration::from_secs(7200)));
    }

    #[tokio::test]
    async fn no_number_of_an_authoritys_reaches_a_clock() {
        let url = server("HTTP/1.1 200 OK\r\nRetry-After: 18446744073709551615\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await;
        let request = Request::builder().uri(&url).body(BodyWrapper::default()).unwrap();
        let answer = authority(&url).request(request).await.unwrap();
        assert!(!answer.parts.headers.contains_key(RETRY_AFTER));
        assert_eq!(seconds(&HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::from_secs(3600)));
        assert_eq!(seconds(&HeaderValue::from_static("-1")), None);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        let url = server("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n").await;
        assert!(asks(&authority(&url), Method::GET, &url).await.unwrap_err().contains("broke off or is too long"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_half_a_minute() {
        let url = server("").await;
        assert!(asks(&authority(&url), Method::GET, &url).await.unwrap_err().contains("within 30 seconds"));
    }

    #[tokio::test]
    async fn an_authority_that_leads_elsewhere_in_the_clear_is_not_followed() {
        let said = asks(&authority("https://ca.example/dir"), Method::GET, "http://127.0.0.1:1/").await.unwrap_err();
        assert!(said.contains("which is not https"), "{said}");
    }
}
