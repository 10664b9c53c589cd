//! Sessions that are bound to a device, on our own pages: what a request shows of the device, and which pages are open without.

use axum::http::HeaderMap;
use axum::response::Response;

use super::page_request::PageRequest;
use super::reply::Reply;
use crate::session::CookieKind;
use crate::session::device::wire;
use crate::view::message::Problem;

/// Pages where somebody authenticates, or that are nobody's: they are open to a session whose device is missing.
const OPEN: [&str; 13] =
    ["login", "mfa", "logout", "assets", "language", "setup", "invite", "reset", "callback", "enter", "device", "prove", "jwks.json"];

/// Whether another site, or another host of this one, began the navigation: browsers send it without refreshing the bound cookie.
pub fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| matches!(site.as_bytes(), b"cross-site" | b"same-site"))
}

/// Whether the browser says that it cannot show the device for now. Anybody can say so: it opens nothing.
pub fn is_skipped(headers: &HeaderMap) -> bool {
    headers.get_all("secure-session-skipped").iter().any(|value| wire::skipped(value.as_bytes()).is_some())
}

/// Stops what a session may not do without its device.
///
/// # Errors
/// The answer: the same page once more for a browser that shows the device then, or where to authenticate.
pub(super) fn hold(req: &mut PageRequest, headers: &HeaderMap) -> Result<(), Response> {
    if !req.misses_device() || is_open(req) {
        return Ok(());
    }
    let reply = missing(req, headers);
    Err(req.answer(Ok(reply)))
}

/// What is answered to a session whose device is missing.
pub fn missing(req: &mut PageRequest, headers: &HeaderMap) -> Reply {
    if req.reads && comes_from_elsewhere(headers) {
        return Reply::moment(req, false);
    }
    if is_skipped(headers) {
        return Reply::problem(req, Problem::DeviceBusy);
    }
    let target = if req.reads { req.target.clone() } else { format!("{}/account", req.context.config.portal.prefix) };
    req.goes_on_to(&target);
    Reply::to(req, "mfa").cookie(req.cookies.expire(CookieKind::Bound))
}

fn is_open(req: &PageRequest) -> bool {
    let path = req.target.strip_prefix(&req.context.config.portal.prefix).unwrap_or_default();
    let first = path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
    OPEN.contains(&first)
}
