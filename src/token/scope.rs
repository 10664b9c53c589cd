//! What a token may be used for, out of all that its owner may do: some routes, some methods, from some networks. What is left out
//! is not limited. Every dimension must hold.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::base::ClientAddr;

/// The limits of a token. They can only take something away.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Names of routes; empty: every route.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Upper-case method names, `GET` includes `HEAD`; empty: every method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Where the client must be; empty: anywhere.
    #[serde(default)]
    pub networks: Vec<IpNet>,
}

/// What a token's scope does not cover.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OutOfScope {
    #[error("the token is not for this route")]
    Route,
    #[error("the token is not for this method")]
    Method,
    #[error("the token is not for this network")]
    Network,
}

impl Scope {
    /// Whether the token may be used for such a request.
    ///
    /// # Errors
    /// The first limit that does not allow it.
    pub fn covers(&self, route: &str, method: &http::Method, client: ClientAddr) -> Result<(), OutOfScope> {
        if !self.routes.is_empty() && !self.routes.iter().any(|name| name == route) {
            return Err(OutOfScope::Route);
        }
        if !self.methods.is_empty() && !self.takes(method) {
            return Err(OutOfScope::Method);
        }
        if !self.networks.is_empty() && !client.is_in(&self.networks) {
            return Err(OutOfScope::Network);
        }
        Ok(())
    }

    fn takes(&self, method: &http::Method) -> bool {
        let names = |wanted: &str| self.methods.iter().any(|name| name == wanted);
        names(method.as_str()) || (*method == http::Method::HEAD && names("GET"))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;

    fn client(address: &str) -> ClientAddr {
        ClientAddr::new(address.parse().unwrap())
    }

    #[test]
    fn an_empty_scope_limits_nothing() {
        assert_eq!(Scope::default().covers("wiki", &Method::DELETE, client("192.0.2.1")), Ok(()));
    }

    #[test]
    fn each_limit_holds_by_itself() {
        let scope = Scope { routes: vec!["wiki".into()], methods: vec!["GET".into()], networks: vec!["10.0.0.0/8".parse().unwrap()] };
        let covers = |route, method: Method, from| scope.covers(route, &method, client(from));
        assert_eq!(covers("wiki", Method::GET, "10.1.2.3"), Ok(()));
        assert_eq!(covers("wiki", Method::HEAD, "10.1.2.3"), Ok(()));
        assert_eq!(covers("Wiki", Method::GET, "10.1.2.3"), Err(OutOfScope::Route));
        assert_eq!(covers("wiki", Method::POST, "10.1.2.3"), Err(OutOfScope::Method));
        assert_eq!(covers("wiki", Method::GET, "192.0.2.1"), Err(OutOfScope::Network));
    }

    #[test]
    fn an_address_that_nobody_vouches_for_is_in_no_network() {
        let scope = Scope { networks: vec!["10.0.0.0/8".parse().unwrap()], ..Scope::default() };
        let proxy = ClientAddr::resolve("10.0.0.1".parse().unwrap(), None, &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(scope.covers("wiki", &Method::GET, proxy), Err(OutOfScope::Network));
    }

    proptest! {
        #[test]
        fn a_token_of_one_route_opens_no_other(mine in "[a-z]{1,8}", other in "[a-z]{1,8}") {
            let scope = Scope { routes: vec![mine.clone()], ..Scope::default() };
            prop_assert_eq!(scope.covers(&other, &Method::GET, client("192.0.2.1")).is_ok(), mine == other);
        }
    }
}
