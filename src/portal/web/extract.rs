//! The checks without which no handler runs: a page is for a person who navigates, and a form comes from a page of ours.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::FromRequest;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::bound_for::bound_for;
use super::csrf::{self, Sender};
use super::device;
use super::headers::plain;
use super::page_request::{PageRequest, RequestContext};
use super::reply::Reply;
use super::state::Portal;
use crate::portal::handover;
use crate::service::sessions::Found;
use crate::service::{LiveSession, Services};
use crate::view::message::Problem;

impl FromRequest<Arc<Portal>> for PageRequest {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, portal: &Arc<Portal>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let Some(known) = parts.extensions.get::<RequestContext>().cloned() else { return Err(plain(StatusCode::INTERNAL_SERVER_ERROR)) };
        let body = read(body).await?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let (session, is_unknown) = match session(&portal.services, &known).await {
            Ok(session) => (session, false),
            Err(Unknown) => (None, true),
        };
        let mut req = Self::assemble(portal, known, session, &parts.headers, target, &body)?;
        req.reads = matches!(parts.method, Method::GET | Method::HEAD);
        if is_unknown {
            return Err(req.answer(Ok(Reply::problem(&req, Problem::Unavailable))));
        }
        req.check(&parts.headers)?;
        if parts.extensions.get::<KnownPage>().is_some()
            && let Some(elsewhere) = handover::elsewhere(&req)
        {
            return Err(req.answer(elsewhere));
        }
        device::hold(&mut req, &parts.headers)?;
        req.bound_for = bound_for(&req).await;
        Ok(req)
    }
}

/// The path is one of a page, on the hosts that have pages.
#[derive(Clone, Copy)]
pub struct KnownPage;

/// Whether there is a session cannot be known for now.
struct Unknown;

/// The session of the request's cookie. One that is not known here may just have been made at another gateway.
async fn session(services: &Services, request: &RequestContext) -> Result<Option<Arc<LiveSession>>, Unknown> {
    let Some(token) = request.token.as_deref() else { return Ok(None) };
    // A session that was made for an application's host opens none of the portal's pages.
    let is_portals = request.config.is_portal(&request.host);
    let found = found(services, request, token).await?;
    Ok(found.filter(|session| !(is_portals && session.is_hosts())))
}

async fn found(services: &Services, request: &RequestContext, token: &str) -> Result<Option<Arc<LiveSession>>, Unknown> {
    match services.live.lookup(token, request.now) {
        Found::Live(session) => Ok(Some(session)),
        Found::Ended | Found::Forged => Ok(None),
        Found::Unknown => Err(Unknown),
        Found::Elsewhere => services.replication.adopt(token).await.map_err(|e| {
            tracing::error!(error = %e, request = request.request_id, "the store could not be asked for a session");
            Unknown
        }),
    }
}

/// The bridge has put a cap on it already.
async fn read(body: Body) -> Result<Bytes, Response> {
    axum::body::to_bytes(body, 1024 * 1024).await.map_err(|_| plain(StatusCode::PAYLOAD_TOO_LARGE))
}

impl PageRequest {
    /// Pages are for people: a script of the app behind us, which shares our origin, reads none and posts to none.
    fn check(&self, headers: &HeaderMap) -> Result<(), Response> {
        if headers.get_all("sec-fetch-mode").iter().any(|mode| mode.as_bytes() != b"navigate") {
            return Err(self.answer(Ok(Reply::problem(self, Problem::Csrf))));
        }
        if self.reads {
            return Ok(());
        }
        let problem = match csrf::sender(headers, &self.context.authority, self.context.secure) {
            Sender::OtherScheme => {
                tracing::warn!(client = %self.context.client, "a form came over another scheme than it was made for; is the proxy in front missing in server.trusted_proxies?");
                Some(Problem::CsrfScheme)
            }
            Sender::Foreign => {
                let origin = headers.get(http::header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
                let host = &self.context.authority;
                tracing::warn!(client = %self.context.client, ?origin, %host, "a form was refused: its Origin is another host or port");
                Some(Problem::Csrf)
            }
            Sender::Own => (!self.csrf.accepts(self.form.get("csrf"), &self.services.live.keys())).then_some(Problem::Csrf),
        };
        match problem {
            Some(problem) => Err(self.answer(Ok(Reply::problem(self, problem)))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
