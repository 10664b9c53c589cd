//! A browser's cookies (RFC 6265bis), strict where browsers are: prefixes, Secure, Domain.

/// A kept cookie.
#[derive(Clone, Debug)]
pub struct Cookie {
    pub name: String,
    pub value: String,
    host: String,
    host_only: bool,
    path: String,
    secure: bool,
}

/// The cookies of one browser.
#[derive(Clone, Debug, Default)]
pub struct Jar(Vec<Cookie>);

impl Jar {
    /// Takes a `Set-Cookie` in, if a browser would.
    pub fn set(&mut self, line: &str, host: &str, https: bool) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a name and a value");
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            host: host.to_owned(),
            host_only: true,
            path: "/".to_owned(),
            secure: false,
        };
        let (mut gone, mut path_given) = (false, false);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    if host != domain && !host.ends_with(&format!(".{domain}")) {
                        return;
                    }
                    (cookie.host, cookie.host_only) = (domain, false);
                }
                "path" => (cookie.path, path_given) = (value.to_owned(), true),
                "secure" => cookie.secure = true,
                "max-age" => gone = value.parse::<i64>().is_ok_and(|age| age <= 0),
                _ => {}
            }
        }
        let host_prefix_fits = cookie.secure && https && cookie.host_only && path_given && cookie.path == "/";
        if name.starts_with("__Host-") && !host_prefix_fits || name.starts_with("__Secure-") && !(cookie.secure && https) {
            return;
        }
        if cookie.secure && !https {
            return;
        }
        self.0.retain(|old| !(old.name == cookie.name && old.host == cookie.host && old.path == cookie.path));
        if !gone {
            self.0.push(cookie);
        }
    }

    /// The `Cookie` header for a request; empty: none.
    pub fn header(&self, host: &str, path: &str, https: bool) -> String {
        let fits = |c: &&Cookie| {
            (host == c.host || !c.host_only && host.ends_with(&format!(".{}", c.host))) && path.starts_with(&c.path) && (https || !c.secure)
        };
        self.0.iter().filter(fits).map(|c| format!("{}={}", c.name, c.value)).collect::<Vec<_>>().join("; ")
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|c| c.name == name).map(|c| c.value.as_str())
    }

    /// As [`Jar::get`], of this host alone.
    pub fn of(&self, name: &str, host: &str) -> Option<&str> {
        self.0.iter().find(|c| c.name == name && c.host == host).map(|c| c.value.as_str())
    }

    /// Puts a cookie in by hand, as a thief or a tamperer would.
    pub fn put(&mut self, name: &str, value: &str, host: &str) {
        self.set(&format!("{name}={value}; Path=/"), host, false);
    }

    pub fn drop(&mut self, name: &str) {
        self.0.retain(|c| c.name != name);
    }

    pub fn drop_at(&mut self, name: &str, host: &str) {
        self.0.retain(|c| !(c.name == name && c.host == host));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
