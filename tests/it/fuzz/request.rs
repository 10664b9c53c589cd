//! The generator: requests that are right, nearly right, and wrong in the ways that have let people past gates like this one.

use super::body::framing;
use super::dice::Dice;
use super::lines::disguised_headers;
use super::model::Level;
use super::target::target;

/// Session cookies' values.
#[derive(Clone)]
pub struct Keys {
    pub one: String,
    pub two: String,
    /// An API token of whom `one` is a session of, for one route only.
    pub token: String,
}

/// A request with what its sender may.
pub struct Sent {
    pub mark: String,
    pub level: Level,
    /// Over HTTPS.
    pub secure: bool,
    /// It rests on the token.
    pub token: bool,
    pub bytes: Vec<u8>,
}

pub const HOSTS: [&str; 12] = [
    "open.example",
    "mixed.example",
    "a.wild.example",
    "x.wild.example",
    "slash.example",
    "open.example",
    "cut.example",
    "cut.example",
    "front.example",
    "front.example",
    "token.example",
    "token.example",
];

/// Headers that carry the token, or something like it where none counts, and what they are worth; `None`: a session or nothing.
pub fn token(dice: &mut Dice, keys: &Keys, host: &str) -> Option<(Vec<(String, String)>, Level)> {
    if !dice.one_in(if host == "token.example" { 2 } else { 12 }) {
        return None;
    }
    let (token, session) = (&keys.token, &keys.two);
    let basic = |pair: String| format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
    let changed = format!("{}{}", &token[..token.len() - 1], if token.ends_with('a') { 'b' } else { 'a' });
    let at = dice.below(token.len());
    let (good, bad) = (Level::One, Level::Open);
    let all: [(&[(&str, String)], Level); 18] = [
        (&[("authorization", format!("Bearer {token}"))], good),
        (&[("authorization", format!("bEARER   {token}"))], good),
        (&[("authorization", basic(format!("anybody:{token}")))], good),
        (&[("x-vestibule-token", token.clone())], good),
        (&[("x-vestibule-token", token.clone()), ("authorization", "Bearer own".into())], good),
        (&[("authorization", format!("Bearer {token}")), ("cookie", format!("vestibule={session}; __Host-vestibule={session}"))], good),
        (&[("authorization", format!("Bearer {changed}"))], bad),
        (&[("authorization", format!("Bearer {}", &token[..at]))], bad),
        (&[("authorization", format!("Bearer {}", token.to_uppercase()))], bad),
        (&[("authorization", format!("Bearer {token}")), ("authorization", "Bearer own".into())], bad),
        (&[("authorization", "Bearer own".into()), ("authorization", format!("Bearer {token}"))], bad),
        (&[("authorization", format!("Bearer own, Bearer {token}"))], bad),
        (&[("authorization", format!("Bearer {token}, Bearer {token}"))], bad),
        (&[("authorization", basic(format!("{token}:x")))], bad),
        (&[("proxy-authorization", format!("Bearer {token}"))], bad),
        (&[("x_vestibule_token", token.clone())], bad),
        (&[("cookie", format!("vestibule={token}; __Host-vestibule={token}; authorization=Bearer {token}"))], bad),
        (&[("sec-websocket-protocol", format!("bearer, {token}")), ("authorization", String::new())], bad),
    ];
    let (fields, level) = &all[dice.below(all.len())];
    Some((fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(), *level))
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
    match dice.below(30) {
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
        18 => (format!("Cookie: a=1\r\nCOOKIE: b=2\r\ncookie: vestibule={two}\r\n"), Level::Two),
        19 => (format!("Cookie: {}vestibule={one}\r\n", "app=1; ".repeat([60, 900][dice.below(2)])), Level::One),
        20 => (format!("{}Cookie: vestibule={two}\r\n", "Cookie: app=1\r\n".repeat(40)), Level::Two),
        21 => (format!("Cookie: vestibule=\"{two}\"\r\n"), Level::Open),
        22 => (format!("Cookie: $Version=1; vestibule={one}; $Path=/; vestibule2=x; app={two}\r\n"), Level::One),
        23 => (format!("Cookie: app=1, vestibule={two}\r\nSet-Cookie: vestibule={two}\r\nCookie2: vestibule={two}\r\n"), Level::Open),
        24 => (format!("Cookie: vestibule={one};\tvestibule_device={two}; __Host-vestibule={two}; vestibule_csrf=y\r\n"), Level::One),
        _ => (String::new(), Level::Open),
    }
}

/// As [`cookies`]; mostly somebody's where nobody else gets anywhere.
fn credentials(dice: &mut Dice, keys: &Keys, host: &str) -> (String, Level) {
    let first = cookies(dice, keys);
    let closed = matches!(host, "front.example" | "token.example");
    if closed && first.1 == Level::Open && !dice.one_in(3) { cookies(dice, keys) } else { first }
}

/// A request; `last`: the connection is to be closed after it.
pub fn make(dice: &mut Dice, keys: &Keys, last: bool) -> Sent {
    let mark = dice.mark();
    let host = dice.of(&HOSTS);
    let method = dice.of(&[
        "GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PROPFIND", "GET", "POST", "GET", "GET", "TRACE", "get", "MOVE",
        "COPY",
    ]);
    let (target, hosts) = (target(dice, host), host_lines(dice, host));
    let token =
        token(dice, keys, host).map(|(fields, level)| (fields.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect::<String>(), level));
    let rests = token.as_ref().is_some_and(|(_, level)| *level > Level::Open);
    let (mut cookies, level) = token.unwrap_or_else(|| credentials(dice, keys, host));
    if matches!(method, "MOVE" | "COPY") {
        cookies.push_str(&format!("Destination: http://{host}{}\r\n", super::target::target(dice, host)));
    }
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
    let line = match dice.below(200) {
        0 => format!("{method}\t{target}\t{version}"),
        1 => format!("{method}  {target}  {version}"),
        2 => format!("\r\n{method} {target} {version}"),
        3 => format!("{method} {target} {version} "),
        4 => format!("{method} {target}\u{b}{version}"),
        5 => format!(" {method} {target} {version}"),
        _ => format!("{method} {target} {version}"),
    };
    let head = format!("{line}\r\n{hosts}{cookies}{headers}{framing}X-Fuzz: {mark}\r\n{close}{end}");
    let parts: Vec<Vec<u8>> = head.split('\u{10ffff}').map(|part| part.as_bytes().to_vec()).collect();
    Sent { mark, level, secure: false, token: rests, bytes: [parts.join(&0xff), body].concat() }
}
