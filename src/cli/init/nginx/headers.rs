//! `proxy_set_header`, `add_header` and `proxy_hide_header` as the headers of a route. What nginx set or cleared a client cannot set here
//! either: a header whose value cannot be said is removed from requests.

use super::tree::Directive;
use crate::config::{HeadersOf, header_is_fixed};
use crate::identity::Names;

/// What a place says of headers; a block that says anything of a kind replaces all of that kind from around it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Headers {
    to_upstream: Vec<(String, String)>,
    to_client: Vec<(String, String)>,
    hidden: Vec<String>,
}

/// Headers of a route: names with values, an empty one removes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Changes {
    pub request: Vec<(String, String)>,
    pub response: Vec<(String, String)>,
    /// The header in which the application was told the user of `auth_basic`.
    pub user: Option<String>,
    pub notes: Vec<String>,
}

impl Headers {
    pub fn within(&self, block: &[Directive]) -> Self {
        let mut inner = self.clone();
        let has = |name: &str| block.iter().any(|d| d.name == name);
        if has("proxy_set_header") {
            inner.to_upstream.clear();
        }
        if has("add_header") {
            inner.to_client.clear();
        }
        if has("proxy_hide_header") {
            inner.hidden.clear();
        }
        for d in block {
            let pair = || (d.arg().to_owned(), d.args.get(1).cloned().unwrap_or_default());
            match d.name.as_str() {
                "proxy_set_header" => inner.to_upstream.push(pair()),
                "add_header" => inner.to_client.push(pair()),
                "proxy_hide_header" => inner.hidden.push(d.arg().to_owned()),
                _ => {}
            }
        }
        inner
    }

    /// What the upstream gets as Host, if it is said.
    pub fn host(&self) -> Option<&str> {
        self.to_upstream.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.as_str())
    }

    pub fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for (name, value) in &self.to_upstream {
            changes.of_request(name, value);
        }
        let hidden = self.hidden.iter().map(|name| (name, ""));
        for (name, value) in hidden.chain(self.to_client.iter().map(|(name, value)| (name, value.as_str()))) {
            changes.of_response(name, value);
        }
        changes
    }
}

/// Said by the gateway itself, or by the connection.
const KNOWN: [&str; 6] = ["host", "connection", "upgrade", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];

impl Changes {
    fn of_request(&mut self, name: &str, value: &str) {
        let lower = name.to_ascii_lowercase();
        // The client's own, as without the line.
        let own = format!("$http_{}", lower.replace('-', "_"));
        if KNOWN.contains(&lower.as_str()) || value == own {
            return;
        }
        let user = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && name.len() <= 64;
        if value == "$remote_user" && self.user.is_none() && user && !header_is_fixed(name, HeadersOf::Identity) {
            self.user = Some(name.to_owned());
            return;
        }
        if header_is_fixed(name, HeadersOf::Requests) || !can_stand(name, value) {
            // Clients cannot say these, or not through here.
            let cleared = value.is_empty() && Names::default().has(&lower);
            if !cleared {
                self.notes.push(format!("nginx sent the header {name}: {value}"));
            }
            return;
        }
        if value.contains('$') {
            self.notes.push(format!("nginx sent the header {name}: {value}; it is removed now, as no client may say it"));
            return add(&mut self.request, name, "");
        }
        add(&mut self.request, name, value);
    }

    fn of_response(&mut self, name: &str, value: &str) {
        if value.contains('$') || header_is_fixed(name, HeadersOf::Responses) || !can_stand(name, value) {
            return self.notes.push(format!("nginx answered with the header {name}: {value}"));
        }
        if self.response.iter().any(|(other, before)| other.eq_ignore_ascii_case(name) && !before.is_empty()) {
            return self.notes.push(format!("nginx answered with the header {name} a further time: {value}"));
        }
        self.response.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.response.push((name.to_owned(), value.to_owned()));
    }
}

fn add(list: &mut Vec<(String, String)>, name: &str, value: &str) {
    if !list.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
        list.push((name.to_owned(), value.to_owned()));
    }
}

fn can_stand(name: &str, value: &str) -> bool {
    name.parse::<http::HeaderName>().is_ok() && http::HeaderValue::from_str(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn changes(text: &str) -> Changes {
        Headers::default().within(&Tree::read(text).unwrap().directives).changes()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn literal_headers_are_sent_and_cleared_ones_are_removed() {
        let found = changes("proxy_set_header X-Env prod; proxy_set_header Accept-Encoding \"\"; proxy_set_header Host $host;");
        assert_eq!(found.request, [pair("X-Env", "prod"), pair("Accept-Encoding", "")]);
        assert!(found.notes.is_empty(), "{:?}", found.notes);
    }

    #[test]
    fn what_varied_is_no_clients_to_say() {
        let found = changes("proxy_set_header X-Role $role; proxy_set_header X-Own $http_x_own; proxy_set_header Cookie $x;");
        assert_eq!(found.request, [pair("X-Role", "")]);
        assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    }

    #[test]
    fn the_user_of_a_password_is_told_under_the_same_name() {
        assert_eq!(changes("proxy_set_header X-User $remote_user;").user.as_deref(), Some("X-User"));
        let found = changes("proxy_set_header Authorization $remote_user; proxy_set_header X-WebAuth-User \"\";");
        assert_eq!((found.user, found.request), (None, vec![pair("Authorization", "")]));
    }

    #[test]
    fn answers_keep_their_headers() {
        let found = changes(
            "add_header X-Frame-Options DENY always; add_header Set-Cookie a=b; add_header X-T $time; proxy_hide_header X-Powered-By;",
        );
        assert_eq!(found.response, [pair("X-Powered-By", ""), pair("X-Frame-Options", "DENY")]);
        assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    }

    #[test]
    fn a_block_replaces_what_is_around_it() {
        let around = Headers::default().within(&Tree::read("proxy_set_header A b; add_header C d;").unwrap().directives);
        let inner = around.within(&Tree::read("proxy_set_header E f;").unwrap().directives).changes();
        assert_eq!((inner.request, inner.response), (vec![pair("E", "f")], vec![pair("C", "d")]));
    }
}
