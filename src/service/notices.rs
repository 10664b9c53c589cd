//! What users are told, and over which channel. No other use case knows the notifier.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, MfaPolicy};
use crate::base::Secret;
use crate::config::Config;
use crate::factor::Method;
use crate::factor::otp::{mask_email, mask_phone};
use crate::limit::Sending;
use crate::notify::{Content, Message, Notifier, NotifyError, Recipient};
use crate::service::audit::Actor;
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::knows;
use crate::service::refused::Refused;
use crate::store::{LinkKind, Store};
use crate::token::Token;

/// A code for this client, whose browser may be known.
fn code_from(account: &Account, client: &Client) -> Sending {
    Sending::Code { browser: client.device.filter(|device| knows(account, *device)).map(|device| device.browser) }
}

/// Tells users what happened, within the limits of how many messages may leave.
pub struct Notices {
    pub notifier: Arc<Notifier>,
    store: Arc<Store>,
    context: Arc<Context>,
}

impl Notices {
    pub const fn new(notifier: Arc<Notifier>, store: Arc<Store>, context: Arc<Context>) -> Self {
        Self { notifier, store, context }
    }

    /// Whether a code or link can be sent this way at all.
    pub fn can_send(&self, method: Method) -> bool {
        match method {
            Method::Email => self.notifier.has_mail(),
            Method::Sms => self.notifier.has_sms(),
            Method::Totp | Method::Webauthn | Method::External | Method::Recovery => true,
        }
    }

    /// How many mails are under way or wait for it.
    pub(in crate::service) fn mails_waiting(&self) -> usize {
        self.notifier.health().mail.map_or(0, |mail| mail.pending)
    }

    /// # Errors
    /// [`Refused::Throttled`]: too many messages to this user, for this address, or at all.
    pub(in crate::service) async fn send_allowed(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        self.take(account, code_from(account, client), client).await
    }

    /// The same, without counting.
    pub(in crate::service) async fn send_possible(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        let counted = code_from(account, client).counted(account.id, client.address.group());
        Ok(self.store.may_fail(&counted, self.context.now()).await??)
    }

    /// The same for a link.
    pub(in crate::service) async fn link_allowed(&self, account: &Account, client: &Client) -> Result<(), Refused> {
        self.take(account, Sending::Link, client).await
    }

    async fn take(&self, account: &Account, sending: Sending, client: &Client) -> Result<(), Refused> {
        let counted = sending.counted(account.id, client.address.group());
        Ok(self.store.use_within(&counted, self.context.now()).await??)
    }

    pub(in crate::service) fn deliver_code(
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
        let minutes = self.context.config().mfa.otp.lifetime.as_secs().div_ceil(60);
        let code = code.clone();
        let content = if enrolment { Content::EnrolmentCode { code, minutes } } else { Content::SignInCode { code, minutes } };
        self.post(account, to, content, Told::to(client)).map_err(|e| {
            tracing::warn!(error = %e, method = method.name(), "a code could not be sent");
            Refused::CannotSend
        })
    }

    /// A code to an address or number that is to be the account's: of an account that has it already, and is not stored so.
    pub(in crate::service) fn deliver_contact_code(
        &self,
        moved: &Account,
        method: Method,
        code: &Secret,
        client: &Client,
    ) -> Result<(), Refused> {
        let to = match method {
            Method::Sms => Recipient::Phone(moved.phone.clone().ok_or(Refused::NotOffered(method))?),
            _ => Recipient::Email(moved.email.clone()),
        };
        let content = Content::ContactCode { code: code.clone(), minutes: self.context.config().mfa.otp.lifetime.as_secs().div_ceil(60) };
        self.post(moved, to, content, Told::to(client)).map_err(|e| {
            tracing::warn!(error = %e, method = method.name(), "a code could not be sent");
            Refused::CannotSend
        })
    }

    pub(in crate::service) fn deliver_link(
        &self,
        account: &Account,
        kind: LinkKind,
        link: Secret,
        span: Duration,
        client: &Client,
    ) -> Result<(), Refused> {
        let content = match kind {
            LinkKind::Setup => Content::SetupLink { link, hours: span.as_secs() / 3600 },
            LinkKind::Reset => Content::ResetLink { link, minutes: span.as_secs() / 60 },
            // An administrator hands it on.
            LinkKind::Invitation => return Err(Refused::CannotSend),
        };
        self.post(account, Recipient::Email(account.email.clone()), content, Told::to(client)).map_err(|_| Refused::CannotSend)
    }

    /// So many an hour; the audit log has every one.
    pub(in crate::service) async fn notice_new_browser(&self, account: &Account, client: &Client) {
        if self.take(account, Sending::NewBrowser, client).await.is_err() {
            return;
        }
        let content = Content::NewBrowser { browser: client.browser.clone(), address: client.address.to_string() };
        self.notice(account, content, Actor::User(client));
    }

    pub(in crate::service) fn notice_recovery_used(&self, account: &Account, client: &Client) {
        self.notice(account, Content::RecoveryUsed { left: account.recovery_left() }, Actor::User(client));
    }

    pub(in crate::service) fn notice_recovery_renewed(&self, account: &Account, actor: Actor<'_>) {
        self.notice(account, Content::RecoveryRenewed {}, actor);
    }

