//! The gate of the administration: who passes it gets an [`Administrator`], without which no handler here can be called.
//!
//! | in this order | answer |
//! |---|---|
//! | nobody is signed in | 303 to `login` and back |
//! | not in one of `admin.groups` | 403 |
//! | the user's policy is `off` | 403 |
//! | an enrolled factor was shown within `admin.max_age` | pass |
//! | there is no such factor yet | 303 to `enrol` and back |
//! | none was shown, or too long ago | 303 to `mfa` and back |
//!
//! A trusted browser is no factor here, and a recovery code neither: who has lost every factor is helped by another administrator
//! or at the command line, so that a leaf of printed codes never opens everybody's accounts.

use std::sync::Arc;

use axum::extract::FromRequest;
use axum::response::Response;

use crate::account::{Account, MfaPolicy};
use crate::base::UserId;
use crate::policy::accepted_methods;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::portal::web::state::Portal;
use crate::service::LiveSession;
use crate::service::audit::Actor;
use crate::view::fill;
use crate::view::message::Problem;

/// Somebody who passed the gate with this request. Made here and nowhere else.
pub struct Administrator {
    session: Arc<LiveSession>,
    name: String,
}

impl Administrator {
    fn admit(req: &PageRequest) -> Result<Self, Reply> {
        let config = &req.context.config;
        let Some(session) = &req.session else { return Err(away(req, "login")) };
        let identity = session.identity();
        let person = &identity.person;
        if !config.admin.groups.iter().any(|group| person.groups.contains(group)) {
            return Err(Reply::problem(req, Problem::WrongGroup));
        }
        if person.mfa == MfaPolicy::Off {
            return Err(Reply::problem(req, Problem::MfaOff));
        }
        let wanted = req.wanted_of_admins();
        if wanted.is_met_by(identity.proof, req.context.now) {
            return Ok(Self { session: session.clone(), name: person.name.clone() });
        }
        Err(away(req, if accepted_methods(&wanted, person).is_empty() { "enrol" } else { "mfa" }))
    }

    pub fn session(&self) -> &LiveSession {
        &self.session
    }

    pub fn id(&self) -> UserId {
        self.session.user()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the administrator's own account.
    pub fn is(&self, account: &Account) -> bool {
        self.id() == account.id
    }
}

/// To another page of ours, and then back to the one that was asked for.
fn away(req: &PageRequest, path: &str) -> Reply {
    let mut page = req.page();
    page.rd.clone_from(&req.target);
    Reply::go(page.link(path))
}

/// A request for a page of the administration, by one who may.
pub struct AdminRequest {
    pub req: PageRequest,
    pub admin: Administrator,
}

impl AdminRequest {
    /// As the audit log names who did it.
    pub fn actor(&self) -> Actor<'_> {
        Actor::Admin(&self.req.client, &self.admin.name)
    }

    /// What was done, and which gateways know of it already, where several share the store.
    pub async fn with_reach(&self, said: &str) -> String {
        let words = &self.req.words.admin;
        let Some(reach) = self.req.services.gateways.reach().await else { return said.to_owned() };
        let counts = [("reached", reach.reached.to_string()), ("of", reach.of.to_string())];
        let mut text = format!("{said} {}", fill(&words.reached, &counts.each_ref().map(|(key, count)| (*key, count.as_str()))));
        if let Some((names, most)) = reach.unanswered() {
            text = format!("{text} {}", fill(&words.unreached, &[("names", &names), ("most", &most)]));
        }
        text
    }
}

impl FromRequest<Arc<Portal>> for AdminRequest {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, portal: &Arc<Portal>) -> Result<Self, Response> {
        let req = PageRequest::from_request(request, portal).await?;
        match Administrator::admit(&req) {
            Ok(admin) => Ok(Self { req, admin }),
            Err(reply) => Err(req.answer(Ok(reply))),
        }
    }
}
