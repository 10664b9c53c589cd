//! SMS through any HTTP gateway: one POST for a message, its body from the configured template.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use minijinja::{Environment, UndefinedBehavior, context};

use super::failure::Failure;
use crate::config::Sms;

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
/// The name under which the template is compiled. It ends so that nothing is escaped but by the template's own filters.
const BODY: &str = "body.txt";

/// Why the SMS configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmsError {
    #[error("url must be http:// or https:// with a host")]
    Url,
    #[error("“{0}” is no header name, or its value cannot be sent")]
    Header(String),
    #[error("body: {0}; there are phone and text, and the filters tojson and urlencode")]
    Body(String),
    #[error("TLS: {0}")]
    Tls(String),
}

/// Writes request bodies.
#[derive(Debug)]
pub(super) struct Writer {
    environment: Environment<'static>,
    template: String,
}

impl Writer {
    pub(super) fn new(template: &str) -> Result<Self, SmsError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let writer = Self { environment, template: template.to_owned() };
        writer.write("+490000", "text")?;
        Ok(writer)
    }

    pub(super) fn write(&self, phone: &str, text: &str) -> Result<String, SmsError> {
        let values = context! { phone => phone, text => text };
        self.environment.render_named_str(BODY, &self.template, values).map_err(|error| SmsError::Body(error.to_string()))
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    headers: HeaderMap,
}

impl Transport {
    pub(super) fn new(config: &Sms) -> Result<Self, SmsError> {
        let url: Uri = config.url.parse().map_err(|_| SmsError::Url)?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
            return Err(SmsError::Url);
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| SmsError::Tls(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(tls);
        Ok(Self { client, url, headers: headers(config)? })
    }

    /// One try, within `limit`.
    pub(super) async fn deliver(&self, body: &str, limit: Duration) -> Result<(), Failure> {
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        match tokio::time::timeout(limit.min(WHOLE), self.client.request(request)).await {
            Ok(Ok(answer)) => judge(answer.status()),
            Ok(Err(error)) if error.is_connect() => Err(transient("no connection to the SMS gateway")),
            Ok(Err(_)) => Err(transient("the SMS gateway broke off")),
            Err(_) => Err(transient("the SMS gateway did not answer in time")),
        }
    }
}

fn judge(status: StatusCode) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let again = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    Err(Failure { reason: format!("the SMS gateway answered {}", status.as_u16()), transient: again })
}

fn transient(reason: &str) -> Failure {
    Failure { reason: reason.to_owned(), transient: true }
}

/// The configured headers, and a Content-Type that fits the body if none is given.
fn headers(config: &Sms) -> Result<HeaderMap, SmsError> {
    let mut headers = HeaderMap::new();
    let looks_like_json = config.body.trim_start().starts_with(['{', '[']) && !config.body.trim_start().starts_with("{{");
    let kind = if looks_like_json { "application/json" } else { "application/x-www-form-urlencoded" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(USER_AGENT, HeaderValue::from_static("vestibule"));
    for (name, value) in &config.headers {
        let bad = || SmsError::Header(name.clone());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Secret;

    fn config(body: &str) -> Sms {
        Sms { url: "https://sms.example/messages".into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn the_content_type_fits_the_body_unless_one_is_given() {
        let kind = |config: &Sms| headers(config).unwrap().get(CONTENT_TYPE).unwrap().to_str().unwrap().to_owned();
        assert_eq!(kind(&config(r#"{"to": {{ phone | tojson }}}"#)), "application/json");
        assert_eq!(kind(&config("To={{ phone | urlencode }}")), "application/x-www-form-urlencoded");
        let given = Sms { headers: vec![("content-type".into(), Secret::new("text/xml"))], ..config("{}") };
        assert_eq!(kind(&given), "text/xml");
    }

    #[test]
    fn what_cannot_be_used_is_said_before_anything_is_sent() {
        for url in ["", "sms.example", "ftp://sms.example/", "/messages"] {
            assert_eq!(Transport::new(&Sms { url: url.into(), ..config("") }).unwrap_err(), SmsError::Url, "{url}");
        }
        let header = Sms { headers: vec![("bad name".into(), Secret::new("x"))], ..config("") };
        assert_eq!(Transport::new(&header).unwrap_err(), SmsError::Header("bad name".into()));
        for body in ["{{ phnoe }}", "{{ phone", "{{ phone | nope }}"] {
            assert!(matches!(Writer::new(body), Err(SmsError::Body(_))), "{body}");
        }
    }

    #[test]
    fn the_examples_can_be_used_as_they_are() {
        for (source, expected) in [
            (include_str!("../../examples/sms-twilio.toml"), "To=%2B49%20170%201234567&From=%2B15550100&Body=1%20%26%202"),
            (
                include_str!("../../examples/sms-messagebird.toml"),
                r#"{"originator": "Vestibule", "recipients": ["+49 170 1234567"], "body": "1 \u0026 2", "datacoding": "auto"}"#,
            ),
            (
                include_str!("../../examples/sms-vonage.toml"),
                r#"{"message_type": "text", "channel": "sms", "from": "Vestibule", "to": "491701234567", "text": "1 \u0026 2"}"#,
            ),
        ] {
            let file: toml::Table = source.parse().unwrap();
            let sms = file["sms"].as_table().unwrap();
            let of = |key: &str| sms[key].as_str().unwrap().to_owned();
            let headers = sms["headers"].as_table().unwrap().iter();
            let headers = headers.map(|(name, value)| (name.clone(), Secret::new(value.as_str().unwrap()))).collect();
            let config = Sms { url: of("url"), headers, body: of("body") };
            Transport::new(&config).unwrap();
            assert_eq!(Writer::new(&config.body).unwrap().write("+49 170 1234567", "1 & 2").unwrap(), expected);
        }
    }

    #[test]
    fn a_busy_gateway_is_asked_again_and_a_refusing_one_is_not() {
        assert!(judge(StatusCode::ACCEPTED).is_ok());
        assert!(judge(StatusCode::SERVICE_UNAVAILABLE).unwrap_err().transient);
        assert!(judge(StatusCode::TOO_MANY_REQUESTS).unwrap_err().transient);
        assert!(!judge(StatusCode::UNAUTHORIZED).unwrap_err().transient);
        assert!(!judge(StatusCode::FOUND).unwrap_err().transient);
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_field(text in "\\PC{0,40}", phone in "\\PC{0,20}") {
            let json = Writer::new(r#"{"to": {{ phone | tojson }}, "text": {{ text | tojson }}}"#).unwrap().write(&phone, &text).unwrap();
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read, &serde_json::json!({ "to": phone, "text": text }));
            let form = Writer::new("To={{ phone | urlencode }}&Body={{ text | urlencode }}").unwrap().write(&phone, &text).unwrap();
            let read: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            prop_assert_eq!(read, vec![("To".to_owned(), phone), ("Body".to_owned(), text)]);
        }
    }
}
