//! A password that must be changed, here or where it is kept, before the sign-in goes on: the current one and a new one in, and back to the sign-in.

use axum::response::Response;

use super::links::weak_note;
use crate::base::Secret;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::view::{Note, fill, password};

pub async fn show(req: PageRequest) -> Response {
    let reply = page(&req, None).await.map(Reply::ok);
    req.answer(reply)
}

async fn page(req: &PageRequest, note: Option<Note>) -> Result<maud::Markup, Refused> {
    let (account, _) = req.services.at_source.changing(req.flow).await?;
    // How long the new one must be is the directory's to say.
    let least = account.source.is_none().then_some(req.context.config.password.min_length);
    Ok(password::expired(&req.page(), &account.name, least, note.as_ref()))
}

pub async fn submit(req: PageRequest) -> Response {
    let reply = submitted(&req).await;
    req.answer(reply)
}

async fn submitted(req: &PageRequest) -> Result<Reply, Refused> {
    let (current, new) = (req.form.secret("current"), req.form.secret("password"));
    if is_same(&current, &new) {
        return Ok(Reply::wrong(page(req, Some(Note::Error(req.words.note.password_same.clone()))).await?));
    }
    match req.services.profile.change_required(req.flow, current, new, &req.client).await {
        Ok(news) => Ok(Reply::to(req, "login").cookie(req.flow_cookie(news.id))),
        Err(refused) => match refusal(req, &refused) {
            Some(note) => Ok(Reply::wrong(page(req, Some(note)).await?)),
            None => Err(refused),
        },
    }
}

/// Whether somebody "changes" a password to itself.
pub fn is_same(current: &Secret, new: &Secret) -> bool {
    current.expose() == new.expose() && !current.expose().is_empty()
}

/// What the form says of a change that was not made.
pub fn refusal(req: &PageRequest, refused: &Refused) -> Option<Note> {
    let words = &req.words.note;
    if let Refused::Weak(weak) = refused {
        return Some(weak_note(req, *weak));
    }
    Some(Note::Error(match refused {
        Refused::WrongPassword => words.password_wrong.clone(),
        Refused::NewPassword(Some(why)) => fill(&words.password_refused_why, &[("why", why)]),
        Refused::NewPassword(None) => words.password_refused.clone(),
        _ => return None,
    }))
}
