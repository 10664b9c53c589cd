//! Where the user goes in the end. Whatever `rd` says, the answer is a place that this gateway guards, or the root.
//!
//! A strict reader of its own, because what a lenient one accepts (`/\evil`, tabs, user information) is what open redirects are made of.
//! (OWASP ASVS 3.7.2.)

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Binding;
use crate::base::Host;
use crate::path::Path;

/// As long as a target may be, in bytes: what the gateway would forward is never lost over a sign-in.
const LONGEST: usize = 16 * 1024;

/// What an address must not hold to be one value of a query.
const VALUE: &AsciiSet = &CONTROLS.add(b'%').add(b'&').add(b'+').add(b'#').add(b' ').add(b'"').add(b'<').add(b'>');

/// What a return address is judged by.
pub struct Judge<'a> {
    /// The Host header of this request, port included.
    pub authority: &'a str,
    pub secure: bool,
    /// Whether a route names this host (a route for every host names none).
    pub names: &'a dyn Fn(&Host) -> bool,
    /// `session.domain`.
    pub domain: Option<&'a str>,
    /// On the one host where people sign in, the path of its page for hand-overs: then every host that a route names can be reached.
    pub handover: Option<&'a str>,
}

/// A checked return address, ready for a `Location` header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReturnTo {
    location: String,
    /// Where a hand-over leads.
    beyond: Option<Beyond>,
}

/// Where a hand-over leads, and the browser that asked for it there.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Beyond {
    url: String,
    binding: Binding,
}

impl ReturnTo {
    /// The root of the host that the user is on.
    pub fn root() -> Self {
        Self::at("/".to_owned())
    }

    /// A page of the gateway's own.
    pub fn own(prefix: &str, path: &str) -> Self {
        Self::at(format!("{prefix}/{path}"))
    }

    const fn at(location: String) -> Self {
        Self { location, beyond: None }
    }

    /// The path and query of the portal's page for hand-overs (`handover` is its path), for a browser that was going to `url`.
    pub fn by_handover(handover: &str, url: &str, binding: &Binding) -> String {
        format!("{handover}?for={}&rd={}", binding.as_str(), utf8_percent_encode(url, VALUE))
    }

    /// Reads `rd`; anything doubtful becomes the root.
    pub fn read(rd: Option<&str>, judge: &Judge) -> Self {
        rd.and_then(|rd| Self::parse(rd, judge)).unwrap_or_else(Self::root)
    }

