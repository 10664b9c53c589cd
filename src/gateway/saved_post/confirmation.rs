//! The confirmation of a saved form: a POST to the form's own URL whose body is a one-time token. The form's body is put in its place on the
//! way, so that the application gets the form with the cookies of its path, and the browser shows the answer at its address.

use http::{StatusCode, header};
use pingora::Result;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::host::Outcome;
use crate::gateway::reply::portal::{self, Confirmed};
use crate::gateway::reply::{page, write};
use crate::gateway::request::body::{self, Unread};
use crate::gateway::request::cookies::Presented;
use crate::gateway::saved_post::{capture, replay};
use crate::service::saved_post::{Confirmation, Form};

/// Handles a request that is admitted and may be a confirmation.
///
/// # Errors
/// If the client is gone, or the upstream breaks off in the middle of its answer.
pub async fn handle(session: &mut Session, context: &mut Context) -> Result<()> {
    let body = match body::read_body(session, Confirmation::LENGTH + 2, || context.large_body()).await? {
        Ok(body) => body.bytes,
        Err(Unread::OverLimit) => return write::refuse(session, context, StatusCode::BAD_REQUEST, Outcome::Refused, "framing").await,
        Err(unread) => {
            let (status, reason) = unread.refusal();
            return write::refuse(session, context, status, Outcome::Refused, reason).await;
        }
    };
    let Some(confirmation) = Confirmation::read(&body) else { return replay::send_own(session, context, body).await };
    context.navigation = true;
    let token = session_token(session, context);
    match portal::confirm(session, context, token.clone(), &confirmation).await? {
        Confirmed::Form(form) => replay::send(session, context, token.as_deref(), form).await,
        Confirmed::Gone => reload(session, context).await,
        Confirmed::Answered => Ok(()),
    }
}

/// A page that was made by a confirmation and is loaded again: the form was sent, and is never sent twice. The page is asked for by its
/// path alone, as what is in a query may act.
async fn reload(session: &mut Session, context: &mut Context) -> Result<()> {
    let target = session.req_header().raw_path();
    let path = target.split(|b| *b == b'?').next().filter(|path| !path.starts_with(b"//")).unwrap_or(b"/");
    let reply = page::see_other(&String::from_utf8_lossy(path));
    context.set_outcome(Outcome::Portal, "");
    write::write(session, context, reply).await
}

/// Saves a form again that was confirmed at another address than its own, and leads to the page that shows it.
///
/// # Errors
/// If the client is gone.
pub async fn show_again(session: &mut Session, context: &mut Context, token: Option<&str>, form: Form) -> Result<()> {
    match capture::save(context, token, form).await {
        Some(page) => {
            context.set_outcome(Outcome::Portal, "");
            write::write(session, context, page::see_other(&page)).await
        }
        None => write::refuse(session, context, StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed, "not_saved").await,
    }
}

fn session_token(session: &Session, context: &Context) -> Option<String> {
    let secure = context.info.as_ref()?.secure;
    match context.snapshot.cookies.presented(session.req_header().headers.get_all(header::COOKIE).iter(), secure) {
        Presented::One(token) => Some(token.to_owned()),
        Presented::None | Presented::Unusable => None,
    }
}
