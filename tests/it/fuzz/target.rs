//! Targets of requests: places that the routes know, bent, and forms that are no path.

use super::dice::Dice;

const PLACES: [&str; 25] = [
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
    "/wiki/admin/x",
    "/wiki/admin",
    "/wiki/staff/x",
    "/wiki/a/b",
    "/wiki",
    "/other/x",
    "/wiki/../admin",
];

/// A query that an application with one front controller reads, bent.
fn query(dice: &mut Dice) -> String {
    let spelt = |dice: &mut Dice, text: &str| -> String {
        let one = |dice: &mut Dice, c: char| match dice.below(12) {
            0 => format!("%{:02x}", c as u32),
            1 => format!("%25{:02X}", c as u32),
            2 => c.to_ascii_uppercase().to_string(),
            3 => format!("%{:02x}", c.to_ascii_uppercase() as u32),
            _ => c.to_string(),
        };
        text.chars().map(|c| one(dice, c)).collect()
    };
    let mut out = String::from("?");
    for n in 0..1 + dice.below(3) {
        if n > 0 {
            out.push_str(dice.of(&["&", "&", ";", "%26", "&&", "?"]));
        }
        let name = dice.of(&["do", "do", "id", "d"]);
        out.push_str(dice.of(&["", "", "", "+", "%20", "["]));
        out.push_str(&spelt(dice, name));
        out.push_str(dice.of(&["", "", "", "[]", "[0]", "%5b%5d", "[admin]", "+", "%00"]));
        out.push_str(dice.of(&["=", "=", "=", "%3d", ""]));
        let value = dice.of(&["admin", "admin", "show", "x"]);
        out.push_str(&spelt(dice, value));
        out.push_str(dice.of(&["", "", "", "+", "%20", "%00", "%0a", "%00x"]));
    }
    out
}

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

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("%{b:02x}")).collect()
}

/// An ASCII character in more bytes of UTF-8 than it has, in two to four, or cut short.
fn overlong(c: char, dice: &mut Dice) -> String {
    let c = c as u8;
    let (high, low) = (c >> 6, 0x80 | (c & 0x3f));
    let all = [
        vec![0xc0 | high, low],
        vec![0xe0, 0x80 | high, low],
        vec![0xf0, 0x80, 0x80 | high, low],
        vec![0xc0 | high, c],
        vec![0xe0, 0x80, c],
    ];
    let bytes = &all[dice.below(all.len())];
    if dice.one_in(4) { escaped(bytes).replace('%', "%25") } else { escaped(bytes) }
}

/// What NFKC takes for this letter: circled, mathematical, superscript.
fn look_alike(c: char, dice: &mut Dice) -> String {
    let from = [0x24d0, 0x1d41a, 0x1d4d0, 0xff41][dice.below(4)];
    let like = match c {
        'a'..='z' => char::from_u32(from + c as u32 - 'a' as u32).unwrap_or('x'),
        '1' => '\u{b9}',
        other => other,
    };
    escaped(like.to_string().as_bytes())
}

/// Bends a path in one way.
fn bend(dice: &mut Dice, text: &mut String) {
    match dice.below(19) {
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
        15 => at_a_char(dice, text, overlong),
        16 => at_a_char(dice, text, look_alike),
        17 => {
            let unseen =
                dice.of(&["%c2%ad", "%e2%80%8b", "%cc%81", "%e2%80%ae", "%ef%bb%bf", "%e2%80%a4", "%ef%bc%8e", "%e2%80%a5/", "%c2%85"]);
            at_a_char(dice, text, |c, _| format!("{c}{unseen}"));
        }
        _ => {}
    }
}

pub fn target(dice: &mut Dice, host: &str) -> String {
    let mut text = dice.of(&PLACES).to_owned();
    let bends = [0, 0, 1, 1, 1, 2, 3];
    for _ in 0..bends[dice.below(bends.len())] {
        bend(dice, &mut text);
    }
    if host == "cut.example" && !text.starts_with("/wiki") && !dice.one_in(5) {
        text.insert_str(0, "/wiki");
    }
    if host == "front.example" {
        text.push_str(&query(dice));
    }
    match dice.below(150) {
        0 => format!("http://{host}{text}"),
        1 => format!("http://mixed.example{text}"),
        2 => "*".to_owned(),
        3 => host.to_owned(),
        4 => format!("//{host}{text}"),
        5 => text.trim_start_matches('/').to_owned(),
        6 => format!("{}{text}", dice.of(&["https://open.example", "HTTP://OPEN.EXAMPLE:80", "http://x@open.example", "http://", "http:"])),
        7 => format!("http://nowhere.example{text}"),
        8 => format!("{text} {}", dice.of(&["/admin", "/public HTTP/1.1", "x"])),
        9 => format!("/{}{text}", "a".repeat([1000, 8180, 8300, 17_000][dice.below(4)])),
        10 => format!("{text}?{}", "a".repeat([4000, 15_000, 17_000][dice.below(3)])),
        11 => format!("{text}{}", dice.of(&["/b", "%62", "/", "%2562", ";c"]).repeat(400)),
        _ => text,
    }
}
