//! Header lines that a client has no business sending, and lines that one parser reads as another does not.

use super::dice::Dice;

/// What the presets and the gateway itself tell applications.
pub const PRESETS: [&str; 18] = [
    "X-Forwarded-User",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-WEBAUTH-USER",
    "X-WEBAUTH-NAME",
    "X-WEBAUTH-EMAIL",
    "X-WEBAUTH-GROUPS",
    "X-authentik-username",
    "X-authentik-name",
    "X-authentik-email",
    "X-authentik-groups",
    "SM_USER",
    "iv-user",
    "iv-groups",
    "X-Vestibule-Assertion",
    "X-Own-User",
    "X_Own_Groups",
];

/// A name in a spelling that some server takes for the same.
pub fn spelt(dice: &mut Dice, name: &str) -> String {
    let bent = |dice: &mut Dice, c: char| match c {
        '-' | '_' => dice.of(&["-", "_", "-", "_", ".", "~"]).to_owned(),
        c if dice.one_in(2) => c.to_ascii_uppercase().to_string(),
        c => c.to_ascii_lowercase().to_string(),
    };
    name.chars().map(|c| bent(dice, c)).collect()
}

/// Headers that a client has no business sending, in spellings of its own.
pub fn disguised_headers(dice: &mut Dice, close: bool) -> String {
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
    if dice.one_in(3) {
        let name = dice.of(&PRESETS);
        let name = spelt(dice, name);
        let end = if dice.one_in(10) { dice.of(&[" ", "\t"]) } else { "" };
        lines.push_str(&format!("{name}{end}: evil\r\n").repeat(1 + dice.below(2)));
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
    if dice.one_in(16) {
        let name = dice.of(&["X-HTTP-Method-Override", "X_HTTP_Method", "x-method-override"]);
        lines.push_str(&format!("{name}: {}\r\n", dice.of(&["GET", "POST", "delete", "HEAD, GET", "\u{ff27}ET", ""])));
    }
    if dice.one_in(12) {
        lines.push_str(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        );
    }
    if dice.one_in(3) {
        lines.push_str(dice.of(&["Sec-Fetch-Mode: navigate\r\n", "Accept: text/html\r\n", "X-Requested-With: x\r\n", "TE: trailers\r\n"]));
    }
    if dice.one_in(20) {
        let expect = dice.of(&["100-continue", "100-Continue, x", "200-ok", "", "\t100-continue"]);
        lines.push_str(&format!("Expect: {expect}\r\n"));
    }
    if dice.one_in(20) {
        lines.push_str(odd_line(dice));
    }
    lines
}

/// A line that one parser reads as another does not. `\u{10ffff}` is sent as the byte 0xff.
fn odd_line(dice: &mut Dice) -> &'static str {
    dice.of(&[
        "Remote-User\0: evil\r\n",
        "Remote-User\t: evil\r\n",
        "Remote-User : evil\r\n",
        " Remote-User: evil\r\n",
        "X-A: b\r\n\tRemote-User: evil\r\n",
        "X-A: b\nRemote-User: evil\r\n",
        "X-A: b\rRemote-User: evil\r\n",
        "X-A: b\r\n\r Remote-User: evil\r\n",
        "Remote-User:\r\n evil\r\n",
        ": evil\r\n",
        "Remote-User evil\r\n",
        "Remote-User;: evil\r\n",
        "Remote\u{10ffff}User: evil\r\n",
        "Remote\u{2011}User: evil\r\n",
        "\u{ff32}emote-User: evil\r\n",
        "Remote-User\u{10ffff}: evil\r\n",
        "Remote.User: evil\r\n",
        "Remote-User: ev\0il\r\n",
        "X-A: \u{10ffff}\u{1}\r\n",
        "X-A:\t\tb\t\r\n",
        "Remote-User: a\r\nRemote_User: b\r\nREMOTE-USER: c\r\n",
        "{\"a\": 1}\r\n",
    ])
}
