//! What browsers and applications say of sessions that are bound to a device: an application behind the gateway may bind its own, and hears nothing of
//! the gateway's and changes nothing about them.

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::session::device::wire;

const SKIPPED: HeaderName = HeaderName::from_static("secure-session-skipped");
/// In an answer.
pub const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

/// Takes the names of our bindings out of a request.
pub fn clean_request(header: &mut RequestHeader) {
    let Some(kept) = without_ours(&header.headers, &SKIPPED) else { return };
    header.remove_header(&SKIPPED);
    for line in kept {
        let _ = header.append_header(SKIPPED, line);
    }
}

/// Takes challenges for our bindings out of an application's answer: they would take the place of ours.
pub fn clean_response(header: &mut ResponseHeader) {
    let Some(kept) = without_ours(&header.headers, &CHALLENGE) else { return };
    header.remove_header(&CHALLENGE);
    for line in kept {
        let _ = header.append_header(CHALLENGE, line);
    }
}

/// What is left of the lines of a name; `None`: all of it.
fn without_ours(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<HeaderValue>> {
    let lines = || headers.get_all(name).iter();
    if !lines().any(|line| wire::without_ours(line.as_bytes()).is_some()) {
        return None;
    }
    let kept = |line: &HeaderValue| match wire::without_ours(line.as_bytes()) {
        None => Some(line.clone()),
        Some(rest) => HeaderValue::try_from(rest).ok().filter(|rest| !rest.is_empty()),
    };
    Some(lines().filter_map(kept).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_hears_of_its_own_bindings_alone() {
        let mut asked = RequestHeader::build("GET", b"/", None).unwrap();
        let mut answered = ResponseHeader::build(200, None).unwrap();
        let ours = "\"vestibule-aaaaaaaaaaaaaaaaaaaaaaaaaa\"";
        let mixed = format!("unreachable;session_identifier={ours}, unreachable;session_identifier=\"app\"");
        asked.append_header(SKIPPED, mixed).unwrap();
        asked.append_header(SKIPPED, format!("quota_exceeded;session_identifier={ours}")).unwrap();
        answered.append_header(CHALLENGE, format!("\"x\";id={ours}")).unwrap();
        answered.append_header(CHALLENGE, "\"y\";id=\"app\"").unwrap();
        clean_request(&mut asked);
        clean_response(&mut answered);
        let lines =
            |headers: &HeaderMap, name| headers.get_all(name).iter().map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&asked.headers, SKIPPED), ["unreachable;session_identifier=\"app\""]);
        assert_eq!(lines(&answered.headers, CHALLENGE), ["\"y\";id=\"app\""]);
    }
}
