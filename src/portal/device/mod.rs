//! What browsers ask by themselves to bind sessions to devices and to show the device again: no person sees it, no form token comes with it, and the
//! signature speaks for itself. Browsers end a session at most status codes, so there are four: 200, 403 with another challenge, 404, 503.

mod prove;

pub use prove::prove;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::web::headers::plain;
use super::web::page_request::{RequestContext, secure_url};
use super::web::state::Portal;
use crate::service::client::{Client, ClientBinding};
use crate::service::device::{Refreshed, Registered, Shows};
use crate::service::{Refused, browser_name};
use crate::session::device::{LONGEST_PROOF, wire};
use crate::session::{CookieKind, Cookies};

const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");
const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const ID: HeaderName = HeaderName::from_static("sec-secure-session-id");

/// `device/register`
pub async fn register(State(portal): State<Arc<Portal>>, Extension(context): Extension<RequestContext>, headers: HeaderMap) -> Response {
    let Some(proof) = only(&headers, &RESPONSE, LONGEST_PROOF).filter(|_| is_browsers(&headers)) else {
        return bare(StatusCode::FORBIDDEN);
    };
    if !context.secure {
        return bare(StatusCode::NOT_FOUND);
    }
    match portal.services.devices.register(proof, &context.authority, &client(&context, &headers)).await {
        Ok(Registered::Bound(shows)) => shown(&context, &shows),
        Ok(Registered::Nothing) => bare(StatusCode::NOT_FOUND),
        Ok(Registered::Malformed) => bare(StatusCode::FORBIDDEN),
        Err(refused) => away(&refused, &context),
    }
}

/// `device/refresh`
pub async fn refresh(State(portal): State<Arc<Portal>>, Extension(context): Extension<RequestContext>, headers: HeaderMap) -> Response {
    if !is_browsers(&headers) {
        return bare(StatusCode::FORBIDDEN);
    }
    let Some(id) = only(&headers, &ID, 100).and_then(wire::id) else { return bare(StatusCode::NOT_FOUND) };
    // Two proofs are none: another challenge is given.
    let proof = headers.contains_key(&RESPONSE).then(|| only(&headers, &RESPONSE, LONGEST_PROOF).unwrap_or_default());
    match portal.services.devices.refresh(id, proof, &client(&context, &headers)).await {
        Ok(Refreshed::Shows(shows)) => shown(&context, &shows),
        Ok(Refreshed::Challenge(challenge)) => with(bare(StatusCode::FORBIDDEN), CHALLENGE, &challenge),
        Ok(Refreshed::Nothing) => bare(StatusCode::NOT_FOUND),
        Ok(Refreshed::Unknown) => bare(StatusCode::SERVICE_UNAVAILABLE),
        Err(refused) => away(&refused, &context),
    }
}

/// The browser asks by itself: a script's requests have another mode, which it cannot choose.
fn is_browsers(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-mode").iter().all(|mode| mode.as_bytes() == b"no-cors")
}

/// The string in the one header of this name.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName, most: usize) -> Option<&'h str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    wire::text(line.as_bytes()).filter(|text| text.len() <= most)
}

fn client(context: &RequestContext, headers: &HeaderMap) -> Client {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    Client {
        address: context.client,
        browser: browser_name(agent),
        device: None,
        request_id: context.request_id.clone(),
        origin: secure_url(context.secure, &context.authority),
        host: context.host.clone(),
        language: "en",
        binding: ClientBinding::default(),
        hangup: context.hangup.clone(),
    }
}

/// Browsers try again at a 503, and go on without for as long.
fn away(refused: &Refused, context: &RequestContext) -> Response {
    tracing::error!(error = %refused, request = context.request_id, "a device could not be asked for its key");
    bare(StatusCode::SERVICE_UNAVAILABLE)
}

fn bare(status: StatusCode) -> Response {
    plain(status)
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}

/// The bound cookie, what browsers must know of it, and the next challenge.
fn shown(context: &RequestContext, shows: &Shows) -> Response {
    let cookies = Cookies::new(&context.config.session, context.secure);
    let cookie = cookies.set(CookieKind::Bound, &shows.cookie, Some(shows.max_age));
    let mut response = bare(StatusCode::OK);
    *response.body_mut() = Body::from(instructions(context, &cookies, &shows.name).to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    with(with(response, header::SET_COOKIE, &cookie), CHALLENGE, &shows.challenge)
}

/// The session instructions (section 9.9 of the draft). Every navigation may cause a refresh, also one that another site began: with a Lax cookie that
/// tells such a site nothing more.
fn instructions(context: &RequestContext, cookies: &Cookies, name: &str) -> Value {
    let prefix = &context.config.portal.prefix;
    let domain = context.config.session.domain.as_deref();
    let attributes = domain.map(|domain| format!("Domain={domain}; ")).unwrap_or_default();
    let origin = match domain {
        Some(domain) => format!("https://{domain}{}", crate::base::host::port(&context.authority)),
        None => format!("https://{}", context.authority),
    };
    let exclude = |path: String| json!({ "type": "exclude", "domain": "*", "path": path });
    json!({
        "session_identifier": name,
        "refresh_url": format!("{prefix}/device/refresh"),
        "scope": {
            "origin": origin,
            "include_site": domain.is_some(),
            "scope_specification": [exclude(format!("{prefix}/assets"))],
        },
        "credentials": [{
            "type": "cookie",
            "name": cookies.name(CookieKind::Bound),
            "attributes": format!("{attributes}Path=/; Secure; HttpOnly; SameSite=Lax"),
        }],
        "allowed_refresh_initiators": ["*"],
    })
}
