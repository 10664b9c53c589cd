//! What is left of a Cookie line is exactly what a naive reader finds that is not the gateway's; what is presented is what stands there
//! once; and no value verifies that the key did not mint, nor one that it minted for something else.
#![no_main]

use std::sync::LazyLock;

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use vestibule::config::Config;
use vestibule::gateway::OwnCookies;
use vestibule::session::keys::MasterKey;
use vestibule::session::{CookieKind, Cookies, KeyRing, Purpose};

/// Two keys that are always the same, so that a corpus can hold what they mint.
static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let key = |id: u8| {
        let secret = data_encoding::BASE64URL_NOPAD.encode(&[id; 32]);
        serde_json::from_value::<MasterKey>(serde_json::json!({ "id": id, "secret": secret, "created": 0 })).expect("a key")
    };
    KeyRing::new(&[key(1), key(2)]).expect("a ring")
});

static MINTED: LazyLock<[String; 2]> = LazyLock::new(|| [Purpose::Session, Purpose::Flow].map(|purpose| RING.sign(purpose, &[7; 16])));

const PURPOSES: [Purpose; 7] =
    [Purpose::Session, Purpose::Flow, Purpose::Device, Purpose::Csrf, Purpose::Form, Purpose::Link, Purpose::Passkey];

/// `@S` and `@F` in an input are a session's and a flow's token, so that what is bent is nearly right.
fn filled_in(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'@', [b'S', after @ ..]) => {
                out.extend_from_slice(MINTED[0].as_bytes());
                rest = after;
            }
            (b'@', [b'F', after @ ..]) => {
                out.extend_from_slice(MINTED[1].as_bytes());
                rest = after;
            }
            _ => out.push(*first),
        }
    }
    out
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !b" \t".contains(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !b" \t".contains(b)).map_or(start, |at| at + 1);
    &bytes[start..end]
}

fn pair(segment: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = segment.splitn(2, |b| *b == b'=');
    (trimmed(halves.next().unwrap_or_default()), trimmed(halves.next().unwrap_or_default()))
}

fn is_ours(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name);
    let lower = name.to_ascii_lowercase();
    let bare = if lower.starts_with("__host-") {
        &name[7..]
    } else if lower.starts_with("__secure-") {
        &name[9..]
    } else {
        &name
    };
    bare == "vestibule" || bare.starts_with("vestibule_")
}

fuzz_target!(|input: &[u8]| {
    let Ok(line) = HeaderValue::from_bytes(&filled_in(input)) else { return };
    let segments = || line.as_bytes().split(|b| *b == b';').map(trimmed).filter(|segment| !segment.is_empty());
    for (domain, secure, name) in [(None, false, "vestibule"), (None, true, "__Host-vestibule"), (Some("x.example"), true, "__Secure-vestibule")] {
        let own = OwnCookies::new("vestibule", domain);
        let of_that_name: Vec<&[u8]> = segments().map(pair).filter(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value).collect();
        let shown = format!("{:?}", own.presented([&line].into_iter(), secure));
        let expected = match of_that_name.as_slice() {
            [] => "None".to_owned(),
            [value] => std::str::from_utf8(value).map_or("Unusable".to_owned(), |text| format!("One({text:?})")),
            _ => "Unusable".to_owned(),
        };
        assert_eq!(shown, expected);
        // Twice the line is two of each.
        let twice = format!("{:?}", own.presented([&line, &line].into_iter(), secure));
        assert_eq!(twice, if of_that_name.is_empty() { "None" } else { "Unusable" });

        let kept = own.without_own(&line);
        let others: Vec<&[u8]> = segments().filter(|segment| !is_ours(pair(segment).0)).collect();
        assert_eq!(kept.is_some(), segments().count() > others.len());
        if let Some(kept) = kept {
            assert_eq!(kept, others.join(b"; ".as_slice()));
            assert!(own.without_own(&HeaderValue::from_bytes(&kept).expect("parts of a header value are one")).is_none());
        }
        // What a browser would send back under one of our names is never set by an upstream.
        let first = line.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
        let nameless = first.iter().position(|b| !b"= \t".contains(b)).map_or(&first[..0], |at| &first[at..]);
        assert_eq!(own.set_by(&line).is_some(), is_ours(pair(nameless).0));
    }
    for (segment, purpose) in segments().flat_map(|segment| PURPOSES.map(|purpose| (segment, purpose))) {
        let Ok(value) = std::str::from_utf8(pair(segment).1) else { continue };
        let minted = match purpose {
            Purpose::Session => value == MINTED[0],
            Purpose::Flow => value == MINTED[1],
            _ => false,
        };
        assert_eq!(RING.verify(purpose, value, &mut [0; 256]).is_some(), minted, "{purpose:?} {value}");
    }
    if let Ok(text) = line.to_str() {
        let cookies = Cookies::new(&Config::default().session, false);
        let found: Vec<&[u8]> = segments().filter(|s| s.contains(&b'=')).map(pair).filter(|(name, _)| *name == b"vestibule_flow").map(|(_, v)| v).collect();
        let expected = if let [value] = found.as_slice() { Some(*value) } else { None };
        assert_eq!(cookies.read(CookieKind::Flow, [text]).map(str::as_bytes), expected);
    }
});
