//! Signing out: asked for by GET, done by POST, on the server first.

use std::sync::Arc;

use axum::response::Response;

use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::audit::{Actor, Event};
use crate::service::{LiveSession, Refused};
use crate::session::{CookieKind, EndReason, SignOut};
use crate::view::message::{self, Problem};

pub async fn ask(req: PageRequest) -> Response {
    let of = req.query.get("of");
    let session = match req.session.clone() {
        Some(session) => Some(session),
        None => of_host(&req, of).await,
    };
    let reply = match session {
        Some(session) => Reply::ok(message::logout(&req.page(), &session.identity().person.name, of)),
        None => Reply::ok(message::signed_out(&req.page())).cookie(req.cookies.expire(CookieKind::Flow)),
    };
    req.answer(Ok(reply))
}

/// The session that an application's host sent somebody here to end: the portal's that it belongs to, and its own if it belongs to none.
/// The browser may have lost the portal's cookie, or may have been signed in before there was a portal.
async fn of_host(req: &PageRequest, of: &str) -> Option<Arc<LiveSession>> {
    if !req.is_portal() || of.is_empty() {
        return None;
    }
    let live = &req.services.live;
    let of = SignOut::read(of, &live.keys(), req.context.now)?.session;
    let session = req.services.sessions.find(of).await.inspect_err(|error| tracing::error!(%error, "a session to end was not found"));
    let session = session.ok().flatten()?;
    Some(live.portals(&session).unwrap_or(session))
}

pub async fn end(req: PageRequest) -> Response {
    let reply = end_now(&req).await;
    req.answer(reply)
}

async fn end_now(req: &PageRequest) -> Result<Reply, Refused> {
    let of = req.form.get("of");
    if req.session.is_none() && !of.is_empty() && SignOut::read(of, &req.services.live.keys(), req.context.now).is_none() {
        // Asked too long ago: it would be no sign-out.
        return Ok(Reply::problem(req, Problem::Csrf));
    }
    let mut elsewhere = None;
    let mut sessions: Vec<_> = req.session.iter().cloned().chain(of_host(req, of).await).collect();
    sessions.dedup_by_key(|session| session.id());
    for session in &sessions {
        let ended = req.services.sessions.end(session.id(), EndReason::SignedOut).await;
        if matches!(ended, Err(Refused::EndPending)) {
            let reply = Reply::problem(req, Problem::EndPending);
            return Ok(reply
                .cookie(req.cookies.expire(CookieKind::Session))
                .cookie(req.cookies.expire(CookieKind::Bound))
                .cookie(req.cookies.expire(CookieKind::Flow)));
        }
        ended?;
        let name = session.identity().person.name.clone();
        req.services.audit.record(Event::SignedOut, Some(&name), Actor::User(&req.client), "").await?;
        // Here first, whatever becomes of it there.
        elsewhere = req.services.provider.sign_out(session.id(), &req.client).await.or(elsewhere);
    }
    let reply = match elsewhere {
        Some(location) => Reply::go(location),
        None => Reply::ok(message::signed_out(&req.page())),
    };
    let reply = reply.cookie(req.cookies.expire(CookieKind::Session)).cookie(req.cookies.expire(CookieKind::Bound));
    Ok(reply.cookie(req.cookies.expire(CookieKind::Flow)))
}
