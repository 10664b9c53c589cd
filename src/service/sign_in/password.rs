//! Sign-in with name and password, and what follows a right one. Unknown, wrong, locked and disabled are refused alike, after the same work.

use std::sync::Arc;
use std::time::Duration;

use super::directory_password::{Asked, DirectoryPasswords};
use super::expired_password::PasswordsAtSource;
use super::failures::FailureLimits;
use super::finish::{Finish, Follows, Signed};
use super::flows::Flows;
use crate::account::{Account, Closed, MfaPolicy, Verified};
use crate::base::{Secret, Time};
use crate::factor::password::{self, Verdict, Workspace};
use crate::limit;
use crate::login::{AfterPassword, Flow, ProviderSession, Purpose, after_password};
use crate::policy::Proof;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::{budget, knows};
use crate::service::password_hashing::{Begun, Busy, ConcurrencyLimit, Effort, Hasher, TimeFloor};
use crate::service::refused::Refused;
use crate::store::{Counted, Edit, Store};

/// What a right password leads to.
#[derive(Debug)]
pub enum Entry {
    SignedIn(Signed),
    /// A second factor is due.
    Second(Flow),
    /// One must be set up first.
    Enrol(Flow),
    /// The password must be changed first.
    ChangePassword(Flow),
}

/// A right password.
pub(in crate::service) struct Right {
    pub account: Verified,
    /// It must be changed before anything else.
    pub must_change: bool,
}

/// Sign-in with name and password.
pub struct PasswordSignIn {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) hasher: Hasher,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) concurrency: ConcurrencyLimit,
    pub(in crate::service) directories: Arc<DirectoryPasswords>,
    pub(in crate::service) at_source: Arc<PasswordsAtSource>,
    /// Hashed for names that nobody has, so that they take as long.
    pub(in crate::service) dummy_phc: String,
    /// Under the time that a wrong password takes.
    pub(in crate::service) floor: TimeFloor,
}

impl PasswordSignIn {
    /// Name (or e-mail address) and password. `in_full`: somebody who is signed in confirms who they are, and a trusted browser
    /// does not stand in for anything.
    ///
    /// # Errors
    /// [`Refused::WrongPassword`] alike for unknown, wrong, locked and disabled, after the same work (OWASP ASVS 6.3.8).
    pub async fn sign_in(&self, login: &str, typed: Secret, in_full: bool, client: &Client) -> Result<Entry, Refused> {
        let Right { account, must_change } = self.check(login, typed, client).await?;
        self.after_first_factor(account, (None, must_change), in_full, client).await
    }

    /// What follows a right password, or a provider's word that counts as no more than that.
    pub(in crate::service) async fn after_first_factor(
        &self,
        account: Verified,
        (provider, must_change): (Option<&ProviderSession>, bool),
        in_full: bool,
        client: &Client,
    ) -> Result<Entry, Refused> {
        let follows = || provider.map_or(Follows::Nothing, Follows::Provider);
        let (config, now) = (self.context.config(), self.context.now());
        let (policy, methods) = (account.mfa_policy.resolve(config.mfa.policy), account.usable(config.mfa.methods));
        // Methods that were set up and are no longer allowed do not make a user of passwords alone.
        let policy = if policy == MfaPolicy::Optional && methods.is_empty() && !account.enrolled().is_empty() {
            MfaPolicy::Required
        } else {
            policy
        };
        let next = after_password(policy, methods, !in_full && self.trusts(&account, client, now));
        if must_change {
            return self.change_first(&account, &next, client).await;
        }
        match next {
            AfterPassword::Finished => self.finish.sign_in(account, Proof::Password, client, follows(), false).await.map(Entry::SignedIn),
            AfterPassword::Trusted => {
                self.finish.sign_in(account, Proof::TrustedBrowser, client, follows(), false).await.map(Entry::SignedIn)
            }
            AfterPassword::Second(_) => self.flows.begin_from(&account, Purpose::Second, provider, client).await.map(Entry::Second),
            AfterPassword::Enrol => {
                self.flows.start_grace(&account).await?;
                self.flows.begin_from(&account, Purpose::Enrol { session: None }, provider, client).await.map(Entry::Enrol)
            }
        }
    }

