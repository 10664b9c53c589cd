//! Passwords: what verifies, what is refused, and at what cost.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use super::*;

const CHEAP: config::Password = config::Password { memory_kib: 64, iterations: 1, parallelism: 1, min_length: 12 };

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn hash(password: &Secret, parameters: &config::Password) -> Result<String, HashError> {
    super::hash(password, parameters, &mut Workspace::default())
}

fn verify(phc: &str, password: &Secret, parameters: &config::Password) -> Verdict {
    super::verify(phc, password, parameters, &mut Workspace::default())
}

#[test]
fn one_memory_serves_hash_after_hash_of_any_size() {
    let mut memory = Workspace::default();
    let sizes = [(64, 1, 1), (8, 3, 1), (512, 2, 2), (64, 1, 1), (32, 1, 4), (512, 2, 2)];
    let all: Vec<_> =
        sizes.map(|(memory_kib, iterations, parallelism)| config::Password { memory_kib, iterations, parallelism, ..CHEAP }).to_vec();
    let made: Vec<_> = all.iter().map(|parameters| super::hash(&secret("a right old battery"), parameters, &mut memory).unwrap()).collect();
    for (phc, parameters) in made.iter().zip(&all) {
        // The crate's own verdict, in memory of its own.
        assert!(Argon2::default().verify_password(b"a right old battery", phc.as_str()).is_ok(), "{phc}");
        assert_eq!(super::verify(phc, &secret("a right old battery"), parameters, &mut memory), Verdict::Right, "{phc}");
        assert_eq!(super::verify(phc, &secret("a right old batterY"), parameters, &mut memory), Verdict::Wrong, "{phc}");
        let _ = super::verify(phc, &secret("a right old battery"), &CHEAP, &mut memory);
        assert!(memory.kept() <= 64, "a dearer hash's memory goes with it");
    }
}

#[test]
fn what_others_made_verifies() {
    for (version, length) in [(Version::V0x10, 32), (Version::V0x13, 16), (Version::V0x13, 64)] {
        let params = Params::new(64, 1, 1, Some(length)).unwrap();
        let theirs = Argon2::new(Algorithm::Argon2id, version, params);
        let phc: PasswordHash = theirs.hash_password_with_salt(b"a right old battery", b"salt and pepper").unwrap();
        let phc = phc.to_string();
        assert_eq!(verify(&phc, &secret("a right old battery"), &CHEAP), Verdict::Right, "{phc}");
        assert_eq!(verify(&phc, &secret("wrong"), &CHEAP), Verdict::Wrong, "{phc}");
    }
}

#[test]
fn a_password_verifies_against_its_own_hash_only() {
    let phc = hash(&secret("a right old battery"), &CHEAP).unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
    assert_eq!(verify(&phc, &secret("a right old battery"), &CHEAP), Verdict::Right);
    assert_eq!(verify(&phc, &secret("a right old batterY"), &CHEAP), Verdict::Wrong);
    assert_ne!(phc, hash(&secret("a right old battery"), &CHEAP).unwrap(), "each has a salt of its own");
}

#[test]
fn a_weaker_hash_is_renewed_and_a_stronger_one_stays() {
    let phc = hash(&secret("a right old battery"), &CHEAP).unwrap();
    let dearer = config::Password { iterations: 2, ..CHEAP };
    assert_eq!(verify(&phc, &secret("a right old battery"), &dearer), Verdict::RightButRehash);
    assert_eq!(verify(&phc, &secret("wrong"), &dearer), Verdict::Wrong);
    let strong = hash(&secret("a right old battery"), &dearer).unwrap();
    assert_eq!(verify(&strong, &secret("a right old battery"), &CHEAP), Verdict::Right, "a reload to less must not weaken it");
}

#[test]
fn the_same_characters_from_another_keyboard_verify() {
    let phc = hash(&secret("caf\u{e9} caf\u{e9} caf\u{e9}"), &CHEAP).unwrap();
    assert_eq!(verify(&phc, &secret("cafe\u{301} cafe\u{301} cafe\u{301}"), &CHEAP), Verdict::Right);
}

#[test]
fn nothing_is_cut_off_and_the_too_long_is_refused() {
    let long = "x".repeat(MAX_BYTES);
    let phc = hash(&secret(&long), &CHEAP).unwrap();
    assert_eq!(verify(&phc, &secret(&long), &CHEAP), Verdict::Right);
    assert_eq!(verify(&phc, &secret(&format!("{}y", &long[1..])), &CHEAP), Verdict::Wrong);
    assert_eq!(hash(&secret(&format!("{long}x")), &CHEAP), Err(HashError::TooLong));
    assert_eq!(verify(&phc, &secret(&format!("{long}x")), &CHEAP), Verdict::Wrong);
}

#[test]
fn what_is_no_argon2id_string_admits_nobody() {
    for phc in [
        "",
        "plain",
        "$argon2id$",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA",
        "$2y$10$abc",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(verify(phc, &secret(""), &CHEAP), Verdict::Wrong, "{phc}");
    }
}

#[test]
fn an_imported_bcrypt_hash_is_right_once_and_then_replaced() {
    let long = "x".repeat(72);
    for (password, cost) in [("a right old battery", 4), (long.as_str(), 4)] {
        let parts = bcrypt::non_truncating_hash_with_salt(password, cost, [7; 16]);
        let hash = parts.map(|parts| parts.format_for_version(bcrypt::Version::TwoY)).unwrap_or_default();
        if hash.is_empty() {
            continue;
        }
        assert!(is_readable(&hash), "{hash}");
        assert_eq!(verify(&hash, &secret(password), &CHEAP), Verdict::RightButRehash);
        assert_eq!(verify(&hash, &secret(&format!("{password}y")), &CHEAP), Verdict::Wrong, "nothing is cut off");
        let dear = hash.replacen("$04$", "$31$", 1);
        assert!(!is_readable(&dear));
        assert_eq!(verify(&dear, &secret(password), &CHEAP), Verdict::Wrong);
    }
    for bad in ["$2y$", "$2y$10$short", "$2x$04$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi"] {
        assert_eq!(bcrypt_cost(bad), None);
    }
}

#[test]
fn the_dummy_costs_what_a_real_one_does_and_fits_nobody() {
    let phc = dummy_phc(&CHEAP).unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    let (real, dummy) = (hash(&secret("password"), &CHEAP).unwrap(), PasswordHash::new(&phc).unwrap());
    let real = PasswordHash::new(&real).unwrap();
    assert_eq!((real.params, real.version), (dummy.params, dummy.version));
    assert_eq!(real.hash.map(|hash| hash.len()), dummy.hash.map(|hash| hash.len()));
    assert_eq!(real.salt.map(|salt| salt.len()), dummy.salt.map(|salt| salt.len()));
    assert_eq!(verify(&phc, &secret("password"), &CHEAP), Verdict::Wrong);
}

#[test]
fn impossible_parameters_are_an_error() {
    let bad = config::Password { memory_kib: 1, ..CHEAP };
    assert_eq!(hash(&secret("whatever it is"), &bad), Err(HashError::BadParameters));
}
