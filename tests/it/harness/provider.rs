//! A provider of our own that knows the protocol only, and does on demand what an honest one never would: it signs whatever it is told
//! to, with whatever key, and counts what it is asked for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use vestibule::base::{Clock, Time};

pub const CLIENT: &str = "gate";
pub const SECRET: &str = "a secret: of the gate";

/// Changes a token before it is signed: its header and its claims.
pub type Twist = Box<dyn Fn(&mut Value, &mut Value) + Send>;

/// Who is signed in there, and how.
struct Inner {
    clock: Clock,
    issuer: String,
    keys: Vec<(String, EcdsaKeyPair)>,
    /// Claims of the person who is asked.
    person: Value,
    /// What is put over the claims of the ID token.
    says: Value,
    twist: Option<Twist>,
    codes: HashMap<String, Value>,
    refresh_tokens: HashMap<String, Value>,
    /// The answer to every question, if it is another than its own.
    instead: HashMap<&'static str, (u16, Vec<u8>)>,
    asked: HashMap<String, usize>,
    made: usize,
}

/// A provider on the loopback.
#[derive(Clone)]
pub struct Provider {
    pub issuer: String,
    inner: Arc<Mutex<Inner>>,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

fn over(claims: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
}

impl Provider {
    pub async fn start() -> Self {
        Self::below("").await
    }

    /// One whose issuer has a path, as Entra ID's.
    pub async fn below(path: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}{path}", listener.local_addr().unwrap());
        let inner = Inner {
            clock: Clock::manual(Time::from_secs(1_800_000_000 + 15)),
            issuer: issuer.clone(),
            keys: vec![("k1".to_owned(), pair())],
            person: json!({ "sub": "ada" }),
            says: json!({}),
            twist: None,
            codes: HashMap::new(),
            refresh_tokens: HashMap::new(),
            instead: HashMap::new(),
            asked: HashMap::new(),
            made: 0,
        };
        let it = Self { issuer, inner: Arc::new(Mutex::new(inner)) };
        let provider = it.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let provider = provider.clone();
                let service = service_fn(move |request| provider.clone().answers(request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        it
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap())
    }

    /// The section of a configuration that names it `corp`.
    pub fn section(&self, more: &str) -> String {
        self.named("corp", more)
    }

    pub fn named(&self, name: &str, more: &str) -> String {
        format!(
            "[[providers]]\nname = \"{name}\"\ntitle = \"Corp\"\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\nclient_secret = \"{SECRET}\"\n{more}\n",
            self.issuer
        )
    }

    /// Its clock is the story's.
    pub fn follows(&self, clock: &Clock) {
        self.with(|inner| inner.clock = clock.clone());
    }

    /// Who is in front of it from now on.
    pub fn has(&self, claims: Value) {
        self.with(|inner| inner.person = claims);
    }

    /// What its ID tokens say besides, from now on: `{"acr": "gold", "auth_time": 7}`. `null` takes a claim away.
    pub fn says(&self, claims: Value) {
        self.with(|inner| inner.says = claims);
    }

    /// What it does to every token from now on.
    pub fn twists(&self, twist: impl Fn(&mut Value, &mut Value) + Send + 'static) {
        self.with(|inner| inner.twist = Some(Box::new(twist)));
    }

    pub fn is_honest_again(&self) {
        self.with(|inner| {
            inner.twist = None;
            inner.says = json!({});
            inner.instead.clear();
        });
    }

    /// Answers every question of this kind (`discovery`, `keys`, `token`, `userinfo`) with this.
    pub fn answers_instead(&self, kind: &'static str, status: u16, body: impl Into<Vec<u8>>) {
        self.with(|inner| inner.instead.insert(kind, (status, body.into())));
    }

    /// Signs with a key that nobody has seen yet.
    pub fn changes_its_key(&self) {
        self.with(|inner| {
            let name = format!("k{}", inner.keys.len() + 1);
            inner.keys.push((name, pair()));
        });
    }

    /// No refresh token is worth anything any more.
    pub fn forgets_everybody(&self) {
        self.with(|inner| inner.refresh_tokens.clear());
    }

    /// How often it was asked for this (`discovery`, `keys`, `token`, `userinfo`).
    pub fn count(&self, kind: &str) -> usize {
        self.with(|inner| inner.asked.get(kind).copied().unwrap_or_default())
    }

    /// The parameters of the address that a browser was sent to.
    pub fn asked_for(&self, location: &str) -> HashMap<String, String> {
        assert!(location.starts_with(&format!("{}/authorize?", self.issuer)), "{location}");
        url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
    }

