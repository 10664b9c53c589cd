//! Which passwords are refused when one is set or changed (NIST SP 800-63B-4 section 3.1.1.2, OWASP ASVS 6.2.4 and 6.2.11).
//!
//! A list of leaked passwords has millions of entries, and nearly all are a word or two with decoration: `P@ssw0rd2024!`. So the
//! words are listed (`templates/common-passwords.txt`), and a password is refused when it falls apart into at most two of them,
//! keyboard walks, repetitions and six other signs at most. There are no composition rules: whatever does not fall apart is taken.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::password::MAX_BYTES;
use crate::base::Secret;

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    #[error("use at least {min} characters")]
    TooShort { min: usize },
    #[error("use at most 1024 bytes")]
    TooLong,
    #[error("this is one of the most common passwords, or a small variation on one")]
    Common,
    #[error("this password became known in a breach of some service")]
    Breached,
    #[error("this is a repetition or a row of keys")]
    Pattern,
    #[error("this is made of your own name, your address or the name of this service")]
    Personal,
}

impl Weak {
    /// The key of its message in the page texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong => "too_long",
            Self::Common => "common",
            Self::Breached => "breached",
            Self::Pattern => "pattern",
            Self::Personal => "personal",
        }
    }
}

/// Words in a common password, at most.
const WORDS: usize = 2;
/// Signs beside words and walks, at most: a year, or digits and an exclamation mark.
const LOOSE: usize = 6;
/// A row of keys or letters is one from here on.
const WALK: usize = 3;

const WALKS: [&str; 15] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "!@#$%^&*()_+",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
];

/// Whether a password may be set. `context` is what a stranger would try first: the user's name, address, display name and the
/// service's title; they are split into words here.
///
/// # Errors
/// The reason, in words for the user; the length counts code points after NFC.
pub fn acceptable(password: &Secret, min_length: usize, context: &[&str]) -> Result<(), Weak> {
    if password.expose().len() > MAX_BYTES {
        return Err(Weak::TooLong);
    }
    let normal: Zeroizing<String> = Zeroizing::new(password.expose().nfc().collect());
    if normal.chars().count() < min_length {
        return Err(Weak::TooShort { min: min_length });
    }
    let text: Zeroizing<Vec<char>> = Zeroizing::new(normal.chars().flat_map(char::to_lowercase).collect());
    let own: Vec<Vec<char>> = context.iter().flat_map(|words| split(words)).collect();
    let common: Vec<Vec<char>> = common().map(|word| word.chars().collect()).collect();
    if is_periodic(&text) || falls_apart(&text, &[]) {
        Err(Weak::Pattern)
    } else if falls_apart(&text, &[&common]) {
        Err(Weak::Common)
    } else if falls_apart(&text, &[&common, &own]) {
        Err(Weak::Personal)
    } else {
        Ok(())
    }
}

