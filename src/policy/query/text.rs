//! The text of a query's parts: decoding as lax as the laxest application, and the form in which two texts are compared.

use crate::path::fold;

/// Percent-decodes once; what is no escape stays. Reads `%uXXXX` too, as old ASP does.
pub(super) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = after;
        match after {
            [high, low, tail @ ..] if *first == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(&[*high, *low]) as u8);
                rest = tail;
            }
            [b'u' | b'U', digits @ ..] if *first == b'%' && four_hex(digits) => {
                let (code, tail) = digits.split_at(4);
                let letter = char::from_u32(hex(code)).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail;
            }
            _ => out.push(*first),
        }
    }
    out
}

fn four_hex(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
}

/// What the bytes say: as UTF-8, and if they are not quite that, read laxly and as Latin-1.
pub(super) fn texts(bytes: &[u8]) -> Vec<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => vec![text.to_owned()],
        Err(_) => vec![lax(bytes), bytes.iter().copied().map(char::from).collect()],
    }
}

/// Overlong forms of ASCII are read as lax decoders read them, other bytes that are not UTF-8 are left out.
fn lax(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (letter, length) = match rest {
            [first @ (0xc0 | 0xc1), second @ 0x80..=0xbf, ..] => (Some(char::from((first & 1) << 6 | second & 0x3f)), 2),
            [0xe0, second @ 0x80..=0x81, third @ 0x80..=0xbf, ..] => (Some(char::from((second & 1) << 6 | third & 0x3f)), 3),
            _ => first_letter(rest),
        };
        out.extend(letter);
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

fn first_letter(bytes: &[u8]) -> (Option<char>, usize) {
    let valid = bytes.get(..4.min(bytes.len())).unwrap_or_default().utf8_chunks().next().map(|chunk| chunk.valid()).unwrap_or_default();
    valid.chars().next().map_or((None, 1), |letter| (Some(letter), letter.len_utf8()))
}

/// The form in which values are compared.
pub(super) fn canonical_value(text: &str) -> String {
    let folded = fold(text);
    folded.trim_matches(is_edge).replace('+', " ")
}

/// The form in which names are compared: PHP makes `_` of what a variable's name cannot hold.
pub(super) fn canonical_name(text: &str) -> String {
    let folded = fold(text);
    folded.trim_matches(is_edge).replace(['+', ' ', '.'], "_")
}

/// Blanks and what is not seen.
fn is_edge(letter: char) -> bool {
    letter == '+' || letter.is_whitespace() || letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}')
}
