//! What a request says of binding sessions to devices.

use axum::http::{HeaderMap, header};

use crate::base::Time;
use crate::policy::DeviceState;
use crate::service::LiveSession;
use crate::service::client::ClientBinding;
use crate::session::device::BoundCookie;
use crate::session::{CookieKind, Cookies, KeyRing};

/// What a request shows of the device, where sessions are bound to one. A browser that knows of it sends `Sec-Fetch-*` over HTTPS.
pub(super) fn binding(
    cookies: &Cookies,
    headers: &HeaderMap,
    session: Option<&LiveSession>,
    keys: &KeyRing,
    (secure, now): (bool, Time),
) -> ClientBinding {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let shown = cookies.read(CookieKind::Bound, lines).and_then(|value| BoundCookie::read(value, keys));
    let state = session.map_or(DeviceState::Unbound, |session| session.device_state(shown, now));
    ClientBinding { may_bind: secure && headers.contains_key("sec-fetch-mode"), state }
}
