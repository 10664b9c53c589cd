//! What applications do to a path before they look at it, one function each. Each gives the text back unchanged where there is
//! nothing to do; none of them judges. Their closure is in [`super::readings`].

use std::borrow::Cow;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use super::refusal::Refusal;

pub(super) type Form = for<'t> fn(&'t str) -> Result<Cow<'t, str>, Refusal>;

/// Everything but folding, which changes what a reading is compared with.
pub(super) const FORMS: [Form; 11] = [
    decode_again,
    |text| Ok(merge_slashes(text)),
    |text| Ok(backslash_as_slash(text)),
    |text| Ok(without_parameters(text)),
    |text| Ok(Cow::Borrowed(before_query(text))),
    |text| Ok(trim_segments(text)),
    |text| Ok(without_stream(text)),
    |text| Ok(Cow::Borrowed(without_authority(text))),
    |text| Ok(Cow::Borrowed(one_leading_slash(text))),
    |text| Ok(nfkc(text)),
    |text| Ok(best_fit(text)),
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

/// Decodes what was decoded before. Then `%da` may stand in an honest name (`/100%25dark`): a single byte that cannot begin a
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

/// Whether a byte cannot stand in a path unless it is encoded (RFC 3986 section 3.3), so that its escape is its only spelling.
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

fn nfkc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfkc().collect()) }
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

/// Lower case alone: an application without letter case need not know NFKC.
pub fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { fold(text) } else { Cow::Owned(text.chars().flat_map(char::to_lowercase).collect()) }
}

/// Lower case letter by letter, as software does that makes one character of each: `İ` is the one whose full lower case is two.
pub(super) fn simple_lower(text: &str) -> Option<String> {
    text.contains('\u{130}').then(|| lower(&text.replace('\u{130}', "i")).into_owned())
}

/// The form in which names are compared without regard to letter case, accents and look-alikes: NFKD, combining marks and invisible
/// characters dropped, strokes too, `lower(upper(…))` letter by letter, until nothing changes.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        return if lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) };
    }
    let mut now = text.to_owned();
    // Two rounds settle every character there is; the bound is there so that nobody has to prove it.
    for _ in 0..4 {
        let bare = now.nfkd().filter(|c| !is_invisible(*c) && canonical_combining_class(*c) == 0);
        let next: String = bare.flat_map(char::to_uppercase).flat_map(char::to_lowercase).map(without_stroke).collect();
        if next == now {
            break;
        }
        now = next;
    }
    if now == text { Cow::Borrowed(text) } else { Cow::Owned(now) }
}

/// Latin letters that NFKD leaves whole and that accent-insensitive comparison takes for their base (UTS #10, secondary weights).
const fn without_stroke(letter: char) -> char {
    match letter {
        'ø' => 'o',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ł' | 'ƚ' => 'l',
        'ŧ' => 't',
        'ƀ' => 'b',
        'ǥ' => 'g',
        'ɨ' | 'ı' => 'i',
        'ƶ' => 'z',
        other => other,
    }
}

/// Characters that file systems and string comparisons skip (Unicode Default_Ignorable_Code_Point, as far as names have them).
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{20dd}'..='\u{20e4}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
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
