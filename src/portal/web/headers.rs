//! The headers of every page: nothing is loaded from, sent to or framed by anybody else.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::Markup;

/// Scripts and styles are files of our own; nothing is loaded from, sent to or framed by anybody else (OWASP ASVS 3.4). Browsers
/// hold a redirection after a form to `form-action` too: the other host that a sign-in leads to and the providers are named there.
pub(super) fn content_security_policy(leads_to: &[String]) -> String {
    let other: String = leads_to.iter().map(|origin| format!(" {origin}")).collect();
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'{other}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The headers of every page (OWASP ASVS 3.4).
const HEADERS: [(&str, &str); 8] = [
    // With the opener policy of its own kind alone, an app on the same origin that has the same one could still reach in.
    ("cross-origin-embedder-policy", "require-corp"),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
    ),
];

pub(super) fn page_response(status: StatusCode, page: Option<Markup>) -> Response {
    let mut response = Response::new(page.map_or_else(Body::empty, |page| Body::from(page.into_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(&[])) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// An answer where there is nothing to make a page from.
pub fn plain(status: StatusCode) -> Response {
    page_response(status, None)
}
