//! What goes to the upstream beside the client's own headers. Guarantees that each identity and forwarding header arrives
//! exactly once with the gateway's value, or not at all, however a client spells it: names are compared with everything but
//! letters and digits read as `-`, as CGI, WSGI and PHP servers do when they make variables of them.
//!
//! Beyond the contract's names, what says the same (`Forwarded`, `X-Real-IP`, ...) is dropped, and so is what makes a
//! framework serve another path than the one that was judged (`X-Original-URL`, `X-Rewrite-URL`), and `Proxy`, which CGI
//! programs take for their own configuration (CVE-2016-5385 and its kin). A method override is
//! dropped unless it comes with POST, the one method on which frameworks are meant to heed it; then the request was judged
//! under both methods.

mod prepared;

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderName};
use http::{HeaderValue, Method, Version};
use pingora::http::RequestHeader;

pub use self::prepared::{Basis, Prepared};
use super::cookies::OwnCookies;
use super::line;
use super::request::{self, Asked};
use super::upstream::Pool;
use crate::base::trace::Trace;
use crate::policy::{HostHeader, Person, Upstream};

const OWNED: [&str; 20] = [
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

/// Up to so many lines of a client's are copied onto the gateway's; the gateway's are written among more.
const FEW: usize = 8;

/// What the names of both lists begin with.
const INITIALS: [u8; 4] = [b'f', b'p', b'r', b'x'];

const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// A value cannot be sent as a header: the request must fail rather than go out with half an identity.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0} cannot be sent as a header")]
pub struct Unsendable(pub &'static str);

/// What the gateway adds.
pub struct Outgoing<'a> {
    pub asked: &'a Asked,
    pub pool: &'a Arc<Pool>,
    /// Which of the pool's endpoints it goes to.
    pub at: usize,
    pub person: Option<&'a Arc<Person>>,
    pub request_id: &'a str,
    pub cookies: &'a OwnCookies,
    /// The version in which the client sent it.
    pub version: Version,
}

/// Takes the client's copies away and writes the gateway's values. To be called last, after `Connection:` was heeded.
///
/// # Errors
/// Where a name holds what a header or a comma-separated list cannot.
pub fn rewrite(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    let chain = out.asked.trusted.then(|| request::forwarded_for(&header.headers)).flatten();
    if header.headers.len() <= FEW {
        *header = prepared::join(header, out)?;
    } else {
        amend(header, out)?;
    }
    collapse_lengths(header);
    if let Some(chain) = chain {
        set(header, "X-Forwarded-For", format!("{chain}, {}", out.asked.peer.to_canonical()).as_bytes())?;
    }
    set(header, "X-Request-Id", out.request_id.as_bytes())
}

/// In place: what is ours is taken away and written anew among the client's.
fn amend(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    clean(header);
    drop_own_cookies(header, out.cookies);
    if out.version == Version::HTTP_2 {
        join_crumbs(header);
    }
    write_fixed(header, out)
}

/// What requests of one person over one connection to one host have in common. [`prepared`] keeps it.
fn write_fixed(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    let peer = out.asked.peer.to_canonical();
    match line::peer_as_header(peer) {
        Some(value) => insert(header, "X-Forwarded-For", value)?,
        None => set(header, "X-Forwarded-For", peer.to_string().as_bytes())?,
    }
    insert(header, "X-Forwarded-Proto", HeaderValue::from_static(if out.asked.secure { "https" } else { "http" }))?;
    set(header, "X-Forwarded-Host", out.asked.authority.as_bytes())?;
    set_host(header, out)?;
    out.person.map_or(Ok(()), |person| identify(header, person))
}

/// Removes every spelling of what is the gateway's to say.
pub fn clean(header: &mut RequestHeader) {
    let doomed: Vec<HeaderName> = header.headers.keys().filter(|name| is_ours(name, &header.method)).cloned().collect();
    for name in doomed {
        header.remove_header(&name);
    }
}

/// Whether a client's header of this name goes no further.
fn is_ours(name: &HeaderName, method: &Method) -> bool {
    // Most names begin with another letter than any of ours.
    if !name.as_str().as_bytes().first().is_some_and(|initial| INITIALS.contains(initial)) {
        return false;
    }
    OWNED.iter().any(|owned| same(name.as_str(), owned)) || (method != Method::POST && is_override(name))
}

/// Whether a header has some applications take the request for one of another method.
pub fn is_override(name: &HeaderName) -> bool {
    name.as_str().starts_with('x') && OVERRIDES.iter().any(|owned| same(name.as_str(), owned))
}

/// Whether a name would be read as an owned one.
fn same(name: &str, owned: &str) -> bool {
    let dashed = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    name.len() == owned.len() && name.bytes().zip(owned.bytes()).all(|(a, b)| dashed(a) == b)
}

/// Equal Content-Length lines become one (RFC 9110 section 8.6); others were refused.
fn collapse_lengths(header: &mut RequestHeader) {
    let mut lines = header.headers.get_all(CONTENT_LENGTH).iter();
    if let (Some(first), Some(_)) = (lines.next(), lines.next()) {
        let first = first.clone();
        let _ = header.insert_header(CONTENT_LENGTH, first);
    }
}

/// Cookie lines without our cookies.
fn drop_own_cookies(header: &mut RequestHeader, own: &OwnCookies) {
    let mut lines = header.headers.get_all(COOKIE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => {}
        (Some(line), None) => {
            let Some(changed) = own.without_own(line) else { return };
            // Bytes of a header's value are a header's value.
            let kept = Some(changed).filter(|kept| !kept.is_empty()).and_then(|kept| HeaderValue::try_from(kept).ok());
            let _ = match kept {
                Some(value) => header.insert_header("Cookie", value).is_ok(),
                None => header.remove_header(&COOKIE).is_some(),
            };
        }
        (Some(_), Some(_)) => drop_own_from_many(header, own),
    }
}

fn drop_own_from_many(header: &mut RequestHeader, own: &OwnCookies) {
    let lines: Vec<(HeaderValue, Option<Vec<u8>>)> =
        header.headers.get_all(COOKIE).iter().map(|line| (line.clone(), own.without_own(line))).collect();
    if lines.iter().all(|(_, changed)| changed.is_none()) {
        return;
    }
    header.remove_header(&COOKIE);
    for (line, changed) in lines {
        let kept = changed.map_or(Some(line), |kept| HeaderValue::try_from(kept).ok().filter(|kept| !kept.is_empty()));
        if let Some(value) = kept {
            let _ = header.append_header("Cookie", value);
        }
    }
}

/// HTTP/2 may have split one Cookie line into many, which HTTP/1 wants back as one (RFC 9113 section 8.2.3).
fn join_crumbs(header: &mut RequestHeader) {
    let mut lines = header.headers.get_all(COOKIE).iter();
    if let (Some(first), Some(second)) = (lines.next(), lines.next()) {
        let crumbs: Vec<&[u8]> =
            [first, second].into_iter().chain(lines).map(HeaderValue::as_bytes).filter(|crumb| !crumb.is_empty()).collect();
        if let Ok(whole) = HeaderValue::try_from(crumbs.join(&b"; "[..])) {
            let _ = header.insert_header("Cookie", whole);
        }
    }
}

/// The target without scheme and authority, as HTTP/1 has it.
fn origin_form(header: &RequestHeader) -> Result<http::Uri, Unsendable> {
    header.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).parse().map_err(|_| Unsendable("the path"))
}

