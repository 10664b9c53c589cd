//! Linking an account to a person at a provider, to sign in with: from my account, after a fresh second factor, or from a set-up link.

use axum::extract::Path;
use axum::response::Response;

use crate::account::MfaPolicy;
use crate::policy::accepted_methods;
use crate::portal::profile::account::with_session;
use crate::portal::sign_in::links::gone;
use crate::portal::sign_in::provider::failed;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::audit::Actor;
use crate::service::provider::Begun;
use crate::service::{LiveSession, Refused};
use crate::session::CookieKind;
use crate::view::message::Problem;

/// `account/link`: posts `provider`.
pub async fn link(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        if let Some(reply) = first_a_factor(req, session) {
            return Ok(reply);
        }
        let name = req.form.get("provider");
        let begun = req.services.provider.begin_own_link(session, name, (req.flow, req.rd.as_str()), &req.client).await;
        away(req, name, begun)
    })
    .await
}

/// `account/unlink`: posts `provider`. Every session ends with the link.
pub async fn unlink(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        if let Some(reply) = first_a_factor(req, session) {
            return Ok(reply);
        }
        let account = req.services.profile.own_account(session).await?;
        // Without a password the link is the way in.
        if account.password.is_none() {
            return Ok(Reply::to(req, "account"));
        }
        let unlinked = req.services.provider.unlink_by_hand(&account.name, req.form.get("provider"), Actor::User(&req.client)).await;
        if let Err(error) = unlinked {
            tracing::debug!(%error, "a link was not taken away");
            return Ok(Reply::to(req, "account"));
        }
        Ok(Reply::to(req, "login").cookie(req.cookies.expire(CookieKind::Session)))
    })
    .await
}

/// `setup/with/NAME`: posts the set-up link's `token`.
pub async fn set_up(Path(name): Path<String>, req: PageRequest) -> Response {
    let begun = req.services.provider.begin_set_up(&req.form.secret("token"), &name, (req.flow, req.rd.as_str()), &req.client).await;
    let reply = match begun {
        Err(Refused::Gone) => Ok(gone(&req)),
        begun => away(&req, &name, begun),
    };
    req.answer(reply)
}

fn away(req: &PageRequest, name: &str, begun: Result<Begun, Refused>) -> Result<Reply, Refused> {
    match begun {
        Ok(begun) => Ok(Reply::go(begun.location).cookie(req.flow_cookie(begun.flow))),
        Err(Refused::Provider(problem)) => Ok(failed(req, name, None, problem)),
        Err(other) => Err(other),
    }
}

/// To the second factor and back, if none was shown lately; it is the same demand as the administration's.
fn first_a_factor(req: &PageRequest, session: &LiveSession) -> Option<Reply> {
    if req.services.provider.may_link(session) {
        return None;
    }
    let identity = session.identity();
    if identity.person.mfa == MfaPolicy::Off {
        return Some(Reply::problem(req, Problem::MfaOff));
    }
    let none = accepted_methods(&req.wanted_of_admins(), &identity.person).is_empty();
    let mut page = req.page();
    page.rd = format!("{}/account", req.context.config.portal.prefix);
    Some(Reply::go(page.link_with(if none { "enrol" } else { "mfa" }, &[("fresh", "1")])))
}
