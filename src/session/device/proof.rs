//! What a browser signs with the key of its device: a compact JWS (RFC 7515) of type `dbsc+jwt` with the challenge in `jti`. The algorithm is ES256 or RS256 and
//! must be the key's own (RFC 8725 section 3.1). Nothing is demanded that browsers do not send, and unknown members are ignored.

use std::fmt;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text that is read as a proof, in bytes; a registration with RSA 4096 has some 1,800.
pub const LONGEST_PROOF: usize = 4096;
/// The longest modulus, in bytes: RSA 4096. Larger ones cost more than they are worth.
const LONGEST_MODULUS: usize = 512;
const SHORTEST_MODULUS: usize = 256;

/// Why a proof is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadProof {
    #[error("it cannot be read")]
    Malformed,
    #[error("its algorithm is not the key's")]
    Algorithm,
    #[error("its key cannot be used")]
    Key,
    #[error("it is signed by another key")]
    Signature,
}

/// A public key of a device.
#[derive(Clone, PartialEq, Eq)]
pub enum DeviceKey {
    /// The point, uncompressed.
    P256(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.algorithm())
    }
}

/// `ES256 <point>` or `RS256 <modulus> <exponent>`, in base64.
impl Serialize for DeviceKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = match self {
            Self::P256(point) => BASE64.encode(point),
            Self::Rsa { modulus, exponent } => format!("{} {}", BASE64.encode(modulus), BASE64.encode(exponent)),
        };
        serializer.collect_str(&format_args!("{} {parts}", self.algorithm()))
    }
}

impl<'de> Deserialize<'de> for DeviceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let mut parts = text.split(' ');
        let name = parts.next();
        let mut bytes = || parts.next().and_then(|part| BASE64.decode(part.as_bytes()).ok());
        let key = match name {
            Some("ES256") => bytes().map(Self::P256),
            Some("RS256") => bytes().zip(bytes()).map(|(modulus, exponent)| Self::Rsa { modulus, exponent }),
            _ => None,
        };
        key.ok_or_else(|| serde::de::Error::custom("not a key of a device"))
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    jwk: Option<Jwk>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    jti: String,
}

/// A proof that was read; its signature is still to be verified.
pub struct Proof<'a> {
    signed: &'a [u8],
    signature: Vec<u8>,
    algorithm: String,
    jwk: Option<Jwk>,
    /// The challenge that was signed.
    pub challenge: String,
}

impl DeviceKey {
    /// The one algorithm that it is for (RFC 7518 section 3.1).
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Rsa { .. } => "RS256",
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), BadProof> {
        let verdict = match self {
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature),
            Self::Rsa { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
        };
        verdict.map_err(|_| BadProof::Signature)
    }
}

impl Jwk {
    fn key(&self) -> Option<DeviceKey> {
        let bytes = |member: &Option<String>| BASE64URL_NOPAD.decode(member.as_ref()?.as_bytes()).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                (x.len() == 32 && y.len() == 32).then(|| DeviceKey::P256([vec![4], x, y].concat()))
            }
            ("RSA", _) => {
                let (modulus, exponent) = (bytes(&self.n)?, bytes(&self.e)?);
                let fits = (SHORTEST_MODULUS..=LONGEST_MODULUS).contains(&modulus.len()) && (1..=4).contains(&exponent.len());
                fits.then_some(DeviceKey::Rsa { modulus, exponent })
            }
            _ => None,
        }
    }
}

