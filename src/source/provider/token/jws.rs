//! A compact JWS (RFC 7515 section 7.1) and its signature. The algorithm comes from a list of ours and must fit the key's own kind
//! (RFC 8725 sections 3.1 and 3.2): never `none`, never a symmetric one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::fault::{LONGEST, TokenFault};
use super::jwk::{Key, KeySet, Material};

/// How many keys are tried for a token that names none.
const MOST_TRIES: usize = 8;

/// A token whose signature is right; what it says is still to be judged.
#[derive(Debug)]
pub struct Verified {
    /// The header's `typ`, in lower case and without `application/`.
    pub kind: Option<String>,
    pub algorithm: Algorithm,
    pub claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

/// Verifies a token's signature with one of these keys.
///
/// # Errors
/// [`TokenFault::UnknownKey`] if no key fits; then other keys of the provider may.
pub fn verify(token: &str, keys: &KeySet) -> Result<Verified, TokenFault> {
    let (signed, header, payload, signature) = parts(token).ok_or(TokenFault::Malformed)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenFault::Malformed)?;
    let algorithm = Algorithm::named(&header.alg).ok_or(TokenFault::Algorithm)?;
    // An extension that must be understood (RFC 7515 section 4.1.11), and none is.
    if header.crit.is_some() {
        return Err(TokenFault::Malformed);
    }
    let mut fitting = keys.fitting(header.kid.as_deref(), algorithm).take(MOST_TRIES).peekable();
    if fitting.peek().is_none() {
        return Err(TokenFault::UnknownKey);
    }
    if !fitting.any(|key| is_signed_by(key, algorithm, signed.as_bytes(), &signature)) {
        // One that names no key may be signed by a key that is not known yet.
        return Err(if header.kid.is_some() { TokenFault::Signature } else { TokenFault::UnknownKey });
    }
    let claims = Claims::read(&payload).ok_or(TokenFault::Malformed)?;
    let kind = header.typ.map(|kind| kind.to_ascii_lowercase()).map(|kind| kind.trim_start_matches("application/").to_owned());
    Ok(Verified { kind, algorithm, claims })
}

type Parts<'a> = (&'a str, Vec<u8>, Vec<u8>, Vec<u8>);

/// What is signed, and the three parts decoded. Padding, line breaks and a second form of the same bytes are refused.
fn parts(token: &str) -> Option<Parts<'_>> {
    if token.len() > LONGEST {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.'))?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty());
    Some((signed, decode(header)?, decode(payload)?, decode(signature)?))
}

fn is_signed_by(key: &Key, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
    let plain = |how: &'static dyn signature::VerificationAlgorithm, key: &[u8]| UnparsedPublicKey::new(how, key).verify(signed, signature);
    let verdict = match (&key.material, algorithm) {
        (Material::Rsa { modulus, exponent }, _) => {
            let how = match algorithm {
                Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return false,
            };
            RsaPublicKeyComponents { n: modulus, e: exponent }.verify(how, signed, signature)
        }
        (Material::P256(point), Algorithm::Es256) => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
        (Material::P384(point), Algorithm::Es384) => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
        (Material::Ed25519(point), Algorithm::EdDsa) => plain(&signature::ED25519, point),
        (Material::P256(_) | Material::P384(_) | Material::Ed25519(_), _) => return false,
    };
    verdict.is_ok()
}
