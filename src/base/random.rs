//! Random bytes from the operating system. There is no other source in this program.

/// Fills an array from the system's CSPRNG.
///
/// # Errors
/// Where the system gives no random bytes; the caller must refuse, never go on with less.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut out = [0u8; N];
    getrandom::fill(&mut out).map_err(|_| NoEntropy)?;
    Ok(out)
}

/// A uniformly distributed decimal code of `digits` digits, leading zeros kept (RFC 4226 section 5.3 gives the shape).
pub fn digits(digits: u8) -> Result<String, NoEntropy> {
    let modulus = 10u64.pow(u32::from(digits.clamp(1, 12)));
    let bound = u64::MAX - u64::MAX % modulus;
    loop {
        let number = u64::from_le_bytes(bytes::<8>()?);
        if number < bound {
            return Ok(format!("{:0width$}", number % modulus, width = usize::from(digits)));
        }
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;
