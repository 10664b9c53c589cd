//! The patterns of `include`. Never reads more than its two texts, however they are built.

/// `*` and `?` within a segment, as glob(3) with FNM_PATHNAME; a `[…]` is taken for any one character.
pub(super) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let (byte, class) = (name.get(n).copied(), pattern.get(p..).map_or(0, class_length));
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b'[') if class > 0 && byte != Some(b'/') => (p, n) = (p + class, n + 1),
            Some(b'?') if byte != Some(b'/') => (p, n) = (p + 1, n + 1),
            Some(letter) if Some(*letter) == byte => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((after, from)) if name.get(from) != Some(&b'/') => {
                    star = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

fn class_length(pattern: &[u8]) -> usize {
    if pattern.first() == Some(&b'[') { pattern.iter().skip(2).position(|byte| *byte == b']').map_or(0, |at| at + 3) } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn globs_match_as_a_simple_matcher_says(pattern in "[a*?/]{0,6}", name in "[ab/]{0,6}") {
            fn naive(p: &[u8], n: &[u8]) -> bool {
                match (p.first(), n.first()) {
                    (None, None) => true,
                    (Some(b'*'), _) if naive(&p[1..], n) => true,
                    (Some(b'*'), Some(c)) => *c != b'/' && naive(p, &n[1..]),
                    (Some(b'?'), Some(c)) => *c != b'/' && naive(&p[1..], &n[1..]),
                    (Some(a), Some(b)) => a == b && naive(&p[1..], &n[1..]),
                    _ => false,
                }
            }
            prop_assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
