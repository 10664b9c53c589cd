//! Codes as people type and paste them: with spaces, dashes, full-width digits, around the edges or in between.

use unicode_normalization::UnicodeNormalization;

/// The longest input that is looked at, in bytes; no code comes near it.
const MAX_TYPED: usize = 256;

/// A code without what people put around its characters, in lower case. Empty where the input is absurdly long.
pub fn normalise(typed: &str) -> String {
    if typed.len() > MAX_TYPED {
        return String::new();
    }
    typed.nfkc().filter(|c| !is_separator(*c)).flat_map(char::to_lowercase).collect()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_around_a_code_is_dropped() {
        for typed in ["123456", " 123 456\n", "123-456", "１２３４５６", "123\u{a0}456", "\u{200e}123456", "123\u{2011}456"] {
            assert_eq!(normalise(typed), "123456", "{typed:?}");
        }
        assert_eq!(normalise("ABCD-efgh"), "abcdefgh");
        assert_eq!(normalise(&"1".repeat(257)), "");
    }
}
