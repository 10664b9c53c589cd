//! The end of every sign-in, and the only place where a proof becomes a session. The session has a new id, is in the store before it is
//! admitted, and is refused if the account changed meanwhile.

use std::sync::Arc;

use crate::account::{Account, Failures, Verified, Version};
use crate::base::SessionId;
use crate::factor::Method;
use crate::login::{Flow, ProviderSession};
use crate::policy::Proof;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::{Client, DeviceId};
use crate::service::context::Context;
use crate::service::device::{Devices, Shows};
use crate::service::known_browsers::{budget, knows, remember};
use crate::service::notices::Notices;
use crate::service::refused::Refused;
use crate::service::sessions::{LiveSession, LiveSessions, Sessions};
use crate::session::{CookieKind, EndReason, Family, SessionRecord};
use crate::source::provider::linked::is_providers as is_of_provider;
use crate::store::{Conflict, Edit, Store};

/// How many sessions a user may have at the same time.
const SESSIONS_KEPT: usize = 100;

/// A finished sign-in: the values of the cookies to set.
#[derive(Debug)]
pub struct Signed {
    pub session: SessionId,
    pub cookies: Vec<(CookieKind, String)>,
    pub name: String,
    pub device: SignedDevice,
}

/// What the answer says of the device that the session is, or may be, bound to.
#[derive(Debug)]
pub enum SignedDevice {
    Nothing,
    /// The challenge to register a key.
    Offer(String),
    /// The session goes on under another id, bound as it was.
    Shows(Shows),
}

/// The session that a new one follows, whose age it keeps.
pub(in crate::service) enum Follows<'a> {
    Nothing,
    /// Nothing here: it began at a provider.
    Provider(&'a ProviderSession),
    /// A step up: that session is still there, and ends with it.
    Live(&'a SessionRecord),
    /// The same, shown at the provider that the session began at: what that provider gave last goes with it, since it may have taken back
    /// what it gave before.
    Confirmed(&'a SessionRecord, &'a ProviderSession),
    /// What the user changed has ended it, and every other one, already.
    Ended(&'a SessionRecord),
}

impl<'a> Follows<'a> {
    /// What a step in the course of a sign-in follows: a session, a sign-in that began at a provider, or nothing.
    pub(in crate::service) fn of(session: Option<&'a SessionRecord>, flow: Option<&'a Flow>) -> Self {
        match (session, flow.and_then(|flow| flow.provider.as_ref())) {
            (Some(session), _) => Self::Live(session),
            (None, Some(provider)) => Self::Provider(provider),
            (None, None) => Self::Nothing,
        }
    }

    const fn record(&self) -> Option<&'a SessionRecord> {
        match self {
            Self::Nothing | Self::Provider(_) => None,
            Self::Live(record) | Self::Confirmed(record, _) | Self::Ended(record) => Some(record),
        }
    }

    const fn replaced(&self) -> Option<&'a SessionRecord> {
        match self {
            Self::Live(record) | Self::Confirmed(record, _) => Some(record),
            Self::Nothing | Self::Provider(_) | Self::Ended(_) => None,
        }
    }
}

/// Turns a proof into a session.
pub struct Finish {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) sessions: Arc<Sessions>,
    pub(in crate::service) devices: Arc<Devices>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
}

impl Finish {
    /// The end of a sign-in: failures are forgotten, the browser is known from now on, and there is a session. A step up
    /// `follows` the session it started from.
    pub(in crate::service) async fn sign_in(
        &self,
        before: Verified,
        proof: Proof,
        client: &Client,
        follows: Follows<'_>,
        trust: bool,
    ) -> Result<Signed, Refused> {
        let known = client.device.filter(|device| knows(&before, *device));
        let device = match known {
            Some(device) => device,
            None => DeviceId::random(before.id)?,
        };
        // Only a finished sign-in, or a step up, has shown every factor that is asked for.
        let signs_in = !matches!(follows, Follows::Ended(_));
        let account = self.conclude(&before, device, client, signs_in, trust).await?;
        let session = self.open_session(&account, proof, client, &follows).await?;
        let event = match follows {
            Follows::Nothing | Follows::Provider(_) => Event::SignedIn,
            Follows::Live(_) | Follows::Confirmed(..) => Event::SteppedUp,
            Follows::Ended(_) => Event::SessionRenewed,
        };
        let shown = if account.is_guest() { "guest".to_owned() } else { shown(proof, &follows) };
        if let Err(e) = self.audit.record(event, Some(&account.name), Actor::User(client), shown).await {
            self.sessions.end(session, EndReason::Revoked).await?;
            return Err(e);
        }
        if known.is_none() && before.browsers.iter().any(|browser| browser.id != device.name()) {
            self.notices.notice_new_browser(&account, client).await;
        }
        let is_kept = matches!(follows, Follows::Ended(_));
        self.signed(session, device, account.name, (client, !is_kept)).await
    }