    /// The person signs in; where their browser goes then, on the host that it came from.
    pub fn lets_in(&self, location: &str) -> String {
        let asked = self.asked_for(location);
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        let code = self.with(|inner| {
            inner.made += 1;
            let code = format!("code-{}", inner.made);
            let mut claims = inner.person.clone();
            claims["auth_time"] = json!(inner.clock.now().unix());
            claims["nonce"] = json!(asked["nonce"]);
            over(&mut claims, &inner.says.clone());
            inner
                .codes
                .insert(code.clone(), json!({ "claims": claims, "challenge": asked["code_challenge"], "uri": asked["redirect_uri"] }));
            code
        });
        format!(
            "{}?code={code}&state={}&iss={}",
            target_of(&asked["redirect_uri"]),
            asked["state"],
            self.issuer.replace(':', "%3A").replace('/', "%2F")
        )
    }

    /// The person, or the provider, says no.
    pub fn refuses(&self, location: &str, error: &str) -> String {
        let asked = self.asked_for(location);
        format!("{}?error={error}&state={}", target_of(&asked["redirect_uri"]), asked["state"])
    }

    /// A logout token with these claims over honest ones.
    pub fn logout_token(&self, more: Value) -> String {
        self.with(|inner| {
            let now = inner.clock.now().unix();
            inner.made += 1;
            let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
            let mut claims = json!({
                "iss": inner.issuer, "aud": CLIENT, "sub": inner.person["sub"], "iat": now, "exp": now + 120,
                "jti": format!("jti-{}", inner.made), "events": event,
            });
            over(&mut claims, &more);
            inner.sign(claims, "logout+jwt")
        })
    }

    async fn answers(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let bearer = request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        let (status, body) = self.with(|inner| inner.answer(&path, &bearer, &form));
        Ok(Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("location", "/elsewhere")
            .body(Full::new(body.into()))
            .unwrap())
    }
}

/// Path and query of an address.
fn target_of(uri: &str) -> String {
    url::Url::parse(uri).unwrap().path().to_owned()
}

impl Inner {
    fn answer(&mut self, path: &str, bearer: &str, form: &HashMap<String, String>) -> (u16, Vec<u8>) {
        let kind = match path.rsplit('/').next().unwrap_or_default() {
            "openid-configuration" => "discovery",
            "keys" => "keys",
            "token" => "token",
            "userinfo" => "userinfo",
            _ => return (404, Vec::new()),
        };
        *self.asked.entry(kind.to_owned()).or_default() += 1;
        if let Some(instead) = self.instead.get(kind) {
            return instead.clone();
        }
        let (status, answer) = match kind {
            "discovery" => (200, self.discovery()),
            "keys" => (200, json!({ "keys": self.keys.iter().map(|(id, key)| jwk(id, key)).collect::<Vec<_>>() })),
            "token" => self.token(bearer, form),
            _ => match self.refresh_tokens.get(bearer.trim_start_matches("Bearer access-")) {
                Some(_) => (200, self.person.clone()),
                None => (401, json!({})),
            },
        };
        (status, answer.to_string().into_bytes())
    }

    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}/{path}", self.issuer);
        json!({
            "issuer": self.issuer, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "jwks_uri": at("keys"),
            "userinfo_endpoint": at("userinfo"), "end_session_endpoint": at("end"), "authorization_response_iss_parameter_supported": false,
        })
    }

    fn token(&mut self, authorization: &str, form: &HashMap<String, String>) -> (u16, Value) {
        let client = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("gate:a+secret%3A+of+the+gate"));
        if authorization != client {
            return (401, json!({ "error": "invalid_client" }));
        }
        let refused = |error: &str| (400, json!({ "error": error }));
        let mut claims = match form["grant_type"].as_str() {
            "refresh_token" => match self.refresh_tokens.remove(&form["refresh_token"]) {
                Some(_) => {
                    let mut claims = self.person.clone();
                    over(&mut claims, &self.says.clone());
                    claims
                }
                None => return refused("invalid_grant"),
            },
            _ => {
                let Some(grant) = self.codes.remove(&form["code"]) else { return refused("invalid_grant") };
                let challenge = encode(ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes()));
                if grant["challenge"] != json!(challenge) || grant["uri"] != json!(form["redirect_uri"]) {
                    return refused("invalid_grant");
                }
                grant["claims"].clone()
            }
        };
        let now = self.clock.now().unix();
        let sub = claims["sub"].clone();
        let mut whole = json!({ "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300 });
        over(&mut whole, &claims.take());
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.made += 1;
        let handle = format!("{}", self.made);
        self.refresh_tokens.insert(handle.clone(), sub);
        let id_token = self.sign(whole, "JWT");
        (200, json!({ "access_token": format!("access-{handle}"), "token_type": "Bearer", "refresh_token": handle, "id_token": id_token }))
    }

    fn sign(&self, mut claims: Value, kind: &str) -> String {
        let (id, key) = self.keys.last().unwrap();
        let mut header = json!({ "alg": "ES256", "kid": id, "typ": kind });
        if let Some(twist) = &self.twist {
            twist(&mut header, &mut claims);
        }
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature))
    }
}

fn jwk(id: &str, key: &EcdsaKeyPair) -> Value {
    let point = &key.public_key().as_ref()[1..];
    json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encode(&point[..32]), "y": encode(&point[32..]) })
}
