//! The form that was interrupted: shown to its owner by GET, which changes nothing; sent or thrown away by POST, once. Unknown,
//! expired, another user's and another host's are one answer.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::preview;
use crate::base::SavedPostId;
use crate::login::{Judge, ReturnTo};
use crate::portal::web::bound_for::{is_here, owner};
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::saved_post::{Confirmation, Form, Replay};
use crate::view::message::{self, Problem, ResumeView};

/// What a POST comes to.
enum Done {
    Say(Reply),
    Send(Form),
}

pub async fn show(mut req: PageRequest) -> Response {
    let reply = page(&mut req).await;
    let mut response = req.answer(reply);
    lead_anywhere(&mut response);
    response
}

async fn page(req: &mut PageRequest) -> Result<Reply, Refused> {
    let Ok(id) = req.query.get("id").parse::<SavedPostId>() else { return Ok(unknown(req)) };
    let Some(user) = owner(req) else { return Ok(sign_in(req, id)) };
    Ok(match req.services.saved_posts.get(user, id).await?.filter(|form| is_here(req, form)) {
        Some(form) => {
            let view = ResumeView {
                id: id.to_string(),
                method: "POST".to_owned(),
                url: form.url(),
                field: Confirmation::FIELD,
                token: Confirmation::value(id, &req.page().csrf),
                fields: preview::fields(&form),
            };
            Reply::ok(message::resume(&req.page(), &view))
        }
        None => unknown(req),
    })
}

pub async fn submit(mut req: PageRequest) -> Response {
    match submitted(&mut req).await {
        Ok(Done::Say(reply)) => req.answer(Ok(reply)),
        Ok(Done::Send(form)) => {
            let mut response = req.answer(Ok(Reply::go("/")));
            response.extensions_mut().insert(Replay(form));
            response
        }
        Err(refused) => req.answer(Err(refused)),
    }
}

async fn submitted(req: &mut PageRequest) -> Result<Done, Refused> {
    let Ok(id) = req.form.get("id").parse::<SavedPostId>() else { return Ok(Done::Say(unknown(req))) };
    let Some(user) = owner(req) else { return Ok(Done::Say(sign_in(req, id))) };
    let send = match req.form.get("action") {
        "send" => true,
        "discard" => false,
        _ => return Ok(Done::Say(Reply::problem(req, Problem::Malformed))),
    };
    // Looked at before it is taken: on another host it stays for its own.
    if !req.services.saved_posts.get(user, id).await?.is_some_and(|form| is_here(req, &form)) {
        return Ok(Done::Say(unknown(req)));
    }
    Ok(match req.services.saved_posts.take(user, id).await? {
        Some(form) if send => Done::Send(form),
        Some(form) => Done::Say(Reply::go(page_of(req, &form).as_str())),
        None => Done::Say(unknown(req)),
    })
}

fn unknown(req: &PageRequest) -> Reply {
    Reply::problem(req, Problem::NotFound)
}

fn sign_in(req: &mut PageRequest, id: SavedPostId) -> Reply {
    req.come_back_to(&format!("resume?id={id}"));
    Reply::to(req, "login")
}

/// Where the form was going, by GET: its path alone, as what is in a query may act.
fn page_of(req: &PageRequest, form: &Form) -> ReturnTo {
    let nobody = |_: &crate::base::Host| false;
    let judge = Judge { authority: &req.context.authority, secure: req.context.secure, names: &nobody, domain: None, handover: None };
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
