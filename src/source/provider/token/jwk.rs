//! A provider's public keys (JWK, RFC 7517): those that can verify one of the allowed algorithms; all others are left out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::algorithm::Algorithm;

/// More keys than this are not read: providers have two to ten.
const MOST_KEYS: usize = 64;
/// The longest member of a key, encoded: an RSA modulus of 8192 bits.
const LONGEST_MEMBER: usize = 1400;

/// The keys of one provider.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

/// A key that verifies.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub id: Option<String>,
    /// The one algorithm that it is for, if it says so; Entra ID's keys do not.
    algorithm: Option<Algorithm>,
    pub material: Material,
}

#[derive(Clone, Debug)]
pub(super) enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWK set. A key that is of no use here (encryption, a symmetric one, an unknown curve) is left out, as RFC 7517
    /// section 5 asks; a document that is none is `None`.
    pub fn read(document: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(document).ok()?;
        let keys = document.keys.into_iter().take(MOST_KEYS);
        Some(Self(keys.filter_map(|key| serde_json::from_value::<Written>(key).ok()?.key()).collect()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that may have signed with this algorithm: the one with the id, or without an id all that fit.
    pub(super) fn fitting<'a>(&'a self, id: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| id.is_none_or(|id| key.id.as_deref() == Some(id)) && key.verifies(algorithm))
    }
}

impl Key {
    /// The key's own kind decides, so that no header makes an RSA key a secret for HMAC or a P-256 point something else (RFC 8725
    /// section 3.1).
    fn verifies(&self, algorithm: Algorithm) -> bool {
        let fits = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Ps256),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

impl Written {
    fn key(self) -> Option<Key> {
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let may_verify = self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|one| one == "verify"));
        if !for_signatures || !may_verify {
            return None;
        }
        let algorithm = match &self.alg {
            Some(name) => Some(Algorithm::named(name)?),
            None => None,
        };
        let material = self.material()?;
        Some(Key { id: self.kid, algorithm, material })
    }

    fn material(&self) -> Option<Material> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Material::Rsa { modulus: number(self.n.as_ref())?, exponent: number(self.e.as_ref())? }),
            ("EC", Some("P-256")) => self.point(32).map(Material::P256),
            ("EC", Some("P-384")) => self.point(48).map(Material::P384),
            ("OKP", Some("Ed25519")) => sized(self.x.as_ref(), 32).map(Material::Ed25519),
            _ => None,
        }
    }

    fn point(&self, size: usize) -> Option<Vec<u8>> {
        let (x, y) = (sized(self.x.as_ref(), size)?, sized(self.y.as_ref(), size)?);
        Some([vec![4], x, y].concat())
    }
}

fn bytes(member: Option<&String>) -> Option<Vec<u8>> {
    member.filter(|text| text.len() <= LONGEST_MEMBER).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
}

fn sized(member: Option<&String>, size: usize) -> Option<Vec<u8>> {
    bytes(member).filter(|bytes| bytes.len() == size)
}

/// A number without the leading zeros that some providers write.
fn number(member: Option<&String>) -> Option<Vec<u8>> {
    let bytes = bytes(member)?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(first..).map(<[u8]>::to_vec)
}
