//! My account: another address or number. Typed, then confirmed by the code that was sent there.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;

use super::account::{changed, with_session};
use crate::factor::Method;
use crate::login::News;
use crate::portal::sign_in::mfa::{clocks, no_such_page, note, sent_again, unsent};
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::portal::web::state::Portal;
use crate::service::{ContactChange, ContactProblem, LiveSession, Refused};
use crate::session::CookieKind;
use crate::view::{Note, contact as pages};

pub fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/account/contact", get(ask).post(begin))
        .route("/account/contact/{method}", get(show).post(confirm))
        .route("/account/contact/{method}/resend", post(resend))
}

/// What is sent somewhere: `email` or `sms`.
fn method(name: &str) -> Option<Method> {
    name.parse().ok().filter(|method: &Method| method.is_sent())
}

fn said(req: &PageRequest, problem: ContactProblem, method: Method) -> Note {
    let words = &req.words.contact;
    Note::Error(match (problem, method) {
        (ContactProblem::NoSecond, _) => words.no_second.clone(),
        (ContactProblem::Bad, Method::Sms) => words.bad_phone.clone(),
        (ContactProblem::Bad, _) => words.bad_email.clone(),
        (ContactProblem::Taken, _) => words.taken.clone(),
    })
}

async fn ask(mut req: PageRequest) -> Response {
    req.come_back_to("account");
    with_session(req, async |req, session| {
        let Some(method) = method(req.query.get("method")) else { return Ok(no_such_page(req)) };
        match req.services.contact.may_change(session, method).await {
            Ok(_) => Ok(Reply::ok(pages::change(&req.page(), method, "", None))),
            Err(Refused::Contact(problem)) => super::account::account_page(req, session, Some(said(req, problem, method))).await,
            Err(Refused::NotOffered(_)) => Ok(Reply::to(req, "account")),
            Err(other) => Err(other),
        }
    })
    .await
}

async fn begin(mut req: PageRequest) -> Response {
    req.come_back_to("account");
    with_session(req, async |req, session| {
        let Some(method) = method(req.form.get("method")) else { return Ok(no_such_page(req)) };
        let typed = req.form.get("to");
        let problem = match req.services.contact.begin(session, method, typed, &req.client).await {
            Ok(flow) => return Ok(Reply::to(req, &format!("account/contact/{method}")).cookie(req.flow_cookie(flow.id))),
            Err(Refused::Contact(problem)) => said(req, problem, method),
            Err(Refused::CannotSend) => Note::Error(req.words.note.send_failed.clone()),
            Err(other) => return Err(other),
        };
        let shown: String = typed.chars().take(254).collect();
        Ok(Reply::wrong(pages::change(&req.page(), method, &shown, Some(&problem))))
    })
    .await
}

/// The change that waits for its code; `None` if there is none for this method: it begins again on the account page.
async fn waiting(req: &PageRequest, session: &Arc<LiveSession>, name: &str) -> Result<Option<ContactChange>, Refused> {
    match req.services.contact.pending(req.flow, session).await {
        Ok(change) => Ok(Some(change).filter(|change| Some(change.method) == method(name))),
        Err(Refused::Gone) => Ok(None),
        Err(other) => Err(other),
    }
}

fn code_page(req: &PageRequest, change: &ContactChange, problem: Option<Note>) -> maud::Markup {
    let (method, sent) = (change.method, change.flow.sent.as_ref());
    let note = problem.or_else(|| sent_again(sent, method, req));
    let digits = req.context.config.mfa.otp.digits;
    // In full: who typed it sees whether it is right.
    pages::confirm(&req.page(), method, &change.to, digits, clocks(sent, method, req), note.as_ref())
}

async fn show(Path(name): Path<String>, mut req: PageRequest) -> Response {
    req.come_back_to("account");
    with_session(req, async |req, session| {
        Ok(match waiting(req, session, &name).await? {
            Some(change) => Reply::ok(code_page(req, &change, None)),
            None => Reply::to(req, "account"),
        })
    })
    .await
}

async fn confirm(Path(name): Path<String>, mut req: PageRequest) -> Response {
    req.come_back_to("account");
    with_session(req, async |req, session| {
        let Some(change) = waiting(req, session, &name).await? else { return Ok(Reply::to(req, "account")) };
        let problem = match req.services.contact.confirm(&change, &req.form.secret("code"), &req.client).await {
            // Back to the account, under the session's new id.
            Ok(signed) => return changed(req, &change.account, &signed, News::ContactChanged).await,
            Err(Refused::Second(problem)) => note(req, problem, change.method),
            Err(Refused::Contact(problem)) => {
                let page = pages::change(&req.page(), change.method, &change.to, Some(&said(req, problem, change.method)));
                return Ok(Reply::wrong(page).cookie(req.cookies.expire(CookieKind::Flow)));
            }
            Err(other) => return Err(other),
        };
        again(req, session, &name, problem).await
    })
    .await
}

/// The code's page with what is left of its tries.
async fn again(req: &PageRequest, session: &Arc<LiveSession>, name: &str, problem: Note) -> Result<Reply, Refused> {
    Ok(match waiting(req, session, name).await? {
        Some(change) => Reply::wrong(code_page(req, &change, Some(problem))),
        None => Reply::to(req, "account"),
    })
}

async fn resend(Path(name): Path<String>, mut req: PageRequest) -> Response {
    req.come_back_to("account");
    with_session(req, async |req, session| {
        let Some(change) = waiting(req, session, &name).await? else { return Ok(Reply::to(req, "account")) };
        let problem = match req.services.contact.resend(&change, &req.client).await {
            Ok(_) => return Ok(Reply::to(req, &format!("account/contact/{}", change.method))),
            Err(refused) => unsent(req, refused, change.method)?,
        };
        again(req, session, &name, problem).await
    })
    .await
}
