//! A password that must be changed where it is kept, before the sign-in goes on: the current one and a new one in, and back to the sign-in.

use axum::response::Response;

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
    Ok(password::expired(&req.page(), &account.name, note.as_ref()))
}

pub async fn submit(req: PageRequest) -> Response {
    let reply = submitted(&req).await;
    req.answer(reply)
}

async fn submitted(req: &PageRequest) -> Result<Reply, Refused> {
    let (current, new) = (req.form.secret("current"), req.form.secret("password"));
    match req.services.at_source.change_expired(req.flow, &current, &new, &req.client).await {
        Ok(news) => Ok(Reply::to(req, "login").cookie(req.flow_cookie(news.id))),
        Err(refused) => match refusal(req, &refused) {
            Some(note) => Ok(Reply::wrong(page(req, Some(note)).await?)),
            None => Err(refused),
        },
    }
}

/// What the form says of a change that the directory did not make.
pub fn refusal(req: &PageRequest, refused: &Refused) -> Option<Note> {
    let words = &req.words.note;
    Some(Note::Error(match refused {
        Refused::WrongPassword => words.password_wrong.clone(),
        Refused::NewPassword(Some(why)) => fill(&words.password_refused_why, &[("why", why)]),
        Refused::NewPassword(None) => words.password_refused.clone(),
        _ => return None,
    }))
}
