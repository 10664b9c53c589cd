//! The list of users, and new ones.

use axum::http::StatusCode;
use axum::response::Response;

use super::super::fields::Fields;
use super::super::reply::Reply;
use super::faults::fault;
use super::gate::Desk;
use super::orders::groups;
use super::user::user_page;
use super::{page_number, state};
use crate::factor::Method;
use crate::service::Refused;
use crate::service::accounts::NewAccount;
use crate::service::admin::directory::Row;
use crate::service::admin::overview::missing_from;
use crate::view::admin::{self, PAGE_ROWS, Paging, UserRow, UserView, UsersView};
use crate::view::{Note, fill};

pub async fn list(desk: Desk) -> Response {
    let reply = listed(&desk).await;
    desk.visit.answer(reply)
}

async fn listed(desk: &Desk) -> Result<Reply, Refused> {
    let (visit, query) = (&desk.visit, desk.visit.query.get("q"));
    let directory = visit.services.directory().await?;
    let mfa = &visit.request.config.mfa;
    let routes = visit.request.policy.routes();
    let route = Some(visit.query.get("missing")).filter(|name| !name.is_empty()).and_then(|name| routes.iter().find(|r| *r.name == *name));
    let missing = route.map(|route| missing_from(route, mfa));
    let also = missing.as_ref().map(|missing| missing as &dyn Fn(&Row) -> bool);
    let found = directory.find(query, page_number(visit.query.get("page")), PAGE_ROWS, also);
    let row = |row: &Row| UserRow {
        name: row.name().to_owned(),
        display_name: row.display_name().to_owned(),
        email: row.email().to_owned(),
        state: state(row.disabled, row.locked, visit.request.now),
        policy: row.policy,
        methods: row.enrolled,
        last_sign_in: row.last_sign_in,
    };
    let view = UsersView {
        query: query.to_owned(),
        missing: route.map(|route| route.name.to_string()),
        rows: found.rows.iter().map(|one| row(one)).collect(),
        paging: Paging { page: found.page, total: found.total },
    };
    Ok(Reply::ok(admin::users(&visit.page(), &view)))
}

pub async fn new(desk: Desk) -> Response {
    let reply = Ok(form(&desk, StatusCode::OK, &NewAccount::default(), None));
    desk.visit.answer(reply)
}

fn form(desk: &Desk, status: StatusCode, new: &NewAccount, note: Option<Note>) -> Reply {
    let view = UserView {
        name: new.name.clone(),
        display_name: new.display_name.clone().unwrap_or_default(),
        email: new.email.clone(),
        phone: new.phone.clone().unwrap_or_default(),
        groups: new.groups.clone(),
        note,
        can_mail: desk.visit.services.courier.can_send(Method::Email),
        ..UserView::default()
    };
    Reply::page(status, admin::new_user(&desk.visit.page(), &view))
}

fn read(form: &Fields) -> NewAccount {
    let some = |name| Some(form.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    NewAccount {
        name: form.get("username").trim().to_owned(),
        email: form.get("email").trim().to_owned(),
        phone: some("phone"),
        display_name: some("display_name"),
        groups: groups(form.get("groups")),
        password_hash: None,
    }
}

/// Names whose page could not be reached: no honest path has them in a segment.
fn is_reserved(name: &str) -> bool {
    name.contains(['/', '\\'])
}

pub async fn create(desk: Desk) -> Response {
    let reply = created(&desk).await;
    desk.visit.answer(reply)
}

/// The account, and its set-up link: by mail, else on the page, this once. An administrator never chooses a password.
async fn created(desk: &Desk) -> Result<Reply, Refused> {
    let (visit, words) = (&desk.visit, &desk.visit.words.admin);
    let new = read(&visit.form);
    if is_reserved(&new.name) {
        return Ok(form(desk, StatusCode::UNPROCESSABLE_ENTITY, &new, Some(Note::Error(words.name_reserved.clone()))));
    }
    let token = match visit.services.add_account(&new, None, desk.actor()).await {
        Ok(token) => token.ok_or(Refused::Gone)?,
        Err(e) => return Ok(form(desk, StatusCode::UNPROCESSABLE_ENTITY, &new, Some(fault(visit.words, e)?))),
    };
    let account = visit.services.store.account_by_login(&new.name).await?.ok_or(Refused::Gone)?;
    // A link that cannot be mailed is shown all the same: it would be lost.
    if visit.form.has("mail") && visit.services.mail_link(&account, &token, &visit.client).is_ok() {
        let mailed = fill(&words.link_mailed, &[("address", &account.email)]);
        let note = Note::Done(format!("{} {mailed}", words.created_note));
        return Ok(user_page(desk, &account, Some(note)));
    }
    let url = visit.services.setup_url(&token, &visit.client);
    Ok(Reply::ok(admin::setup_link(&visit.page(), &account.name, url.expose())))
}
