//! What applications do to a path before they look at it, one function each. Each gives the text back unchanged if there is
//! nothing to do; none of them judges. Their closure is in [`super::readings`].

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfkc};

use super::marks::Marks;
use super::refusal::Refusal;
use super::work::{Work, price};

pub(super) type Form = for<'t> fn(&'t str, &mut Work) -> Result<Cow<'t, str>, Refusal>;

/// Everything but folding, which changes what a reading is compared with; each with the marks of the texts that it may change.
pub(super) const FORMS: [(Marks, Form); 11] = [
    (Marks::PERCENT, |text, _| decode_again(text)),
    (Marks::DOUBLE_SLASH, |text, _| Ok(merge_slashes(text))),
    (Marks::BACKSLASH, |text, _| Ok(backslash_as_slash(text))),
    (Marks::SEMICOLON, |text, _| Ok(without_parameters(text))),
    (Marks::QUERY, |text, _| Ok(Cow::Borrowed(before_query(text)))),
    (Marks::TRAILING_DOT, |text, _| Ok(trim_segments(text))),
    (Marks::STREAM, |text, _| Ok(without_stream(text))),
    (Marks::DOUBLE_SLASH, |text, _| Ok(Cow::Borrowed(without_authority(text)))),
    (Marks::DOUBLE_SLASH, |text, _| Ok(Cow::Borrowed(one_leading_slash(text)))),
    (Marks::WIDE, nfkc),
    (Marks::WIDE, |text, _| Ok(best_fit(text))),
];

/// Percent-decodes the bytes that are `wanted`; what is no escape stays. Reads `%uXXXX` too, as old ASP does.
///
/// # Errors
/// [`Refusal::MalformedUtf8`] where the result is not UTF-8: overlong forms would be read differently by everyone.
pub(super) fn decode(text: &str, wanted: impl Fn(u8) -> bool) -> Result<Cow<'_, str>, Refusal> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    String::from_utf8(decode_bytes(text, wanted)?).map(Cow::Owned).map_err(|_| Refusal::MalformedUtf8)
}

/// Decodes what was decoded before. Then `%da` may be in an honest name (`/100%25dark`): a single byte that cannot begin a
/// lax reading of an ASCII character is read as Latin-1 has it. Whatever else is not UTF-8 is refused.
fn decode_again(text: &str) -> Result<Cow<'_, str>, Refusal> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = decode_bytes(text, |_| true)?;
    let mut out = String::with_capacity(bytes.len());
    let mut after_latin = false;
    for chunk in bytes.utf8_chunks() {
        let adjoins = after_latin && chunk.valid().is_empty();
        out.push_str(chunk.valid());
        after_latin = false;
        match chunk.invalid() {
            [] => {}
            // Overlong forms begin with C0, C1, E0, F0, F8 or FC, and lax decoders do not look at what follows.
            [byte @ (0xc2..=0xdf | 0xe1..=0xef | 0xf1..=0xf7 | 0xf9..=0xfb | 0xfd..)] if !adjoins => {
                out.push(char::from(*byte));
                after_latin = true;
            }
            _ => return Err(Refusal::MalformedUtf8),
        }
    }
    Ok(Cow::Owned(out))
}

fn decode_bytes(text: &str, wanted: impl Fn(u8) -> bool) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match after {
            [high, low, tail @ ..] if *first == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let byte = nibble(*high) << 4 | nibble(*low);
                if wanted(byte) {
                    out.push(byte);
                    rest = tail;
                    continue;
                }
            }
            [b'u' | b'U', a, b, c, d, tail @ ..] if *first == b'%' && [a, b, c, d].iter().all(|h| h.is_ascii_hexdigit()) => {
                let code = [a, b, c, d].iter().fold(0, |code, hex| code << 4 | u32::from(nibble(**hex)));
                let letter = char::from_u32(code).ok_or(Refusal::MalformedUtf8)?;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail;
                continue;
            }
            _ => {}
        }
        out.push(*first);
    }
    Ok(out)
}

const fn nibble(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        b'a'..=b'f' => hex - b'a' + 10,
        b'A'..=b'F' => hex - b'A' + 10,
        _ => 0,
    }
}

/// Whether a byte cannot be in a path unless it is encoded (RFC 3986 section 3.3), so that its escape is its only spelling.
pub(super) const fn must_be_encoded(byte: u8) -> bool {
    !matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')'
        | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'%')
}

fn merge_slashes(text: &str) -> Cow<'_, str> {
    if !text.contains("//") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter != '/' || !out.ends_with('/') {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

fn backslash_as_slash(text: &str) -> Cow<'_, str> {
    if text.contains('\\') { Cow::Owned(text.replace('\\', "/")) } else { Cow::Borrowed(text) }
}

/// Servlet containers drop `;name=value` from each segment.
fn without_parameters(text: &str) -> Cow<'_, str> {
    if !text.contains(';') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(each_segment(text, |segment| segment.split(';').next().unwrap_or_default()))
}

/// An encoded `?` or `#` that was decoded before the target was split.
fn before_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

/// Windows takes no notice of dots and spaces at the end of a name.
fn trim_segments(text: &str) -> Cow<'_, str> {
    if !text.contains(['.', ' ']) || text.split('/').all(|segment| !segment.ends_with(['.', ' '])) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(each_segment(text, |segment| segment.trim_end_matches(['.', ' '])))
}

/// NTFS reads `name::$DATA` and `name:$I30:$INDEX_ALLOCATION` as `name`.
fn without_stream(text: &str) -> Cow<'_, str> {
    if !text.contains(":$") {
        return Cow::Borrowed(text);
    }
    Cow::Owned(each_segment(text, |segment| match segment.split_once(":$") {
        Some((name, _)) => name.trim_end_matches(':'),
        None => segment,
    }))
}

/// A URL parser reads `//name/path` as a reference to another host (RFC 3986 section 4.2) and keeps only `/path`.
fn without_authority(text: &str) -> &str {
    if !text.starts_with("//") {
        return text;
    }
    let name = text.trim_start_matches('/');
    name.find('/').and_then(|at| name.get(at..)).unwrap_or("/")
}

/// Frameworks that join a root and a path take the slashes away in between, and none of those further on; `///path` is a path after an
/// authority without a name (RFC 3986 section 3.2).
fn one_leading_slash(text: &str) -> &str {
    let more = text.bytes().take_while(|b| *b == b'/').count().saturating_sub(1);
    text.get(more..).unwrap_or(text)
}

/// What it makes of a text may be eleven times as long (U+FDFA), so every character is paid for before it is written.
fn nfkc<'t>(text: &'t str, work: &mut Work) -> Result<Cow<'t, str>, Refusal> {
    work.touch(text.chars().map(price).sum())?;
    if is_nfkc(text) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.nfkc() {
        work.touch(price(letter))?;
        out.push(letter);
    }
    Ok(Cow::Owned(out))
}

/// Slashes that NFKC leaves alone and that code pages make slashes; the yen and the won sign stand where ASCII has the backslash in
/// the Japanese and the Korean one.
fn best_fit(text: &str) -> Cow<'_, str> {
    let slash = ['\u{2044}', '\u{2215}', '\u{29f8}'];
    let backslash = ['\u{2216}', '\u{29f5}', '\u{29f9}', '\u{a5}', '\u{20a9}'];
    if text.is_ascii() || !text.contains(|c| slash.contains(&c) || backslash.contains(&c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(slash, "/").replace(backslash, "\\"))
}

fn each_segment<'t>(text: &'t str, form: impl Fn(&'t str) -> &'t str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, segment) in text.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        out.push_str(form(segment));
    }
    out
}
