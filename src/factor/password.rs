//! Passwords: Argon2id, every character counted, nothing cut off (NIST SP 800-63B-4 section 3.1.1.2, OWASP ASVS 6.2).
//!
//! A password is normalised to NFC before anything else, so that the same characters from another keyboard verify. Hashing
//! takes milliseconds and tens of megabytes: call it off the threads that carry traffic, and bound how many run at once.

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use super::workspace::Workspace;

use crate::base::{Secret, random};
use crate::config;

/// The longest password that is hashed, in bytes of UTF-8 as typed; longer ones are refused before any work is done.
pub const MAX_BYTES: usize = 1024;

/// What a stored hash may ask for; more is refused, so that an imported string cannot take the machine down.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_ITERATIONS: u32 = 1000;
/// About a second of work.
const MAX_BCRYPT_COST: u32 = 14;

/// What became of a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Right,
    /// Right, and hashed with less work than today's parameters ask for: hash it again while it is at hand. A hash that costs as much
    /// or more stays, whatever its parameters.
    RightButRehash,
    Wrong,
}

/// Why a password could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error("a password may have at most 1024 bytes")]
    TooLong,
    #[error("the password parameters are out of range: memory_kib must be at least 8 times parallelism, all of them at least 1")]
    BadParameters,
    #[error("the operating system gave no random bytes")]
    NoEntropy,
    #[error("there is no memory for a password hash; lower password.memory_kib or limits.max_hashes")]
    NoMemory,
}

/// Hashes a password for keeping, in `memory`: a PHC string with a salt of its own.
///
/// # Errors
/// Where it is longer than [`MAX_BYTES`], the parameters are out of Argon2's range, there is no salt to be had, or no memory.
pub fn hash(password: &Secret, parameters: &config::Password, memory: &mut Workspace) -> Result<String, HashError> {
    if password.expose().len() > MAX_BYTES {
        return Err(HashError::TooLong);
    }
    let salt = random::bytes::<16>().map_err(|_| HashError::NoEntropy)?;
    let params = ours(parameters)?;
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    let computed = compute(params.clone(), Version::V0x13, normal(password).as_bytes(), &salt, &mut out, memory, params.block_count());
    computed.map_err(|e| if e == argon2::Error::OutOfMemory { HashError::NoMemory } else { HashError::BadParameters })?;
    Ok(phc(&params, &salt, &out))
}

/// Compares a password with a PHC string or an imported bcrypt hash, at the cost that the string names. A string that is
/// unreadable, of another kind, or asks for more than 1 GiB or a bcrypt cost of 14 is `Wrong`, as is one that there is no memory for.
/// What `memory` keeps for the next is at most what `parameters` ask for.
pub fn verify(phc: &str, password: &Secret, parameters: &config::Password, memory: &mut Workspace) -> Verdict {
    if password.expose().len() > MAX_BYTES {
        return Verdict::Wrong;
    }
    if let Some(cost) = bcrypt_cost(phc) {
        return verify_bcrypt(phc, cost, password);
    }
    let Ok(parsed) = PasswordHash::new(phc) else { return Verdict::Wrong };
    if parsed.algorithm.as_str() != "argon2id" {
        return Verdict::Wrong;
    }
    let (Ok(stored), Ok(ours)) = (Params::try_from(&parsed), ours(parameters)) else { return Verdict::Wrong };
    if stored.m_cost() > MAX_MEMORY_KIB || stored.t_cost() > MAX_ITERATIONS {
        return Verdict::Wrong;
    }
    if !is_right(&parsed, stored.clone(), normal(password).as_bytes(), memory, ours.block_count()) {
        return Verdict::Wrong;
    }
    let work = |params: &Params| u64::from(params.m_cost()).saturating_mul(u64::from(params.t_cost()));
    if work(&stored) < work(&ours) { Verdict::RightButRehash } else { Verdict::Right }
}

