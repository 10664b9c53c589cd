//! Authenticator apps: time-based one-time passwords (RFC 6238), each step accepted once.
//!
//! Verifying is pure: the caller keeps `last_step` and must put the accepted step there in the same compare-and-swap that uses
//! the result (RFC 6238 section 5.2).

use std::fmt;

use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use super::code;
use crate::account::TotpAlgorithm;
use crate::base::random::{self, NoEntropy};
use crate::base::{Time, secret};

/// The shared secret. Wiped when dropped, never in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// 160 bits from the system, the length that RFC 4226 section 4 recommends.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn generate() -> Result<Self, NoEntropy> {
        random::bytes::<20>().map(|bytes| Self(Zeroizing::new(bytes.to_vec())))
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What a person types into an app: base32 in capitals, without padding.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// How codes are made from a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// 6 to 8.
    pub digits: u8,
    /// Seconds, at least 1.
    pub period: u32,
    pub algorithm: TotpAlgorithm,
}

/// What became of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Right, and of a step that was not used: keep `step` as the last one.
    Accepted {
        step: u64,
    },
    /// Right, but of a step that was used, or that lies before one: wait for the next code.
    Replayed,
    Wrong,
}

/// Verifies a code at `now`, `skew` steps either way. Every step of the window is computed and compared in constant time.
pub fn verify(key: &Key, parameters: Parameters, skew: u16, last_step: u64, typed: &str, now: Time) -> Verdict {
    let Some(totp) = generator(key, parameters, "", None) else { return Verdict::Wrong };
    let typed = code::normalise(typed);
    let (current, period) = (now.unix() / u64::from(parameters.period), u64::from(parameters.period));
    let window = current.saturating_sub(u64::from(skew))..=current.saturating_add(u64::from(skew));
    // The latest match counts: were an earlier one taken, a code that fits two steps could be used twice.
    let matching = window.fold(None, |found, step| {
        let right = secret::same(totp.generate(step.saturating_mul(period)).to_string().as_bytes(), typed.as_bytes());
        if right { Some(step) } else { found }
    });
    match matching {
        Some(step) if step > last_step => Verdict::Accepted { step },
        Some(_) => Verdict::Replayed,
        None => Verdict::Wrong,
    }
}

/// The code of a moment, for the demo's terminal and for tests. `None` where the parameters are out of range.
pub fn code_at(key: &Key, parameters: Parameters, at: Time) -> Option<String> {
    generator(key, parameters, "", None).map(|totp| totp.generate(at.unix()).to_string())
}

/// The `otpauth://` link that apps read. A colon in a name, which the format cannot carry, becomes a space; an empty name a dash.
/// `None` where the parameters are out of range.
pub fn otpauth_url(key: &Key, parameters: Parameters, issuer: &str, account: &str) -> Option<Zeroizing<String>> {
    let plain = |name: &str| if name.trim().is_empty() { "-".to_owned() } else { name.replace(':', " ") };
    generator(key, parameters, &plain(account), Some(plain(issuer)))?.to_url().ok().map(Zeroizing::new)
}

/// A secret that somebody else made: an `otpauth://totp/…` link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Provisioned {
    pub key: Key,
    pub parameters: Parameters,
}

/// Why a link was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUri {
    #[error("not an otpauth://totp/ link with a base32 secret")]
    Malformed,
    #[error("the secret is shorter than 128 bits (RFC 4226 section 4)")]
    SecretTooShort,
    #[error("6, 7 or 8 digits, and a period of 1 to 3600 seconds")]
    OutOfRange,
}

