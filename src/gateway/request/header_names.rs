//! Header names that a client may not use, or whose use changes what is decided. Names are compared with everything but letters and
//! digits read as `-`, as CGI, WSGI and PHP servers do when they turn headers into variables.
//!
//! Beside the identity and forwarding headers of the contract, the list has what says the same (`Forwarded`, `X-Real-IP`, ...), what
//! makes a framework serve another path than the one that was decided on (`X-Original-URL`, `X-Rewrite-URL`), and `Proxy`, which
//! CGI programs take for their own configuration (CVE-2016-5385). A method override passes with POST only, the one method for which
//! frameworks are meant to heed it; the request is then decided under both methods.

use http::Method;
use http::header::HeaderName;

/// Names whose value is the gateway's to say.
pub const OWNED: [&str; 20] = [
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
pub const INITIALS: [u8; 4] = [b'f', b'p', b'r', b'x'];

pub const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Whether a client's header of this name is dropped.
pub fn is_ours(name: &HeaderName, method: &Method) -> bool {
    // Most names begin with a letter that none of ours begins with.
    if !name.as_str().as_bytes().first().is_some_and(|initial| INITIALS.contains(initial)) {
        return false;
    }
    OWNED.iter().any(|owned| same(name.as_str(), owned)) || (method != Method::POST && is_override(name))
}

/// Headers by which some application is told who the user is.
pub const IDENTITY_NAMES: [&str; 21] = [
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "x-forwarded-user",
    "x-forwarded-preferred-username",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-webauth-user",
    "x-webauth-name",
    "x-webauth-email",
    "x-webauth-groups",
    "x-authentik-username",
    "x-authentik-name",
    "x-authentik-email",
    "x-authentik-groups",
    "x-remote-user",
    "sm-user",
    "iv-user",
    "iv-groups",
    "oam-remote-user",
];

/// Whether some application reads a header of this name as who the user is.
pub fn names_somebody(name: &HeaderName) -> bool {
    IDENTITY_NAMES.iter().any(|owned| same(name.as_str(), owned))
}

/// Whether a header makes some applications take the request for one with another method.
pub fn is_override(name: &HeaderName) -> bool {
    name.as_str().starts_with('x') && OVERRIDES.iter().any(|owned| same(name.as_str(), owned))
}

/// Whether a name may be read as an owned one.
pub fn same(name: &str, owned: &str) -> bool {
    let dashed = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    name.len() == owned.len() && name.bytes().zip(owned.bytes()).all(|(a, b)| dashed(a) == b)
}
