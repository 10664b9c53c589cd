//! Set-up links and forgotten passwords. A GET shows a form and changes nothing: mail scanners follow links too.

use axum::response::Response;

use crate::factor::Method;
use crate::login::Purpose;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::store::LinkKind;
use crate::view::message::{self, Problem, Way};
use crate::view::password::{self, LinkView};
use crate::view::provider::ProviderButton;
use crate::view::{Note, fill};

pub async fn setup(req: PageRequest) -> Response {
    let reply = link_page(&req, LinkKind::Setup).await;
    req.answer(reply)
}

pub async fn reset(req: PageRequest) -> Response {
    let reply = if req.query.has("token") { link_page(&req, LinkKind::Reset).await } else { ask_page(&req) };
    req.answer(reply)
}

fn ask_page(req: &PageRequest) -> Result<Reply, Refused> {
    if !req.services.notices.can_send(Method::Email) {
        return Ok(Reply::problem(req, Problem::NotFound));
    }
    Ok(Reply::ok(password::reset_request(&req.page(), "", None)))
}

async fn link_page(req: &PageRequest, kind: LinkKind) -> Result<Reply, Refused> {
    let token = req.query.get("token");
    match req.services.links.account(token, kind).await {
        Ok(account) => Ok(Reply::ok(form(req, kind, token, &account, None))),
        Err(Refused::Gone) => Ok(gone(req)),
        Err(other) => Err(other),
    }
}

/// 410 would tell no more than that: used, expired, or never there.
pub fn gone(req: &PageRequest) -> Reply {
    let words = req.words;
    let way = |label: &str, page: &str| Way { label: label.to_owned(), href: req.page().link(page) };
    let new = req.services.notices.can_send(Method::Email).then(|| way(&words.password.link_new, "reset"));
    let ways: Vec<Way> = new.into_iter().chain([way(&words.password.to_login, "login")]).collect();
    Reply::wrong(message::message(&req.page(), 422, &words.password.link_heading, &words.note.link_gone, &ways, None))
}

fn form(req: &PageRequest, kind: LinkKind, token: &str, account: &crate::account::Account, note: Option<Note>) -> maud::Markup {
    let view = LinkView {
        token: token.to_owned(),
        user: account.name.clone(),
        display_name: account.display_name.clone(),
        min_length: req.context.config.password.min_length,
        providers: if kind == LinkKind::Setup { ways_in(req, account) } else { Vec::new() },
        note,
    };
    match kind {
        LinkKind::Setup => password::setup(&req.page(), &view),
        LinkKind::Reset | LinkKind::Invitation => password::reset_set(&req.page(), &view),
    }
}

/// The providers that can be chosen in place of a password.
fn ways_in(req: &PageRequest, account: &crate::account::Account) -> Vec<ProviderButton> {
    let free = req.services.provider.own_links(account).into_iter().filter(|link| link.subject.is_none());
    free.map(|link| ProviderButton { name: link.name, title: link.title }).collect()
}

pub async fn set_up(req: PageRequest) -> Response {
    let reply = use_link(&req, LinkKind::Setup).await;
    req.answer(reply)
}

pub async fn set_new(req: PageRequest) -> Response {
    let reply = use_link(&req, LinkKind::Reset).await;
    req.answer(reply)
}

async fn use_link(req: &PageRequest, kind: LinkKind) -> Result<Reply, Refused> {
    let token = if req.form.has("token") { req.form.get("token") } else { req.query.get("token") };
    match req.services.links.use_link(token, kind, req.form.secret("password"), &req.client).await {
        Ok(flow) => {
            let page = if matches!(flow.purpose, Purpose::Enrol { .. }) { "enrol" } else { "login" };
            Ok(Reply::to(req, page).cookie(req.flow_cookie(flow.id)))
        }
        Err(Refused::Gone) => Ok(gone(req)),
        Err(Refused::Weak(weak)) => {
            let account = req.services.links.account(token, kind).await?;
            Ok(Reply::wrong(form(req, kind, token, &account, Some(weak_note(req, weak)))))
        }
        Err(other) => Err(other),
    }
}

/// Why a chosen password will not do.
pub fn weak_note(req: &PageRequest, weak: crate::factor::blocklist::Weak) -> Note {
    use crate::factor::blocklist::Weak;
    let (words, least) = (&req.words.note, req.context.config.password.min_length.to_string());
    Note::Error(match weak {
        Weak::TooShort { .. } => fill(&words.password_short, &[("min", &least)]),
        Weak::TooLong => words.password_long.clone(),
        Weak::Common | Weak::Breached | Weak::Pattern | Weak::Personal => words.password_common.clone(),
    })
}

pub async fn ask(req: PageRequest) -> Response {
    let reply = asked(&req).await;
    req.answer(reply)
}

/// The same words and the same work at once, whoever's name it was.
async fn asked(req: &PageRequest) -> Result<Reply, Refused> {
    if !req.services.notices.can_send(Method::Email) {
        return Ok(Reply::problem(req, Problem::NotFound));
    }
    let name: String = req.form.get("username").chars().take(512).collect();
    req.services.links.ask_for_reset(name, req.client.clone()).await?;
    Ok(Reply::ok(password::reset_sent(&req.page())))
}
