//! Keys of a provider in tests: each signs with one algorithm and shows its public part as a JWK.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use serde_json::{Value, json};

/// A private key, and the algorithm it is used with.
pub enum Signer {
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these parts, whatever they are.
pub fn token(header: &Value, claims: &Value, signer: &Signer) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = signer.sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature))
}

impl Signer {
    pub fn new(algorithm: &str) -> Self {
        let random = SystemRandom::new();
        let ec = |how, curve| {
            let document = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
            Self::Ec(EcdsaKeyPair::from_pkcs8(how, document.as_ref(), &random).unwrap(), curve)
        };
        let rsa = |how| Self::Rsa(RsaKeyPair::from_pkcs8(include_bytes!("../../../../tests/keys/provider-rsa.pk8")).unwrap(), how);
        match algorithm {
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "ES256" => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            "ES384" => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            "EdDSA" => Self::Ed(Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap()),
            other => panic!("no key for {other}"),
        }
    }

    pub fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, how) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*how, &random, signed, &mut signature).unwrap();
                signature
            }
            Self::Ec(key, _) => key.sign(&random, signed).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(signed).as_ref().to_vec(),
        }
    }

    /// The public part, without `alg`, as Entra ID writes it.
    pub fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key, _) => {
                let public: signature::RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "kty": "RSA", "kid": id, "use": "sig", "n": encode(public.n), "e": encode(public.e) })
            }
            Self::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "kid": id, "crv": curve, "x": encode(x), "y": encode(y) })
            }
            Self::Ed(key) => json!({ "kty": "OKP", "kid": id, "crv": "Ed25519", "x": encode(key.public_key()) }),
        }
    }
}
