//! The first door: name and password. And the end of every sign-in, where a session is made.

use super::audit::{Actor, Event};
use super::{Client, DeviceId, Refused, Services};
use crate::account::{Account, Failures, KnownBrowser, MfaPolicy};
use crate::base::{FlowId, Secret, SessionId, Time, UserId};
use crate::factor::password::{self, Verdict};
use crate::factor::{Method, MethodSet};
use crate::limit;
use crate::login::{AfterPassword, Flow, News, Purpose, after_password};
use crate::policy::Proof;
use crate::session::{CookieKind, EndReason, SessionRecord};
use crate::store::{Edit, StoreError};

/// What a right password leads to.
#[derive(Debug)]
pub enum Entry {
    SignedIn(Signed),
    /// A second factor is due.
    Second(Flow),
    /// One must be set up first.
    Enrol(Flow),
}

/// A finished sign-in: the values of the cookies to set.
#[derive(Debug)]
pub struct Signed {
    pub session: SessionId,
    pub cookies: Vec<(CookieKind, String)>,
    pub name: String,
}

/// The session that a new one follows, whose age it keeps.
pub(super) enum Follows<'a> {
    Nothing,
    /// A step up: that session is still there, and ends with it.
    Live(&'a SessionRecord),
    /// What the user changed has ended it, and every other one, already.
    Ended(&'a SessionRecord),
}

impl<'a> Follows<'a> {
    const fn record(&self) -> Option<&'a SessionRecord> {
        match self {
            Self::Nothing => None,
            Self::Live(record) | Self::Ended(record) => Some(record),
        }
    }

    const fn replaced(&self) -> Option<&'a SessionRecord> {
        match self {
            Self::Live(record) => Some(record),
            Self::Nothing | Self::Ended(_) => None,
        }
    }
}

/// How many browsers of a user are kept; the one that was not used for longest goes.
const BROWSERS_KEPT: usize = 20;

/// How many sessions a user may have at the same time.
const SESSIONS_KEPT: usize = 100;

/// The failures that count for this browser: its own budget where it is known, the account's otherwise.
pub(super) fn budget(account: &mut Account, device: Option<DeviceId>) -> &mut Failures {
    let known = device.filter(|device| device.user == account.id).map(DeviceId::name);
    match account.browsers.iter().position(|browser| Some(&browser.id) == known.as_ref()) {
        Some(at) => match account.browsers.get_mut(at) {
            Some(browser) => &mut browser.failures,
            None => &mut account.failures,
        },
        None => &mut account.failures,
    }
}

/// The methods that this user can be asked for.
pub(super) fn usable(account: &Account, server: MethodSet) -> MethodSet {
    account.enrolled().and(account.may_enrol(server))
}

impl Services {
    /// Name (or e-mail address) and password. `in_full`: somebody who is signed in confirms who they are, and a trusted browser
    /// does not stand in for anything.
    ///
    /// # Errors
    /// [`Refused::WrongPassword`] alike for unknown, wrong, locked and disabled, after the same work (OWASP ASVS 6.3.8).
    pub async fn password(&self, login: &str, typed: Secret, in_full: bool, client: &Client) -> Result<Entry, Refused> {
        let account = self.check_password(login, typed, client).await?;
        let (config, now) = (self.config(), self.now());
        let (policy, methods) = (account.mfa_policy.resolve(config.mfa.policy), usable(&account, config.mfa.methods));
        // Methods that were set up and are no longer allowed do not make a user of passwords alone.
        let policy = if policy == MfaPolicy::Optional && methods.is_empty() && !account.enrolled().is_empty() {
            MfaPolicy::Required
        } else {
            policy
        };
        match after_password(policy, methods, !in_full && self.trusts(&account, client, now)) {
            AfterPassword::Finished => self.finish(account, Proof::Password, client, Follows::Nothing, false).await.map(Entry::SignedIn),
            AfterPassword::Trusted => {
                self.finish(account, Proof::TrustedBrowser, client, Follows::Nothing, false).await.map(Entry::SignedIn)
            }
            AfterPassword::Second(_) => self.begin(&account, Purpose::Second, false, client).await.map(Entry::Second),
            AfterPassword::Enrol => {
                self.start_grace(&account).await?;
                self.begin(&account, Purpose::Enrol { session: None }, false, client).await.map(Entry::Enrol)
            }
        }
    }

