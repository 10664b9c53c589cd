//! What goes to the upstream beside the client's own headers. Guarantees that each identity and forwarding header arrives exactly
//! once with the gateway's value, or not at all, however a client spells it ([`crate::gateway::request::header_names`]).

pub mod device;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName};
use http::{HeaderValue, Version};
use pingora::http::RequestHeader;

use crate::base::trace::Trace;
use crate::gateway::proxy::changes;
use crate::gateway::proxy::credentials;
use crate::gateway::proxy::fields::{Outgoing, Unsendable, join_crumbs, set};
use crate::gateway::proxy::prepared;
use crate::gateway::request::cookies::OwnCookies;
use crate::gateway::request::header_names::is_ours;
use crate::gateway::request::parse;
use crate::identity::Names;

/// Up to so many lines of a client's are copied onto the gateway's; in a longer header the gateway's are written among them.
const FEW: usize = 8;

/// Removes the client's copies and writes the gateway's values. To be called last, after the headers that `Connection:` names were
/// removed.
///
/// # Errors
/// If a name contains what a header or a comma-separated list cannot.
pub fn rewrite(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    if out.route.application.device.is_some() {
        device::clean_request(header);
    }
    let chain = chain(header, out);
    if header.headers.len() <= FEW {
        *header = prepared::join(header, out)?;
    } else {
        amend(header, out)?;
    }
    complete(header, out, chain)
}

/// What [`rewrite`] makes of a request over HTTP/1.1 whose hop-by-hop fields were removed, from one that has none of them but a `Connection`
/// that names no field. A short one is not copied first.
///
/// # Errors
/// As [`rewrite`].
pub fn plain(header: &RequestHeader, out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let own = header.headers.get_all(CONNECTION).iter().count();
    let authority = header.uri.authority().filter(|_| header.version == Version::HTTP_2);
    let lines = header.headers.len() - own + usize::from(authority.is_some() && !header.headers.contains_key(HOST));
    let mut request = if lines <= FEW && out.route.application.device.is_none() {
        let mut joined = prepared::join(header, out)?;
        complete(&mut joined, out, chain(header, out))?;
        joined
    } else {
        let mut copy = header.clone();
        copy.remove_header(&CONNECTION);
        copy.set_version(Version::HTTP_11);
        if let Some(authority) = authority {
            copy.insert_header(HOST, authority.as_str()).map_err(|_| Unsendable("the host"))?;
        }
        rewrite(&mut copy, out)?;
        copy
    };
    request.set_version(Version::HTTP_11);
    Ok(request)
}

/// What a trusted proxy says of those before it.
fn chain(header: &RequestHeader, out: &Outgoing<'_>) -> Option<String> {
    out.info.trusted.then(|| parse::forwarded_for(&header.headers)).flatten()
}

/// The rest, which is another each time or the route's.
fn complete(header: &mut RequestHeader, out: &Outgoing<'_>, chain: Option<String>) -> Result<(), Unsendable> {
    collapse_lengths(header);
    if let Some(chain) = chain {
        set(header, "X-Forwarded-For", format!("{chain}, {}", out.info.peer.to_canonical()).as_bytes())?;
    }
    set(header, "X-Request-Id", out.request_id.as_bytes())?;
    changes::request(header, out)?;
    credentials::write(header, out)
}

/// In place: the client's copies are removed and the gateway's values are written among the client's headers.
fn amend(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    clean_of(header, out.names);
    if out.token_came {
        header.remove_header(&AUTHORIZATION);
    }
    drop_own_cookies(header, out.cookies);
    if out.version == Version::HTTP_2 {
        join_crumbs(header);
    }
    prepared::write_fixed(header, out).map(drop)
}

/// Removes every spelling of the headers whose value is the gateway's to say, by the built-in names alone.
pub fn clean(header: &mut RequestHeader) {
    clean_of(header, &Names::default());
}

fn clean_of(header: &mut RequestHeader, names: &Names) {
    let doomed: Vec<HeaderName> = header.headers.keys().filter(|name| is_ours(names, name, &header.method)).cloned().collect();
    for name in doomed {
        header.remove_header(&name);
    }
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

/// If traces are on, the upstream is told the gateway's own span, and what a client says of a trace is dropped unless the trace continues
/// it. If traces are off, both headers pass unchanged.
pub fn trace(header: &mut RequestHeader, trace: Option<&Trace>) {
    let Some(trace) = trace else { return };
    if trace.parent.is_none() {
        header.remove_header("tracestate");
    }
    let _ = header.insert_header("traceparent", trace.outgoing());
}

#[cfg(test)]
mod tests;