/// Reads an `otpauth://totp/…` link.
///
/// # Errors
/// Another scheme or kind, no base32 secret, one under 128 bits, digits or a period out of range.
pub fn parse_otpauth(uri: &str) -> Result<Provisioned, BadUri> {
    let url = url::Url::parse(uri.trim()).map_err(|_| BadUri::Malformed)?;
    if url.scheme() != "otpauth" || !url.host_str().is_some_and(|kind| kind.eq_ignore_ascii_case("totp")) {
        return Err(BadUri::Malformed);
    }
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| Zeroizing::new(value.into_owned()));
    let number = |name: &str, default: u32| value(name).map_or(Ok(default), |text| text.parse::<u32>().map_err(|_| BadUri::OutOfRange));
    let algorithm = match value("algorithm").map(|name| name.to_ascii_uppercase().replace('-', "")).as_deref() {
        None | Some("SHA1") => TotpAlgorithm::Sha1,
        Some("SHA256") => TotpAlgorithm::Sha256,
        Some("SHA512") => TotpAlgorithm::Sha512,
        Some(_) => return Err(BadUri::Malformed),
    };
    let (digits, period) = (number("digits", 6)?, number("period", 30)?);
    let key = parse_key(&value("secret").ok_or(BadUri::Malformed)?)?;
    match u8::try_from(digits) {
        Ok(digits @ 6..=8) if (1..=3600).contains(&period) => Ok(Provisioned { key, parameters: Parameters { digits, period, algorithm } }),
        _ => Err(BadUri::OutOfRange),
    }
}

fn parse_key(base32: &str) -> Result<Key, BadUri> {
    let text: Zeroizing<String> =
        Zeroizing::new(base32.chars().filter(|c| !matches!(c, ' ' | '-' | '=')).map(|c| c.to_ascii_uppercase()).collect());
    let bytes = Zeroizing::new(data_encoding::BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| BadUri::Malformed)?);
    if bytes.len() < 16 { Err(BadUri::SecretTooShort) } else { Ok(Key(bytes)) }
}