    /// The account whose password this is. Counts a wrong one, per address and per name, and for the account.
    pub(super) async fn check_password(&self, login: &str, typed: Secret, client: &Client) -> Result<Account, Refused> {
        let folded = crate::store::fold(login);
        let account = self.store.account_by_login(login).await?;
        // The name and the address of a person share one counter; a browser that is known has one of its own.
        let known = account.as_ref().and_then(|account| client.device.filter(|device| knows(account, *device)));
        let key = self.by_name(known.map_or_else(|| format!("name {folded}"), |device| format!("device {}", device.name())));
        // For a name that nobody has as many cells are read and written.
        let person = match (&account, known) {
            (_, Some(device)) => format!("browser {}", device.name()),
            (Some(account), None) => format!("account {}", account.id),
            (None, None) => format!("nobody {folded}"),
        };
        let person = self.by_name(person);
        self.refuse_crowded(account.as_ref(), client).await?;
        self.refuse_over_rate(std::slice::from_ref(&key)).await?;
        // 429 speaks of what was typed alone. That two names are one person's shows in no answer: over that limit nothing is right.
        let exhausted = self.store.may_fail(std::slice::from_ref(&person), self.now()).await?.is_err();
        let turn = self.turnstile.pass(client.address.group()).await?;
        // Others of this address may have failed while this one waited.
        self.refuse_crowded(account.as_ref(), client).await?;

        let config = self.config();
        let phc = account.as_ref().and_then(|account| account.password.clone());
        let has_password = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.dummy_phc.clone());
        let parameters = config.password;
        let again = typed.clone();
        let verdict = self.hasher.run(move |memory| password::verify(&phc, &again, &parameters, memory)).await?;