    /// A change of how its user signs in, made in a session. The epoch grows and the session goes on under it, with a new id, with what it
    /// has shown (`proof`) and as old as it was: one step of the store. Every other session of the user ends.
    ///
    /// # Errors
    /// [`Refused::Gone`] if the account is of another version, or the session has ended, by the time of the write: nothing is changed.
    pub(in crate::service) async fn change_in_session<R>(
        &self,
        session: &LiveSession,
        version: Version,
        proof: Proof,
        client: &Client,
        mut edit: impl FnMut(&mut Account) -> Edit<R>,
    ) -> Result<Result<(R, Option<Signed>), Conflict>, Refused> {
        let (old, now) = (session.record(), self.context.now());
        let device = match client.device.filter(|device| device.user == old.user) {
            Some(device) => device,
            None => DeviceId::random(old.user)?,
        };
        let mut next = SessionRecord::begin(old.user, old.epoch, proof, now, client.address.ip(), &client.browser)?;
        (next.created, next.full_auth) = (old.created, old.full_auth);
        self.devices.carry(&old, &mut next, client);
        let edit = |account: &mut Account| match edit(account) {
            Edit::Leave(result) => Edit::Leave((result, None)),
            Edit::Write(result) => {
                remember(account, device, client, None, now);
                Edit::Write((result, Some(account.clone())))
            }
        };
        // Whoever ended it before has the last word.
        let mut was_open = false;
        let moved = || was_open = self.live.end(old.id, EndReason::Replaced);
        let outcome = self.store.update_and_move(version, old.id, &mut next, edit, moved).await?.ok_or(Refused::Gone)?;
        let (result, account) = match outcome {
            Ok(Edit::Write(done) | Edit::Leave(done)) => done,
            Err(conflict) => return Ok(Err(conflict)),
        };
        let Some(account) = account else { return Ok(Ok((result, None))) };
        if !was_open {
            self.sessions.end(next.id, EndReason::Revoked).await?;
            return Err(Refused::Gone);
        }
        let id = self.admit(next, &account, &Follows::Ended(&old)).await?;
        if let Err(e) = self.audit.record(Event::SessionRenewed, Some(&account.name), Actor::User(client), proof_name(proof)).await {
            self.sessions.end(id, EndReason::Revoked).await?;
            return Err(e);
        }
        Ok(Ok((result, Some(self.signed(id, device, account.name, (client, false)).await?))))
    }

    /// The cookies of a session. One that is bound to no device is offered to be, if somebody has just authenticated.
    async fn signed(
        &self,
        session: SessionId,
        device: DeviceId,
        name: String,
        (client, has_authenticated): (&Client, bool),
    ) -> Result<Signed, Refused> {
        let record = self.live.get(session).map(|session| session.record());
        let shows = match &record {
            Some(record) => self.devices.goes_on(record, client)?,
            None => None,
        };
        let is_bound = record.is_some_and(|record| record.device.is_some());
        let shown = match shows {
            Some(shows) => SignedDevice::Shows(shows),
            None if has_authenticated && !is_bound => {
                self.devices.offer(session, client).await?.map_or(SignedDevice::Nothing, SignedDevice::Offer)
            }
            None => SignedDevice::Nothing,
        };
        let cookies = vec![
            (CookieKind::Session, self.live.token(session)),
            (CookieKind::Device, self.store.keys().sign(crate::session::Purpose::Device, &device.to_bytes())),
        ];
        Ok(Signed { session, cookies, name, device: shown })
    }

    /// The account after the sign-in: the browser is known, and if somebody `signs_in`, failures are forgotten.
    async fn conclude(&self, before: &Account, device: DeviceId, client: &Client, signs_in: bool, trust: bool) -> Result<Account, Refused> {
        let (now, trusted_device) = (self.context.now(), self.context.config().mfa.trusted_device);
        let trusted_until = (trust && !trusted_device.is_zero()).then(|| now.plus(trusted_device));
        let updated = self
            .store
            .update_verified(before.version(), |account| {
                if signs_in {
                    *budget(account, client.device) = Failures::default();
                }
                remember(account, device, client, trusted_until, now);
                Edit::Write(account.clone())
            })
            .await?;
        match updated {
            Some(Ok(account)) => Ok(account),
            Some(Err(_)) | None => Err(Refused::Gone),
        }
    }

