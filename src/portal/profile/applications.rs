//! My account: names and passwords of one's own at applications. Looking needs a session, changing a full and recent sign-in.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use super::account::{pages as account_pages, with_session};
use crate::base::Secret;
use crate::portal::Portal;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::{ApplicationError, ApplicationView, LiveSession, Refused};
use crate::view::Note;
use crate::view::applications::{self as pages, ApplicationRow, ApplicationsView};

pub fn routes() -> Router<Arc<Portal>> {
    Router::new().route("/account/applications", get(show).post(store)).route("/account/applications/forget", post(forget))
}

async fn show(mut req: PageRequest) -> Response {
    req.come_back_to("account/applications");
    with_session(req, async |req, session| page(req, session, None).await).await
}

async fn page(req: &PageRequest, session: &LiveSession, note: Option<Note>) -> Result<Reply, Refused> {
    let account = req.services.store.account(session.user()).await?.ok_or(Refused::Gone)?;
    let wrong = matches!(note, Some(Note::Error(_)));
    let row = |ApplicationView { route, stored }| ApplicationRow { route, stored };
    let view = ApplicationsView {
        applications: req.services.applications.list(&account).into_iter().map(row).collect(),
        pages: account_pages(req, &account),
        note,
    };
    let page = pages::applications(&req.page(), &view);
    Ok(if wrong { Reply::wrong(page) } else { Reply::ok(page) })
}

async fn store(mut req: PageRequest) -> Response {
    req.come_back_to("account/applications");
    with_session(req, async |req, session| {
        let (route, user, password) = (req.form.get("route"), req.form.get("username").trim(), Secret::new(req.form.get("password")));
        let said = &req.words.applications;
        let note = match req.services.applications.store(session, route, user, &password, &req.client).await {
            Ok(()) => Note::Done(said.saved.clone()),
            Err(ApplicationError::Unknown) => Note::Error(said.gone.clone()),
            Err(ApplicationError::Unsendable) => Note::Error(said.bad.clone()),
            Err(ApplicationError::Refused(refused)) => return Err(refused),
        };
        page(req, session, Some(note)).await
    })
    .await
}

async fn forget(mut req: PageRequest) -> Response {
    req.come_back_to("account/applications");
    with_session(req, async |req, session| {
        req.services.applications.forget(session, req.form.get("route"), &req.client).await?;
        page(req, session, Some(Note::Done(req.words.applications.forgotten.clone()))).await
    })
    .await
}
