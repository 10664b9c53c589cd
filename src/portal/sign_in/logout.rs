//! Signing out: asked for by GET, done by POST, on the server first.

use axum::response::Response;

use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::audit::{Actor, Event};
use crate::session::{CookieKind, EndReason};
use crate::view::message::{self, Problem};

pub async fn ask(req: PageRequest) -> Response {
    let reply = match &req.session {
        Some(session) => Reply::ok(message::logout(&req.page(), &session.identity().person.name)),
        None => Reply::ok(message::signed_out(&req.page())).cookie(req.cookies.expire(CookieKind::Flow)),
    };
    req.answer(Ok(reply))
}

pub async fn end(req: PageRequest) -> Response {
    let reply = end_now(&req).await;
    req.answer(reply)
}

async fn end_now(req: &PageRequest) -> Result<Reply, Refused> {
    let mut elsewhere = None;
    if let Some(session) = &req.session {
        let ended = req.services.sessions.end(session.id(), EndReason::SignedOut).await;
        if matches!(ended, Err(Refused::EndPending)) {
            let reply = Reply::problem(req, Problem::EndPending);
            return Ok(reply.cookie(req.cookies.expire(CookieKind::Session)).cookie(req.cookies.expire(CookieKind::Flow)));
        }
        ended?;
        let name = session.identity().person.name.clone();
        req.services.audit.record(Event::SignedOut, Some(&name), Actor::User(&req.client), "").await?;
        // Here first, whatever becomes of it there.
        elsewhere = req.services.provider.sign_out(session.id(), &req.client).await;
    }
    let reply = match elsewhere {
        Some(location) => Reply::go(location),
        None => Reply::ok(message::signed_out(&req.page())),
    };
    Ok(reply.cookie(req.cookies.expire(CookieKind::Session)).cookie(req.cookies.expire(CookieKind::Flow)))
}