fn common() -> impl Iterator<Item = &'static str> {
    include_str!("../../templates/common-passwords.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The whole phrase, its words and what remains without the signs between them.
fn split(phrase: &str) -> Vec<Vec<char>> {
    let lower: Vec<char> = phrase.nfc().flat_map(char::to_lowercase).collect();
    let mut out: Vec<Vec<char>> = lower.split(|c| !c.is_alphanumeric()).map(<[char]>::to_vec).collect();
    out.push(lower.iter().copied().filter(|c| c.is_alphanumeric()).collect());
    out.push(lower);
    out.retain(|word| word.len() >= WALK);
    out
}

/// `abcabcabc`, `12341234`: three times the same up to eight characters, or twice up to four.
fn is_periodic(text: &[char]) -> bool {
    (1..=8.min(text.len() / 2)).any(|unit| {
        let times = text.len() / unit;
        (times >= 3 || unit <= 4) && text.iter().zip(text.iter().skip(unit)).all(|(a, b)| a == b)
    })
}

/// Whether tiles cover the text. `reached[i]` has one bit for each (words, loose signs) with which the first `i` characters can be
/// covered.
fn falls_apart(text: &[char], lists: &[&Vec<Vec<char>>]) -> bool {
    let mut reached = vec![0u32; text.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = 1;
    }
    for at in 0..text.len() {
        let Some(&here) = reached.get(at) else { continue };
        let Some(rest) = text.get(at..).filter(|_| here != 0) else { continue };
        let mut reach = |length: usize, states: u32| {
            if let Some(there) = reached.get_mut(at + length) {
                *there |= states;
            }
        };
        for length in WALK..=walk(rest) {
            reach(length, here);
        }
        if rest.first().is_some_and(|c| !c.is_alphabetic()) {
            reach(1, one_more_loose(here));
        }
        for word in lists.iter().flat_map(|list| list.iter()).filter(|word| begins(rest, word)) {
            reach(word.len(), one_more_word(here));
        }
    }
    reached.last().is_some_and(|end| *end != 0)
}

/// States are bits at `words * (LOOSE + 1) + loose`.
fn one_more_word(states: u32) -> u32 {
    (states << (LOOSE + 1)) & ((1 << ((WORDS + 1) * (LOOSE + 1))) - 1)
}

fn one_more_loose(states: u32) -> u32 {
    (0..=WORDS)
        .map(|words| (states >> (words * (LOOSE + 1))) & ((1 << LOOSE) - 1))
        .enumerate()
        .fold(0, |all, (words, row)| all | (row << 1) << (words * (LOOSE + 1)))
}

/// How long a run of one character, or a walk forwards or backwards, the text begins with.
fn walk(rest: &[char]) -> usize {
    let Some(first) = rest.first() else { return 0 };
    let run = rest.iter().take_while(|c| *c == first).count();
    let along = |keys: &mut dyn Iterator<Item = char>| rest.iter().zip(keys).take_while(|(a, b)| **a == *b).count();
    WALKS.iter().fold(run, |best, keys| {
        let places = keys.char_indices().filter(|(_, key)| key == first).map(|(at, _)| at);
        places.fold(best, |best, at| {
            let (before, after) = keys.split_at(at);
            best.max(along(&mut after.chars())).max(along(&mut std::iter::once(*first).chain(before.chars().rev())))
        })
    })
}

/// Whether the text begins with the word, letter for letter or in the usual disguise.
fn begins(rest: &[char], word: &[char]) -> bool {
    rest.len() >= word.len() && rest.iter().zip(word).all(|(typed, meant)| typed == meant || disguised(*typed, *meant))
}

fn disguised(typed: char, meant: char) -> bool {
    let looks = match meant {
        'a' => "4@àáâãäå",
        'b' => "8",
        'c' => "(ç",
        'e' => "3€èéêë",
        'g' => "96",
        'i' => "1!|ìíîï",
        'l' => "1!|",
        'n' => "ñ",
        'o' => "0òóôõö",
        's' => "5$",
        't' => "7+",
        'u' => "ùúûü",
        'z' => "2",
        _ => "",
    };
    looks.contains(typed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(password: &str) -> Result<(), Weak> {
        acceptable(&Secret::new(password), 12, &["alice", "alice.smith@internal.example", "Vestibule"])
    }

    #[test]
    fn common_passwords_and_their_variations_are_refused() {
        for password in [
            "password1234",
            "P@ssw0rd2024!",
            "passwordpassword",
            "administrator",
            "Summer2025!!!",
            "iloveyou1234",
            "letmein12345",
            "manchesterunited",
            "correcthorsebatterystaple",
            "welcome12345!",
            "Pa$$w0rd!!!!",
            "changeme1234",
            "qwertypassword",
            "mypassword123",
            "contraseña123",
            "adminadmin123",
            "1234password",
            "christopher1",
            "unbelievable",
        ] {
            assert_eq!(judge(password), Err(Weak::Common), "{password}");
        }
    }

    #[test]
    fn repetitions_and_rows_of_keys_are_refused() {
        for password in [
            "aaaaaaaaaaaa",
            "1234567890123",
            "abcabcabcabc",
            "qwertyuiop12",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc",
            "123qweasdzxc",
            "zaq12wsxcde3",
            "abcdefghijkl",
            "987654321098",
            "zxcvbnmasdfgh",
            "111122223333",
            "!@#$%^&*()_+",
            "qwerty123456",
            "dogxdogxdogx",
            "poiuytrewqlkj",
        ] {
            assert_eq!(judge(password), Err(Weak::Pattern), "{password}");
        }
    }

    #[test]
    fn ones_own_name_is_no_password() {
        for password in ["alice.smith@internal.example", "Alice1234567", "vestibule2024", "alicesmith12", "Vestibule-Alice"] {
            assert_eq!(judge(password), Err(Weak::Personal), "{password}");
        }
    }

    #[test]
    fn phrases_and_random_ones_are_taken_without_composition_rules() {
        for password in [
            "plaid moose tuning fork",
            "kmzjrfwpqhdu",
            "8fb4-c1e9-77aa",
            "Käsebrot mit Zwiebeln",
            "我的猫喜欢在早晨晒太阳吗",
            "summer horse dancing tuba",
        ] {
            assert_eq!(judge(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn length_counts_code_points() {
        assert_eq!(judge("kmzjrfwpqhd"), Err(Weak::TooShort { min: 12 }));
        assert_eq!(judge("🦔🐙🦑🐝🦀🐳🐌🦉🐿🦜🐢🦎"), Ok(()));
        assert_eq!(judge(&"x9".repeat(513)), Err(Weak::TooLong));
    }

    proptest! {
        #[test]
        fn no_input_panics_and_the_short_never_passes(password in "\\PC{0,40}") {
            let verdict = judge(&password);
            let short = password.nfc().count() < 12;
            prop_assert_eq!(short, verdict == Err(Weak::TooShort { min: 12 }));
        }

        #[test]
        fn decoration_does_not_save_a_common_word(digits in "[0-9]{4}", upper in any::<bool>()) {
            let word = if upper { "ADMINISTRATOR" } else { "administrator" };
            let verdict = judge(&format!("{word}{digits}"));
            prop_assert!(verdict.is_err());
        }
    }
}
