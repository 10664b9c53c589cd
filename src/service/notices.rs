//! What users are told, and over which channel. The only file that knows the notifier.

use std::sync::Arc;

use super::sign_in::knows;
use super::{Client, Refused, Services};
use crate::account::Account;
use crate::base::{Secret, Time};
use crate::factor::Method;
use crate::limit::{SendLimits, Sending};
use crate::notify::{Content, Message, Notifier, NotifyError, Recipient};
use crate::store::LinkKind;

/// The way out for messages, and how many may take it.
pub struct Courier {
    pub notifier: Arc<Notifier>,
    limits: SendLimits,
}

impl Courier {
    pub fn new(notifier: Arc<Notifier>, clock: &crate::base::Clock) -> Self {
        Self { notifier, limits: SendLimits::new(clock) }
    }

    /// Whether a code or link can be sent this way at all.
    pub fn can_send(&self, method: Method) -> bool {
        match method {
            Method::Email => self.notifier.has_mail(),
            Method::Sms => self.notifier.has_sms(),
            Method::Totp | Method::Webauthn | Method::Recovery => true,
        }
    }
}

/// A code for this client, whose browser may be known.
fn code_from(account: &Account, client: &Client) -> Sending {
    Sending::Code { browser: client.device.filter(|device| knows(account, *device)).map(|device| device.browser) }
}

impl Services {
    /// # Errors
    /// [`Refused::Throttled`]: too many messages to this user, for this address, or at all.
    pub(super) fn send_allowed(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        Ok(self.courier.limits.take(account.id, code_from(account, client), client.address.group())?)
    }

    /// The same, without counting.
    pub(super) fn send_possible(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        Ok(self.courier.limits.check(account.id, code_from(account, client), client.address.group())?)
    }

    /// The same for a link.
    pub(super) fn link_allowed(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        Ok(self.courier.limits.take(account.id, Sending::Link, client.address.group())?)
    }

    pub(super) fn deliver_code(
        &self,
        account: &Account,
        method: Method,
        code: &Secret,
        enrolment: bool,
        client: &Client,
    ) -> Result<(), Refused> {
        let to = match method {
            Method::Sms => Recipient::Phone(account.phone.clone().ok_or(Refused::NotOffered(method))?),
            _ => Recipient::Email(account.email.clone()),
        };
        let minutes = self.config().mfa.otp.lifetime.as_secs().div_ceil(60);
        let code = code.clone();
        let content = if enrolment { Content::EnrolmentCode { code, minutes } } else { Content::SignInCode { code, minutes } };
        self.post(account, to, content, client).map_err(|e| {
            tracing::warn!(error = %e, method = method.name(), "a code could not be sent");
            Refused::CannotSend
        })
    }

    pub(super) fn deliver_link(
        &self,
        account: &Account,
        kind: LinkKind,
        link: Secret,
        span: std::time::Duration,
        client: &Client,
    ) -> Result<(), Refused> {
        let content = match kind {
            LinkKind::Setup => Content::SetupLink { link, hours: span.as_secs() / 3600 },
            LinkKind::Reset => Content::ResetLink { link, minutes: span.as_secs() / 60 },
        };
        self.post(account, Recipient::Email(account.email.clone()), content, client).map_err(|_| Refused::CannotSend)
    }

    pub(super) fn notice_new_browser(&self, account: &Account, client: &Client) {
        self.notice(account, Content::NewBrowser { browser: client.browser.clone(), address: client.address.to_string() }, client);
    }

    pub(super) fn notice_recovery_used(&self, account: &Account, client: &Client) {
        self.notice(account, Content::RecoveryUsed { left: account.recovery_left() }, client);
    }

    /// `name`: what its owner calls it; empty where it has none.
    pub(super) fn notice_factor(&self, account: &Account, method: Method, name: &str, added: bool, client: &Client) {
        let name = name.to_owned();
        self.notice(account, if added { Content::FactorAdded { method, name } } else { Content::FactorRemoved { method, name } }, client);
    }

    pub(super) fn notice_password(&self, account: &Account, client: &Client) {
        self.notice(account, Content::PasswordChanged {}, client);
    }

    /// A notice that cannot be sent is logged; what it tells of has happened all the same.
    fn notice(&self, account: &Account, content: Content, client: &Client) {
        if account.email.is_empty() || !self.courier.notifier.has_mail() {
            return;
        }
        if let Err(e) = self.post(account, Recipient::Email(account.email.clone()), content, client) {
            tracing::warn!(error = %e, user = account.name, "a notice could not be sent");
        }
    }

    fn post(&self, account: &Account, to: Recipient, content: Content, client: &Client) -> Result<(), NotifyError> {
        let now: Time = self.now();
        let config = self.config();
        let user = if account.display_name.is_empty() { account.name.clone() } else { account.display_name.clone() };
        self.courier.notifier.try_send(&Message {
            to,
            lang: client.language.to_owned(),
            user,
            site: config.mfa.totp.issuer.clone(),
            host: client.host.as_str().to_owned(),
            at: now,
            content,
        })
    }
}
