//! Signing out: asked for by GET, done by POST, on the server first.

use axum::response::Response;

use super::reply::Reply;
use super::visit::Visit;
use crate::service::Refused;
use crate::service::audit::{Actor, Event};
use crate::session::{CookieKind, EndReason};
use crate::view::message;

pub async fn ask(visit: Visit) -> Response {
    let reply = match &visit.session {
        Some(session) => Reply::ok(message::logout(&visit.page(), &session.identity().person.name)),
        None => Reply::ok(message::signed_out(&visit.page())).cookie(visit.cookies.expire(CookieKind::Flow)),
    };
    visit.answer(Ok(reply))
}

pub async fn end(visit: Visit) -> Response {
    let reply = end_now(&visit).await;
    visit.answer(reply)
}

async fn end_now(visit: &Visit) -> Result<Reply, Refused> {
    if let Some(session) = &visit.session {
        visit.services.end_session(session.id(), EndReason::SignedOut).await?;
        let name = session.identity().person.name.clone();
        visit.services.audit(Event::SignedOut, Some(&name), Actor::User(&visit.client), "").await?;
    }
    let reply = Reply::ok(message::signed_out(&visit.page()));
    Ok(reply.cookie(visit.cookies.expire(CookieKind::Session)).cookie(visit.cookies.expire(CookieKind::Flow)))
}