        drop(turn);
        let right = has_password && verdict != Verdict::Wrong;
        let judged = match account.as_ref().filter(|_| !exhausted) {
            Some(account) => self.judge(account.id, right, client, &config.limits).await?,
            None => {
                self.store.spend_time().await?;
                None
            }
        };
        let Some(account) = judged else {
            self.store.count_failure(&[self.at_address(client), key, person], self.now()).await?;
            // The name as typed may be a password typed into the wrong field: it is kept only where it is an account's.
            self.audit(Event::PasswordWrong, account.as_ref().map(|account| account.name.as_str()), Actor::User(client), "").await?;
            return Err(Refused::WrongPassword);
        };
        if verdict == Verdict::RightButRehash {
            self.rehash(account.id, typed, &account).await;
        }
        self.audit(Event::PasswordRight, Some(&account.name), Actor::User(client), "").await?;
        Ok(account)
    }

    /// One atomic step: a locked account is refused whatever was typed, a wrong password counts. `Some`: go on.
    async fn judge(&self, id: UserId, right: bool, client: &Client, limits: &crate::config::Limits) -> Result<Option<Account>, Refused> {
        let now = self.now();
        let outcome = self
            .store
            .update_account(id, |account| {
                let closed = account.disabled || limit::is_locked(budget(account, client.device), now);
                match (closed, right) {
                    (true, _) => Edit::Leave((None, false, true)),
                    (false, true) => Edit::Leave((Some(account.clone()), false, false)),
                    (false, false) => {
                        let locked = limit::record_failure(budget(account, client.device), limits, now);
                        Edit::Write((None, locked, false))
                    }
                }
            })
            .await?;
        let Some(Ok((account, locked, closed))) = outcome else { return Ok(None) };
        if closed || account.is_some() {
            self.store.spend_time().await?;
        }
        if locked {
            let name = self.store.account(id).await?.map(|account| account.name);
            self.audit(Event::Locked, name.as_deref(), Actor::User(client), "").await?;
        }
        Ok(account)
    }

    async fn rehash(&self, id: UserId, typed: Secret, before: &Account) {
        let parameters = self.config().password;
        let Ok(Ok(phc)) = self.hasher.run(move |memory| password::hash(&typed, &parameters, memory)).await else { return };
        let old = before.password.clone();
        let write = self.store.update_account(id, |account| {
            if account.password == old {
                account.password = Some(phc.clone());
                return Edit::Write(());
            }
            Edit::Leave(())
        });
        if let Err(e) = write.await {
            tracing::warn!(error = %e, "a password could not be hashed anew; it will be at the next sign-in");
        }
    }

    fn trusts(&self, account: &Account, client: &Client, now: Time) -> bool {
        !self.config().mfa.trusted_device.is_zero()
            && client.device.filter(|device| device.user == account.id).is_some_and(|device| {
                let name = device.name();
                account.browsers.iter().any(|browser| browser.id == name && browser.trusted_until.is_some_and(|until| now < until))
            })
    }

    /// Starts a sign-in under way.
    pub(super) async fn begin(&self, account: &Account, purpose: Purpose, vouched: bool, client: &Client) -> Result<Flow, Refused> {
        let mut flow = Flow::new(FlowId::random()?, account, purpose, vouched, self.now());
        flow.known_browser = client.device.is_some_and(|device| knows(account, device));
        self.store.create_flow(&flow).await?;
        Ok(flow)
    }

    /// Leaves word for this browser's next look at the sign-in page. Only a flow's own cookie finds it, so nobody else can put words there.
    ///
    /// # Errors
    /// The store's.
    pub async fn leave_news(&self, account: &Account, news: News, client: &Client) -> Result<Flow, Refused> {
        self.begin(account, Purpose::News(news), false, client).await
    }

    /// The word that was left.
    pub async fn news(&self, flow: Option<FlowId>) -> Option<News> {
        let flow = self.store.flow(flow?).await.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "the store could not be asked for a flow");
            None
        })?;
        match flow.purpose {
            Purpose::News(news) if self.now() < flow.expires => Some(news),
            Purpose::News(_) | Purpose::Second | Purpose::StepUp { .. } | Purpose::Enrol { .. } | Purpose::Contact { .. } => None,
        }
    }

    /// The end of a sign-in: failures are forgotten, the browser is known from now on, and there is a session. A step up
    /// `follows` the session it started from.
    pub(super) async fn finish(
        &self,
        before: Account,
        proof: Proof,
        client: &Client,
        follows: Follows<'_>,
        trust: bool,
    ) -> Result<Signed, Refused> {
        let now = self.now();
        let known = client.device.filter(|device| knows(&before, *device));
        let device = match known {
            Some(device) => device,
            None => DeviceId::random(before.id)?,
        };
        let trusted_device = self.config().mfa.trusted_device;
        let trusted_until = (trust && !trusted_device.is_zero()).then(|| now.plus(trusted_device));
        // Only a finished sign-in, or a step up, has shown every factor that is asked for.
        let signs_in = !matches!(follows, Follows::Ended(_));
        let updated = self
            .store
            .update_account(before.id, |account| {
                if account.disabled || account.epoch != before.epoch {
                    return Edit::Leave(None);
                }
                if signs_in {
                    *budget(account, client.device) = Failures::default();
                }
                remember(account, device, client, trusted_until, now);
                Edit::Write(Some(account.clone()))
            })
            .await?;
        let Some(Ok(Some(account))) = updated else { return Err(Refused::Gone) };
        let session = self.open_session(&account, proof, client, &follows).await?;
        let event = match follows {
            Follows::Nothing => Event::SignedIn,
            Follows::Live(_) => Event::SteppedUp,
            Follows::Ended(_) => Event::SessionRenewed,
        };
        if let Err(e) = self.audit(event, Some(&account.name), Actor::User(client), proof_name(proof)).await {
            self.end_session(session, EndReason::Revoked).await?;
            return Err(e);
        }
        if known.is_none() && before.browsers.iter().any(|browser| browser.id != device.name()) {
            self.notice_new_browser(&account, client);
        }
        let cookies = vec![
            (CookieKind::Session, self.live.token(session)),
            (CookieKind::Device, self.store.keys().sign(crate::session::Purpose::Device, &device.to_bytes())),
        ];
        Ok(Signed { session, cookies, name: account.name })
    }

    async fn open_session(&self, account: &Account, proof: Proof, client: &Client, follows: &Follows<'_>) -> Result<SessionId, Refused> {
        let now = self.now();
        let (before, replaces) = (follows.record(), follows.replaced());
        let record = SessionRecord {
            id: SessionId::random()?,
            user: account.id,
            epoch: account.epoch,
            created: before.map_or(now, |old| old.created),
            last_seen: now,
            second: match proof {
                Proof::Second { method, at } => Some((method, at)),
                Proof::Password | Proof::TrustedBrowser => None,
            },
            trusted_browser: proof == Proof::TrustedBrowser,
            full_auth: before.map_or(now, |old| old.full_auth),
            address: client.address.ip(),
            browser: client.browser.as_str().into(),
        };
        if !self.store.put_session(&record, replaces.map(|old| old.id)).await? {
            return Err(Refused::Gone);
        }
        let id = record.id;
        let session = self.live.insert(record, account);
        if let Some(old) = replaces {
            self.live.replace(old.id, &session);
        }
        // What changed between the write and here was not told to a session that was not there yet.
        let is_kept = self.store.session(id).await?.is_some();
        let current = self.store.account(account.id).await?;
        self.live.account_changed(account.id, current.as_ref());
        if !is_kept || self.live.get(id).is_none_or(|session| session.is_ended()) {
            self.end_session(id, EndReason::AccountChanged).await?;
            return Err(Refused::Gone);
        }
        self.make_room(account.id, id).await;
        Ok(id)
    }

    /// So that nobody's sign-ins fill the memory, the session that was not used for longest goes, never the newest.
    async fn make_room(&self, user: UserId, newest: SessionId) {
        let mut others = self.live.of(user);
        others.retain(|session| session.id() != newest);
        others.sort_by_key(|session| session.last_seen());
        let over = (others.len() + 1).saturating_sub(SESSIONS_KEPT);
        for old in others.iter().take(over) {
            if let Err(e) = self.end_session(old.id(), EndReason::Crowded).await {
                tracing::warn!(error = %e, "a session that ended stays in the store until the next start, where it is void");
            }
        }
    }

    /// Ends a session: in memory first, so that a store that fails keeps no door open.
    pub async fn end_session(&self, id: SessionId, reason: EndReason) -> Result<bool, StoreError> {
        let ended = self.live.end(id, reason);
        self.store.delete_sessions(&[id]).await?;
        Ok(ended)
    }
}

