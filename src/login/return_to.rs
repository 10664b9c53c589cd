//! Where the user goes in the end. Whatever `rd` says, the answer is a place that this gateway guards, or the root.
//!
//! A strict reader of its own, because what a lenient one accepts (`/\evil`, tabs, user information) is what open redirects are made of.
//! (OWASP ASVS 3.7.2.)

use crate::base::Host;
use crate::path::Path;

/// As long as a target may be, in bytes: what the gateway would forward is never lost over a sign-in.
const LONGEST: usize = 16 * 1024;

/// What a return address is judged by.
pub struct Judge<'a> {
    /// The Host header of this request, port included.
    pub authority: &'a str,
    pub secure: bool,
    /// Whether a route names this host (a route for every host names none).
    pub names: &'a dyn Fn(&Host) -> bool,
    /// `session.domain`.
    pub domain: Option<&'a str>,
}

/// A checked return address, ready for a `Location` header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The root of the host that the user is on.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// A page of the gateway's own.
    pub fn own(prefix: &str, path: &str) -> Self {
        Self(format!("{prefix}/{path}"))
    }

    /// Reads `rd`; anything doubtful becomes the root.
    pub fn read(rd: Option<&str>, judge: &Judge) -> Self {
        rd.and_then(|rd| Self::parse(rd, judge)).unwrap_or_else(Self::root)
    }

    fn parse(rd: &str, judge: &Judge) -> Option<Self> {
        if rd.len() > LONGEST || !rd.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return None;
        }
        if rd.starts_with('/') {
            return is_plain_target(rd).then(|| Self(rd.to_owned()));
        }
        let (secure, rest) = match (rd.strip_prefix("https://"), rd.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let host = Host::parse(authority.as_bytes()).ok()?;
        let here = Host::parse(judge.authority.as_bytes()).ok()?;
        let same_host = host == here;
        let reachable =
            same_host || (judge.names)(&host) && judge.domain.is_some_and(|domain| host.is_within(domain) && here.is_within(domain));
        // A port of its own may be another service; a step down to plain HTTP would give the cookie's absence away.
        // A step up from plain HTTP leads to the standard port and no other.
        let expected = if secure == judge.secure { port(judge.authority, judge.secure) } else { "443" };
        if !reachable || (judge.secure && !secure) || port(authority, secure) != expected {
            return None;
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if !is_plain_target(&target) {
            return None;
        }
        if same_host && secure == judge.secure {
            return Some(Self(target));
        }
        let scheme = if secure { "https" } else { "http" };
        Some(Self(format!("{scheme}://{}{target}", authority.to_ascii_lowercase())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host it leads to, where that is another one than the user is on.
    pub fn other_host(&self) -> Option<Host> {
        let rest = self.0.strip_prefix("https://").or_else(|| self.0.strip_prefix("http://"))?;
        Host::parse(rest.split('/').next()?.as_bytes()).ok()
    }

    /// That host's `scheme://host[:port]`.
    pub fn other_origin(&self) -> Option<String> {
        let (scheme, rest) = self.0.split_once("://").filter(|_| !self.0.starts_with('/'))?;
        Some(format!("{scheme}://{}", rest.split(['/', '?']).next()?))
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        match self.0.split_once("://") {
            Some((_, rest)) if !self.0.starts_with('/') => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            _ => &self.0,
        }
    }
}

fn port(authority: &str, secure: bool) -> &str {
    let default = if secure { "443" } else { "80" };
    let after = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after.rsplit_once(':').map_or(default, |(_, port)| port)
}

/// One leading slash, and a path that the gateway would forward.
fn is_plain_target(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    !path.starts_with("//") && !target.contains('#') && Path::parse(target.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(rd: &str) -> String {
        let names = |host: &Host| ["wiki.internal.example", "pay.internal.example", "other.example"].contains(&host.as_str());
        let judge = Judge { authority: "wiki.internal.example", secure: true, names: &names, domain: Some("internal.example") };
        ReturnTo::read(Some(rd), &judge).as_str().to_owned()
    }

    #[test]
    fn the_exact_target_comes_back() {
        for rd in ["/", "/a/b?c=d&e=%2f", "/a?next=//evil.example", "/a%20b", "/a?b=\\c"] {
            assert_eq!(read(rd), rd);
        }
        assert_eq!(read("https://pay.internal.example/x?y"), "https://pay.internal.example/x?y");
        assert_eq!(read("https://wiki.internal.example/x?y"), "/x?y");
        assert_eq!(read("https://PAY.internal.example"), "https://pay.internal.example/");
    }

    #[test]
    fn a_long_target_comes_back_too() {
        let long = format!("/search?q={}", "a".repeat(12_000));
        assert_eq!(read(&long), long);
        assert_eq!(read(&format!("/{}", "a/".repeat(9_000))), "/", "no path that the gateway would not forward");
    }

    #[test]
    fn everything_else_becomes_the_root() {
        for rd in [
            "",
            "x",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/%09//..",
            "https:evil.example",
            "https:/evil.example",
            "https://evil.example",
            "https://evil.example/",
            "https://wiki.internal.example@evil.example/",
            "https://wiki.internal.example:8443/",
            "https://wiki.internal.example.evil.example/",
            "https://evilinternal.example/",
            "javascript:alert(1)",
            "http://wiki.internal.example/",
            "https://other.example/",
            "/..//evil.example",
            "/./x",
            "/%2e%2e/x",
            "https://pay.internal.example\\@evil.example/",
            "https://pay.internal.example#@evil.example/",
            "HTTPS://evil.example",
            " https://evil.example",
            "/x#//evil",
            "https://[::1]/",
            "https:///x",
            "ftp://wiki.internal.example/",
            "https://pay.internal.example?.evil.example/\\..",
            "data:text/html,x",
            "/\u{2025}/",
            "//\u{3002}evil",
        ] {
            let answer = read(rd);
            assert!(answer == "/" || answer.starts_with("https://pay.internal.example/?"), "{rd:?} became {answer:?}");
        }
    }

    proptest! {
        #[test]
        fn the_answer_always_stays_with_guarded_hosts(rd in "(https?:)?[/\\\\]{0,3}[a-z.@:\\\\/?#%0-9\u{9}]{0,40}") {
            let answer = read(&rd);
            prop_assert!(answer.starts_with('/') && !answer.starts_with("//") && !answer.starts_with("/\\")
                || answer.starts_with("https://pay.internal.example/") || answer.starts_with("https://wiki.internal.example/"), "{rd:?} became {answer:?}");
            let base = url::Url::parse("https://wiki.internal.example/.vestibule/login").unwrap();
            let seen = base.join(&answer).unwrap();
            prop_assert!(["wiki.internal.example", "pay.internal.example"].contains(&seen.host_str().unwrap()));
        }
    }
}
