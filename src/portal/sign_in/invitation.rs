//! An invitation: the link that lets a guest in once without a code. A GET shows a button and changes nothing: mail scanners follow
//! links too.

use axum::response::Response;

use super::login::signed_in;
use crate::portal::handover::home_of;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::view::message::{self, Way};

pub async fn show(req: PageRequest) -> Response {
    let reply = page(&req).await;
    req.answer(reply)
}

async fn page(req: &PageRequest) -> Result<Reply, Refused> {
    let token = req.query.get("token");
    match req.services.guests.invited(token).await {
        Ok(invitation) => Ok(Reply::ok(message::invitation(&req.page(), &invitation.address, token))),
        Err(Refused::Gone) => Ok(gone(req)),
        Err(other) => Err(other),
    }
}

pub async fn submit(mut req: PageRequest) -> Response {
    let reply = enter(&mut req).await;
    req.answer(reply)
}

async fn enter(req: &mut PageRequest) -> Result<Reply, Refused> {
    let used = req.services.guests.use_invitation(req.form.get("token"), &req.client).await;
    let (signed, invitation) = match used {
        Ok(used) => used,
        Err(Refused::Gone) => return Ok(gone(req)),
        Err(other) => return Err(other),
    };
    let config = &req.context.config;
    let route = config.routes.iter().find(|route| *route.name == invitation.route);
    let to = format!("{}/", route.map_or("", |route| route.path.as_str()));
    if req.is_portal() {
        let home = || route.and_then(|route| home_of(req, &route.hosts));
        let host = req.rd.other_origin().or_else(home).unwrap_or_default();
        req.goes_on_to(&format!("{host}{to}"));
    } else {
        req.go_to(&to);
    }
    signed_in(req, &signed).await
}

/// Used, expired, never there, or the guest is not let in any more: one answer.
fn gone(req: &PageRequest) -> Reply {
    let words = req.words;
    let way = Way { label: words.password.to_login.clone(), href: req.page().link("login") };
    Reply::wrong(message::message(&req.page(), 422, &words.problem.not_found_heading, &words.note.link_gone, &[way], None))
}
