//! What applications make of a path, written down naively and apart from the gateway's own reading of it. Shares no code with it.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

#[path = "steps.rs"]
mod steps;

use steps::{merged, without_authority, without_dots, without_parameters};

fn hex(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

/// Percent-decoding to bytes; what is no escape stays. `unicode`: `%uXXXX` too.
fn decoded_bytes(text: &str, unicode: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let byte = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3).and_then(hex)).flatten();
        let wide = unicode && bytes[at] == b'%' && bytes.get(at + 1).is_some_and(|u| u.eq_ignore_ascii_case(&b'u'));
        let letter = wide.then(|| bytes.get(at + 2..at + 6).and_then(hex)).flatten().and_then(char::from_u32);
        match (byte, letter) {
            (Some(byte), _) => {
                out.push(byte as u8);
                at += 3;
            }
            (None, Some(letter)) => {
                out.extend_from_slice(letter.to_string().as_bytes());
                at += 6;
            }
            (None, None) => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// As an application with UTF-8 has it; `None` where the bytes are not.
pub fn decoded(text: &str) -> Option<String> {
    String::from_utf8(decoded_bytes(text, false)).ok()
}

/// As lax ones have it.
fn decoded_somehow(text: &str, unicode: bool) -> String {
    String::from_utf8_lossy(&decoded_bytes(text, unicode)).into_owned()
}

/// Lower case one character for one.
pub fn simple(text: &str) -> String {
    text.chars().filter_map(|letter| letter.to_lowercase().next()).collect()
}

/// As databases compare names.
pub fn without_accents(text: &str) -> String {
    simple(text).nfkd().filter(|letter| !is_combining_mark(*letter)).collect()
}

type Step = fn(&str) -> String;

const STEPS: [Step; 12] = [
    |text| format!("/{}", text.trim_start_matches('/')),
    without_authority,
    without_dots,
    without_parameters,
    merged,
    |text| text.replace('\\', "/"),
    |text| text.replace(['\u{a5}', '\u{20a9}'], "\\"),
    |text| text.split(['?', '#']).next().unwrap_or_default().to_owned(),
    |text| text.split('/').map(|segment| segment.trim_end_matches(['.', ' '])).collect::<Vec<_>>().join("/"),
    str::to_lowercase,
    simple,
    |text| text.nfkc().collect(),
];

/// Every text that these steps make of a path in any order, decoded once to three times; `most` of them.
pub fn readings(path: &str, most: usize) -> BTreeSet<String> {
    let (mut all, mut todo) = (BTreeSet::new(), vec![(path.to_owned(), 0)]);
    while let Some((text, times)) = todo.pop() {
        if all.len() >= most || !all.insert((text.clone(), times)) {
            continue;
        }
        todo.extend(STEPS.iter().map(|step| (step(&text), times)).filter(|(other, _)| *other != text));
        if times < 3 {
            todo.push((decoded_somehow(&text, false), times + 1));
            todo.push((decoded_somehow(&text, times > 0), times + 1));
        }
    }
    all.into_iter().filter(|(_, times)| *times > 0).map(|(text, _)| text).collect()
}

/// The whole segments at the beginning that are ASCII: what follows may be read in an encoding of the application's own. What no prefix of a route
/// has is left out, wherever the order of steps leaves some of it: parameters, queries, dots and spaces at the end of a name, `%uXXXX`, and
/// slashes at the start beyond two.
pub fn ascii_head(text: &str) -> String {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let bare = path.trim_start_matches('/');
    let slashes = (path.len() - bare.len()).min(2);
    let names = bare.split('/').map(|segment| segment.split(';').next().unwrap_or_default().trim_end_matches(['.', ' ']));
    let head: Vec<&str> = names.take_while(|name| name.is_ascii() && !name.to_ascii_lowercase().contains("%u")).collect();
    format!("{}{}", &"//"[..slashes], head.join("/").to_ascii_lowercase())
}

pub fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