/// Whether the password makes the hash that is stored, compared in constant time.
fn is_right(stored: &PasswordHash, params: Params, password: &[u8], memory: &mut Workspace, keep: usize) -> bool {
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return false };
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from);
    let mut buffer = [0; Output::MAX_LENGTH];
    let (Ok(version), Some(out)) = (version, buffer.get_mut(..expected.len())) else { return false };
    let computed = compute(params, version, password, salt, out, memory, keep);
    computed.is_ok() && Output::new(out).is_ok_and(|computed| computed == *expected)
}

fn compute(
    params: Params,
    version: Version,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    memory: &mut Workspace,
    keep: usize,
) -> argon2::Result<()> {
    let mut lent = memory.lend(params.block_count(), keep).ok_or(argon2::Error::OutOfMemory)?;
    Argon2::new(Algorithm::Argon2id, version, params).hash_password_into_with_memory(password, salt, out, &mut lent)
}

/// The cost of a bcrypt hash that this program reads (`$2a$`, `$2b$`, `$2y$`, 60 characters); `None` for anything else.
pub fn bcrypt_cost(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, tail) = rest.split_once('$')?;
    let good = cost.len() == 2 && tail.len() == 53 && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    good.then(|| cost.parse().ok()).flatten()
}

/// An imported hash: right once, then replaced by Argon2id. bcrypt reads 72 bytes; a longer password is refused rather than cut off.
fn verify_bcrypt(hash: &str, cost: u32, password: &Secret) -> Verdict {
    if cost > MAX_BCRYPT_COST {
        return Verdict::Wrong;
    }
    match bcrypt::non_truncating_verify(password.expose(), hash) {
        Ok(true) => Verdict::RightButRehash,
        _ => Verdict::Wrong,
    }
}

/// Whether a stored string is one that [`verify`] can ever accept: Argon2id or bcrypt, at a cost that is allowed.
pub fn is_readable(stored: &str) -> bool {
    if let Some(cost) = bcrypt_cost(stored) {
        return cost <= MAX_BCRYPT_COST;
    }
    let Ok(parsed) = PasswordHash::new(stored) else { return false };
    let bounded = |params: Params| params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_ITERATIONS;
    parsed.algorithm.as_str() == "argon2id"
        && parsed.hash.is_some()
        && parsed.salt.is_some()
        && Params::try_from(&parsed).is_ok_and(bounded)
}

/// A hash that no password has, to verify against if there is no account, so that the answer takes as long
/// (OWASP ASVS 6.3.8): 256 random bits in the place of a hash, so that making it costs neither time nor memory.
///
/// # Errors
/// As [`hash`].
pub fn dummy_phc(parameters: &config::Password) -> Result<String, HashError> {
    let params = ours(parameters)?;
    let (salt, unknown) = (random::bytes::<16>(), random::bytes::<32>());
    let (Ok(salt), Ok(unknown)) = (salt, unknown) else { return Err(HashError::NoEntropy) };
    Ok(phc(&params, &salt, &unknown))
}

/// The string that is kept (the PHC string format; its base64 has no padding).
fn phc(params: &Params, salt: &[u8], hash: &[u8]) -> String {
    let base64 = |bytes: &[u8]| data_encoding::BASE64_NOPAD.encode(bytes);
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    format!("$argon2id$v=19$m={m},t={t},p={p}${}${}", base64(salt), base64(hash))
}

fn ours(parameters: &config::Password) -> Result<Params, HashError> {
    Params::new(parameters.memory_kib, parameters.iterations, parameters.parallelism, None).map_err(|_| HashError::BadParameters)
}

/// NFC (RFC 8265 section 4.2.2 asks for it). Its growth is bounded: at most three times the bytes.
fn normal(password: &Secret) -> Zeroizing<String> {
    Zeroizing::new(password.expose().nfc().collect())
}

#[cfg(test)]
mod tests;
