//! A small OpenID Connect provider for the demo: honest, on this machine alone, with a page on which anybody may be anybody. It keeps a
//! code for a minute, hands it out once and only to the address it was asked for, and checks PKCE.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use maud::{DOCTYPE, Markup, html};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::base::{Clock, Time, random, secret};

/// What the demo's configuration calls the gateway, and how it proves itself.
pub const CLIENT: &str = "vestibule-demo";
/// Who is there: the subject, a name to read, and what the page says of them.
pub const PEOPLE: [(&str, &str, &str); 2] = [
    ("alice", "Alice Example", "is linked to alice, who has an authenticator app here"),
    ("erin", "Erin Example", "is new: an account is made for her"),
];
/// How long a code is good.
const CODE: std::time::Duration = std::time::Duration::from_secs(60);

struct Provider {
    issuer: String,
    secret: String,
    key: EcdsaKeyPair,
    clock: Clock,
    codes: Mutex<HashMap<String, Code>>,
}

/// What a code stands for.
struct Code {
    claims: Value,
    challenge: String,
    redirect_uri: String,
    made: Time,
}

type Fields = HashMap<String, String>;
type Answer = Response<Full<Bytes>>;

/// Starts it on a free port; ends with the runtime. Its issuer, and the client's secret.
///
/// # Errors
/// If there is no port, or no random bytes.
pub async fn start(clock: Clock) -> anyhow::Result<(String, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (issuer, secret) = (format!("http://{}", listener.local_addr()?), encode(random::bytes::<24>()?));
    let provider = Arc::new(Provider { issuer: issuer.clone(), secret: secret.clone(), key: key()?, clock, codes: Mutex::default() });
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let provider = provider.clone();
            let service = service_fn(move |request| answer(request, provider.clone()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok((issuer, secret))
}

/// Its section of the demo's configuration.
pub fn section((issuer, secret): &(String, String)) -> String {
    include_str!("provider.toml").replace("ISSUER", issuer).replace("SECRET", secret)
}

fn key() -> anyhow::Result<EcdsaKeyPair> {
    let random = SystemRandom::new();
    let refused = |_| anyhow::anyhow!("no key could be made");
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(refused)?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
        .map_err(|_| anyhow::anyhow!("no key could be made"))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn answer(request: Request<Incoming>, provider: Arc<Provider>) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let asked = read(parts.uri.query().unwrap_or_default().as_bytes());
    let typed = Limited::new(body, 64 * 1024).collect().await.map(|body| read(&body.to_bytes())).unwrap_or_default();
    Ok(match (parts.method, parts.uri.path()) {
        (Method::GET, "/.well-known/openid-configuration") => json_answer(StatusCode::OK, &provider.discovery()),
        (Method::GET, "/keys") => json_answer(StatusCode::OK, &provider.keys()),
        (Method::GET, "/authorize") => page(&provider.who(&asked)),
        (Method::POST, "/authorize") => provider.lets_in(&typed),
        (Method::POST, "/token") => provider.token(&typed),
        (Method::GET, "/end") => {
            page(&html! { h1 { "Signed out at the demo's provider" } p { a href=(back(&asked)) { "Back to the demo" } } })
        }
        _ => json_answer(StatusCode::NOT_FOUND, &json!({ "error": "not_found" })),
    })
}

fn read(text: &[u8]) -> Fields {
    url::form_urlencoded::parse(text).into_owned().collect()
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// Only to this machine: it is a demo.
fn is_here(address: &str) -> bool {
    let host = url::Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| host == "localhost" || host == "127.0.0.1" || host == "[::1]")
}

fn back(asked: &Fields) -> String {
    let address = field(asked, "post_logout_redirect_uri");
    if is_here(address) { address.to_owned() } else { "/".to_owned() }
}

impl Provider {
    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}/{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("authorize"),
            "token_endpoint": at("token"),
            "jwks_uri": at("keys"),
            "end_session_endpoint": at("end"),
            "authorization_response_iss_parameter_supported": true,
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn keys(&self) -> Value {
        let point = self.key.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "demo", "x": encode(x), "y": encode(y) }] })
    }

    /// The page on which one says who one is.
    fn who(&self, asked: &Fields) -> Markup {
        html! {
            h1 { "The demo’s provider" }
            p { "A company’s sign-in would ask for a password here. In the demo you say who you are." }
            form method="post" action="/authorize" {
                @for name in ["redirect_uri", "state", "nonce", "code_challenge"] { input type="hidden" name=(name) value=(field(asked, name)); }
                p { label { input type="checkbox" name="mfa" value="1"; " with a second factor, shown now" } }
                @for (subject, name, about) in PEOPLE { p { button name="sub" value=(subject) { (name) } " " (about) } }
            }
        }
    }

    fn lets_in(&self, typed: &Fields) -> Answer {
        let (redirect_uri, now) = (field(typed, "redirect_uri"), self.clock.now());
        let Some((sub, name, _)) = PEOPLE.iter().find(|(sub, ..)| *sub == field(typed, "sub")) else { return refused("invalid_request") };
        let Ok(code) = random::bytes::<24>().map(encode) else { return refused("server_error") };
        if !is_here(redirect_uri) {
            return refused("invalid_request");
        }
        let amr: &[&str] = if field(typed, "mfa") == "1" { &["pwd", "mfa"] } else { &["pwd"] };
        let claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": sub, "name": name, "preferred_username": sub, "groups": ["everybody"],
            "email": format!("{sub}@internal.example"), "email_verified": true,
            "nonce": field(typed, "nonce"), "auth_time": now.unix(), "iat": now.unix(), "exp": now.unix() + 300, "amr": amr,
        });
        let kept = Code { claims, challenge: field(typed, "code_challenge").to_owned(), redirect_uri: redirect_uri.to_owned(), made: now };
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, code| now.since(code.made) < CODE);
        codes.insert(code.clone(), kept);
        let query = [("code", code.as_str()), ("state", field(typed, "state")), ("iss", &self.issuer)];
        let to = url::Url::parse_with_params(redirect_uri, query).map(String::from).unwrap_or_default();
        let mut answer = json_answer(StatusCode::SEE_OTHER, &json!({}));
        if let Ok(to) = HeaderValue::from_str(&to) {
            answer.headers_mut().insert(header::LOCATION, to);
        }
        answer
    }

    fn token(&self, typed: &Fields) -> Answer {
        let known = secret::same(field(typed, "client_secret").as_bytes(), self.secret.as_bytes());
        if field(typed, "client_id") != CLIENT || !known {
            return refused("invalid_client");
        }
        let code = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(field(typed, "code"));
        let challenge = encode(ring::digest::digest(&ring::digest::SHA256, field(typed, "code_verifier").as_bytes()));
        let good = |code: &Code| {
            self.clock.now().since(code.made) < CODE && code.challenge == challenge && code.redirect_uri == field(typed, "redirect_uri")
        };
        match code.filter(good).and_then(|code| self.sign(&code.claims)) {
            Some(token) => json_answer(StatusCode::OK, &json!({ "access_token": "none", "token_type": "Bearer", "id_token": token })),
            None => refused("invalid_grant"),
        }
    }

    fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": "ES256", "kid": "demo", "typ": "JWT" });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", encode(signature)))
    }
}

fn refused(error: &str) -> Answer {
    json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn page(body: &Markup) -> Answer {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta name="viewport" content="width=device-width, initial-scale=1"; title { "Demo provider" } style { "body{font:16px/1.6 sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}button{font:inherit;padding:.4rem 1rem}" } }
            body { (body) }
        }
    };
    let mut answer = Response::new(Full::new(Bytes::from(page.into_string())));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}
