//! Sends a saved form that its owner confirmed. Guarantees that it goes through the same decision as any request, with the identity of
//! this moment, and that it is sent only with an admission, to the same URL, with the same bytes. pingora has read the confirmation's
//! body by now and cannot send another one, so the gateway sends the form itself.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::gateway::authorize::action::Action;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::route;
use crate::gateway::host::Outcome;
use crate::gateway::proxy::direct::{self, Failed, INTERNAL, UpstreamResponse};
use crate::gateway::proxy::relay::{read_timeout, relay};
use crate::gateway::reply::write;
use crate::gateway::request::target;
use crate::gateway::saved_post::capture;
use crate::gateway::upstream::client;
use crate::gateway::upstream::connect::{Connected, Speaks};
use crate::service::saved_post::Form;

/// Sends a form, if its owner may request its URL. The request is the confirmation, which came to that very URL. If the URL requires more of
/// its owner, or the upstream cannot be reached, the form is saved again under the same id.
///
/// # Errors
/// If the client is gone, or the upstream breaks off in the middle of its answer.
pub async fn send(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    context.navigation = true;
    context.log.target = form.target.as_bytes().into();
    let same_place = context.info.as_ref().is_some_and(|info| {
        info.method == Method::POST && info.authority.eq_ignore_ascii_case(&form.authority) && info.secure == form.secure
    });
    if !same_place || form.target.as_bytes() != session.req_header().raw_path() {
        // Its owner finds it again on the same page.
        capture::save(context, token, form).await;
        return write::refuse(session, context, StatusCode::NOT_FOUND, Outcome::Refused, "other_host").await;
    }
    match route::authorize_target(form.target.as_bytes(), session, context) {
        Action::Forward => forward(session, context, token, form).await,
        Action::Challenge { reason, route, .. } => {
            let target = form.target.clone();
            let resume = if route.keep_post { capture::save(context, token, form).await } else { None };
            write::challenge(session, context, (reason, &route), resume.unwrap_or(target).as_bytes()).await
        }
        Action::Away { route } => write::away(session, context, &route).await,
        Action::RefuseToken { route, reason, wait } => write::refuse_token(session, context, &route, reason, wait).await,
        Action::Stop { status, outcome, reason } => write::refuse(session, context, status, outcome, reason).await,
        Action::Tunnel | Action::Admit | Action::Portal { .. } | Action::ToHttps { .. } | Action::Prove { .. } | Action::Registering(_) => {
            write::refuse(session, context, StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed, "internal").await
        }
    }
}

async fn forward(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    let connected = match direct::connect(context, Speaks::Http2).await {
        Ok(connected) => connected,
        Err((status, reason)) => {
            // Nothing was sent: the same page finds the form again.
            capture::save(context, token, form).await;
            return write::refuse(session, context, status, Outcome::Failed, reason).await;
        }
    };
    let request = request(session.req_header(), context, form);
    answer(session, context, connected, request).await
}

/// Sends an application's own form that only looked like a confirmation, as it came. It was admitted, and still is: the request's lease
/// ends it otherwise.
///
/// # Errors
/// As [`send`].
pub async fn send_own(session: &mut Session, context: &mut Context, body: Bytes) -> Result<()> {
    let connected = match direct::connect(context, Speaks::Http2).await {
        Ok(connected) => connected,
        Err((status, reason)) => return write::refuse(session, context, status, Outcome::Failed, reason).await,
    };
    let request = posted(session.req_header(), context, session.req_header().raw_path(), body);
    answer(session, context, connected, request).await
}

type Outgoing = Result<http::Request<Full<Bytes>>, Failed>;

async fn answer(session: &mut Session, context: &mut Context, connected: Connected, request: Outgoing) -> Result<()> {
    match ask(context, connected, request).await {
        Ok(response) if response.status() != StatusCode::SWITCHING_PROTOCOLS => relay(session, context, response).await,
        Ok(_) => write::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await,
        Err((status, reason)) => write::refuse(session, context, status, Outcome::Failed, reason).await,
    }
}

/// Sends the form, and waits for the answer's header.
async fn ask(context: &Context, connected: Connected, request: Outgoing) -> Result<UpstreamResponse, Failed> {
    let timeout = read_timeout(context).ok_or(INTERNAL)?;
    match tokio::time::timeout(timeout, client::send(connected, request?)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => Err((StatusCode::BAD_GATEWAY, "upstream_answer")),
        Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "upstream_timeout")),
    }
}

/// The form as it goes out: the headers of this request, except those that describe the body and where it came from.
fn request(header: &RequestHeader, context: &Context, form: Form) -> Outgoing {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| INTERNAL);
    let origin = format!("{}://{}", if form.secure { "https" } else { "http" }, form.authority);
    let referer = format!("{origin}{}/resume", context.snapshot.config.portal.prefix);
    let mut request = posted(header, context, form.target.as_bytes(), form.body)?;
    let headers = request.headers_mut();
    headers.remove(header::CONTENT_ENCODING);
    headers.insert(header::CONTENT_TYPE, value(&form.content_type)?);
    headers.insert(header::ORIGIN, value(&origin)?);
    headers.insert(header::REFERER, value(&referer)?);
    Ok(request)
}

/// A POST of a body that is read already.
fn posted(header: &RequestHeader, context: &Context, target: &[u8], body: Bytes) -> Outgoing {
    let mut outgoing = direct::outgoing(header, context)?;
    outgoing.remove_header(&header::EXPECT);
    let length = HeaderValue::from(body.len());
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target::exact_uri(target).ok_or((StatusCode::BAD_REQUEST, "target_form"))?;
    *request.headers_mut() = outgoing.headers.clone();
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    Ok(request)
}
