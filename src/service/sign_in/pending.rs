//! Somebody who owes a second factor, and what they gave as one.

use std::sync::Arc;

use super::finish::Signed;
use crate::account::Account;
use crate::base::Secret;
use crate::factor::{Method, MethodSet};
use crate::login::Flow;
use crate::service::sessions::LiveSession;
use crate::source::provider::linked::ExternalFactor;

/// Somebody at the second factor.
#[derive(Clone)]
pub struct Pending {
    pub account: Account,
    /// The flow, if there is one already. A step up gets one when it is first needed.
    pub flow: Option<Flow>,
    /// The session that steps up.
    pub session: Option<Arc<LiveSession>>,
    /// The providers that can be asked for their second factor.
    pub external: Vec<ExternalFactor>,
}

/// What was typed, or what a key answered.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub method: Method,
    pub typed: &'a Secret,
    /// The sealed challenge that a key answers; empty for codes.
    pub challenge: &'a str,
}

/// What a right second factor leads to.
#[derive(Debug)]
pub enum Shown {
    SignedIn(Signed),
    /// The password must be changed before anything else.
    MustChangePassword(Box<Flow>),
}

impl Pending {
    /// What this user can be asked for if the route accepts `route` (`None`: anything). All of theirs if the route accepts none
    /// of them: the sign-in must have an end, and the route then asks for another method.
    pub fn methods(&self, server: MethodSet, route: Option<MethodSet>) -> MethodSet {
        if self.is_guest() {
            return MethodSet::EMPTY.with(Method::Email);
        }
        let own = self.account.usable(server).without(Method::External);
        let own = if self.external.is_empty() { own } else { own.with(Method::External) };
        match route {
            Some(route) if !own.and(route).is_empty() => own.and(route),
            Some(_) | None => own,
        }
    }

    /// Whether a guest signs in: a code by mail is all that there is.
    pub fn is_guest(&self) -> bool {
        self.flow.as_ref().is_some_and(Flow::is_guest)
    }

    /// Whether a recovery code may be used: only if the route names no factors.
    pub fn may_recover(&self, route: Option<MethodSet>) -> bool {
        route.is_none() && self.account.recovery_left() > 0
    }
}
