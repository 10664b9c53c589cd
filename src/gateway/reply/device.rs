//! What is answered to a session whose device is missing, so that a browser that can shows it and no person notices: a page that goes on by itself, a
//! redirect to the same place, or a refusal that makes the next try right. None of them opens anything.

use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use pingora::Result;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::host::Outcome;
use crate::gateway::reply::page::{self, Reply};
use crate::gateway::reply::write;
use crate::gateway::request::navigation;
use crate::policy::DeviceLack;
use crate::session::device::wire;

/// Answers, if the way to authenticate again is not the answer; else `false`, and nothing is written.
///
/// # Errors
/// If the client is gone.
pub async fn answer(session: &mut Session, context: &mut Context, lack: DeviceLack) -> Result<bool> {
    let headers = &session.req_header().headers;
    let opens_a_page = context.navigation && !navigation::is_framed(headers);
    let is_upgrade = headers.contains_key(header::UPGRADE) || session.req_header().method == Method::CONNECT;
    let url = same_place(context);
    let language = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // What comes next without the cookie is held by the browser until the device is shown.
    context.expire_bound = !matches!(lack, DeviceLack::Time);
    let about = || write::about(session, context, language.as_deref());
    let reply = match (lack, url) {
        (DeviceLack::Fresh, Some(url)) if !is_upgrade => Some(once_more(&session.req_header().method, &url)),
        (DeviceLack::Cookie, Some(url)) if opens_a_page && comes_from_elsewhere(headers) => {
            Some(page::moment("device_check", StatusCode::OK, &url, &about()))
        }
        (DeviceLack::Cookie, _) if opens_a_page && is_skipped(headers) => Some(page::device_busy(&about())),
        (DeviceLack::Time, Some(url)) if opens_a_page => Some(page::moment("device_wait", StatusCode::FORBIDDEN, &url, &about())),
        _ => None,
    };
    let Some(reply) = reply else { return Ok(false) };
    context.set_outcome(Outcome::Challenged, "device");
    write::write(session, context, reply).await?;
    Ok(true)
}

/// The URL of this request. Whole: a path that begins with two slashes would lead elsewhere.
fn same_place(context: &Context) -> Option<String> {
    let info = context.info.as_ref()?;
    let target = std::str::from_utf8(&context.log.target).ok().filter(|target| target.starts_with('/'))?;
    Some(format!("{}://{}{target}", if info.secure { "https" } else { "http" }, info.authority))
}

/// The same request, body and all, once the device was shown.
fn once_more(method: &Method, url: &str) -> Reply {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let mut reply = page::redirect(if is_read { StatusCode::SEE_OTHER } else { StatusCode::TEMPORARY_REDIRECT }, url.as_bytes());
    reply.add(header::CACHE_CONTROL, "no-store");
    reply
}

/// Whether another site, or another host of this one, began the navigation: browsers send it without showing the device first.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| matches!(site.as_bytes(), b"cross-site" | b"same-site"))
}

/// Whether the browser says that it cannot show the device for now. Anybody can say so: it opens nothing.
fn is_skipped(headers: &HeaderMap) -> bool {
    headers.get_all("secure-session-skipped").iter().any(|value| wire::skipped(value.as_bytes()).is_some())
}