    async fn open_session(&self, account: &Account, proof: Proof, client: &Client, follows: &Follows<'_>) -> Result<SessionId, Refused> {
        let now = self.context.now();
        let (before, replaces) = (follows.record(), follows.replaced());
        let mut record = SessionRecord::begin(account.id, account.epoch, proof, now, client.address.ip(), &client.browser)?;
        if let Some(old) = before {
            (record.created, record.full_auth) = (old.created, old.full_auth);
            // Hosts' sessions go on under the new one. What was changed in an account has ended them.
            if replaces.is_some() && !old.is_hosts() && self.context.config().portal.url.is_some() {
                record.family = Family::Next(old.family());
            }
            self.devices.carry(old, &mut record, client);
        }
        // A session at the provider may be old: what was proved there is as old as that.
        if let (Follows::Provider(ProviderSession { authenticated: Some(at), .. }), true) = (follows, is_providers(proof)) {
            record.full_auth = record.full_auth.min(*at);
        }
        if !self.store.put_session(&record, replaces.map(|old| old.id)).await? {
            return Err(Refused::Gone);
        }
        self.admit(record, account, follows).await
    }

    /// Takes a session that is in the store into memory, if it may stay there.
    async fn admit(&self, record: SessionRecord, account: &Account, follows: &Follows<'_>) -> Result<SessionId, Refused> {
        let id = record.id;
        self.keep_provider(id, account, follows).await?;
        let session = self.live.insert(record, account);
        if let Some(old) = follows.replaced() {
            self.live.replace(old.id, &session);
        }
        // What changed between the write and here was not told to a session that was not there yet.
        let is_kept = self.store.session(id).await?.is_some();
        let current = self.store.account(account.id).await?;
        self.live.account_changed(account.id, current.as_ref());
        if !is_kept || self.live.get(id).is_none_or(|session| session.is_ended()) {
            self.sessions.end(id, EndReason::AccountChanged).await?;
            return Err(Refused::Gone);
        }
        self.make_room(account, id).await;
        Ok(id)
    }

    /// The other half of a session that began at a provider goes with it over every step up. One whose provider has ended it meanwhile is
    /// over before anything is admitted by it, and somebody whom a provider keeps has none without its word.
    async fn keep_provider(&self, id: SessionId, account: &Account, follows: &Follows<'_>) -> Result<(), Refused> {
        let half = match follows {
            Follows::Provider(half) | Follows::Confirmed(_, half) => Some((*half).clone()),
            Follows::Live(old) | Follows::Ended(old) => self.store.provider_session(old.id).await?,
            Follows::Nothing => None,
        };
        let is_over = match half {
            Some(half) => {
                self.store.put_provider_session(id, &half).await?;
                self.store.is_ended_at_provider(&half).await?
            }
            None => account.source.as_ref().is_some_and(|membership| is_of_provider(&membership.person)),
        };
        if is_over {
            self.store.delete_sessions(&[id]).await?;
            return Err(Refused::Gone);
        }
        Ok(())
    }

    /// So that nobody's sign-ins fill the memory, the session that was not used for longest goes, never the newest.
    async fn make_room(&self, account: &Account, newest: SessionId) {
        let mut others = match self.sessions.signed_in(account).await {
            Ok(all) => all,
            Err(e) => return tracing::warn!(error = %e, "a user's sessions were not counted"),
        };
        others.retain(|session| session.id != newest);
        others.sort_by_key(|session| session.last_seen);
        let over = (others.len() + 1).saturating_sub(SESSIONS_KEPT);
        for old in others.iter().take(over) {
            if let Err(e) = self.sessions.end(old.id, EndReason::Crowded).await {
                tracing::warn!(error = %e, "a session that ended stays in the store until the next start, where it is void");
            }
        }
    }
}

fn proof_name(proof: Proof) -> &'static str {
    match proof {
        Proof::Password => "password",
        Proof::TrustedBrowser => "password, trusted browser",
        Proof::Second { method: Method::Totp, .. } => "password, totp",
        Proof::Second { method: Method::Webauthn, .. } => "webauthn",
        Proof::Second { method: Method::Email, .. } => "password, email",
        Proof::Second { method: Method::Sms, .. } => "password, sms",
        Proof::Second { method: Method::External, .. } => "password, external",
        Proof::Second { method: Method::Recovery, .. } => "password, recovery",
    }
}

/// Whether nothing but the provider's word was shown.
const fn is_providers(proof: Proof) -> bool {
    matches!(proof, Proof::Password | Proof::TrustedBrowser | Proof::Second { method: Method::External, .. })
}

/// What was shown, for the audit log; the provider's name in the place of the password that it stands for.
fn shown(proof: Proof, follows: &Follows<'_>) -> String {
    match follows {
        Follows::Provider(session) => proof_name(proof).replace("password", &format!("provider {}", session.provider)),
        Follows::Nothing | Follows::Live(_) | Follows::Confirmed(..) | Follows::Ended(_) => proof_name(proof).to_owned(),
    }
}