impl<'a> Proof<'a> {
    /// Reads a proof. Nothing in it is true yet.
    ///
    /// # Errors
    /// [`BadProof::Malformed`].
    pub fn read(text: &'a str) -> Result<Self, BadProof> {
        let parts = || {
            let (signed, signature) = Some(text).filter(|text| text.len() <= LONGEST_PROOF)?.rsplit_once('.')?;
            let (header, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.'))?;
            let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
            let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
            let payload: Payload = serde_json::from_slice(&decode(payload)?).ok()?;
            // An extension that must be understood (RFC 7515 section 4.1.11), and none is.
            (header.typ == "dbsc+jwt" && header.crit.is_none()).then_some(())?;
            Some(Self {
                signed: signed.as_bytes(),
                signature: decode(signature)?,
                algorithm: header.alg,
                jwk: header.jwk,
                challenge: payload.jti,
            })
        };
        parts().ok_or(BadProof::Malformed)
    }

    /// The key that it registers, by which it is signed.
    ///
    /// # Errors
    /// [`BadProof`]: no key, one that cannot be used, or one that did not sign.
    pub fn registered(&self) -> Result<DeviceKey, BadProof> {
        let key = self.jwk.as_ref().and_then(Jwk::key).ok_or(BadProof::Key)?;
        self.is_for(&key)?;
        key.verify(self.signed, &self.signature)?;
        Ok(key)
    }

    /// Verifies that the key signed it.
    ///
    /// # Errors
    /// [`BadProof`]; also for a proof that brings a key of its own.
    pub fn verify(&self, key: &DeviceKey) -> Result<(), BadProof> {
        if self.jwk.is_some() {
            return Err(BadProof::Key);
        }
        self.is_for(key)?;
        key.verify(self.signed, &self.signature)
    }

    fn is_for(&self, key: &DeviceKey) -> Result<(), BadProof> {
        if self.algorithm == key.algorithm() { Ok(()) } else { Err(BadProof::Algorithm) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    struct Device(EcdsaKeyPair);

    impl Device {
        fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
        }

        fn jwk(&self) -> Value {
            let point = self.0.public_key().as_ref();
            json!({ "kty": "EC", "crv": "P-256", "x": BASE64URL_NOPAD.encode(&point[1..33]), "y": BASE64URL_NOPAD.encode(&point[33..]) })
        }

        fn signs(&self, header: &Value, payload: &Value) -> String {
            let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let signed = format!("{}.{}", part(header), part(payload));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }
    }

    fn header(jwk: Option<Value>) -> Value {
        let mut header = json!({ "alg": "ES256", "typ": "dbsc+jwt" });
        if let Some(jwk) = jwk {
            header["jwk"] = jwk;
        }
        header
    }

    #[test]
    fn what_a_browser_sends_is_taken_and_nothing_more_is_demanded() {
        let device = Device::new();
        let text = device.signs(&header(Some(device.jwk())), &json!({ "jti": "c", "other": [1] }));
        let registered = Proof::read(&text).unwrap();
        assert_eq!(registered.challenge, "c");
        let key = registered.registered().unwrap();
        assert_eq!(serde_json::from_str::<DeviceKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
        let refresh = device.signs(&header(None), &json!({ "jti": "d" }));
        assert_eq!(Proof::read(&refresh).unwrap().verify(&key), Ok(()));
    }

    #[test]
    fn no_other_key_algorithm_type_or_form_is_taken() {
        let (device, thief) = (Device::new(), Device::new());
        let key = Proof::read(&device.signs(&header(Some(device.jwk())), &json!({ "jti": "c" }))).unwrap().registered().unwrap();
        let jti = json!({ "jti": "d" });
        let verify = |text: &str| Proof::read(text).and_then(|proof| proof.verify(&key));
        assert_eq!(verify(&thief.signs(&header(None), &jti)), Err(BadProof::Signature));
        assert_eq!(verify(&device.signs(&header(Some(device.jwk())), &jti)), Err(BadProof::Key), "a key in a refresh");
        for alg in ["none", "HS256", "RS256", "ES384", "es256"] {
            assert_eq!(verify(&device.signs(&json!({ "alg": alg, "typ": "dbsc+jwt" }), &jti)), Err(BadProof::Algorithm), "{alg}");
        }
        for wrong in [
            json!({ "alg": "ES256" }),
            json!({ "alg": "ES256", "typ": "JWT" }),
            json!({ "alg": "ES256", "typ": "dbsc+jwt", "crit": ["b64"] }),
        ] {
            assert_eq!(verify(&device.signs(&wrong, &jti)), Err(BadProof::Malformed), "{wrong}");
        }
        assert_eq!(verify(&device.signs(&header(None), &json!({}))), Err(BadProof::Malformed));
        let right = device.signs(&header(None), &jti);
        let (signed, signature) = right.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        for changed in [signature[..63].to_vec(), [&signature[..], &[0]].concat(), vec![0; 64], Vec::new()] {
            let text = format!("{signed}.{}", BASE64URL_NOPAD.encode(&changed));
            assert_eq!(verify(&text), Err(BadProof::Signature), "{} bytes", changed.len());
        }
        assert_eq!(verify(&format!("{right}=")), Err(BadProof::Malformed));
        assert_eq!(verify(&format!("{right}.x")), Err(BadProof::Malformed));
        assert_eq!(verify(&"x".repeat(1 << 20)), Err(BadProof::Malformed));
    }

    #[test]
    fn no_key_is_taken_that_is_too_short_too_long_or_not_on_the_curve() {
        let device = Device::new();
        let registered = |jwk: Value| Proof::read(&device.signs(&header(Some(jwk)), &json!({ "jti": "c" }))).unwrap().registered();
        let zeros = BASE64URL_NOPAD.encode(&[0; 32]);
        let mut off = device.jwk();
        off["y"] = zeros.clone().into();
        assert_eq!(registered(off), Err(BadProof::Signature));
        let mut short = device.jwk();
        short["x"] = BASE64URL_NOPAD.encode(&[0; 31]).into();
        assert_eq!(registered(short), Err(BadProof::Key));
        for jwk in
            [json!({ "kty": "EC", "crv": "P-384", "x": zeros, "y": zeros }), json!({ "kty": "oct", "k": "AA" }), json!({ "kty": "EC" })]
        {
            assert_eq!(registered(jwk), Err(BadProof::Key));
        }
        let rsa = |bytes: usize| json!({ "kty": "RSA", "n": BASE64URL_NOPAD.encode(&vec![0xff; bytes]), "e": "AQAB" });
        let as_rsa = |jwk: Value| {
            let text = device.signs(&json!({ "alg": "RS256", "typ": "dbsc+jwt", "jwk": jwk }), &json!({ "jti": "c" }));
            Proof::read(&text).unwrap().registered()
        };
        for bytes in [128, 255, 513, 2048] {
            assert_eq!(as_rsa(rsa(bytes)), Err(BadProof::Key), "{bytes}");
        }
        assert_eq!(as_rsa(rsa(256)), Err(BadProof::Signature));
        assert_eq!(as_rsa(device.jwk()), Err(BadProof::Algorithm), "RS256 with a key of the other kind");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}", header in "\\PC{0,80}", payload in "\\PC{0,80}") {
            let _ = Proof::read(&text);
            let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
            let _ = Proof::read(&format!("{}.{}.AA", part(&header), part(&payload))).map(|proof| proof.registered().is_ok());
        }
    }
}
