//! `prove`: where another proxy sends a navigation whose session lacks its device, since it cannot hand on the gateway's own answer. A browser that can shows
//! the device on the way here, and goes on to where it was going.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::policy::DeviceLack;
use crate::portal::web::device::missing;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::session::CookieKind;
use crate::view::message::Problem;

pub async fn prove(headers: HeaderMap, mut req: PageRequest) -> Response {
    let reply = proved(&mut req, &headers);
    req.answer(Ok(reply))
}

fn proved(req: &mut PageRequest, headers: &HeaderMap) -> Reply {
    if req.session.is_none() {
        return Reply::to(req, "login");
    }
    let state = req.client.binding.state;
    match state.lacks(req.wanted_of_device(), req.context.now) {
        None => Reply::go(req.rd.as_str()),
        Some(DeviceLack::Binding) => Reply::problem(req, Problem::DeviceRequired),
        Some(DeviceLack::Time) => Reply::moment(req, true),
        Some(DeviceLack::Fresh) => Reply::moment(req, false).cookie(req.cookies.expire(CookieKind::Bound)),
        Some(DeviceLack::Cookie) => {
            let rd = req.rd.as_str().to_owned();
            let reply = missing(req, headers);
            if reply.is_page() {
                return reply;
            }
            req.goes_on_to(&rd);
            Reply::to(req, "mfa")
        }
    }
}
