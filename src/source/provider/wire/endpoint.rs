//! An address that a provider may be asked at: `https`, or `http` on this machine for a provider that is itself there.

use std::fmt;

use url::{Host, Url};

/// A checked address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why an address is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    #[error("it is not an absolute URL")]
    Malformed,
    #[error("it must be https (http is for a provider on the loopback only)")]
    Insecure,
    #[error("it must not hold a user, a password or a fragment")]
    Odd,
}

impl Endpoint {
    /// A provider's issuer (OpenID Connect Discovery section 3: no query, no fragment).
    pub fn issuer(text: &str) -> Result<Self, BadEndpoint> {
        let url = Url::parse(text).map_err(|_| BadEndpoint::Malformed)?;
        let secure = url.scheme() == "https" || is_local(&url);
        if url.query().is_some() { Err(BadEndpoint::Odd) } else { Self::checked(url, secure) }
    }

    /// An address that the provider with this issuer announces: one on `https` never leads to plain `http`.
    pub fn announced(text: &str, issuer: &Self) -> Result<Self, BadEndpoint> {
        let url = Url::parse(text).map_err(|_| BadEndpoint::Malformed)?;
        let secure = url.scheme() == "https" || (is_local(&issuer.0) && is_local(&url));
        Self::checked(url, secure)
    }

    fn checked(url: Url, secure: bool) -> Result<Self, BadEndpoint> {
        if !url.has_host() {
            return Err(BadEndpoint::Malformed);
        }
        if !secure {
            return Err(BadEndpoint::Insecure);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(BadEndpoint::Odd);
        }
        Ok(Self(url))
    }

    /// Where the discovery document of this issuer stands (OpenID Connect Discovery section 4).
    pub fn discovery(&self) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/.well-known/openid-configuration", self.0.path().trim_end_matches('/')));
        Self(url)
    }

    /// The parts of the path, for what an issuer says in it.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.path().split('/').filter(|part| !part.is_empty())
    }

    /// The address with more parameters; those that it has stay.
    pub fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        url.into()
    }

    /// `scheme://host[:port]`, for a page's `form-action`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

fn is_local(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_machine() {
        for good in
            ["https://idp.example", "https://idp.example/tenant/v2.0", "http://127.0.0.1:9000", "http://[::1]/x", "http://localhost:1"]
        {
            assert!(Endpoint::issuer(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://idp.example", BadEndpoint::Insecure),
            ("http://localhost.evil.example", BadEndpoint::Insecure),
            ("http://128.0.0.1", BadEndpoint::Insecure),
            ("ftp://idp.example", BadEndpoint::Insecure),
            ("idp.example", BadEndpoint::Malformed),
            ("https://user@idp.example", BadEndpoint::Odd),
            ("https://idp.example/#x", BadEndpoint::Odd),
            ("https://idp.example/?x", BadEndpoint::Odd),
        ] {
            assert_eq!(Endpoint::issuer(bad).unwrap_err(), why, "{bad}");
        }
    }

    #[test]
    fn a_provider_out_there_cannot_point_at_this_machine_in_plain_http() {
        let (far, near) = (Endpoint::issuer("https://idp.example").unwrap(), Endpoint::issuer("http://127.0.0.1:9000").unwrap());
        assert_eq!(Endpoint::announced("http://127.0.0.1/token", &far), Err(BadEndpoint::Insecure));
        assert_eq!(Endpoint::announced("http://other.example/token", &near), Err(BadEndpoint::Insecure));
        assert!(Endpoint::announced("http://127.0.0.1:9000/token", &near).is_ok());
        assert!(Endpoint::announced("https://keys.example/jwks?x=y", &far).is_ok());
    }

    #[test]
    fn parameters_are_added_to_those_that_are_there() {
        let issuer = Endpoint::issuer("https://idp.example/realm/").unwrap();
        assert_eq!(issuer.discovery().as_str(), "https://idp.example/realm/.well-known/openid-configuration");
        let authorize = Endpoint::announced("https://idp.example/a?p=policy", &issuer).unwrap();
        assert_eq!(authorize.with(&[("scope", "openid email")]), "https://idp.example/a?p=policy&scope=openid+email");
    }
}
