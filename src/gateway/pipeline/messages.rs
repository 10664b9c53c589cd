//! What the upstream is sent and the client is answered, the same on pingora's way and on the straight one.

use http::{StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use crate::gateway::authorize::context::Context;
use crate::gateway::pipeline::selection::{self, Selection};
use crate::gateway::proxy::fields::{Outgoing, Unsendable};
use crate::gateway::proxy::{headers, response_headers};
use crate::gateway::reply::write;
use crate::gateway::request::connection_auth;

/// Makes a request the upstream's, on pingora's way.
///
/// # Errors
/// If there is no admission, or an identity cannot be sent.
pub fn rewrite(session: &Session, request: &mut RequestHeader, context: &Context) -> Result<()> {
    selection::note_version(request, context);
    let outgoing = Outgoing::new(context, session.req_header().version).ok_or_else(|| write::internal("no admission"))?;
    headers::rewrite(request, &outgoing).map_err(unsendable)?;
    headers::trace(request, context.trace.as_deref());
    let trailers = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if session.req_header().headers.get(header::TE).is_some_and(trailers) {
        request.insert_header(header::TE, "trailers")?;
    }
    Ok(())
}

/// The upstream's request, on the straight way: the same.
///
/// # Errors
/// As [`rewrite`].
pub fn plain(session: &Session, context: &Context) -> Result<RequestHeader> {
    let outgoing = Outgoing::new(context, session.req_header().version).ok_or_else(|| write::internal("no admission"))?;
    let mut request = headers::plain(session.req_header(), &outgoing).map_err(unsendable)?;
    headers::trace(&mut request, context.trace.as_deref());
    Ok(request)
}

/// The upstream's answer as it arrives, on either way.
///
/// # Errors
/// If it changes the protocol, or the application refused the credentials of `upstream_auth`.
pub fn arrives(selection: &Selection, session: &Session, response: &mut ResponseHeader, context: &Context) -> Result<()> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        // WebSockets go another way: nobody asked for another protocol here.
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "a 101 that nobody asked for").map_err(|e: Box<Error>| e.into_up());
    }
    if response.status == StatusCode::UNAUTHORIZED && connection_auth::is_demanded(&response.headers) {
        selection.demanded(session, context);
    }
    response_headers::clean(response, context)
}

/// The answer as it goes out, on either way.
///
/// # Errors
/// None that is known; pingora's header type may refuse a value.
pub fn leaves(session: &mut Session, response: &mut ResponseHeader, context: &mut Context) -> Result<()> {
    context.log.status = response.status.as_u16();
    write::adapt_response(session, response);
    if context.expire_cookie && !response.status.is_informational() {
        let secure = context.info.as_ref().is_some_and(|a| a.secure);
        for value in context.snapshot.cookies.expiries(secure) {
            response.append_header(header::SET_COOKIE, value)?;
        }
    }
    Ok(())
}

fn unsendable(error: Unsendable) -> Box<Error> {
    match error.is_too_large() {
        true => Error::new(ErrorType::HTTPStatus(431)),
        false => write::internal("an identity that cannot be sent"),
    }
}
