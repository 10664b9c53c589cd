//! What a request shows of the device that its session is bound to. Guarantees that two bound cookies are none.

use http::header;
use pingora::http::RequestHeader;

use crate::gateway::authorize::context::Context;
use crate::gateway::host::{DeviceShown, UserSession};
use crate::gateway::request::cookies::{OwnCookies, Presented};
use crate::gateway::request::parse::RequestInfo;

/// What the request shows of the device that its session is bound to, where sessions are.
pub fn shown(header: &RequestHeader, context: &Context, info: &RequestInfo, session: &dyn UserSession) -> DeviceShown {
    if context.snapshot.config.session.device_bound.is_none() {
        return DeviceShown::default();
    }
    let cookies = &context.snapshot.cookies;
    match OwnCookies::one(header.headers.get_all(header::COOKIE).iter(), cookies.bound_name(info.secure).as_bytes()) {
        Presented::One(value) => session.device(Some(value), context.at),
        Presented::None | Presented::Unusable => session.device(None, context.at),
    }
}