/// Whether this browser finished a sign-in of this user before.
pub(super) fn knows(account: &Account, device: DeviceId) -> bool {
    device.user == account.id && {
        let name = device.name();
        account.browsers.iter().any(|browser| browser.id == name)
    }
}

fn remember(account: &mut Account, device: DeviceId, client: &Client, trusted_until: Option<Time>, now: Time) {
    let id = device.name();
    match account.browsers.iter_mut().find(|browser| browser.id == id) {
        Some(browser) => {
            browser.last_seen = now;
            browser.name.clone_from(&client.browser);
            client.language.clone_into(&mut browser.language);
            browser.trusted_until = trusted_until.or(browser.trusted_until);
        }
        None => account.browsers.push(KnownBrowser {
            id,
            name: client.browser.clone(),
            first_seen: now,
            last_seen: now,
            trusted_until,
            failures: Failures::default(),
            language: client.language.to_owned(),
        }),
    }
    account.browsers.sort_by_key(|browser| std::cmp::Reverse(browser.last_seen));
    account.browsers.truncate(BROWSERS_KEPT);
}

fn proof_name(proof: Proof) -> &'static str {
    match proof {
        Proof::Password => "password",
        Proof::TrustedBrowser => "password, trusted browser",
        Proof::Second { method: Method::Totp, .. } => "password, totp",
        Proof::Second { method: Method::Webauthn, .. } => "webauthn",
        Proof::Second { method: Method::Email, .. } => "password, email",
        Proof::Second { method: Method::Sms, .. } => "password, sms",
        Proof::Second { method: Method::Recovery, .. } => "password, recovery",
    }
}
