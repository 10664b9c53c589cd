//! The routes of the fuzzed gateway, and what they mean to the most suspicious reader: written down by hand, without the gateway's code.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

#[path = "../../../fuzz/fuzz_targets/steps.rs"]
mod steps;

use steps::{merged, without_authority, without_dots, without_parameters};

use crate::harness::upstream::Seen;

/// What somebody has shown, or must have. The order is what counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    Open,
    One,
    Two,
    /// Nobody is let through.
    Never,
}

/// Identity headers, and what they say of somebody with nothing, one factor, two.
pub const WHO: [(&str, [Option<&str>; 3]); 4] = [
    ("remote-user", [None, Some("alice"), Some("bob")]),
    ("remote-name", [None, Some("alice Example"), Some("bob Example")]),
    ("remote-email", [None, Some("alice@post.example"), Some("bob@post.example")]),
    ("remote-groups", [None, Some(""), Some("")]),
];

pub const CONFIG: &str = r#"
[[routes]]
name = "f-open"
hosts = ["open.example"]
upstreams = ["http://UPSTREAM"]
policy = "bypass"
  [[routes.rules]]
  paths = ["/admin"]
  policy = "two_factor"
  [[routes.rules]]
  paths = ["/staff/"]
  policy = "one_factor"
  [[routes.rules]]
  paths = ["/closed"]
  policy = "deny"
[[routes]]
name = "f-mixed"
hosts = ["mixed.example"]
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
  [[routes.rules]]
  paths = ["/hooks"]
  methods = ["POST"]
  policy = "bypass"
[[routes]]
name = "f-public"
hosts = ["mixed.example"]
path = "/public"
upstreams = ["http://UPSTREAM"]
policy = "bypass"
[[routes]]
name = "f-payroll"
hosts = ["mixed.example"]
path = "/public/payroll"
upstreams = ["http://UPSTREAM"]
policy = "two_factor"
[[routes]]
name = "f-wild"
hosts = ["*.wild.example"]
upstreams = ["http://UPSTREAM"]
policy = "two_factor"
[[routes]]
name = "f-free"
hosts = ["x.wild.example"]
path = "/public"
upstreams = ["http://UPSTREAM"]
policy = "bypass"
[[routes]]
name = "f-cut"
hosts = ["cut.example"]
path = "/wiki"
upstreams = ["http://UPSTREAM"]
policy = "bypass"
proxy = { strip_prefix = "/wiki" }
  [[routes.rules]]
  paths = ["/wiki/admin"]
  policy = "two_factor"
  [[routes.rules]]
  paths = ["/wiki/staff/"]
  policy = "one_factor"
[[routes]]
name = "f-front"
hosts = ["front.example"]
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
  [[routes.rules]]
  query = { do = ["admin"] }
  policy = "two_factor"
[[routes]]
name = "f-token"
hosts = ["token.example"]
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
tokens = ["bearer", "basic", "header"]
  [[routes.rules]]
  paths = ["/admin"]
  policy = "two_factor"
[[routes]]
name = "f-other"
hosts = ["token.example"]
path = "/other"
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
tokens = ["bearer", "basic", "header"]
[[routes]]
name = "f-own"
hosts = ["nobody-asks-for-this.example"]
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
identity = { user = "X-Own-User", groups = "X-Own-Groups" }
[[routes]]
name = "f-slash"
hosts = ["slash.example"]
upstreams = ["http://UPSTREAM"]
policy = "bypass"
encoded_slash = true
  [[routes.rules]]
  paths = ["/admin"]
  policy = "two_factor"
"#;

fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the routes above want for a path that is read like this.
pub fn wanted(host: &str, path: &str, method: &str) -> Level {
    // Where a prefix was cut off, the gateway's own pages were elsewhere.
    if below(path, "/.vestibule") && host != "cut.example" {
        return Level::Never;
    }
    let is = |prefix| below(path, prefix);
    match host {
        "open.example" if is("/admin") => Level::Two,
        "open.example" if is("/staff") => Level::One,
        "open.example" if is("/closed") => Level::Never,
        "open.example" => Level::Open,
        "mixed.example" if is("/public/payroll") => Level::Two,
        "mixed.example" if is("/public") => Level::Open,
        "mixed.example" if is("/hooks") && method == "POST" => Level::Open,
        "mixed.example" => Level::One,
        "x.wild.example" if is("/public") => Level::Open,
        "cut.example" if is("/admin") => Level::Two,
        "cut.example" if is("/staff") => Level::One,
        "cut.example" => Level::Open,
        "front.example" => Level::One,
        "token.example" if is("/admin") => Level::Two,
        "token.example" => Level::One,
        "slash.example" if is("/admin") => Level::Two,
        "slash.example" => Level::Open,
        other if other.ends_with(".wild.example") => Level::Two,
        _ => Level::Never,
    }
}

/// Whether an application may read `do=admin` in a query: split first or decoded first, once or twice, at `&` or `;` too, names and values
/// without letter case, blanks and what follows a NUL, `do[]` and `do[0]` for `do`.
pub fn says_admin(target: &str) -> bool {
    let Some((_, query)) = target.split_once('?') else { return false };
    let plus = |text: &str| decoded(&text.replace('+', " "));
    let tidy = |text: &str| text.split('\0').next().unwrap_or_default().trim().to_lowercase();
    let wholes = [query.to_owned(), plus(query), plus(&plus(query))];
    let pairs =
        wholes.iter().flat_map(|whole| [&['&'][..], &['&', ';']].map(|at| whole.split(at).map(str::to_owned).collect::<Vec<_>>()).concat());
    pairs.filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).any(|(name, value)| {
        let readings = |text: &str| [text.to_owned(), plus(text), plus(&plus(text))].map(|text| tidy(&text));
        let is_do = readings(&name).iter().any(|name| name.split('[').next().unwrap_or_default().trim() == "do");
        is_do && readings(&value).iter().any(|value| value == "admin")
    })
}

/// A Host as routes compare it; `None` for what is none.
pub fn plain_host(text: &str) -> Option<String> {
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let fits = !name.is_empty() && name.chars().all(good) && port.chars().all(|c| c.is_ascii_digit());
    fits.then(|| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|bad| bad.into_bytes().into_iter().map(char::from).collect())
}

/// Every text that these steps make of a path in any order, decoded at most twice.
pub fn readings(path: &str) -> BTreeSet<String> {
    let steps: [fn(&str) -> String; 8] = [
        |text| format!("/{}", text.trim_start_matches('/')),
        without_authority,
        without_dots,
        without_parameters,
        merged,
        |text| text.replace('\\', "/"),
        |text| text.to_lowercase(),
        |text| text.nfkc().collect(),
    ];
    let (mut all, mut todo) = (BTreeSet::new(), vec![(path.to_owned(), 0)]);
    while let Some((text, times)) = todo.pop() {
        if all.len() > 2000 || !all.insert((text.clone(), times)) {
            continue;
        }
        todo.extend(steps.iter().map(|step| (step(&text), times)).filter(|(other, _)| *other != text));
        if times < 2 {
            todo.push((decoded(&text), times + 1));
        }
    }
    all.into_iter().map(|(text, _)| text).collect()
}

/// A cookie of the gateway's among those that arrived.
pub fn own_cookie(seen: &Seen) -> Option<String> {
    let lines = seen.values("cookie");
    let names = lines.iter().flat_map(|line| line.split(';')).map(|part| part.split('=').next().unwrap_or_default().trim().to_lowercase());
    let bare = |name: String| ["__host-", "__secure-"].iter().find_map(|p| name.strip_prefix(p).map(str::to_owned)).unwrap_or(name);
    // Names differ in case from ours without being ours; the values here never do that.
    let own = |name: &String| name == "vestibule" || name.starts_with("vestibule_");
    let written_so = lines.iter().any(|line| line.contains("vestibule"));
    names.map(bare).find(own).filter(|_| written_so).map(|name| format!("the cookie {name} arrived"))
}
