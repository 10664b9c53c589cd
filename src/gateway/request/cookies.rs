//! The gateway's own cookies. Guarantees that none of them reaches an upstream, that no upstream sets one of them, and that every other
//! cookie passes byte for byte (RFC 6265bis section 5.4 defines the splitting).

use http::HeaderValue;

/// The names of the gateway's cookies: the base name, or one that starts with it and `_`, with or without a security prefix.
#[derive(Clone, Debug)]
pub struct OwnCookies {
    base: String,
    domain: Option<String>,
    /// The session cookie's name over HTTPS.
    secure_name: String,
    /// The bound cookie's, over HTTP and over HTTPS.
    bound_names: [String; 2],
}

/// The session cookies of one request.
#[derive(Debug, PartialEq, Eq, Default)]
pub enum Presented<'a> {
    #[default]
    None,
    One(&'a str),
    /// More than one, or one that is not text: treated as signed out, and expired.
    Unusable,
}

const PREFIXES: [&str; 2] = ["__host-", "__secure-"];

impl OwnCookies {
    pub fn new(base: &str, domain: Option<&str>) -> Self {
        let prefix = if domain.is_some() { "__Secure-" } else { "__Host-" };
        let bound_names = [format!("{base}-bound"), format!("{prefix}{base}-bound")];
        Self { base: base.to_owned(), domain: domain.map(str::to_owned), secure_name: format!("{prefix}{base}"), bound_names }
    }

    /// The session cookie's name: plain over HTTP; over HTTPS `__Host-`, or `__Secure-` with a domain.
    pub fn session_name(&self, secure: bool) -> &str {
        if secure { &self.secure_name } else { &self.base }
    }

    /// Whether a cookie of this name is the gateway's. Names are case-sensitive, the security prefixes are not.
    pub fn is_own(&self, name: &[u8]) -> bool {
        let bare = PREFIXES
            .iter()
            .find_map(|p| name.split_at_checked(p.len()).filter(|(head, _)| head.eq_ignore_ascii_case(p.as_bytes())).map(|(_, rest)| rest))
            .unwrap_or(name);
        bare.strip_prefix(self.base.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'_') || rest == b"-bound")
    }

    /// The session cookie among all Cookie lines of a request.
    pub fn presented<'a>(&self, lines: impl Iterator<Item = &'a HeaderValue>, secure: bool) -> Presented<'a> {
        Self::one(lines, self.session_name(secure).as_bytes())
    }

    /// The bound cookie's name.
    pub fn bound_name(&self, secure: bool) -> &str {
        let [plain, protected] = &self.bound_names;
        if secure { protected } else { plain }
    }

    /// A `Set-Cookie` line that expires the bound cookie: a browser that can shows the device before it sends another request.
    pub fn bound_expiry(&self, secure: bool) -> Option<HeaderValue> {
        let mark = if secure { "; Secure" } else { "" };
        let domain = self.domain.as_ref().map(|d| format!("; Domain={d}")).unwrap_or_default();
        HeaderValue::try_from(format!("{}=; Path=/{domain}; Max-Age=0{mark}; HttpOnly; SameSite=Lax", self.bound_name(secure))).ok()
    }

    /// The name of the cookie that leads a browser to the same upstream of a route; never sent to another host.
    pub fn upstream_name(&self, route: &str, secure: bool) -> String {
        format!("{}{}_at_{route}", if secure { "__Host-" } else { "" }, self.base)
    }

    /// The one cookie of a name among all Cookie lines of a request.
    pub fn one<'a>(lines: impl Iterator<Item = &'a HeaderValue>, wanted: &[u8]) -> Presented<'a> {
        let mut found = Presented::None;
        for (name, value) in lines.flat_map(|line| segments(line.as_bytes())).map(split) {
            if name != wanted {
                continue;
            }
            found = match (found, std::str::from_utf8(value)) {
                (Presented::None, Ok(text)) => Presented::One(text),
                _ => return Presented::Unusable,
            };
        }
        found
    }

    /// A Cookie line without our cookies: `None` if it may stay as it is, an empty value if nothing is left of it.
    pub fn without_own(&self, line: &HeaderValue) -> Option<Vec<u8>> {
        let mut kept = Vec::with_capacity(line.len());
        let mut found = false;
        for segment in segments(line.as_bytes()).map(trim) {
            if self.is_own(split(segment).0) {
                found = true;
            } else if !segment.is_empty() {
                if !kept.is_empty() {
                    kept.extend_from_slice(b"; ");
                }
                kept.extend_from_slice(segment);
            }
        }
        found.then_some(kept)
    }

    /// The name under which a browser would store a `Set-Cookie`, if that is one of ours. A cookie without a name is sent back as its bare
    /// value, so `=NAME=x` would come back as `NAME=x` (RFC 6265bis section 5.7).
    pub fn set_by(&self, line: &HeaderValue) -> Option<String> {
        let pair = line.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
        let mut pair = trim(pair);
        while let Some(rest) = pair.strip_prefix(b"=") {
            pair = trim(rest);
        }
        let name = split(pair).0;
        self.is_own(name).then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// `Set-Cookie` lines that expire the session cookie in every variant that a browser may have.
    pub fn expiries(&self, secure: bool) -> Vec<HeaderValue> {
        let name = self.session_name(secure);
        let mark = if secure { "; Secure" } else { "" };
        let line = |domain: Option<&str>| {
            let domain = domain.map(|d| format!("; Domain={d}")).unwrap_or_default();
            HeaderValue::try_from(format!("{name}=; Path=/{domain}; Max-Age=0{mark}; HttpOnly; SameSite=Lax")).ok()
        };
        let with_domain = self.domain.as_deref().and_then(|d| line(Some(d)));
        line(None).into_iter().chain(with_domain).collect()
    }
}

