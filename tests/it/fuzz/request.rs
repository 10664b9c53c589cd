//! The generator: requests that are right, nearly right, and wrong in the ways that have let people past gates like this one.

use super::dice::Dice;
use super::model::Level;

/// Session cookies' values.
#[derive(Clone)]
pub struct Keys {
    pub one: String,
    pub two: String,
}

/// A request with what its sender may.
pub struct Sent {
    pub mark: String,
    pub level: Level,
    pub bytes: Vec<u8>,
}

const PLACES: [&str; 18] = [
    "/admin/users",
    "/admin",
    "/admin/",
    "/staff/x",
    "/staff",
    "/closed/x",
    "/public/a",
    "/public/payroll/1",
    "/public",
    "/hooks/1",
    "/x",
    "/",
    "/a/b/c",
    "/.vestibule/login",
    "/.vestibule/admin",
    "/administrator",
    "/desk/x",
    "/public/../admin",
];

const HOSTS: [&str; 6] = ["open.example", "mixed.example", "a.wild.example", "x.wild.example", "slash.example", "open.example"];

fn at_a_char(dice: &mut Dice, text: &mut String, change: impl FnOnce(char, &mut Dice) -> String) {
    let plain: Vec<usize> = text.char_indices().filter(|(at, c)| *at > 0 && c.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
    if plain.is_empty() {
        return;
    }
    let at = plain[dice.below(plain.len())];
    let old = text[at..].chars().next().unwrap();
    let new = change(old, dice);
    text.replace_range(at..at + 1, &new);
}

fn at_a_slash(dice: &mut Dice, text: &mut String, new: &str) {
    let slashes: Vec<usize> = text.match_indices('/').map(|(at, _)| at).collect();
    if !slashes.is_empty() {
        let at = slashes[dice.below(slashes.len())];
        text.replace_range(at..=at, new);
    }
}

/// Bends a path in one way.
fn bend(dice: &mut Dice, text: &mut String) {
    match dice.below(16) {
        0 => at_a_char(dice, text, |c, _| format!("%{:02x}", c as u32)),
        1 => at_a_char(dice, text, |c, _| format!("%{:02X}", c.to_ascii_uppercase() as u32)),
        2 => at_a_char(dice, text, |c, _| format!("%25{:02x}", c as u32)),
        3 => at_a_char(dice, text, |c, _| c.to_ascii_uppercase().to_string()),
        4 => *text = text.to_ascii_uppercase(),
        5 => at_a_slash(dice, text, "//"),
        6 => {
            let parameter = dice.of(&[";a=b/", ";/", ";x", "%3bx/", "%253bx/"]);
            at_a_slash(dice, text, parameter);
        }
        7 => {
            let slash = dice.of(&["%2f", "%2F", "%5c", "\\", "%252f", "%255c", "%ef%bc%8f", "%c0%af", "/%2f", "%25252f", "%e2%88%95"]);
            at_a_slash(dice, text, slash);
        }
        8 => {
            let dots =
                dice.of(&["/x/../", "/./", "/%2e%2e/", "/..;/", "/x/%2e./", "/.%2e/", "/%252e%252e/", "/..%00/", "/.../", "/x/..\\"]);
            at_a_slash(dice, text, dots);
        }
        9 => at_a_char(dice, text, |c, _| match c {
            'k' => "%e2%84%aa".to_owned(),
            's' => "%c5%bf".to_owned(),
            'a'..='z' => {
                let wide = char::from_u32(c as u32 - 'a' as u32 + 0xff41).unwrap_or('x');
                wide.to_string().bytes().map(|b| format!("%{b:02x}")).collect()
            }
            other => other.to_string(),
        }),
        10 => text.push_str(dice.of(&["?q=/../admin", "?", "?x=%00%ff", "?/admin", "??"])),
        11 => text.push_str(dice.of(&["%00", "%", "%zz", "%ff", "%20", "%09", "#x", "%23", "%3f", "%0d%0a", ".", "%2e", ";"])),
        12 => at_a_char(dice, text, |c, _| format!("{c}\u{e9}")),
        13 => at_a_char(dice, text, |c, _| format!("%u00{:02x}", c as u32)),
        14 => *text = text.bytes().map(|b| if b == b'/' { "/".to_owned() } else { format!("%{b:02x}") }).collect(),
        _ => {}
    }
}

fn target(dice: &mut Dice, host: &str) -> String {
    let mut text = dice.of(&PLACES).to_owned();
    let bends = [0, 0, 1, 1, 1, 2, 3];
    for _ in 0..bends[dice.below(bends.len())] {
        bend(dice, &mut text);
    }
    match dice.below(90) {
        0 => format!("http://{host}{text}"),
        1 => format!("http://mixed.example{text}"),
        2 => "*".to_owned(),
        3 => host.to_owned(),
        4 => format!("//{host}{text}"),
        5 => text.trim_start_matches('/').to_owned(),
        _ => text,
    }
}

fn host_lines(dice: &mut Dice, host: &str) -> String {
    match dice.below(60) {
        0 => format!("Host: {}\r\n", host.to_uppercase()),
        1 => format!("Host: {host}.\r\n"),
        2 => format!("Host: {host}:80\r\n"),
        3 => format!("Host: {host}\r\nHost: open.example\r\n"),
        4 => format!("Host: {host}, open.example\r\n"),
        5 => String::new(),
        6 => format!("Host: x@{host}\r\n"),
        7 => format!("Host: {host}:99999\r\n"),
        8 => format!("Host : {host}\r\n"),
        9 => format!("hOST:\t{host} \r\n"),
        10 => format!("Host: {host}\r\nX_Host: open.example\r\nX-Host: open.example\r\n"),
        11 => format!("Host: {host}%00\r\n"),
        _ => format!("Host: {host}\r\n"),
    }
}

/// Cookie lines, and what they are worth: the value of the one session cookie.
fn cookies(dice: &mut Dice, keys: &Keys) -> (String, Level) {
    let (one, two) = (&keys.one, &keys.two);
    let changed = |token: &str, dice: &mut Dice| {
        let at = dice.below(token.len());
        let new = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{new}{}", &token[..at], &token[at + 1..])
    };
    match dice.below(22) {
        0..=4 => (format!("Cookie: app=1; vestibule={one}\r\n"), Level::One),
        5..=8 => (format!("Cookie: vestibule={two}; app=2\r\n"), Level::Two),
        9 => (format!("Cookie: vestibule={one}; vestibule={one}\r\n"), Level::Open),
        10 => (format!("Cookie: vestibule={one}\r\nCookie: vestibule={two}\r\n"), Level::Open),
        11 => (format!("Cookie: vestibule={}\r\n", &two[..dice.below(two.len())]), Level::Open),
        12 => {
            let forged = changed(two, dice);
            // The last character of base64 may carry bits that mean nothing: the same token, if it is taken at all.
            let level = if forged[..forged.len() - 1] == two[..two.len() - 1] { Level::Two } else { Level::Open };
            (format!("Cookie: vestibule={forged}\r\n"), level)
        }
        13 => (format!("Cookie: vestibule_flow={two}; vestibule_device={one}; vestibule_csrf=x\r\n"), Level::Open),
        14 => (format!("Cookie: __Host-vestibule={two}; __secure-vestibule_x=1\r\n"), Level::Open),
        15 => (format!("Cookie: a=b;\t vestibule = {one} ;;; c=d\r\n"), Level::One),
        16 => (format!("Cookie: vestibule=\u{7f}{two}\r\n"), Level::Open),
        17 => (format!("cookie: app=\"x;vestibule={one}\"\r\n"), Level::One),
        _ => (String::new(), Level::Open),
    }
}

/// Headers that a client has no business sending, in spellings of its own.
fn disguised_headers(dice: &mut Dice, close: bool) -> String {
    const NAMES: [&str; 13] = [
        "Remote-User",
        "Remote-Name",
        "Remote-Email",
        "Remote-Groups",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-User",
        "Proxy",
    ];
    let mut lines = String::new();
    for _ in 0..dice.below(4) {
        let mut name = dice.of(&NAMES).to_owned();
        match dice.below(6) {
            0 => name = name.replace('-', "_"),
            1 => name = name.to_uppercase(),
            2 => name = name.replacen('-', "_", 1),
            3 => name = name.replace('-', "."),
            4 => name = name.to_lowercase(),
            _ => {}
        }
        lines.push_str(&format!("{name}: {}\r\n", dice.of(&["evil", "root", "10.0.0.1", "/admin", "", "\u{ff21}"])));
    }
    if dice.one_in(4) {
        let nominated = dice.of(&[
            "Remote-User",
            "X-Forwarded-For, Remote-User",
            "Cookie",
            "Host",
            "remote_user",
            "X-Forwarded-Host,X-Forwarded-Proto",
        ]);
        lines.push_str(&format!("Connection: {nominated}{}\r\n", if close { ", close" } else { "" }));
    }
    if dice.one_in(12) {
        lines.push_str(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        );
    }
    if dice.one_in(3) {
        lines.push_str(dice.of(&["Sec-Fetch-Mode: navigate\r\n", "Accept: text/html\r\n", "X-Requested-With: x\r\n", "TE: trailers\r\n"]));
    }
    lines
}

/// The lines that say how long the body is, and the body; `true`: after it the connection can go on. A body may hold what would be a
/// request, if the framing were read in another way.
fn framing(dice: &mut Dice, method: &str) -> (String, Vec<u8>, bool) {
    let inner = "GET /admin HTTP/1.1\r\nHost: open.example\r\nX-Fuzz: smuggled\r\n\r\n";
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let with = |lines: String, body: &str, goes_on| (lines, body.as_bytes().to_vec(), goes_on);
    let length = inner.len();
    if !dice.one_in(if method == "GET" { 8 } else { 2 }) {
        return with(String::new(), "", true);
    }
    match dice.below(18) {
        0 => with(format!("Content-Length: {length}\r\n"), inner, true),
        1 => with("Transfer-Encoding: chunked\r\n".into(), &chunk, true),
        2 => with("Transfer-Encoding: chunked\r\nTrailer: Remote-User\r\n".into(), "1\r\nx\r\n0\r\nRemote-User: evil\r\n\r\n", true),
        3 => with(format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunk.len()), &chunk, false),
        4 => with("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".into(), &chunk, false),
        5 => with(format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), inner, false),
        6 => with(format!("Content-Length: +{length}\r\n"), inner, false),
        7 => with(format!("Content-Length: 0, {length}\r\n"), inner, false),
        8 => with("Transfer-Encoding: xchunked\r\n".into(), &chunk, false),
        9 => with("Transfer-Encoding: chunked, identity\r\n".into(), &chunk, false),
        10 => with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n".into(), &chunk, false),
        11 => with("Transfer-Encoding:\u{b}chunked\r\n".into(), &chunk, false),
        12 => with("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n".into(), &chunk, false),
        13 => with(format!("Content-Length: {length}\r\nX: y\r\n folded: z\r\n"), inner, false),
        14 => with(format!("Content-Length: 0x{length:x}\r\n"), inner, false),
        15 => with("Transfer-Encoding: chunked\r\n".into(), "ffffffffffffffff1\r\nx\r\n0\r\n\r\n", false),
        16 => with("Content-Length: 12\r\nContent-Type: application/x-www-form-urlencoded\r\n".into(), "username=a%ff", true),
        _ => with("Content-Length: 0\r\n".into(), "", true),
    }
}

/// A request; `last`: the connection is to be closed after it.
pub fn make(dice: &mut Dice, keys: &Keys, last: bool) -> Sent {
    let mark = dice.mark();
    let host = dice.of(&HOSTS);
    let method = dice
        .of(&["GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PROPFIND", "GET", "POST", "GET", "GET", "TRACE", "get"]);
    let (target, hosts, (cookies, level)) = (target(dice, host), host_lines(dice, host), cookies(dice, keys));
    let (framing, body, goes_on) = framing(dice, method);
    let version = match dice.below(60) {
        0 => "HTTP/1.0",
        1 => "HTTP/2.0",
        2 => "http/1.1",
        3 => "HTTP/1.2",
        _ => "HTTP/1.1",
    };
    let close = if last || !goes_on { "Connection: close\r\n" } else { "" };
    let headers = disguised_headers(dice, !close.is_empty());
    let end = if dice.one_in(40) { "\n" } else { "\r\n" };
    let head = format!("{method} {target} {version}\r\n{hosts}{cookies}{headers}{framing}X-Fuzz: {mark}\r\n{close}{end}");
    Sent { mark, level, bytes: [head.into_bytes(), body].concat() }
}
