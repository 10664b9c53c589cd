//! Plays the browser's side of Device Bound Session Credentials, as Chromium 156 speaks it.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::harness::*;

enum Key {
    P256(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// A browser's key, and what it knows of the session.
pub struct Device {
    key: Key,
    pub name: String,
    /// The challenge that the gateway gave last.
    pub challenge: String,
}

/// What a browser sends with these requests beside its cookies.
const BY_ITSELF: &str = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n";

impl Device {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { key: Key::P256(Box::new(key)), name: String::new(), challenge: String::new() }
    }

    /// With an RSA key of 2048 bits; nothing but this player has it.
    pub fn rsa() -> Self {
        let key = RsaKeyPair::from_pkcs8(include_bytes!("rsa2048.pk8")).unwrap();
        Self { key: Key::Rsa(Box::new(key)), name: String::new(), challenge: String::new() }
    }

    const fn algorithm(&self) -> &'static str {
        match self.key {
            Key::P256(_) => "ES256",
            Key::Rsa(_) => "RS256",
        }
    }

    pub fn jwk(&self) -> Value {
        match &self.key {
            Key::P256(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": BASE64URL_NOPAD.encode(&point[1..33]), "y": BASE64URL_NOPAD.encode(&point[33..]) })
            }
            Key::Rsa(key) => {
                let public: ring::rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "kty": "RSA", "n": BASE64URL_NOPAD.encode(&public.n), "e": BASE64URL_NOPAD.encode(&public.e) })
            }
        }
    }

    pub fn signs(&self, header: &Value, payload: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(payload));
        let signature = match &self.key {
            Key::P256(key) => key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    pub fn registration(&self, challenge: &str) -> String {
        self.signs(&json!({ "alg": self.algorithm(), "typ": "dbsc+jwt", "jwk": self.jwk() }), &json!({ "jti": challenge }))
    }

    pub fn proof(&self, challenge: &str) -> String {
        self.signs(&json!({ "alg": self.algorithm(), "typ": "dbsc+jwt" }), &json!({ "jti": challenge }))
    }

    /// Registers the key that an answer asked for, and keeps the bound cookie.
    pub async fn registers(&mut self, person: &mut Person, offer: &Answer) -> Answer {
        let (path, challenge) = offered(offer).expect("an offer");
        let answer = asks(person, &path, &format!("Secure-Session-Response: {}\r\n", self.registration(&challenge))).await;
        self.hears(&answer);
        if answer.status == 200 {
            self.name = answer.json()["session_identifier"].as_str().unwrap().to_owned();
        }
        answer
    }

    /// Shows the key once more, as often as it is challenged.
    pub async fn refreshes(&mut self, person: &mut Person) -> Answer {
        for _ in 0..5 {
            let challenge = std::mem::take(&mut self.challenge);
            let proof = if challenge.is_empty() { None } else { Some(self.proof(&challenge)) };
            let answer = refresh(person, &self.name, proof.as_deref()).await;
            self.hears(&answer);
            if answer.status != 403 {
                return answer;
            }
        }
        panic!("challenged in circles");
    }

    fn hears(&mut self, answer: &Answer) {
        if let Some(challenge) = challenged(answer) {
            self.challenge = challenge;
        }
    }
}

/// One request to `device/refresh`, with this proof.
pub async fn refresh(person: &mut Person, name: &str, proof: Option<&str>) -> Answer {
    let proof = proof.map(|proof| format!("Secure-Session-Response: {proof}\r\n")).unwrap_or_default();
    asks(person, "/.vestibule/device/refresh", &format!("Sec-Secure-Session-Id: {name}\r\n{proof}")).await
}

/// A request that the browser makes by itself, without any of our Lax cookies, as after a navigation that another site began.
pub async fn asks(person: &mut Person, path: &str, lines: &str) -> Answer {
    let mut bare = person.clone();
    bare.jar.clear();
    let answer = bare.asks("POST", path, &format!("Origin: {}\r\n{BY_ITSELF}{lines}", person.origin()), b"").await;
    for line in answer.all("set-cookie") {
        person.jar.set(line, &person.host, person.https);
    }
    answer
}

/// The path and challenge of an offer.
pub fn offered(answer: &Answer) -> Option<(String, String)> {
    let header = answer.header("secure-session-registration")?;
    assert!(header.starts_with("(ES256 RS256);"), "{header}");
    let part =
        |name: &str| header.split(';').find_map(|part| part.strip_prefix(&format!("{name}=\""))?.strip_suffix('"')).unwrap().to_owned();
    Some((part("path"), part("challenge")))
}

pub fn challenged(answer: &Answer) -> Option<String> {
    let header = answer.header("secure-session-challenge")?;
    Some(header.split_once("\";id=\"")?.0.trim_start_matches('"').to_owned())
}
