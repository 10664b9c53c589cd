//! Response headers that an upstream may not set, because the gateway's pages are on the same host.

use http::{HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::gateway::authorize::context::Context;

/// Removes what an upstream may not set on a host that has the gateway's pages too: cookies under the gateway's names, a wider scope for
/// a service worker, and a browsing context group that those pages, which ask for `same-origin`, would share with its scripts.
///
/// A service worker of a script at the root still has the whole host as its scope, and sees navigations to the portal: an application
/// that is not trusted that far needs a host of its own (`docs/security.md`).
///
/// # Errors
/// None that is known; pingora's header type may refuse a value.
pub fn restrict(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    if !response.headers.keys().any(is_restricted) {
        return Ok(());
    }
    response.remove_header(&WORKER_SCOPE);
    let isolates = |value: &HeaderValue| {
        let word = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        word.to_ascii_lowercase().starts_with(b"same-origin") && !word.eq_ignore_ascii_case(b"same-origin-allow-popups")
    };
    if response.headers.get_all(&OPENER_POLICY).iter().any(isolates) {
        response.insert_header(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"))?;
    }
    drop_own_set_cookies(response, context)
}

/// Whether a header may have to be changed or removed: most answers have none of these.
fn is_restricted(name: &HeaderName) -> bool {
    *name == header::SET_COOKIE || *name == OPENER_POLICY || *name == WORKER_SCOPE
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const WORKER_SCOPE: HeaderName = HeaderName::from_static("service-worker-allowed");

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
