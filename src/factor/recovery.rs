//! Recovery codes: look-up secrets of 80 random bits, each good once (NIST SP 800-63B-4 sections 3.1.2 and 4.2).

use sha2::{Digest, Sha256};

use super::code;
use crate::account::RecoveryCode;
use crate::base::random::{self, NoEntropy};
use crate::base::{Secret, secret};

/// How many are given out.
pub const COUNT: usize = 10;

/// Without i, l, o and u, which are read as others or spell words.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SYMBOLS: u32 = 16;

/// Ten fresh codes, as the user gets them (`xxxx-xxxx-xxxx-xxxx`) and as the account keeps them.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn generate() -> Result<Vec<(Secret, RecoveryCode)>, NoEntropy> {
    (0..COUNT).map(|_| one()).collect()
}

fn one() -> Result<(Secret, RecoveryCode), NoEntropy> {
    let bits = random::bytes::<10>()?.iter().fold(0u128, |all, byte| (all << 8) | u128::from(*byte));
    let symbols: Vec<char> = (0..SYMBOLS)
        .rev()
        .filter_map(|place| ALPHABET.get(((bits >> (place * 5)) & 31) as usize).map(|symbol| char::from(*symbol)))
        .collect();
    let shown: Vec<String> = symbols.chunks(4).map(|group| group.iter().collect()).collect();
    let plain: String = symbols.iter().collect();
    let salt = data_encoding::BASE64URL_NOPAD.encode(&random::bytes::<16>()?);
    let hash = digest(&salt, &plain);
    Ok((Secret::new(shown.join("-")), RecoveryCode { salt, hash, used: None }))
}

/// Which unused code this is. All are compared, whatever fits first. Mark it used in the same compare-and-swap.
pub fn find(codes: &[RecoveryCode], typed: &str) -> Option<usize> {
    let typed = meant(typed);
    codes.iter().enumerate().fold(None, |found, (at, code)| {
        let fits = secret::same(digest(&code.salt, &typed).as_bytes(), code.hash.as_bytes());
        if fits && code.used.is_none() { Some(at) } else { found }
    })
}

/// What was meant: letters that are not in the alphabet stand for the digits they look like.
fn meant(typed: &str) -> String {
    let read = |c| match c {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    code::normalise(typed).chars().map(read).collect()
}

fn digest(salt: &str, code: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"vestibule recovery code\0");
    hash.update(salt.as_bytes());
    hash.update(code.as_bytes());
    data_encoding::BASE64URL_NOPAD.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::base::Time;

    #[test]
    fn ten_codes_of_eighty_bits_in_four_groups() {
        let codes = generate().unwrap();
        let shown: HashSet<&str> = codes.iter().map(|(code, _)| code.expose()).collect();
        assert_eq!(shown.len(), COUNT);
        for code in shown {
            assert_eq!((code.len(), code.matches('-').count()), (19, 3), "{code}");
            assert!(code.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)), "{code}");
        }
    }

    #[test]
    fn each_is_found_as_people_type_it_until_it_is_used() {
        let codes = generate().unwrap();
        let mut kept: Vec<RecoveryCode> = codes.iter().map(|(_, kept)| kept.clone()).collect();
        for (at, (shown, _)) in codes.iter().enumerate() {
            let typed = shown.expose().to_uppercase().replace('-', " ").replace('0', "O").replace('1', "l");
            assert_eq!(find(&kept, shown.expose()), Some(at));
            assert_eq!(find(&kept, &typed), Some(at), "{typed}");
            kept[at].used = Some(Time::from_secs(1));
            assert_eq!(find(&kept, shown.expose()), None);
        }
    }

    #[test]
    fn nothing_else_fits() {
        let kept: Vec<RecoveryCode> = generate().unwrap().into_iter().map(|(_, kept)| kept).collect();
        for typed in ["", "-", "0000-0000-0000-0000", "123456"] {
            assert_eq!(find(&kept, typed), None);
        }
        assert_eq!(find(&[], "0000-0000-0000-0000"), None);
    }
}
