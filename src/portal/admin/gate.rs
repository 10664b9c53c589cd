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

use super::super::Portal;
use super::super::reply::Reply;
use super::super::visit::Visit;
use crate::account::{Account, MfaPolicy};
use crate::base::UserId;
use crate::policy::accepted_methods;
use crate::service::LiveSession;
use crate::service::audit::Actor;
use crate::view::message::Problem;

/// Somebody who passed the gate with this request. Made here and nowhere else.
pub struct Administrator {
    session: Arc<LiveSession>,
    name: String,
}

impl Administrator {
    fn admit(visit: &Visit) -> Result<Self, Reply> {
        let config = &visit.request.config;
        let Some(session) = &visit.session else { return Err(away(visit, "login")) };
        let identity = session.identity();
        let person = &identity.person;
        if !config.admin.groups.iter().any(|group| person.groups.contains(group)) {
            return Err(Reply::problem(visit, Problem::WrongGroup));
        }
        if person.mfa == MfaPolicy::Off {
            return Err(Reply::problem(visit, Problem::MfaOff));
        }
        let wanted = visit.wanted_of_admins();
        if wanted.is_met_by(identity.proof, visit.request.now) {
            return Ok(Self { session: session.clone(), name: person.name.clone() });
        }
        Err(away(visit, if accepted_methods(&wanted, person).is_empty() { "enrol" } else { "mfa" }))
    }

    pub fn session(&self) -> &LiveSession {
        &self.session
    }

    fn id(&self) -> UserId {
        self.session.user()
    }

    /// Whether this is the administrator's own account.
    pub fn is(&self, account: &Account) -> bool {
        self.id() == account.id
    }
}

/// To another page of ours, and then back to the one that was asked for.
fn away(visit: &Visit, path: &str) -> Reply {
    let mut page = visit.page();
    page.rd.clone_from(&visit.target);
    Reply::go(page.link(path))
}

/// A request for a page of the administration, by one who may.
pub struct Desk {
    pub visit: Visit,
    pub admin: Administrator,
}

impl Desk {
    /// As the audit log names who did it.
    pub fn actor(&self) -> Actor<'_> {
        Actor::Admin(&self.visit.client, &self.admin.name)
    }
}

impl FromRequest<Arc<Portal>> for Desk {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, portal: &Arc<Portal>) -> Result<Self, Response> {
        let visit = Visit::from_request(request, portal).await?;
        match Administrator::admit(&visit) {
            Ok(admin) => Ok(Self { visit, admin }),
            Err(reply) => Err(visit.answer(Ok(reply))),
        }
    }
}