/// The parts of a Cookie line between its semicolons: as `split` has them, many bytes at a time.
fn segments(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let (segment, more) =
            memchr::memchr(b';', line).map_or((line, None), |at| (line.get(..at).unwrap_or_default(), line.get(at + 1..)));
        rest = more;
        Some(segment)
    })
}

/// The name and value of one segment. Without `=`, all of it counts as the name, which errs on the side of dropping.
fn split(segment: &[u8]) -> (&[u8], &[u8]) {
    match segment.iter().position(|b| *b == b'=') {
        Some(at) => {
            let (name, value) = segment.split_at(at);
            (trim(name), trim(value.get(1..).unwrap_or_default()))
        }
        None => (trim(segment), b""),
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own() -> OwnCookies {
        OwnCookies::new("vestibule", None)
    }

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn one_session_cookie_is_read_and_two_are_refused() {
        let read = |lines: &[&str], secure, expected| {
            let lines: Vec<HeaderValue> = lines.iter().map(|l| value(l)).collect();
            assert_eq!(own().presented(lines.iter(), secure), expected, "{lines:?}");
        };
        read(&["a=b; vestibule=x"], false, Presented::One("x"));
        read(&["vestibule=x"], true, Presented::None);
        read(&["__Host-vestibule=x"], true, Presented::One("x"));
        read(&["vestibule=x; vestibule=x"], false, Presented::Unusable);
        read(&["vestibule=x", "a=b;vestibule=y"], false, Presented::Unusable);
    }

    #[test]
    fn own_names_are_known_with_every_prefix() {
        assert!(own().is_own(own().upstream_name("wiki", true).as_bytes()) && own().is_own(own().upstream_name("wiki", false).as_bytes()));
        for name in [
            "vestibule",
            "vestibule_flow",
            "__Host-vestibule",
            "__Secure-vestibule_csrf",
            "__HOST-vestibule_device",
            "__Host-vestibule-bound",
            "vestibule-bound",
        ] {
            assert!(own().is_own(name.as_bytes()), "{name}");
        }
        for name in ["vestibules", "vestibule-x", "vestibule-bounds", "Vestibule", "__Host-__Host-vestibule", "x_vestibule", ""] {
            assert!(!own().is_own(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_upstream_cannot_set_ours_by_a_nameless_cookie() {
        for line in ["vestibule=x", " vestibule =x; Path=/", "=vestibule=x", "= =vestibule_flow=x", "__secure-vestibule=", "vestibule"] {
            assert!(own().set_by(&value(line)).is_some(), "{line}");
        }
        for line in ["app=vestibule=x", "vestibules=1", "a=1; vestibule=2"] {
            assert!(own().set_by(&value(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn expiry_names_every_variant() {
        let lines = OwnCookies::new("v", Some("internal.example")).expiries(true);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| l.to_str().unwrap().starts_with("__Secure-v=; Path=/") && l.to_str().unwrap().contains("Max-Age=0")));
        assert!(lines[1].to_str().unwrap().contains("Domain=internal.example"));
    }

    proptest! {
        #[test]
        fn segments_are_those_of_a_split(line in prop::collection::vec(prop_oneof![Just(b';'), Just(b'='), any::<u8>()], 0..80)) {
            let wanted: Vec<&[u8]> = line.split(|b| *b == b';').collect();
            prop_assert_eq!(segments(&line).collect::<Vec<_>>(), wanted);
        }
    }

    proptest! {
        #[test]
        fn ours_never_pass_and_others_pass_byte_for_byte(
            cookies in proptest::collection::vec((prop_oneof![
                Just("vestibule".to_owned()), Just("__Host-vestibule".to_owned()), Just("vestibule_flow".to_owned()),
                Just("__Secure-vestibule_csrf".to_owned()), "[a-zA-Z_!-]{1,12}"], "[ -:<-~]{0,12}"), 0..8),
            gap in prop_oneof![Just(";"), Just("; "), Just(" ;\t ")],
        ) {
            let line = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(gap);
            prop_assume!(HeaderValue::from_bytes(line.as_bytes()).is_ok());
            let header = value(&line);
            let sent = own().without_own(&header).unwrap_or_else(|| header.as_bytes().to_vec());
            let kept = |bytes: &[u8]| bytes.split(|b| *b == b';').map(|s| s.trim_ascii().to_vec()).filter(|s| !s.is_empty()).collect::<Vec<_>>();
            let expected: Vec<Vec<u8>> = kept(line.as_bytes()).into_iter().filter(|s| !own().is_own(split(s).0)).collect();
            prop_assert_eq!(kept(&sent), expected);
        }
    }
}