    /// A password that must be changed leads to the page that changes it, after the second factor of whoever has one.
    async fn change_first(&self, account: &Account, next: &AfterPassword, client: &Client) -> Result<Entry, Refused> {
        if account.source.is_some() && !self.at_source.may_change(account) {
            return Err(Refused::Closed(Closed::PasswordExpired));
        }
        match next {
            AfterPassword::Second(_) => self.at_source.begin(account, Purpose::Second, client).await.map(Entry::Second),
            AfterPassword::Finished | AfterPassword::Trusted | AfterPassword::Enrol => {
                self.at_source.begin(account, Purpose::ChangePassword, client).await.map(Entry::ChangePassword)
            }
        }
    }

    /// The account whose password this is. Counts a wrong one, per address and per name, and for the account.
    pub(in crate::service) async fn check(&self, login: &str, typed: Secret, client: &Client) -> Result<Right, Refused> {
        let account = self.store.account_by_login(login).await?;
        let (key, person) = self.budgets(login, account.as_ref(), client);
        self.failures.refuse_crowded(account.as_ref(), client).await?;
        self.failures.refuse_over_rate(std::slice::from_ref(&key)).await?;
        // 429 speaks of what was typed alone. That two names are one person's shows in no answer: over that limit nothing is right.
        let exhausted = self.store.may_fail(std::slice::from_ref(&person), self.context.now()).await?.is_err();
        let turn = client.hangup.unless(self.concurrency.pass(client.address.group())).await.ok_or(Busy)??;
        let begun = Begun::now();
        // Others of this address may have failed while this one waited.
        self.failures.refuse_crowded(account.as_ref(), client).await?;
        if account.as_ref().is_none_or(|account| account.source.is_some()) && !exhausted && self.directories.is_any() {
            drop(turn);
            let counted = [self.failures.at_address(client), key, person];
            return self.check_elsewhere(login, &typed, account.as_ref(), (&counted, begun), client).await;
        }

        let config = self.context.config();
        let phc = account.as_ref().and_then(|account| account.password.clone());
        let has_password = phc.is_some();
        let (verdict, effort) = self.compare(phc, typed.clone()).await?;
        drop(turn);
        let right = has_password && verdict != Verdict::Wrong;
        let judged = match account.as_ref().filter(|_| !exhausted) {
            Some(account) => self.judge(account, right, client, &config.limits).await?,
            None => {
                self.store.spend_time().await?;
                None
            }
        };
        let Some(verified) = judged else {
            let elsewhere = if self.directories.is_any() { self.floor.rest_since(begun) } else { Duration::ZERO };
            let rest = self.floor.rest(effort).max(elsewhere);
            let counted = [self.failures.at_address(client), key, person];
            return Err(self.refuse(account.as_ref().map(|account| account.name.as_str()), &counted, rest, client).await?);
        };
        if verdict == Verdict::RightButRehash {
            self.rehash(account.as_ref().unwrap_or(&verified), typed).await;
        }
        self.audit.record(Event::PasswordRight, Some(&verified.name), Actor::User(client), "").await?;
        Ok(Right { must_change: verified.must_change_password, account: verified })
    }

    /// Compares, with nobody's hash if there is none: the same work.
    async fn compare(&self, phc: Option<String>, typed: Secret) -> Result<(Verdict, Effort), Busy> {
        let phc = phc.unwrap_or_else(|| self.dummy_phc.clone());
        let parameters = self.context.config().password;
        let compare = move |memory: &mut Workspace| Effort::of(|| password::verify(&phc, &typed, &parameters, memory));
        let (verdict, effort) = self.hasher.run(compare).await?;
        self.floor.learn(effort);
        Ok((verdict, effort))
    }

