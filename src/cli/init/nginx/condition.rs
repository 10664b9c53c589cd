//! What an `if`, a `return` or a `rewrite` comes to. Whatever is not known here closes the place that it stands in: it may be what protects
//! it.

use super::harmless::is_harmless;
use super::tree::Directive;

/// What an `if` comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// Nothing is lost without it.
    Harmless,
    /// Sends plain HTTP to HTTPS.
    ToHttps,
    /// Sends this host elsewhere: it has nothing here.
    Host(String),
    /// Only these methods pass.
    Methods(Vec<String>),
    /// Nobody passes while there is this file.
    WhileFile(String),
    /// May be a protection.
    Unknown,
}

/// What hands a request over to somebody.
pub(super) fn is_handler(d: &Directive) -> bool {
    d.name.ends_with("_pass") && d.name != "auth_request"
        || matches!(d.name.as_str(), "stub_status" | "return" | "empty_gif" | "flv" | "mp4" | "perl")
}

/// Reads an `if`.
pub(super) fn condition(d: &Directive) -> Condition {
    let text = d.args.join(" ");
    let inner = text.trim().strip_prefix('(').and_then(|rest| rest.trim_end().strip_suffix(')')).unwrap_or(&text).trim();
    let mut words = inner.splitn(3, ' ');
    let (variable, operator, value) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = d.children();
    if body.iter().all(|inner| is_harmless(inner) && !changes_course(inner)) {
        return Condition::Harmless;
    }
    let [only] = body else { return Condition::Unknown };
    match (variable, operator, value.trim()) {
        ("$scheme", "=", "http") | ("$scheme", "!=", "https") | ("$https", "=", "") | ("$https", "!=", "on")
            if redirects_to_https(only) =>
        {
            Condition::ToHttps
        }
        ("$server_port", "=", "80") | ("$server_port", "!=", "443") if redirects_to_https(only) => Condition::ToHttps,
        ("$host" | "$http_host", "=", name) if is_redirect(only) => Condition::Host(name.to_ascii_lowercase()),
        ("$request_method", "!~" | "!~*", expression) if is_refusal(only) => {
            methods(expression).map_or(Condition::Unknown, Condition::Methods)
        }
        // Whoever asks, and for whatever: a switch for maintenance.
        ("-f", file, "") if is_away(only) && file.starts_with('/') && !file.contains('$') => Condition::WhileFile(file.to_owned()),
        ("$request_method", "!=", method) if is_refusal(only) => Condition::Methods(vec![method.to_ascii_uppercase()]),
        _ => Condition::Unknown,
    }
}

fn changes_course(d: &Directive) -> bool {
    is_handler(d) || matches!(d.name.as_str(), "rewrite" | "deny" | "auth_basic" | "auth_request" | "if" | "internal" | "try_files")
}

/// `^(GET|HEAD|POST)$`
fn methods(expression: &str) -> Option<Vec<String>> {
    let inner = expression.strip_prefix('^')?.strip_suffix('$')?;
    let inner = inner.strip_prefix('(').map_or(Some(inner), |rest| rest.strip_suffix(')'))?;
    let names: Vec<String> = inner.trim_start_matches("?:").split('|').map(str::to_owned).collect();
    let is_method = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
    names.iter().all(is_method).then_some(names)
}

/// The status of a `return`; a bare URL is 302.
pub(super) fn status(d: &Directive) -> u16 {
    d.arg().parse().unwrap_or(302)
}

/// `return 503`
pub(super) fn is_away(d: &Directive) -> bool {
    d.name == "return" && status(d) == 503 && d.args.len() == 1
}

/// A `return` of a refusal.
pub(super) fn is_refusal(d: &Directive) -> bool {
    d.name == "return" && status(d) >= 400
}

fn is_redirect(d: &Directive) -> bool {
    d.name == "return" && (300..400).contains(&status(d))
        || d.name == "rewrite" && matches!(d.args.get(2).map(String::as_str), Some("permanent" | "redirect"))
}

/// A redirect of everything to HTTPS.
pub(super) fn redirects_to_https(d: &Directive) -> bool {
    let target = d.args.iter().any(|arg| arg.starts_with("https://"));
    let everything =
        d.name == "return" || matches!(d.arg(), "^" | "^/" | "^(.*)$" | "^(.*)" | "^/(.*)$" | "^/(.*)" | "(.*)" | ".*" | "^.*$" | "^.*");
    is_redirect(d) && target && everything
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn read(text: &str) -> Condition {
        condition(&Tree::read(text).unwrap().directives[0])
    }

    #[test]
    fn what_is_known_is_told_from_what_may_protect() {
        assert_eq!(read("if ($scheme = http) { return 301 https://$host$request_uri; }"), Condition::ToHttps);
        assert_eq!(read("if ($scheme != \"https\") { rewrite ^ https://$host$uri permanent; }"), Condition::ToHttps);
        assert_eq!(
            read("if ($host = www.a.example) { return 301 https://a.example$request_uri; }"),
            Condition::Host("www.a.example".into())
        );
        assert_eq!(read("if ($request_method !~ ^(GET|HEAD)$ ) { return 405; }"), Condition::Methods(vec!["GET".into(), "HEAD".into()]));
        assert_eq!(read("if ($http_cookie ~ x) { set $a 1; add_header X y; }"), Condition::Harmless);
        assert_eq!(read("if (-f /srv/down.html) { return 503; }"), Condition::WhileFile("/srv/down.html".into()));
        for text in [
            "if (-f /srv/down.html) { return 403; }",
            "if (-f $document_root/x) { return 503; }",
            "if (!-f /srv/licence) { return 503; }",
            "if ($http_x_token != \"s3cret\") { return 403; }",
            "if ($scheme = http) { return 301 http://elsewhere/; }",
            "if ($request_method !~ GET) { return 405; }",
            "if ($allowed = 0) { deny all; }",
            "if ($x) { proxy_pass http://a; }",
            "if ($x) { set $a 1; return 403; }",
        ] {
            assert_eq!(read(text), Condition::Unknown, "{text}");
        }
    }
}
