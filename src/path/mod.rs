//! The path of a request, read as every application behind the gateway might read it.
//!
//! [`Path::parse`] refuses what no honest client sends. What it lets through has one or more [`Reading`]s; a decision holds only
//! if it holds for each of them. The bytes themselves are never changed: what came in goes out.
//!
//! Most targets are lower-case letters, digits and single slashes: those have exactly one reading, borrowed from the target.

mod folding;
mod forms;
mod marks;
mod readings;
mod refusal;
mod work;

pub use folding::{fold, lower};
pub use readings::Reading;
pub use refusal::Refusal;

use readings::Found;

/// How long the path of a target may be, in bytes; the query is not counted.
pub const MAX_PATH: usize = 8 * 1024;

#[derive(Clone, Debug)]
enum Readings<'a> {
    One(&'a str),
    Many(Vec<Found>),
}

/// A path that was not refused.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    raw: &'a str,
    query: Option<&'a [u8]>,
    encoded_slash: bool,
    readings: Readings<'a>,
}

impl<'a> Path<'a> {
    /// Reads the target of a request line in origin-form (RFC 9112 section 3.2.1): a path and, after the first `?`, a query,
    /// which is not judged.
    ///
    /// # Errors
    /// Every form in [`Refusal`] but `EncodedSlash`.
    pub fn parse(target: &'a [u8]) -> Result<Self, Refusal> {
        let (path, query) = split_query(target);
        if path.first() != Some(&b'/') {
            return Err(Refusal::NotAPath);
        }
        if path.len() > MAX_PATH {
            return Err(Refusal::TooLong);
        }
        let simple = has_one_reading(path);
        if !simple {
            check_bytes(path)?;
        }
        let raw = std::str::from_utf8(path).map_err(|_| Refusal::NotAscii)?;
        if simple {
            return Ok(Self { raw, query, encoded_slash: false, readings: Readings::One(raw) });
        }
        let encoded_slash = path.windows(3).any(|w| w.eq_ignore_ascii_case(b"%2f"));
        let readings = Readings::Many(readings::of(raw, encoded_slash)?);
        Ok(Self { raw, query, encoded_slash, readings })
    }

    /// The path as it was sent, without the query.
    pub const fn path_bytes(&self) -> &'a [u8] {
        self.raw.as_bytes()
    }

    /// The same as text: a path that was not refused is ASCII.
    pub const fn as_sent(&self) -> &'a str {
        self.raw
    }

    /// What follows the first `?`, as it was sent.
    pub const fn query_bytes(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// Whether it was sent with `%2f`, which only some routes let through.
    pub const fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }

    /// Every reading, the primary one first: decoded once, nothing else. Its route is the one that forwards.
    pub fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        let (one, many) = match &self.readings {
            Readings::One(text) => (Some(Reading { text, plain: true, lowered: true, folded: true }), [].as_slice()),
            Readings::Many(found) => (None, found.as_slice()),
        };
        one.into_iter().chain(many.iter().map(Found::reading))
    }

    /// The primary reading's text.
    pub fn primary(&self) -> &str {
        self.readings().next().map_or(self.raw, |reading| reading.text)
    }
}

fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = target.splitn(2, |b| *b == b'?');
    (parts.next().unwrap_or_default(), parts.next())
}

/// Lower-case unreserved characters (RFC 3986 section 2.3) and single slashes, no segment that ends with a dot: every form of
/// such a path is the path itself.
fn has_one_reading(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        let same_in_every_form = match byte {
            b'/' => before != b'/' && before != b'.',
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            _ => false,
        };
        if !same_in_every_form {
            return false;
        }
        before = byte;
    }
    before != b'.'
}

/// What may not be in a path unencoded, and escapes that are none.
fn check_bytes(path: &[u8]) -> Result<(), Refusal> {
    for (at, byte) in path.iter().enumerate() {
        match byte {
            0..=0x1f | 0x7f => return Err(Refusal::Control),
            b' ' | b'#' => return Err(Refusal::Unencoded),
            b'\\' => return Err(Refusal::Backslash),
            0x80.. => return Err(Refusal::NotAscii),
            b'%' if !path.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                return Err(Refusal::MalformedEscape);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
