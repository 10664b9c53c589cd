//! The same over HTTP/2: frames and header blocks by hand (RFC 9113, RFC 7541), so that pseudo-headers, names and bodies can be what no library sends.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::dice::Dice;
use super::lines::{PRESETS, spelt};
use super::model::Level;
use super::request::{HOSTS, Keys, Sent, token};
use super::target::target;

pub const NAME: &str = "open.example";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A text with its length (RFC 7541 section 5), nothing in it compressed.
fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    match bytes.len().checked_sub(127) {
        None => out.push(bytes.len() as u8),
        Some(mut rest) => {
            out.push(127);
            while rest >= 128 {
                out.push(0x80 | (rest % 128) as u8);
                rest /= 128;
            }
            out.push(rest as u8);
        }
    }
    out.extend_from_slice(bytes);
    out
}

type Fields = Vec<(String, String)>;

fn block(fields: &Fields) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| [vec![0], text(name.as_bytes()), text(value.as_bytes())].concat()).collect()
}

fn field(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// Cookie fields, and what they are worth: the value of the one session cookie under its name over HTTPS.
fn cookies(dice: &mut Dice, keys: &Keys) -> (Fields, Level) {
    let (one, two) = (&keys.one, &keys.two);
    let session = |value: &str| field("cookie", format!("__Host-vestibule={value}"));
    match dice.below(14) {
        0..=2 => (vec![session(one)], Level::One),
        3 | 4 => (vec![field("cookie", "app=1"), session(two), field("cookie", "b=2; c")], Level::Two),
        5 => (vec![session(one), session(two)], Level::Open),
        6 => (vec![field("cookie", format!("vestibule={two}"))], Level::Open),
        7 => (vec![field("cookie", format!("__Host-vestibule={one}; __host-vestibule={two}; vestibule={two}"))], Level::One),
        8 => (vec![session(&two[1..])], Level::Open),
        9 => (vec![field("cookie", "__Host-vestibule"), field("cookie", format!("={two}"))], Level::Open),
        _ => (Vec::new(), Level::Open),
    }
}

/// What a client has no business sending, in one way or none. Pseudo-headers are the first four.
fn bend(dice: &mut Dice, fields: &mut Fields, host: &str) {
    let evil = [
        ("Remote-User", "evil"),
        ("remote-user", "evil"),
        ("remote_user", "evil"),
        ("remote-groups", "admin"),
        ("connection", "remote-user"),
        ("connection", "x-forwarded-for, cookie"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "admin.example"),
        ("x-original-url", "/admin"),
        ("x", "a\r\nRemote-User: evil"),
        ("x: y\r\nremote-user", "evil"),
        ("remote-user ", "evil"),
        ("remote-user\0", "evil"),
        ("x", "a\nRemote-User: evil"),
        ("x", "a\0b"),
        ("", "evil"),
        (":remote-user", "evil"),
        (":path", "/admin"),
        (":authority", "mixed.example"),
        (":protocol", "websocket"),
        ("host", "open.example"),
        ("host", "mixed.example"),
        ("content-length", "5"),
        ("content-length", "0"),
        ("expect", "100-continue"),
        ("x-http-method-override", "GET"),
    ];
    match dice.below(12) {
        0 => drop(fields.remove(dice.below(4))),
        1 => fields.swap(dice.below(4), 4),
        2 => fields[1].1 = dice.of(&["http", "ftp", "", "https://x", "HTTPS"]).to_owned(),
        3 => {
            fields[2].1 =
                dice.of(&["OPEN.example.", "open.example:443", "x@open.example", "open.example\0", "", "mixed.example/x"]).to_owned()
        }
        4 => fields[3].1 = dice.of(&["", "*", "admin", "/public HTTP/1.1\r\nX: y", "/x\0/admin", "http://mixed.example/admin"]).to_owned(),
        5 => fields[0].1 = dice.of(&["CONNECT", "get", "GET /admin HTTP/1.1\r\nX:", "", "G\0T", "TRACE"]).to_owned(),
        6 => fields.push(field("host", host)),
        7 => fields[2] = field("host", host),
        _ => {
            for _ in 0..=dice.below(2) {
                let (name, value) = evil[dice.below(evil.len())];
                fields.push(field(name, value));
                let name = dice.of(&PRESETS);
                let name = spelt(dice, name);
                fields.push(field(&if dice.one_in(4) { name } else { name.to_lowercase() }, "evil"));
            }
        }
    }
}

/// The frames of a request.
fn make(dice: &mut Dice, keys: &Keys, stream: u32) -> Sent {
    let mark = dice.mark();
    let host = dice.of(&HOSTS);
    let method = dice.of(&["GET", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS"]);
    let (token, (cookies, level)) = match token(dice, keys, host) {
        None => (None, cookies(dice, keys)),
        // Cookie fields over HTTP/2 may be one cookie each; lines of other headers are fields as well.
        Some((lines, level)) => (Some(level > Level::Open), (lines, level)),
    };
    let mut fields =
        vec![field(":method", method), field(":scheme", "https"), field(":authority", host), field(":path", target(dice, host))];
    fields.push(field("x-fuzz", mark.clone()));
    fields.extend(cookies);
    if dice.one_in(3) {
        bend(dice, &mut fields, host);
    }
    let has_body = dice.one_in(if method == "GET" { 8 } else { 2 });
    let block = block(&fields);
    let flag = if has_body { 0 } else { END_STREAM };
    let mut bytes = if dice.one_in(5) && block.len() > 10 {
        let (first, rest) = block.split_at(1 + dice.below(block.len() - 1));
        [frame(HEADERS, flag, stream, first), frame(CONTINUATION, END_HEADERS, stream, rest)].concat()
    } else if dice.one_in(6) {
        frame(HEADERS, flag | END_HEADERS | PADDED, stream, &[&[4], block.as_slice(), &[0; 4]].concat())
    } else {
        frame(HEADERS, flag | END_HEADERS, stream, &block)
    };
    if has_body {
        bytes.extend(body(dice, stream));
    }
    Sent { mark, level, secure: true, token: token.unwrap_or_default(), bytes }
}

fn body(dice: &mut Dice, stream: u32) -> Vec<u8> {
    let smuggled: &[u8] = b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: open.example\r\nX-Fuzz: smuggled\r\n\r\n";
    let trailers = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| field(name, *value)).collect();
        [frame(DATA, 0, stream, b"hello"), frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&fields))].concat()
    };
    match dice.below(8) {
        0 => frame(DATA, END_STREAM, stream, smuggled),
        1 => [frame(DATA, 0, stream, b"hello"), frame(DATA, END_STREAM, stream, b"")].concat(),
        2 => trailers(&[("remote-user", "evil"), ("x-forwarded-for", "10.0.0.1")]),
        3 => trailers(&[(":path", "/admin"), ("cookie", "vestibule=x")]),
        4 => trailers(&[("content-length", "0"), ("transfer-encoding", "chunked"), ("host", "mixed.example")]),
        5 => frame(DATA, END_STREAM | PADDED, stream, &[&[3], b"hello".as_slice(), &[0; 3]].concat()),
        6 => [frame(DATA, 0, stream, b"hel"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat(),
        _ => frame(DATA, END_STREAM, stream, b"hello"),
    }
}

/// Requests for one connection.
pub fn batch(dice: &mut Dice, keys: &Keys) -> Vec<Sent> {
    (0..=dice.below(4)).map(|n| make(dice, keys, 1 + 2 * n as u32)).collect()
}

/// Sends them and waits for an end of each, or of all. Returns whether one was answered 5xx.
pub async fn exchange((to, connector): &(SocketAddr, TlsConnector), batch: &[Sent]) -> bool {
    let tcp = TcpStream::connect(*to).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    // A machine that stood still for a while takes longer than a handshake may.
    let Ok(mut stream) = connector.connect(ServerName::try_from(NAME).unwrap(), tcp).await else { return false };
    // No table, so that each answer's status is in its own block.
    let settings = frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
    let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings].concat();
    let bytes: Vec<u8> = opening.into_iter().chain(batch.iter().flat_map(|sent| sent.bytes.iter().copied())).collect();
    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
        return false;
    }
    let (mut open, mut failed) = (batch.len(), false);
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        while open > 0 {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            stream.read_exact(&mut payload).await?;
            let ends = matches!(head[3], DATA | HEADERS) && head[4] & END_STREAM != 0;
            open -= usize::from(ends || head[3] == RST_STREAM);
            failed |= head[3] == HEADERS && is_5xx(&payload);
            if head[3] == GOAWAY {
                break;
            }
        }
        Ok::<(), std::io::Error>(())
    })
    .await;
    failed
}

/// Whether a header block begins with such a status: indexed, or written out, plain or in Huffman's code.
fn is_5xx(block: &[u8]) -> bool {
    let start = block.iter().position(|b| b & 0xe0 != 0x20).unwrap_or(0);
    match &block[start..] {
        [0x8e, ..] => true,
        [0x08 | 0x18 | 0x48, _, first, ..] => *first == b'5' || *first == 0x6c,
        _ => false,
    }
}

#[test]
fn a_5xx_is_seen_however_it_is_written() {
    for block in [&[0x8e][..], b"\x48\x03502", b"\x08\x03503x", &[0x48, 0x82, 0x6c, 0x02], &[0x20, 0x8e, 1]] {
        assert!(is_5xx(block), "{block:x?}");
    }
    for block in [&[0x88][..], &[0x8d, 0x8e], b"\x48\x03404", &[0x48, 0x82, 0x68, 0x02], &[]] {
        assert!(!is_5xx(block), "{block:x?}");
    }
}
