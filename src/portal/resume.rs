//! The form that was interrupted: shown to its owner by GET, which changes nothing; sent or thrown away by POST, once. Unknown,
//! expired, another user's and another host's are one answer.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::reply::Reply;
use super::shown;
use super::visit::Visit;
use crate::base::{KeptId, UserId};
use crate::login::{Judge, ReturnTo};
use crate::service::Refused;
use crate::service::saved_post::{Form, Replay};
use crate::view::message::{self, Problem, ResumeView};

/// What a POST comes to.
enum Done {
    Say(Reply),
    Send(Form),
}

pub async fn show(mut visit: Visit) -> Response {
    let reply = page(&mut visit).await;
    let mut response = visit.answer(reply);
    lead_anywhere(&mut response);
    response
}

async fn page(visit: &mut Visit) -> Result<Reply, Refused> {
    let Ok(id) = visit.query.get("id").parse::<KeptId>() else { return Ok(unknown(visit)) };
    let Some(user) = owner(visit) else { return Ok(sign_in(visit, id)) };
    Ok(match visit.services.saved_post(user, id).await?.filter(|form| is_here(visit, form)) {
        Some(form) => {
            let view = ResumeView { id: id.to_string(), method: "POST".to_owned(), url: form.url(), fields: shown::fields(&form) };
            Reply::ok(message::resume(&visit.page(), &view))
        }
        None => unknown(visit),
    })
}

pub async fn submit(mut visit: Visit) -> Response {
    match submitted(&mut visit).await {
        Ok(Done::Say(reply)) => visit.answer(Ok(reply)),
        Ok(Done::Send(form)) => {
            let mut response = visit.answer(Ok(Reply::go("/")));
            response.extensions_mut().insert(Replay(form));
            response
        }
        Err(refused) => visit.answer(Err(refused)),
    }
}

async fn submitted(visit: &mut Visit) -> Result<Done, Refused> {
    let Ok(id) = visit.form.get("id").parse::<KeptId>() else { return Ok(Done::Say(unknown(visit))) };
    let Some(user) = owner(visit) else { return Ok(Done::Say(sign_in(visit, id))) };
    let send = match visit.form.get("action") {
        "send" => true,
        "discard" => false,
        _ => return Ok(Done::Say(Reply::problem(visit, Problem::Malformed))),
    };
    // Looked at before it is taken: on another host it stays for its own.
    if !visit.services.saved_post(user, id).await?.is_some_and(|form| is_here(visit, &form)) {
        return Ok(Done::Say(unknown(visit)));
    }
    Ok(match visit.services.take_saved_post(user, id).await? {
        Some(form) if send => Done::Send(form),
        Some(form) => Done::Say(Reply::go(page_of(visit, &form).as_str())),
        None => Done::Say(unknown(visit)),
    })
}

fn owner(visit: &Visit) -> Option<UserId> {
    visit.session.as_ref().map(|session| session.user())
}

fn unknown(visit: &Visit) -> Reply {
    Reply::problem(visit, Problem::NotFound)
}

fn sign_in(visit: &mut Visit, id: KeptId) -> Reply {
    visit.come_back_to(&format!("resume?id={id}"));
    Reply::to(visit, "login")
}

/// A form goes to the URL that it was sent to, and is looked at on that host alone.
fn is_here(visit: &Visit, form: &Form) -> bool {
    form.authority.eq_ignore_ascii_case(&visit.request.authority) && form.secure == visit.request.secure
}

/// Where the form was going, by GET: its path alone, as what stands in a query may act.
fn page_of(visit: &Visit, form: &Form) -> ReturnTo {
    let nobody = |_: &crate::base::Host| false;
    let judge = Judge { authority: &visit.request.authority, secure: visit.request.secure, names: &nobody, domain: None };
    ReturnTo::read(form.target.split('?').next(), &judge)
}

/// The answer to the confirmation is the app's, which may redirect wherever it likes; browsers hold that to this page's policy.
fn lead_anywhere(response: &mut Response) {
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let wider = policy.map(|policy| policy.replace("form-action 'self'", "form-action 'self' https: http:"));
    if let Some(policy) = wider.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// The form that the way back leads to, so that the sign-in asks for what the form's route wants. Known once it is known who signs in.
pub async fn bound_for(visit: &Visit) -> Option<Form> {
    let page = format!("{}/resume?id=", visit.request.config.portal.prefix);
    let id: KeptId = visit.rd.as_str().strip_prefix(&page)?.parse().ok()?;
    let user = match (owner(visit), visit.flow) {
        (Some(user), _) => user,
        (None, Some(flow)) => visit.services.store.flow(flow).await.ok()??.user,
        (None, None) => return None,
    };
    visit.services.saved_post(user, id).await.ok()?.filter(|form| is_here(visit, form))
}
