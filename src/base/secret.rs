//! Text that must not be seen: wiped when dropped, never in `Debug`, compared in constant time.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret text. [`Secret::expose`] is the one way to read it, so that every use can be searched for.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equality in time that depends on the lengths alone.
    pub fn matches(&self, other: &str) -> bool {
        same(self.0.as_bytes(), other.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Compares two byte strings in time that depends on their lengths alone: eight bytes at a time, and whether any differed is asked once, at the end.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let ((words, rest), (other_words, other_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let differs = words.iter().zip(other_words).fold(0, |so_far, (a, b)| so_far | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)));
    let differs = rest.iter().zip(other_rest).fold(differs, |so_far, (a, b)| so_far | u64::from(a ^ b));
    (a.len().ct_eq(&b.len()) & differs.ct_eq(&0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_one_bit_or_in_length_is_not_the_same() {
        for length in 0..40 {
            let one: Vec<u8> = (0..length).map(|n| n as u8).collect();
            assert!(same(&one, &one.clone()));
            for (at, bit) in (0..length).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut other = one.clone();
                other[at] ^= 1 << bit;
                assert!(!same(&one, &other) && !same(&other, &one), "{length} {at} {bit}");
            }
            let longer = [one.clone(), vec![0]].concat();
            assert!(!same(&one, &longer) && !same(&longer, &one), "{length}");
            if let Some((_, shorter)) = one.split_last() {
                assert!(!same(&one, shorter));
            }
        }
    }

    #[test]
    fn a_secret_is_not_in_its_debug_form() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
