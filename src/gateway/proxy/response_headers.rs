//! What is changed in an upstream's answer: what belongs to the upstream's connection goes, framing becomes unambiguous, and nothing is
//! set that only the gateway may set on a host that has its pages too.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::sticky;
use crate::gateway::proxy::headers::device;
use crate::gateway::proxy::{changes, credentials, location};
use crate::gateway::request::hop_by_hop::nominated;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const WORKER_SCOPE: HeaderName = HeaderName::from_static("service-worker-allowed");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What `Connection` may name that is never taken away: the message's own framing.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// Cleans an answer's header.
///
/// # Errors
/// If the application refused the credentials of `upstream_auth`; or if pingora's header type refuses a value.
pub fn clean(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    credentials::verify(response.status, context)?;
    settle_framing(response)?;
    if response.headers.iter().any(|(name, value)| is_changed(name, value)) {
        drop_connection_fields(response);
        restrict(response, context)?;
        location::rewrite(response, context)?;
    }
    changes::response(response, context)?;
    match sticky::set_cookie(context).filter(|_| !response.status.is_informational()) {
        Some(cookie) => response.append_header(header::SET_COOKIE, cookie).map(drop),
        None => Ok(()),
    }
}

/// Whether a header may have to be changed or removed: most answers have none of these.
fn is_changed(name: &HeaderName, value: &HeaderValue) -> bool {
    match name.as_str() {
        "connection" => !["keep-alive", "close"].iter().any(|usual| usual.as_bytes().eq_ignore_ascii_case(value.as_bytes())),
        "set-cookie" | "location" | "secure-session-challenge" | "content-location" | "refresh" | "keep-alive" | "proxy-connection" => true,
        other => other == OPENER_POLICY.as_str() || other == WORKER_SCOPE.as_str(),
    }
}

/// An answer of HTTP/1.0 goes out as HTTP/1.1 (RFC 9112 section 2.3), 204 has no length (RFC 9110 section 8.6), and equal lengths are one.
fn settle_framing(response: &mut ResponseHeader) -> Result<()> {
    if response.version == Version::HTTP_10 || response.version == Version::HTTP_09 {
        response.set_version(Version::HTTP_11);
    }
    if response.status == StatusCode::NO_CONTENT {
        response.remove_header(&header::CONTENT_LENGTH);
        response.remove_header(&header::TRANSFER_ENCODING);
    }
    match one_length(&response.headers) {
        Some(length) => response.insert_header(header::CONTENT_LENGTH, length),
        None => Ok(()),
    }
}

/// The one length, if it is there more than once; whether they are equal was checked when the answer was read.
fn one_length(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lines.next()?;
    if lines.next().is_none() && !first.as_bytes().contains(&b',') {
        return None;
    }
    let length = first.as_bytes().split(|b| *b == b',').next().unwrap_or_default().trim_ascii();
    HeaderValue::from_bytes(length).ok()
}

/// What belongs to the upstream's connection alone (RFC 9110 section 7.6.1). pingora writes a `Connection` of its own.
fn drop_connection_fields(response: &mut ResponseHeader) {
    for name in nominated(&response.headers).iter().filter(|name| !FRAMING.contains(&name.as_str())) {
        response.remove_header(name.as_str());
    }
    response.remove_header(&KEEP_ALIVE);
    response.remove_header(&PROXY_CONNECTION);
}

/// Removes what an upstream may not set on a host that has the gateway's pages too: cookies under the gateway's names, a wider scope for
/// a service worker, and a browsing context group that those pages, which ask for `same-origin`, would share with its scripts.
///
/// A service worker of a script at the root still has the whole host as its scope, and sees navigations to the portal: an application
/// that is not trusted that far needs a host of its own (`docs/security.md`).
fn restrict(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    response.remove_header(&WORKER_SCOPE);
    device::clean_response(response);
    let isolates = |value: &HeaderValue| {
        let word = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        word.to_ascii_lowercase().starts_with(b"same-origin") && !word.eq_ignore_ascii_case(b"same-origin-allow-popups")
    };
    if response.headers.get_all(&OPENER_POLICY).iter().any(isolates) {
        response.insert_header(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"))?;
    }
    drop_own_set_cookies(response, context)
}

fn drop_own_set_cookies(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let own = &context.snapshot.cookies;
    let dropped: Vec<String> = response.headers.get_all(header::SET_COOKIE).iter().filter_map(|line| own.set_by(line)).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let kept: Vec<_> = response.headers.get_all(header::SET_COOKIE).iter().filter(|line| own.set_by(line).is_none()).cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for line in kept {
        response.append_header(header::SET_COOKIE, line)?;
    }
    for cookie in dropped {
        context.host().dropped_cookie(context.route().unwrap_or_default(), &cookie);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_becomes_unambiguous() {
        let lengths = |status: u16, lines: &[&str]| {
            let mut response = ResponseHeader::build(status, None).unwrap();
            response.set_version(Version::HTTP_10);
            for line in lines {
                response.append_header(header::CONTENT_LENGTH, *line).unwrap();
            }
            settle_framing(&mut response).unwrap();
            assert_eq!(response.version, Version::HTTP_11);
            response.headers.get_all(header::CONTENT_LENGTH).iter().map(|l| l.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(200, &["5"]), ["5"]);
        assert_eq!(lengths(200, &["5", "5"]), ["5"]);
        assert_eq!(lengths(200, &["5, 5"]), ["5"]);
        assert!(lengths(204, &["5"]).is_empty() && lengths(200, &[]).is_empty());
    }

    #[test]
    fn what_connection_names_goes_no_further() {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("connection", "X-Hop, close, Content-Length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("content-length", "1"),
            ("x-end", "2"),
        ] {
            response.append_header(name, value).unwrap();
        }
        drop_connection_fields(&mut response);
        assert!(!response.headers.contains_key("x-hop") && !response.headers.contains_key("keep-alive"));
        assert!(response.headers.contains_key("x-end") && response.headers.contains_key("content-length"));
    }
}