/// The library's generator, made only where it cannot panic: 1 to 9 digits, a period, a key.
fn generator(key: &Key, parameters: Parameters, account: &str, issuer: Option<String>) -> Option<Totp> {
    if !(1..=9).contains(&parameters.digits) || parameters.period == 0 || key.0.is_empty() {
        return None;
    }
    let algorithm = match parameters.algorithm {
        TotpAlgorithm::Sha1 => Algorithm::SHA1,
        TotpAlgorithm::Sha256 => Algorithm::SHA256,
        TotpAlgorithm::Sha512 => Algorithm::SHA512,
    };
    let builder = Builder::new().with_algorithm(algorithm).with_digits(parameters.digits).with_step_duration(u64::from(parameters.period));
    let secret = totp_rs::Secret::from(key.0.to_vec());
    Some(builder.with_secret(secret).with_account_name(account).with_issuer(issuer).build_noncompliant())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: Parameters = Parameters { digits: 6, period: 30, algorithm: TotpAlgorithm::Sha1 };

    fn at(seconds: i64) -> Time {
        Time::from_secs(seconds)
    }

    #[test]
    fn the_vectors_of_rfc_6238_verify() {
        let vectors = [
            (TotpAlgorithm::Sha1, "12345678901234567890", 59, "94287082"),
            (TotpAlgorithm::Sha1, "12345678901234567890", 1_111_111_109, "07081804"),
            (TotpAlgorithm::Sha256, "12345678901234567890123456789012", 59, "46119246"),
            (TotpAlgorithm::Sha512, "1234567890123456789012345678901234567890123456789012345678901234", 20_000_000_000, "47863826"),
        ];
        for (algorithm, key, seconds, code) in vectors {
            let parameters = Parameters { digits: 8, period: 30, algorithm };
            let key = Key::from_bytes(key.as_bytes());
            assert_eq!(code_at(&key, parameters, at(seconds)).as_deref(), Some(code));
            assert_eq!(verify(&key, parameters, 0, 0, code, at(seconds)), Verdict::Accepted { step: seconds as u64 / 30 });
        }
    }

    #[test]
    fn a_step_is_accepted_once_and_none_before_it() {
        let key = Key::generate().unwrap();
        let now = at(1_700_000_010);
        let code = code_at(&key, USUAL, now).unwrap();
        let Verdict::Accepted { step } = verify(&key, USUAL, 1, 0, &code, now) else { panic!("refused") };
        assert_eq!(verify(&key, USUAL, 1, step, &code, now), Verdict::Replayed);
        let before = code_at(&key, USUAL, at(1_699_999_980)).unwrap();
        assert_eq!(verify(&key, USUAL, 1, step, &before, now), Verdict::Replayed);
        let next = code_at(&key, USUAL, at(1_700_000_040)).unwrap();
        assert_eq!(verify(&key, USUAL, 1, step, &next, now), Verdict::Accepted { step: step + 1 });
    }

    #[test]
    fn pasted_codes_are_understood() {
        let key = Key::generate().unwrap();
        let code = code_at(&key, USUAL, at(90)).unwrap();
        let pasted = format!(" {}-{} ", &code[..3], &code[3..]);
        assert!(matches!(verify(&key, USUAL, 1, 0, &pasted, at(90)), Verdict::Accepted { .. }));
        assert_eq!(verify(&key, USUAL, 1, 0, "", at(90)), Verdict::Wrong);
    }

    #[test]
    fn links_come_back_as_they_were_made() {
        let key = Key::generate().unwrap();
        for parameters in [USUAL, Parameters { digits: 8, period: 60, algorithm: TotpAlgorithm::Sha256 }] {
            let url = otpauth_url(&key, parameters, "Vesti:bule & Söhne", "alice@internal.example").unwrap();
            assert!(url.starts_with("otpauth://totp/"), "{}", *url);
            assert_eq!(parse_otpauth(&url).unwrap(), Provisioned { key: key.clone(), parameters });
        }
    }

    #[test]
    fn bad_links_are_refused_by_kind() {
        let long = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        for (uri, error) in [
            ("https://example.com/", BadUri::Malformed),
            ("otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", BadUri::Malformed),
            ("otpauth://totp/x", BadUri::Malformed),
            ("otpauth://totp/x?secret=!!!", BadUri::Malformed),
            ("otpauth://totp/x?secret=GEZDGNBV", BadUri::SecretTooShort),
        ] {
            assert_eq!(parse_otpauth(uri), Err(error), "{uri}");
        }
        for query in ["digits=5", "digits=260", "period=0", "period=x", "period=99999999999"] {
            assert_eq!(parse_otpauth(&format!("otpauth://totp/x?secret={long}&{query}")), Err(BadUri::OutOfRange), "{query}");
        }
        assert!(parse_otpauth(&format!("otpauth://totp/ACME:bob?secret={}&issuer=Other", long.to_lowercase())).is_ok());
    }

    #[test]
    fn a_key_is_not_in_its_debug_form() {
        assert_eq!(format!("{:?}", Key::from_bytes(b"12345678901234567890")), "Key(…)");
    }

    proptest! {
        #[test]
        fn nothing_at_or_before_the_last_step_is_ever_accepted(seconds in 0i64..4_000_000_000, back in 0i64..4, last in 0u64..4, skew in 0u16..4) {
            let key = Key::from_bytes(b"12345678901234567890");
            let current = seconds as u64 / 30;
            let code = code_at(&key, USUAL, at((seconds - back * 30).max(0))).unwrap();
            let last_step = (current + 2).saturating_sub(last);
            if let Verdict::Accepted { step } = verify(&key, USUAL, skew, last_step, &code, at(seconds)) {
                prop_assert!(step > last_step && step.abs_diff(current) <= u64::from(skew));
            }
        }

        #[test]
        fn no_input_panics(digits in any::<u8>(), period in any::<u32>(), skew in 0u16..3, code in "\\PC{0,12}", now in any::<i64>(), uri in "\\PC{0,60}") {
            let parameters = Parameters { digits, period, algorithm: TotpAlgorithm::Sha1 };
            let _ = verify(&Key::from_bytes(b"k"), parameters, skew, 0, &code, Time::from_millis(now));
            let _ = parse_otpauth(&uri);
            let _ = parse_otpauth(&format!("otpauth://totp/{uri}?secret={uri}"));
        }
    }
}