fn set_host(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    if header.uri.authority().is_some() {
        header.set_uri(origin_form(header)?);
    }
    let host = match (out.pool.host(), out.pool.get(out.at)) {
        (HostHeader::Preserve, _) => Cow::Borrowed(&*out.asked.authority),
        (HostHeader::Name(name), _) => Cow::Borrowed(name.as_str()),
        (HostHeader::Upstream, Some(endpoint)) => Cow::Owned(authority(&endpoint.upstream)),
        (HostHeader::Upstream, None) => return Err(Unsendable("no upstream")),
    };
    if header.version == Version::HTTP_2 || header.headers.get(HOST).is_none_or(|h| h.as_bytes() != host.as_bytes()) {
        set(header, "Host", host.as_bytes())?;
    }
    Ok(())
}

/// An upstream's own authority, its scheme's default port left out.
pub fn authority(upstream: &Upstream) -> String {
    let host = if upstream.host.contains(':') { format!("[{}]", upstream.host) } else { upstream.host.clone() };
    if upstream.port == if upstream.tls { 443 } else { 80 } { host } else { format!("{host}:{}", upstream.port) }
}

fn identify(header: &mut RequestHeader, person: &Person) -> Result<(), Unsendable> {
    if person.groups.iter().chain([&person.name]).any(|word| word.contains(',')) {
        return Err(Unsendable("a name with a comma"));
    }
    set(header, "Remote-User", person.name.as_bytes())?;
    set(header, "Remote-Name", person.display_name.as_bytes())?;
    set(header, "Remote-Email", person.email.as_bytes())?;
    match person.groups.as_slice() {
        [one] => set(header, "Remote-Groups", one.as_bytes()),
        many => set(header, "Remote-Groups", many.join(",").as_bytes()),
    }
}

/// Where traces are on, the upstream hears of the gateway's own span; what a client says of a trace goes no further unless the trace
/// goes on from it. Where they are off, both headers pass as they came.
pub fn trace(header: &mut RequestHeader, trace: Option<&Trace>) {
    let Some(trace) = trace else { return };
    if trace.parent.is_none() {
        header.remove_header("tracestate");
    }
    let _ = header.insert_header("traceparent", trace.outgoing());
}

fn set(header: &mut RequestHeader, name: &'static str, value: &[u8]) -> Result<(), Unsendable> {
    // The one control character that a header's value may hold otherwise.
    if value.contains(&b'\t') {
        return Err(Unsendable(name));
    }
    insert(header, name, HeaderValue::from_bytes(value).map_err(|_| Unsendable(name))?)
}

fn insert(header: &mut RequestHeader, name: &'static str, value: HeaderValue) -> Result<(), Unsendable> {
    header.insert_header(name, value).map_err(|_| Unsendable(name))
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
