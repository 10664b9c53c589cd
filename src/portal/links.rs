//! Set-up links and forgotten passwords. A GET shows a form and changes nothing: mail scanners follow links too.

use axum::response::Response;

use super::reply::Reply;
use super::visit::Visit;
use crate::factor::Method;
use crate::login::Purpose;
use crate::service::Refused;
use crate::store::LinkKind;
use crate::view::message::{self, Problem, Way};
use crate::view::password::{self, LinkView};
use crate::view::{Note, fill};

pub async fn setup(visit: Visit) -> Response {
    let reply = link_page(&visit, LinkKind::Setup).await;
    visit.answer(reply)
}

pub async fn reset(visit: Visit) -> Response {
    let reply = if visit.query.has("token") { link_page(&visit, LinkKind::Reset).await } else { ask_page(&visit) };
    visit.answer(reply)
}

fn ask_page(visit: &Visit) -> Result<Reply, Refused> {
    if !visit.services.courier.can_send(Method::Email) {
        return Ok(Reply::problem(visit, Problem::NotFound));
    }
    Ok(Reply::ok(password::reset_request(&visit.page(), "", None)))
}

async fn link_page(visit: &Visit, kind: LinkKind) -> Result<Reply, Refused> {
    let token = visit.query.get("token");
    match visit.services.link_account(token, kind).await {
        Ok(account) => Ok(Reply::ok(form(visit, kind, token, &account, None))),
        Err(Refused::Gone) => Ok(gone(visit)),
        Err(other) => Err(other),
    }
}

/// 410 would tell no more than that: used, expired, or never there.
fn gone(visit: &Visit) -> Reply {
    let words = visit.words;
    let way = Way { label: words.password.to_login.clone(), href: visit.page().link("login") };
    Reply::wrong(message::message(&visit.page(), 422, &words.problem.not_found_heading, &words.note.link_gone, &[way], None))
}

fn form(visit: &Visit, kind: LinkKind, token: &str, account: &crate::account::Account, note: Option<Note>) -> maud::Markup {
    let view = LinkView {
        token: token.to_owned(),
        user: account.name.clone(),
        display_name: account.display_name.clone(),
        min_length: visit.request.config.password.min_length,
        note,
    };
    match kind {
        LinkKind::Setup => password::setup(&visit.page(), &view),
        LinkKind::Reset => password::reset_set(&visit.page(), &view),
    }
}

pub async fn set_up(visit: Visit) -> Response {
    let reply = use_link(&visit, LinkKind::Setup).await;
    visit.answer(reply)
}

pub async fn set_new(visit: Visit) -> Response {
    let reply = use_link(&visit, LinkKind::Reset).await;
    visit.answer(reply)
}

async fn use_link(visit: &Visit, kind: LinkKind) -> Result<Reply, Refused> {
    let token = if visit.form.has("token") { visit.form.get("token") } else { visit.query.get("token") };
    match visit.services.use_link(token, kind, visit.form.secret("password"), &visit.client).await {
        Ok(flow) => {
            let page = if matches!(flow.purpose, Purpose::Enrol { .. }) { "enrol" } else { "login" };
            Ok(Reply::to(visit, page).cookie(visit.flow_cookie(flow.id)))
        }
        Err(Refused::Gone) => Ok(gone(visit)),
        Err(Refused::Weak(weak)) => {
            let account = visit.services.link_account(token, kind).await?;
            Ok(Reply::wrong(form(visit, kind, token, &account, Some(weak_note(visit, weak)))))
        }
        Err(other) => Err(other),
    }
}

/// Why a chosen password will not do.
pub fn weak_note(visit: &Visit, weak: crate::factor::blocklist::Weak) -> Note {
    use crate::factor::blocklist::Weak;
    let (words, least) = (&visit.words.note, visit.request.config.password.min_length.to_string());
    Note::Error(match weak {
        Weak::TooShort { .. } => fill(&words.password_short, &[("min", &least)]),
        Weak::TooLong => words.password_long.clone(),
        Weak::Common | Weak::Pattern | Weak::Personal => words.password_common.clone(),
    })
}

pub async fn ask(visit: Visit) -> Response {
    let reply = asked(&visit).await;
    visit.answer(reply)
}

/// The same words and the same work at once, whoever's name it was.
async fn asked(visit: &Visit) -> Result<Reply, Refused> {
    if !visit.services.courier.can_send(Method::Email) {
        return Ok(Reply::problem(visit, Problem::NotFound));
    }
    let name: String = visit.form.get("username").chars().take(512).collect();
    visit.services.ask_for_reset(name, visit.client.clone()).await?;
    Ok(Reply::ok(password::reset_sent(&visit.page())))
}