    /// A wrong password, counted and answered after `rest`. The name as typed may be a password typed into the wrong field: it is kept only if it is an
    /// account's.
    async fn refuse(&self, name: Option<&str>, counted: &[Counted], rest: Duration, client: &Client) -> Result<Refused, Refused> {
        self.store.count_failure(counted, self.context.now()).await?;
        tokio::time::sleep(rest).await;
        self.audit.record(Event::PasswordWrong, name, Actor::User(client), "").await?;
        Ok(Refused::WrongPassword)
    }

    /// The same for a login that is no local account's: a directory knows.
    async fn check_elsewhere(
        &self,
        login: &str,
        typed: &Secret,
        known: Option<&Account>,
        (counted, begun): (&[Counted], Begun),
        client: &Client,
    ) -> Result<Right, Refused> {
        match self.directories.ask(login, typed, known, client).await? {
            Asked::Right(account, must_change) => {
                self.audit.record(Event::PasswordRight, Some(&account.name), Actor::User(client), account.source_name()).await?;
                Ok(Right { account: Verified::new(*account), must_change })
            }
            Asked::Wrong(name) => {
                self.floor.learn_elsewhere(begun);
                Err(self.refuse(name.as_deref(), counted, self.floor.rest_since(begun), client).await?)
            }
        }
    }

    /// Measures a comparison with an imported hash of this cost, so that not even the first answer about such an account takes longer than
    /// the others.
    pub async fn learn_bcrypt(&self, cost: u32) {
        let (nobodys, parameters) = (format!("$2b${cost:02}${}", ".".repeat(53)), self.context.config().password);
        let compare =
            move |memory: &mut Workspace| Effort::of(|| password::verify(&nobodys, &Secret::new("nobody's"), &parameters, memory)).1;
        match self.hasher.run(compare).await {
            Ok(effort) => self.floor.learn(effort),
            Err(e) => tracing::debug!(error = %e, "the cost of imported hashes is measured at the first comparison"),
        }
    }

    /// Where failures count: of what was typed, and of the person behind it. A browser that is known has a budget of its own.
    fn budgets(&self, login: &str, account: Option<&Account>, client: &Client) -> (Counted, Counted) {
        let folded = crate::store::fold(login);
        let known = account.and_then(|account| client.device.filter(|device| knows(account, *device)));
        let key = known.map_or_else(|| format!("name {folded}"), |device| format!("device {}", device.name()));
        // The name and the address of a person share one counter; for a name that nobody has as many cells are read and written.
        let person = match (account, known) {
            (_, Some(device)) => format!("browser {}", device.name()),
            (Some(account), None) => format!("account {}", account.id),
            (None, None) => format!("nobody {folded}"),
        };
        (self.failures.by_name(key), self.failures.by_name(person))
    }

    /// One atomic step: a locked account is refused whatever was typed, a wrong password counts. `Some`: go on. The password was
    /// compared with the hash in `read`: if the account is no longer that version, the outcome says nothing about it.
    async fn judge(
        &self,
        read: &Account,
        right: bool,
        client: &Client,
        limits: &crate::config::Limits,
    ) -> Result<Option<Verified>, Refused> {
        let (now, version) = (self.context.now(), read.version());
        let outcome = self
            .store
            .update_account(version.user(), |account| {
                let closed = !version.is_of(account) || limit::is_locked(budget(account, client.device), now);
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
            self.audit.record(Event::Locked, Some(&read.name), Actor::User(client), "").await?;
        }
        Ok(account.map(Verified::new))
    }

    /// Renews the hash that the password was just compared with, and no other: it may have been changed or renewed meanwhile.
    async fn rehash(&self, read: &Account, typed: Secret) {
        let parameters = self.context.config().password;
        let Ok(Ok(phc)) = self.hasher.run(move |memory| password::hash(&typed, &parameters, memory)).await else { return };
        let write = self.store.update_verified(read.version(), |account| {
            if account.password == read.password {
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
        !self.context.config().mfa.trusted_device.is_zero()
            && client.device.filter(|device| device.user == account.id).is_some_and(|device| {
                let name = device.name();
                account.browsers.iter().any(|browser| browser.id == name && browser.trusted_until.is_some_and(|until| now < until))
            })
    }
}
