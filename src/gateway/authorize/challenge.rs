//! Where an authority checks that a host is ours (RFC 8555 section 8.3). Guarantees that on a host that certificates are ordered for,
//! nothing below that path, in any reading, reaches an application.

use http::Method;

use crate::acme::Answer;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy::Path;
use crate::gateway::request::parse::RequestInfo;

const BELOW: &str = "/.well-known/acme-challenge/";

/// What to answer to a request for a challenge; [`Answer::NotOurs`] for every other request.
pub fn answer(info: &RequestInfo, path: &Path<'_>, context: &Context) -> Answer {
    if !path.readings().any(|reading| is_below(reading.text)) {
        return Answer::NotOurs;
    }
    // As it was sent, and by GET or HEAD: in any other form nobody asks who means it.
    let token = path.as_sent().strip_prefix(BELOW).filter(|_| matches!(info.method, Method::GET | Method::HEAD));
    context.host().challenge(&info.host, token, context.at)
}

/// The path itself too: an application may add the slash.
fn is_below(text: &str) -> bool {
    let path = BELOW.trim_end_matches('/');
    let begins = text.get(..path.len()).is_some_and(|start| start.eq_ignore_ascii_case(path));
    begins && matches!(text.as_bytes().get(path.len()), None | Some(b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reading_of_the_path_is_missed() {
        let caught = |target: &str| Path::parse(target.as_bytes()).is_ok_and(|path| path.readings().any(|r| is_below(r.text)));
        for target in [
            "/.well-known/acme-challenge/token",
            "/.well-known/acme-challenge",
            "/.well-known/acme-challenge/a/b",
            "/.well-known//acme-challenge/token",
            "/%2ewell-known/acme-challenge/token",
            "/.Well-Known/ACME-challenge/token",
            "/a/../.well-known/acme-challenge/token",
            "/.well-known/acme%252dchallenge/token",
        ] {
            let is_refused = Path::parse(target.as_bytes()).is_err();
            assert!(is_refused || caught(target), "{target}");
        }
        for target in ["/.well-known/acme-challenges/token", "/.well-known/openid-configuration", "/", "/x/.well-known/acme-challenge/t"] {
            assert!(!caught(target), "{target}");
        }
    }
}
