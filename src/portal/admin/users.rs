//! The list of users, and new ones.

use axum::http::StatusCode;
use axum::response::Response;
use maud::Markup;

use super::faults::fault;
use super::filter;
use super::gate::AdminRequest;
use super::listing::{page_number, state};
use super::orders::groups;
use super::user::user_page;
use crate::factor::Method;
use crate::portal::web::fields::Fields;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::accounts::NewAccount;
use crate::service::admin::directory::Row;
use crate::view::admin::{self, PAGE_ROWS, Paging, UserRow, UserView, UsersView};
use crate::view::{Note, fill};

pub async fn list(admin: AdminRequest) -> Response {
    let reply = listed(&admin).await;
    admin.req.answer(reply)
}

async fn listed(admin: &AdminRequest) -> Result<Reply, Refused> {
    Ok(Reply::ok(list_page(admin, &admin.req.query, None).await?))
}

/// The list that a query, or the form below the list, asks for.
pub async fn list_page(admin: &AdminRequest, sent: &Fields, note: Option<Note>) -> Result<Markup, Refused> {
    let (req, query) = (&admin.req, sent.get("q"));
    let directory = req.services.users.directory().await?;
    let routes = req.context.policy.routes();
    let route = Some(sent.get("missing")).filter(|name| !name.is_empty()).and_then(|name| routes.iter().find(|r| *r.name == *name));
    let filter = filter::read(sent);
    let fits = filter::fits(admin, sent, &filter);
    let also: Option<&dyn Fn(&Row) -> bool> = if filter.is_empty() && route.is_none() { None } else { Some(&fits) };
    let found = directory.find(query, page_number(sent.get("page")), PAGE_ROWS, also);
    let row = |row: &Row| UserRow {
        id: row.id.to_string(),
        name: row.name().to_owned(),
        display_name: row.display_name().to_owned(),
        email: row.email().to_owned(),
        state: state(row.disabled, row.locked, req.context.now),
        policy: row.policy,
        methods: row.enrolled,
        last_sign_in: row.last_sign_in,
    };
    let view = UsersView {
        query: query.to_owned(),
        note,
        missing: route.map(|route| route.name.to_string()),
        filter: filter.clone(),
        rows: found.rows.iter().map(|one| row(one)).collect(),
        paging: Paging { page: found.page, total: found.total },
    };
    Ok(admin::users(&req.page(), &view))
}

pub async fn new(admin: AdminRequest) -> Response {
    let reply = Ok(form(&admin, StatusCode::OK, &NewAccount::default(), None));
    admin.req.answer(reply)
}

fn form(admin: &AdminRequest, status: StatusCode, new: &NewAccount, note: Option<Note>) -> Reply {
    let view = UserView {
        name: new.name.clone(),
        display_name: new.display_name.clone().unwrap_or_default(),
        email: new.email.clone(),
        phone: new.phone.clone().unwrap_or_default(),
        groups: new.groups.clone(),
        note,
        can_mail: admin.req.services.notices.can_send(Method::Email),
        ..UserView::default()
    };
    Reply::page(status, admin::new_user(&admin.req.page(), &view))
}

fn read(form: &Fields) -> NewAccount {
    let some = |name| Some(form.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    NewAccount {
        name: form.get("username").trim().to_owned(),
        email: form.get("email").trim().to_owned(),
        phone: some("phone"),
        display_name: some("display_name"),
        groups: groups(form.get("groups")),
        service: false,
        certificate_subject: None,
        password_hash: None,
    }
}

/// Names whose page could not be reached: no honest path has them in a segment.
fn is_reserved(name: &str) -> bool {
    name.contains(['/', '\\']) || name == "export"
}

pub async fn create(admin: AdminRequest) -> Response {
    let reply = created(&admin).await;
    admin.req.answer(reply)
}

/// The account, and its set-up link: by mail, else on the page, this once. An administrator never chooses a password.
async fn created(admin: &AdminRequest) -> Result<Reply, Refused> {
    let (req, words) = (&admin.req, &admin.req.words.admin);
    let new = read(&req.form);
    if is_reserved(&new.name) {
        return Ok(form(admin, StatusCode::UNPROCESSABLE_ENTITY, &new, Some(Note::Error(words.name_reserved.clone()))));
    }
    let token = match req.services.accounts.add(&new, None, admin.actor()).await {
        Ok(token) => token.ok_or(Refused::Gone)?,
        Err(e) => return Ok(form(admin, StatusCode::UNPROCESSABLE_ENTITY, &new, Some(fault(req.words, e)?))),
    };
    let account = req.services.store.account_by_login(&new.name).await?.ok_or(Refused::Gone)?;
    // A link that cannot be mailed is shown all the same: it would be lost.
    if req.form.has("mail") && req.services.setup_links.mail(&account, &token, &req.client).await.is_ok() {
        let mailed = fill(&words.link_mailed, &[("address", &account.email)]);
        let note = Note::Done(format!("{} {mailed}", words.created_note));
        return Ok(user_page(admin, &account, Some(note)).await);
    }
    let url = req.services.setup_links.url(&token, &req.client);
    Ok(Reply::ok(admin::setup_link(&req.page(), &account.name, url.expose())))
}
