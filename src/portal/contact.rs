//! My account: another address or number. Typed, then confirmed by the code that was sent there.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;

use super::Portal;
use super::account::with_session;
use super::login::signed_in;
use super::mfa::{clocks, no_such_page, note, sent_again, unsent};
use super::reply::Reply;
use super::visit::Visit;
use crate::factor::Method;
use crate::factor::otp::{mask_email, mask_phone};
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

fn said(visit: &Visit, problem: ContactProblem, method: Method) -> Note {
    let words = &visit.words.contact;
    Note::Error(match (problem, method) {
        (ContactProblem::NoSecond, _) => words.no_second.clone(),
        (ContactProblem::Bad, Method::Sms) => words.bad_phone.clone(),
        (ContactProblem::Bad, _) => words.bad_email.clone(),
        (ContactProblem::Taken, _) => words.taken.clone(),
    })
}

async fn ask(mut visit: Visit) -> Response {
    visit.come_back_to("account");
    with_session(visit, async |visit, session| {
        let Some(method) = method(visit.query.get("method")) else { return Ok(no_such_page(visit)) };
        match visit.services.may_change_contact(session, method).await {
            Ok(_) => Ok(Reply::ok(pages::change(&visit.page(), method, "", None))),
            Err(Refused::Contact(problem)) => super::account::account_page(visit, session, Some(said(visit, problem, method))).await,
            Err(Refused::NotOffered(_)) => Ok(Reply::to(visit, "account")),
            Err(other) => Err(other),
        }
    })
    .await
}

async fn begin(mut visit: Visit) -> Response {
    visit.come_back_to("account");
    with_session(visit, async |visit, session| {
        let Some(method) = method(visit.form.get("method")) else { return Ok(no_such_page(visit)) };
        let typed = visit.form.get("to");
        let problem = match visit.services.begin_contact(session, method, typed, &visit.client).await {
            Ok(flow) => return Ok(Reply::to(visit, &format!("account/contact/{method}")).cookie(visit.flow_cookie(flow.id))),
            Err(Refused::Contact(problem)) => said(visit, problem, method),
            Err(Refused::CannotSend) => Note::Error(visit.words.note.send_failed.clone()),
            Err(other) => return Err(other),
        };
        let shown: String = typed.chars().take(254).collect();
        Ok(Reply::wrong(pages::change(&visit.page(), method, &shown, Some(&problem))))
    })
    .await
}

/// The change that waits for its code; `None` where there is none for this method: it begins anew on the account page.
async fn waiting(visit: &Visit, session: &Arc<LiveSession>, name: &str) -> Result<Option<ContactChange>, Refused> {
    match visit.services.contact(visit.flow, session).await {
        Ok(change) => Ok(Some(change).filter(|change| Some(change.method) == method(name))),
        Err(Refused::Gone) => Ok(None),
        Err(other) => Err(other),
    }
}

fn code_page(visit: &Visit, change: &ContactChange, problem: Option<Note>) -> maud::Markup {
    let (method, sent) = (change.method, change.flow.sent.as_ref());
    let destination = if method == Method::Sms { mask_phone(&change.to) } else { mask_email(&change.to) };
    let note = problem.or_else(|| sent_again(sent, method, visit));
    let digits = visit.request.config.mfa.otp.digits;
    pages::confirm(&visit.page(), method, &destination, digits, clocks(sent, method, visit), note.as_ref())
}

async fn show(Path(name): Path<String>, mut visit: Visit) -> Response {
    visit.come_back_to("account");
    with_session(visit, async |visit, session| {
        Ok(match waiting(visit, session, &name).await? {
            Some(change) => Reply::ok(code_page(visit, &change, None)),
            None => Reply::to(visit, "account"),
        })
    })
    .await
}

async fn confirm(Path(name): Path<String>, mut visit: Visit) -> Response {
    visit.come_back_to("account");
    with_session(visit, async |visit, session| {
        let Some(change) = waiting(visit, session, &name).await? else { return Ok(Reply::to(visit, "account")) };
        let problem = match visit.services.confirm_contact(&change, &visit.form.secret("code"), &visit.client).await {
            // Back to the account, under the session's new id.
            Ok(signed) => return signed_in(visit, &signed).await,
            Err(Refused::Second(problem)) => note(visit, problem, change.method),
            Err(Refused::Contact(problem)) => {
                let page = pages::change(&visit.page(), change.method, &change.to, Some(&said(visit, problem, change.method)));
                return Ok(Reply::wrong(page).cookie(visit.cookies.expire(CookieKind::Flow)));
            }
            Err(other) => return Err(other),
        };
        again(visit, session, &name, problem).await
    })
    .await
}

/// The code's page with what is left of its tries.
async fn again(visit: &Visit, session: &Arc<LiveSession>, name: &str, problem: Note) -> Result<Reply, Refused> {
    Ok(match waiting(visit, session, name).await? {
        Some(change) => Reply::wrong(code_page(visit, &change, Some(problem))),
        None => Reply::to(visit, "account"),
    })
}

async fn resend(Path(name): Path<String>, mut visit: Visit) -> Response {
    visit.come_back_to("account");
    with_session(visit, async |visit, session| {
        let Some(change) = waiting(visit, session, &name).await? else { return Ok(Reply::to(visit, "account")) };
        let problem = match visit.services.resend_contact(&change, &visit.client).await {
            Ok(_) => return Ok(Reply::to(visit, &format!("account/contact/{}", change.method))),
            Err(refused) => unsent(visit, refused, change.method)?,
        };
        again(visit, session, &name, problem).await
    })
    .await
}
