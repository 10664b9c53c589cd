//! The gateway's cookies: their names, which depend on the transport, and their attributes (RFC 6265bis section 4.1; OWASP ASVS 3.3).

use std::time::Duration;

use cookie::{Cookie, SameSite};

use crate::config;

/// Which of our cookies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CookieKind {
    /// A finished sign-in. The only one that opens anything.
    Session,
    /// A sign-in under way.
    Flow,
    /// What form tokens are bound to.
    Csrf,
    /// A browser that finished a sign-in before.
    Device,
    /// The language that its reader chose.
    Language,
    /// The browser that asked for a hand-over.
    Enter,
    /// Shows the device that the session is bound to; short-lived.
    Bound,
}

impl CookieKind {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Session => "",
            Self::Flow => "_flow",
            Self::Csrf => "_csrf",
            Self::Device => "_device",
            Self::Language => "_language",
            Self::Enter => "_enter",
            Self::Bound => "-bound",
        }
    }

    /// Cookies of flows, forms and hand-overs never leave the host that made them; the others follow `session.domain`.
    const fn is_host_only(self) -> bool {
        matches!(self, Self::Flow | Self::Csrf | Self::Enter)
    }
}

/// Names and attributes on one transport.
#[derive(Clone, Debug)]
pub struct Cookies {
    base: String,
    domain: Option<String>,
    secure: bool,
}

impl Cookies {
    pub fn new(session: &config::Session, secure: bool) -> Self {
        Self { base: session.cookie.clone(), domain: session.domain.clone(), secure }
    }

    fn domain(&self, kind: CookieKind) -> Option<&str> {
        if kind.is_host_only() { None } else { self.domain.as_deref() }
    }

    /// `__Host-` where no domain is set, `__Secure-` with one; over plain HTTP the bare name.
    pub fn name(&self, kind: CookieKind) -> String {
        let prefix = match (self.secure, self.domain(kind)) {
            (false, _) => "",
            (true, None) => "__Host-",
            (true, Some(_)) => "__Secure-",
        };
        format!("{prefix}{}{}", self.base, kind.suffix())
    }

    /// A `Set-Cookie` value. Without `max_age` the cookie ends with the browser's session.
    pub fn set(&self, kind: CookieKind, value: &str, max_age: Option<Duration>) -> String {
        let mut cookie = self.blank(kind, value.to_owned());
        if let Some(span) = max_age {
            cookie.set_max_age(cookie::time::Duration::seconds(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)));
        }
        cookie.to_string()
    }

    /// A `Set-Cookie` value that removes it.
    pub fn expire(&self, kind: CookieKind) -> String {
        let mut cookie = self.blank(kind, String::new());
        cookie.set_max_age(cookie::time::Duration::ZERO);
        cookie.to_string()
    }

    fn blank(&self, kind: CookieKind, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::new(self.name(kind), value);
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        if self.secure {
            cookie.set_secure(true);
        }
        if let Some(domain) = self.domain(kind) {
            cookie.set_domain(domain.to_owned());
        }
        cookie
    }

    /// The value of our cookie among the `Cookie` headers' values, where it stands there exactly once.
    pub fn read<'h>(&self, kind: CookieKind, headers: impl IntoIterator<Item = &'h str>) -> Option<&'h str> {
        let name = self.name(kind);
        let mut found = None;
        for pair in headers.into_iter().flat_map(|header| header.split(';')) {
            if let Some((key, value)) = pair.split_once('=')
                && key.trim() == name
            {
                if found.is_some() {
                    return None;
                }
                found = Some(value.trim());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(secure: bool, domain: Option<&str>) -> Cookies {
        let mut session = config::Config::default().session;
        session.domain = domain.map(str::to_owned);
        Cookies::new(&session, secure)
    }

    #[test]
    fn the_name_says_what_the_browser_must_enforce() {
        assert_eq!(cookies(false, None).name(CookieKind::Session), "vestibule");
        assert_eq!(cookies(true, None).name(CookieKind::Session), "__Host-vestibule");
        assert_eq!(cookies(true, Some("internal.example")).name(CookieKind::Session), "__Secure-vestibule");
        assert_eq!(cookies(true, Some("internal.example")).name(CookieKind::Flow), "__Host-vestibule_flow");
    }

    #[test]
    fn attributes_are_strict() {
        let set = cookies(true, None).set(CookieKind::Session, "v", None);
        assert_eq!(set, "__Host-vestibule=v; HttpOnly; SameSite=Lax; Secure; Path=/");
        let wide = cookies(true, Some("internal.example")).expire(CookieKind::Session);
        assert!(wide.contains("Domain=internal.example") && wide.contains("Max-Age=0"), "{wide}");
    }

    #[test]
    fn two_of_the_same_name_are_none() {
        let c = cookies(false, None);
        assert_eq!(c.read(CookieKind::Session, ["a=1; vestibule=x"]), Some("x"));
        assert_eq!(c.read(CookieKind::Session, ["vestibule=x; vestibule=x"]), None);
        assert_eq!(c.read(CookieKind::Session, ["vestibule=x", "vestibule=y"]), None);
        assert_eq!(c.read(CookieKind::Session, ["Vestibule=x"]), None);
    }
}
