//! API tokens in a request: found in whatever form they come, and looked up in memory. Guarantees that a credential with the gateway's
//! prefix either leads to its owner or to a refusal; it is never forwarded, and no session stands in for one that is not valid.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;

use crate::base::Secret;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::revocation::with_cache;
use crate::gateway::host::{TokenLookup, UserSession};
use crate::gateway::request::navigation::loads_a_page;
use crate::gateway::request::parse::RequestInfo;
use crate::gateway::request::websocket::check_origin;
use crate::token::{self, Credential, Way};

const TOKEN: HeaderName = HeaderName::from_static(crate::identity::TOKEN_HEADER);

/// Why a token is refused, whatever the route says.
pub const INVALID: &str = "invalid_token";
/// A browser sends stored Basic credentials with whatever another site makes it send.
const FROM_A_BROWSER: &str = "token_from_browser";

/// What a request's token comes to.
pub enum ByToken {
    /// There is none.
    Absent,
    Live(Arc<dyn UserSession>, Way),
    Refused {
        reason: &'static str,
        /// There were too many wrong ones from this address.
        wait: Option<Duration>,
    },
    /// It may be valid, and nobody can tell at the moment.
    Unknown,
}

/// A credential of ours, as it was sent.
#[derive(Debug)]
enum Shown {
    Nothing,
    Token(Way, Secret),
    /// Ours, and malformed, doubled, or in a place that no route takes.
    Unusable,
}

/// Who comes with a token, if anybody does.
pub fn identify(header: &RequestHeader, context: &Context, info: &RequestInfo) -> ByToken {
    let refused = |reason| ByToken::Refused { reason, wait: None };
    let (way, text) = match shown(&header.headers) {
        Shown::Nothing => return ByToken::Absent,
        // Counted like any other wrong one.
        Shown::Unusable => (Way::Header, Secret::default()),
        Shown::Token(way, text) => (way, text),
    };
    if way == Way::Basic && is_from_a_browser(header, info) {
        return refused(FROM_A_BROWSER);
    }
    let recent = with_cache(|cache| cache.token(text.expose(), way)).flatten();
    if let Some(known) = recent.filter(|known| known.accepts_token(text.expose(), way, info.client, context.at)) {
        return ByToken::Live(known, way);
    }
    match context.host().token(text.expose(), way, info.client, context.at) {
        TokenLookup::Live(owner) => {
            with_cache(|cache| cache.remember_token(text.expose(), way, &owner));
            ByToken::Live(owner, way)
        }
        TokenLookup::Invalid => refused(INVALID),
        TokenLookup::Throttled(wait) => ByToken::Refused { reason: "throttled", wait: Some(wait) },
        TokenLookup::Unknown => ByToken::Unknown,
    }
}

/// Most requests have neither header.
fn shown(headers: &HeaderMap) -> Shown {
    let mut found = Shown::Nothing;
    let mut foreign = false;
    for value in headers.get_all(AUTHORIZATION) {
        found = match (token::read(value.as_bytes()), found) {
            (Credential::Foreign, found) => {
                foreign = true;
                found
            }
            (Credential::Token { way, text }, Shown::Nothing) => Shown::Token(way, text),
            (Credential::Token { .. } | Credential::Malformed, _) => return Shown::Unusable,
        };
    }
    // Of two, which one counts would be the application's choice.
    if foreign && !matches!(found, Shown::Nothing) {
        return Shown::Unusable;
    }
    if headers.get_all(PROXY_AUTHORIZATION).iter().any(|value| token::is_ours(value.as_bytes())) {
        return Shown::Unusable;
    }
    for value in headers.get_all(TOKEN) {
        let text = value.to_str().unwrap_or_default().trim();
        match found {
            Shown::Nothing => found = Shown::Token(Way::Header, Secret::new(text)),
            Shown::Token(..) | Shown::Unusable => return Shown::Unusable,
        }
    }
    found
}

/// Whether a browser may have sent it by itself: for a page, or at another site's wish (Fetch Metadata, and Origin for those without).
fn is_from_a_browser(header: &RequestHeader, info: &RequestInfo) -> bool {
    loads_a_page(&header.headers) || is_from_another_site(header, info)
}

/// Whether another site made a browser send it. What browsers add by themselves, such as a certificate, says nothing then.
pub fn is_from_another_site(header: &RequestHeader, info: &RequestInfo) -> bool {
    let own_site = |value: &[u8]| value.eq_ignore_ascii_case(b"same-origin") || value.eq_ignore_ascii_case(b"none");
    header.headers.get_all("sec-fetch-site").iter().any(|value| !own_site(value.as_bytes().trim_ascii()))
        || check_origin(header, &info.authority, info.secure).is_err()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[(&'static str, &str)]) -> Shown {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        shown(&headers)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
    }

    #[test]
    fn one_token_is_found_wherever_it_stands() {
        assert!(matches!(of(&[("authorization", "Bearer vst_a")]), Shown::Token(Way::Bearer, text) if text.matches("vst_a")));
        assert!(matches!(of(&[("authorization", &basic("x:vst_a"))]), Shown::Token(Way::Basic, _)));
        assert!(matches!(of(&[("x-vestibule-token", "vst_a"), ("authorization", "Bearer app")]), Shown::Token(Way::Header, _)));
        assert!(matches!(of(&[("authorization", "Bearer app"), ("cookie", "t=vst_a")]), Shown::Nothing));
    }

    #[test]
    fn what_is_doubled_or_misplaced_is_no_token() {
        for lines in [
            &[("authorization", "Bearer vst_a"), ("authorization", "Bearer vst_a")][..],
            &[("authorization", "Bearer vst_a"), ("authorization", "Bearer app")],
            &[("authorization", "Bearer app"), ("authorization", "Bearer vst_a")],
            &[("authorization", "Bearer vst_a"), ("x-vestibule-token", "vst_a")],
            &[("x-vestibule-token", "vst_a"), ("x-vestibule-token", "vst_b")],
            &[("proxy-authorization", "Bearer vst_a")],
            &[("authorization", "Token vst_a")],
        ] {
            assert!(matches!(of(lines), Shown::Unusable), "{lines:?}");
        }
    }
}
