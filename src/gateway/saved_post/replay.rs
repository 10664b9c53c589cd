//! Sends a saved form that its owner confirmed. Guarantees that it goes through the same decision as any request, with the identity of
//! this moment, and that it is sent only with an admission, to the same URL, with the same bytes. pingora has read the confirmation's
//! body by now and cannot send another one, so the gateway sends the form itself.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::route::{self, Action};
use crate::gateway::host::Outcome;
use crate::gateway::proxy::direct::{self, Failed, INTERNAL, UpstreamResponse};
use crate::gateway::proxy::relay::{read_timeout, relay};
use crate::gateway::reply::write;
use crate::gateway::request::target;
use crate::gateway::saved_post::capture;
use crate::gateway::upstream::connect::Io;
use crate::service::saved_post::Form;

/// Sends a form, if its owner may request its URL. If that requires more of them, or the upstream cannot be reached, the form is saved
/// again under the same id.
///
/// # Errors
/// If the client is gone, or the upstream breaks off in the middle of its answer.
pub async fn send(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    context.navigation = true;
    context.log.target = form.target.as_bytes().into();
    let same_place = context.info.as_ref().is_some_and(|info| {
        info.method == Method::POST && info.authority.eq_ignore_ascii_case(&form.authority) && info.secure == form.secure
    });
    if !same_place {
        return write::refuse(session, context, StatusCode::NOT_FOUND, Outcome::Refused, "other_host").await;
    }
    match route::authorize_target(form.target.as_bytes(), session, context) {
        Action::Forward => forward(session, context, token, form).await,
        Action::Challenge { reason, route, .. } => {
            let target = form.target.clone();
            let resume = if route.keep_post { capture::save(context, token, form).await } else { None };
            write::challenge(session, context, reason, resume.unwrap_or(target).as_bytes()).await
        }
        Action::Stop { status, outcome, reason } => write::refuse(session, context, status, outcome, reason).await,
        Action::Tunnel | Action::Admit | Action::Portal { .. } | Action::ToHttps { .. } => {
            write::refuse(session, context, StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed, "internal").await
        }
    }
}

async fn forward(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    let io = match direct::connect(context).await {
        Ok(io) => io,
        Err((status, reason)) => {
            // Nothing was sent: the same page finds the form again.
            capture::save(context, token, form).await;
            return write::refuse(session, context, status, Outcome::Failed, reason).await;
        }
    };
    match ask(session, context, io, form).await {
        Ok(response) if response.status() != StatusCode::SWITCHING_PROTOCOLS => relay(session, context, response).await,
        Ok(_) => write::refuse(session, context, StatusCode::BAD_GATEWAY, Outcome::Failed, "upstream_answer").await,
        Err((status, reason)) => write::refuse(session, context, status, Outcome::Failed, reason).await,
    }
}

/// Sends the form, and waits for the answer's header.
async fn ask(session: &Session, context: &Context, io: Io, form: Form) -> Result<UpstreamResponse, Failed> {
    let timeout = read_timeout(context).ok_or(INTERNAL)?;
    let request = request(session.req_header(), context, form)?;
    let answer = async {
        let builder = hyper::client::conn::http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(io));
        let (mut sender, connection) = builder.await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => Err((StatusCode::BAD_GATEWAY, "upstream_answer")),
        Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "upstream_timeout")),
    }
}

/// The form as it goes out: the headers of this request, except those that describe the body and where it came from.
fn request(header: &RequestHeader, context: &Context, form: Form) -> Result<http::Request<Full<Bytes>>, Failed> {
    let mut outgoing = direct::outgoing(header, context)?;
    for name in [header::EXPECT, header::CONTENT_ENCODING] {
        outgoing.remove_header(&name);
    }
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| INTERNAL);
    let origin = format!("{}://{}", if form.secure { "https" } else { "http" }, form.authority);
    let referer = format!("{origin}{}/resume", context.snapshot.config.portal.prefix);
    let mut request = http::Request::new(Full::new(form.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target::exact_uri(form.target.as_bytes()).ok_or((StatusCode::BAD_REQUEST, "target_form"))?;
    let headers = request.headers_mut();
    *headers = outgoing.headers.clone();
    headers.insert(header::CONTENT_TYPE, value(&form.content_type)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.body.len()));
    headers.insert(header::ORIGIN, value(&origin)?);
    headers.insert(header::REFERER, value(&referer)?);
    Ok(request)
}