    /// `name`: what its owner calls it; empty if it has none.
    pub(in crate::service) fn notice_factor(&self, account: &Account, method: Method, name: &str, added: bool, client: &Client) {
        let name = name.to_owned();
        let content = if added { Content::FactorAdded { method, name } } else { Content::FactorRemoved { method, name } };
        self.notice(account, content, Actor::User(client));
    }

    pub(in crate::service) fn notice_password(&self, account: &Account, actor: Actor<'_>) {
        self.notice(account, Content::PasswordChanged {}, actor);
    }

    /// Of a link that its owner does not get by mail. Who has no password yet waits for one.
    pub(in crate::service) fn notice_link(&self, account: &Account, lifetime: Duration, actor: Actor<'_>) {
        if account.password.is_some() {
            self.notice(account, Content::LinkMade { hours: lifetime.as_secs() / 3600 }, actor);
        }
    }

    /// Of an API token, whoever made it.
    pub(in crate::service) fn notice_token(&self, account: &Account, token: &Token, actor: Actor<'_>) {
        let day = token.expires.rfc3339().chars().take(10).collect();
        self.notice(account, Content::TokenMade { name: token.name.clone(), expires: day }, actor);
    }

    /// Of everything that tells an account from what it was before. A change of the address is told to both.
    pub(in crate::service) fn notice_changes(&self, before: &Account, now: &Account, actor: Actor<'_>) {
        let default = self.context.config().mfa.policy;
        for content in changes(before, now, default) {
            self.notice(before, content, actor);
        }
        if before.email != now.email {
            self.notice(before, Content::AddressChanged { new: mask_email(&now.email) }, actor);
            self.notice(now, Content::AddressSet {}, actor);
        }
    }

    /// To the account's address. One that cannot be sent is logged; what it tells of has happened all the same. What the
    /// gateway does by itself is told to nobody.
    fn notice(&self, account: &Account, content: Content, actor: Actor<'_>) {
        if account.email.is_empty() || !self.notifier.has_mail() {
            return;
        }
        let own_language = || account.browsers.first().map(|browser| browser.language.clone()).filter(|language| !language.is_empty());
        let told = match actor {
            Actor::User(client) => Told::to(client),
            Actor::Admin(client, by) => Told {
                language: own_language().unwrap_or_else(|| client.language.to_owned()),
                host: client.host.as_str().to_owned(),
                by_admin: by != account.name,
            },
            Actor::CommandLine => Told { language: own_language().unwrap_or_default(), host: self.context.config().home(), by_admin: true },
            Actor::Gateway => return,
        };
        if let Err(e) = self.post(account, Recipient::Email(account.email.clone()), content, told) {
            tracing::warn!(error = %e, user = account.name, "a notice could not be sent");
        }
    }

    fn post(&self, account: &Account, to: Recipient, content: Content, told: Told) -> Result<(), NotifyError> {
        let user = if account.display_name.is_empty() { account.name.clone() } else { account.display_name.clone() };
        self.notifier.try_send(&Message {
            to,
            lang: told.language,
            user,
            site: site(&self.context.config()),
            host: told.host,
            at: self.context.now(),
            by_admin: told.by_admin,
            content,
        })
    }
}

/// What the place is called: the company, else the name that authenticator apps show.
fn site(config: &Config) -> String {
    config.portal.brand.company.clone().unwrap_or_else(|| config.mfa.totp.issuer.clone())
}

/// How something is told.
struct Told {
    /// Empty: English.
    language: String,
    host: String,
    by_admin: bool,
}

impl Told {
    fn to(client: &Client) -> Self {
        Self { language: client.language.to_owned(), host: client.host.as_str().to_owned(), by_admin: false }
    }
}

/// A factor, told apart from all others by its method and what stands behind the name.
fn factors(account: &Account) -> Vec<(Method, String, String)> {
    let totp = account.totp.iter().map(|totp| (Method::Totp, totp.fingerprint.clone(), totp.name.clone()));
    let keys = account.webauthn.iter().map(|key| (Method::Webauthn, key.id.clone(), key.name.clone()));
    let sent = [Method::Email, Method::Sms].into_iter().filter(|method| account.has(*method));
    totp.chain(keys).chain(sent.map(|method| (method, String::new(), String::new()))).collect()
}

/// What its owner is told of a changed account, the address aside.
fn changes(before: &Account, now: &Account, default: MfaPolicy) -> Vec<Content> {
    let (had, has) = (factors(before), factors(now));
    let missing_in = |all: &[(Method, String, String)], one: &(Method, String, String)| !all.iter().any(|o| (o.0, &o.1) == (one.0, &one.1));
    let gone = had.iter().filter(|one| missing_in(&has, one)).cloned();
    let new = has.iter().filter(|one| missing_in(&had, one)).cloned();
    let mut told: Vec<Content> = gone.map(|(method, _, name)| Content::FactorRemoved { method, name }).collect();
    told.extend(new.map(|(method, _, name)| Content::FactorAdded { method, name }));
    if !before.recovery.is_empty() && now.recovery.is_empty() && !has.is_empty() {
        told.push(Content::FactorRemoved { method: Method::Recovery, name: String::new() });
    }
    let policy = now.mfa_policy.resolve(default);
    if policy.rank() < before.mfa_policy.resolve(default).rank() {
        told.push(Content::PolicyWeakened { policy });
    }
    if before.phone != now.phone {
        told.push(Content::PhoneChanged { new: now.phone.as_deref().map(mask_phone).unwrap_or_default() });
    }
    told
}
