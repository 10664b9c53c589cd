//! Who asks, as far as a request shows it: a session with its device, an API token, a client's certificate. Put together once, before the policy is asked.

use std::sync::Arc;

use pingora::http::RequestHeader;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::credentials::session::Identified;
use crate::gateway::authorize::credentials::{certificate, device};
use crate::gateway::authorize::policy::Asker;
use crate::gateway::host::{DeviceShown, UserSession};
use crate::gateway::request::parse::RequestInfo;
use crate::policy::Identity;

/// What a request shows of whoever asks.
pub struct Shown<'s> {
    /// The value of the one session cookie, whether a session is behind it or not.
    pub cookie: Option<&'s str>,
    /// The session, or what an API token stands for.
    pub user_session: Option<Arc<dyn UserSession>>,
    /// Of the device that the session is bound to.
    pub device: DeviceShown,
    /// Whose session or token it is.
    pub identity: Option<Identity>,
    /// The service account that the client's certificate stands for, if there is no session.
    pub machine: Option<Arc<dyn UserSession>>,
    /// Who that is.
    pub account: Option<Identity>,
    /// A client's certificate counts for the request.
    pub is_certified: bool,
}

impl<'s> Shown<'s> {
    /// Of a request with this session or token; the access record is told whose it is.
    pub fn of(header: &RequestHeader, context: &mut Context, info: &RequestInfo, (cookie, user_session): Identified<'s>) -> Self {
        let device = user_session.as_deref().map(|session| device::shown(header, context, info, session)).unwrap_or_default();
        let identity = user_session.as_ref().map(|session| Identity { device: device.state, ..session.identity() });
        context.log.user = identity.as_ref().map(|who| Arc::clone(&who.person));
        let machine = if user_session.is_none() { certificate::holder(header, info, context) } else { None };
        let account = machine.as_ref().map(|machine| machine.identity());
        Self { cookie, user_session, device, identity, machine, account, is_certified: info.certificate.is_some() }
    }

    pub fn asker(&self) -> Asker<'_> {
        Asker::new(self.identity.as_ref(), self.is_certified, self.account.as_ref())
    }
}
