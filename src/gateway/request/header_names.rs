//! Header names that a client may not use, or whose use changes what is decided. Names are compared with everything but letters and
//! digits read as `-`, as CGI, WSGI and PHP servers do when they turn headers into variables.
//!
//! Beside the identity and forwarding headers of the contract, the list has what says the same (`Forwarded`, `X-Real-IP`, ...), a client certificate (RFC 9440), what
//! makes a framework serve another path than the one that was decided on (`X-Original-URL`, `X-Rewrite-URL`), and `Proxy`, which
//! CGI programs take for their own configuration (CVE-2016-5385). A method override passes with POST only, the one method for which
//! frameworks are meant to heed it; the request is then decided under both methods.

use http::Method;
use http::header::HeaderName;

use crate::gateway::client_certificate::header::{CLIENT_CERT, CLIENT_CERT_CHAIN};
use crate::identity::{Names, TOKEN_HEADER};

/// Names whose value is the gateway's to say.
pub const OWNED: [&str; 22] = [
    CLIENT_CERT,
    CLIENT_CERT_CHAIN,
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-user",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-request-id",
    "proxy",
];

/// The first letters of all names in both lists.
pub const INITIALS: [u8; 5] = [b'c', b'f', b'p', b'r', b'x'];

pub const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Whether a client's header of this name is dropped. `names` are those under which applications are told who asks.
pub fn is_ours(names: &Names, name: &HeaderName, method: &Method) -> bool {
    names.has(name.as_str()) || is_built_in(name, method)
}

fn is_built_in(name: &HeaderName, method: &Method) -> bool {
    // Most names begin with a letter that none of ours begins with.
    if !name.as_str().as_bytes().first().is_some_and(|initial| INITIALS.contains(initial)) {
        return false;
    }
    OWNED.iter().any(|owned| same(name.as_str(), owned)) || (method != Method::POST && is_override(name))
}

/// What proxies in front write themselves. The proxy that asks says its own over the client's.
const BY_PROXIES: [&str; 11] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "forwarded",
    "x-real-ip",
    "x-request-id",
];

/// Why a request may not go on with this header if another proxy forwards it, which hands on what this gateway would drop.
pub fn unforwardable(names: &Names, name: &HeaderName, method: &Method) -> Option<&'static str> {
    let text = name.as_str();
    if text != TOKEN_HEADER && names.has(text) {
        return Some("identity_header");
    }
    if is_override(name) && method != Method::POST {
        return Some("method_override");
    }
    // One of those in another spelling was not written by the proxy.
    let is_rewrite = OWNED.iter().any(|owned| same(text, owned)) && !BY_PROXIES.contains(&text);
    is_rewrite.then_some("rewrite_header")
}

/// Whether a header makes some applications take the request for one with another method.
pub fn is_override(name: &HeaderName) -> bool {
    name.as_str().starts_with('x') && OVERRIDES.iter().any(|owned| same(name.as_str(), owned))
}

/// Whether a query's parameter of this lower-case name makes some frameworks take a POST for another method.
pub fn is_method_parameter(name: &str) -> bool {
    same(name, "-method") || same(name, "-httpmethod") || OVERRIDES.iter().any(|owned| same(name, owned))
}

/// Whether two names may be read as one.
pub fn alike(a: &str, b: &str) -> bool {
    let dashed = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| dashed(a) == dashed(b))
}

/// Whether a name may be read as an owned one.
pub fn same(name: &str, owned: &str) -> bool {
    let dashed = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    name.len() == owned.len() && name.bytes().zip(owned.bytes()).all(|(a, b)| dashed(a) == b)
}
