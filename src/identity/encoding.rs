//! How text outside ASCII is written into a header, for applications that do not read UTF-8 there (RFC 9110 section 5.5 leaves
//! the meaning of such bytes open).

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How values are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    /// The bytes of UTF-8.
    #[default]
    Utf8,
    /// Encoded words if there is anything but ASCII (RFC 2047 sections 2 and 4.1).
    Rfc2047,
    /// Percent-encoded, but for letters, digits and `-._~@` (RFC 3986 section 2.1).
    Percent,
}

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// An encoded word holds 75 characters (RFC 2047 section 2), `=?UTF-8?B?` and `?=` among them: 63 of base64, which are 45 bytes.
const WORD: usize = 45;

impl Encoding {
    pub const ALL: [Self; 3] = [Self::Utf8, Self::Rfc2047, Self::Percent];

    /// As it is written in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Rfc2047 => "rfc2047",
            Self::Percent => "percent",
        }
    }

    /// A value as it is sent.
    pub fn encode(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Utf8 => Cow::Borrowed(text),
            Self::Rfc2047 => words(text),
            Self::Percent => utf8_percent_encode(text, ENCODED).into(),
        }
    }
}

/// What could be taken for an encoded word is encoded as well, so that nobody can send another name inside theirs.
fn words(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD));
        let gap = if out.is_empty() { "" } else { " " };
        // Writing into a String cannot fail.
        let _ = write!(out, "{gap}=?UTF-8?B?{}?=", data_encoding::BASE64.encode_display(word.as_bytes()));
        rest = after;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding.encode("alice@internal.example"), "alice@internal.example", "{encoding:?}");
        }
    }

    #[test]
    fn other_letters_are_written_as_asked() {
        assert_eq!(Encoding::Utf8.encode("Jürgen"), "Jürgen");
        assert_eq!(Encoding::Rfc2047.encode("Jürgen"), "=?UTF-8?B?SsO8cmdlbg==?=");
        assert_eq!(Encoding::Percent.encode("Jürgen, K|%"), "J%C3%BCrgen%2C%20K%7C%25");
    }

    #[test]
    fn nobody_sends_an_encoded_word_of_their_own() {
        let mallory = "=?UTF-8?B?YWxpY2U=?=";
        assert_ne!(Encoding::Rfc2047.encode(mallory), mallory);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_ascii_and_is_read_back(text in "\\PC{0,80}") {
            let percent = Encoding::Percent.encode(&text);
            prop_assert!(percent.is_ascii());
            prop_assert_eq!(percent_encoding::percent_decode_str(&percent).decode_utf8().unwrap(), text.as_str());
            let words = Encoding::Rfc2047.encode(&text);
            prop_assert!(words.is_ascii());
            if words != text {
                let mut read = String::new();
                for word in words.split(' ') {
                    prop_assert!(word.len() <= 75);
                    let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
                    read.push_str(&String::from_utf8(data_encoding::BASE64.decode(inner.as_bytes()).unwrap()).unwrap());
                }
                prop_assert_eq!(read, text);
            }
        }
    }
}