    fn parse(rd: &str, judge: &Judge) -> Option<Self> {
        if let Some(query) = judge.handover.and_then(|path| rd.strip_prefix(path)?.strip_prefix('?')) {
            return Self::parse_handover(query, judge);
        }
        if rd.len() > LONGEST || !rd.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return None;
        }
        if rd.starts_with('/') {
            return is_plain_target(rd).then(|| Self::at(rd.to_owned()));
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
        let reachable = same_host
            || (judge.names)(&host)
                && (judge.handover.is_some() || judge.domain.is_some_and(|domain| host.is_within(domain) && here.is_within(domain)));
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
            return Some(Self::at(target));
        }
        let scheme = if secure { "https" } else { "http" };
        Some(Self::at(format!("{scheme}://{}{target}", authority.to_ascii_lowercase())))
    }

    /// What is beyond a hand-over is judged as what is not, and is another host's.
    fn parse_handover(query: &str, judge: &Judge) -> Option<Self> {
        let (path, mut binding, mut url) = (judge.handover?, None, None);
        if query.len() > 3 * LONGEST {
            return None;
        }
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "for" => &mut binding,
                "rd" => &mut url,
                _ => return None,
            };
            if slot.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        let (binding, url) = (Binding::read(&binding?)?, url?);
        if url.starts_with('/') {
            return None;
        }
        let url = Self::parse(&url, judge).filter(|to| to.other_host().is_some())?.location;
        Some(Self { location: Self::by_handover(path, &url, &binding), beyond: Some(Beyond { url, binding }) })
    }

    /// What goes into a `Location` header and into `rd`.
    pub fn as_str(&self) -> &str {
        &self.location
    }

    /// Of a hand-over: where it leads (`scheme://host[:port]` and beyond), and the browser that asked for it there.
    pub fn handover(&self) -> Option<(&str, &Binding)> {
        self.beyond.as_ref().map(|beyond| (beyond.url.as_str(), &beyond.binding))
    }

    /// Where it leads in the end.
    fn end(&self) -> &str {
        self.beyond.as_ref().map_or(&self.location, |beyond| &beyond.url)
    }

    /// The host it leads to, where that is another one than the user is on.
    pub fn other_host(&self) -> Option<Host> {
        let rest = self.end().strip_prefix("https://").or_else(|| self.end().strip_prefix("http://"))?;
        Host::parse(rest.split('/').next()?.as_bytes()).ok()
    }

    /// That host's `scheme://host[:port]`.
    pub fn other_origin(&self) -> Option<String> {
        let (scheme, rest) = self.end().split_once("://").filter(|_| !self.end().starts_with('/'))?;
        Some(format!("{scheme}://{}", rest.split(['/', '?']).next()?))
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        let end = self.end();
        match end.split_once("://") {
            Some((_, rest)) if !end.starts_with('/') => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            _ => end,
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
        let judge =
            Judge { authority: "wiki.internal.example", secure: true, names: &names, domain: Some("internal.example"), handover: None };
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

    const HANDOVER: &str = "/.vestibule/handover";

    /// As the portal's host reads it, which no route names.
    fn at_portal(rd: &str) -> ReturnTo {
        let names = |host: &Host| ["wiki.one.example", "pay.two.example"].contains(&host.as_str());
        ReturnTo::read(
            Some(rd),
            &Judge { authority: "login.one.example", secure: true, names: &names, domain: None, handover: Some(HANDOVER) },
        )
    }

    #[test]
    fn a_handover_leads_to_a_host_that_a_route_names_and_keeps_the_exact_target() {
        let binding = Binding::random().unwrap().1;
        for url in [
            "https://wiki.one.example/",
            "https://pay.two.example/a%2fb?c=d&e=%26+f;x",
            "https://pay.two.example/?rd=https://evil.example/",
        ] {
            let rd = ReturnTo::by_handover(HANDOVER, url, &binding);
            let to = at_portal(&rd);
            assert_eq!((to.as_str(), to.handover()), (rd.as_str(), Some((url, &binding))));
            assert_eq!(format!("{}{}", to.other_origin().unwrap(), to.target()), url);
        }
        for url in [
            "https://evil.example/",
            "https://login.one.example/",
            "/path",
            "//evil.example/",
            "http://wiki.one.example/",
            "https://wiki.one.example:8443/",
            "https://wiki.one.example@evil.example/",
            "https://wiki.one.example/../x",
            "https://wiki.one.example\\@evil.example",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(at_portal(&ReturnTo::by_handover(HANDOVER, url, &binding)).as_str(), "/", "{url}");
        }
        let right = ReturnTo::by_handover(HANDOVER, "https://wiki.one.example/", &binding);
        for wrong in [
            format!("{right}&rd=https://pay.two.example/"),
            format!("{right}&x=1"),
            right.replacen("for=", "for=x", 1),
            HANDOVER.to_owned() + "?rd=https://wiki.one.example/",
        ] {
            assert_eq!(at_portal(&wrong).as_str(), "/", "{wrong}");
        }
        // Nested in itself, and read anywhere else, it leads nowhere else.
        let nested = ReturnTo::by_handover(HANDOVER, &format!("https://login.one.example{right}"), &binding);
        assert_eq!(at_portal(&nested).as_str(), "/");
        assert!(read(&right).starts_with('/') && !read(&right).starts_with("//"));
        assert_eq!(at_portal("https://pay.two.example/x").as_str(), "https://pay.two.example/x");
    }

    proptest! {
        #[test]
        fn beyond_a_handover_there_are_guarded_hosts_only(url in "(https?:)?[/\\\\]{0,3}([a-z.@:\\\\/?#%&=+0-9\u{9}]|wiki\\.one\\.example){0,20}") {
            let binding = Binding::random().unwrap().1;
            let to = at_portal(&ReturnTo::by_handover(HANDOVER, &url, &binding));
            if let Some((url, _)) = to.handover() {
                let seen = url::Url::parse(url).unwrap();
                prop_assert!(["wiki.one.example", "pay.two.example"].contains(&seen.host_str().unwrap()) && seen.scheme() == "https");
            } else {
                prop_assert_eq!(to.as_str(), "/");
            }
        }
    }
}
