//! A password that a directory knows. The lockout here comes before the directory's: a locked, disabled or throttled account causes no bind, and the
//! tries at one entry come one after the other, however the login is spelled. What the directory says of the person counts from then on.
//!
//! A directory that cannot be asked is no verdict: nothing is counted, and nobody is told that a password is wrong.

use std::sync::Arc;

use crate::account::{Account, Failures};
use crate::base::Secret;
use crate::limit;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::budget;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSessions;
use crate::service::sources::{EntryTurns, SourceRecords, SourceRefresh, SourcesInForce};
use crate::source::directory::Directory;
use crate::source::{Found, PasswordSource, Person, PersonId, Source, SourceId, Unavailable, Verdict, WhoIs};
use crate::store::{Edit, Store};

/// What a directory makes of a login and a password.
pub(super) enum Asked {
    /// The account, and whether the password must be changed before anything else.
    Right(Box<Account>, bool),
    /// Unknown, wrong, locked or disabled; the account's name if there is one.
    Wrong(Option<String>),
}

/// Passwords that directories know.
pub struct DirectoryPasswords {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) sources: Arc<SourcesInForce>,
    pub(in crate::service) records: Arc<SourceRecords>,
    pub(in crate::service) refresh: Arc<SourceRefresh>,
    pub(in crate::service) turns: Arc<EntryTurns>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl DirectoryPasswords {
    /// Whether there is a directory to ask.
    pub(super) fn is_any(&self) -> bool {
        !self.sources.get().directories.is_empty()
    }

    /// Asks the directories for a login that no local account has. `known`: the account that the login names, if there is one.
    ///
    /// # Errors
    /// [`Refused::SourceAway`] if the directory that would know cannot be asked; [`Refused::Closed`] if the password was right and the person may
    /// not come in.
    pub(super) async fn ask(&self, login: &str, typed: &Secret, known: Option<&Account>, client: &Client) -> Result<Asked, Refused> {
        let limit = tokio::time::timeout(TOTAL, self.ask_in_turn(login, typed, known, client)).await;
        limit.unwrap_or_else(|_| {
            tracing::error!("a sign-in through a directory took too long; it is refused");
            Err(Refused::SourceAway)
        })
    }

    async fn ask_in_turn(&self, login: &str, typed: &Secret, known: Option<&Account>, client: &Client) -> Result<Asked, Refused> {
        // Refused before anybody is asked.
        if known.is_some_and(|known| self.is_shut_out(known, client)) {
            return Ok(Asked::Wrong(known.map(|known| known.name.clone())));
        }
        let Some((directory, found)) = self.whose_login(login, known).await? else {
            return Ok(Asked::Wrong(known.map(|known| known.name.clone())));
        };
        let entry = PersonId { source: directory.id().clone(), id: found.id.clone() };
        let _turn = self.turns.take(entry.clone()).await;
        let account = match self.records.of_person(&entry).await? {
            Some(account) if self.is_shut_out(&account, client) => return Ok(Asked::Wrong(Some(account.name))),
            Some(account) => Some(account),
            None if self.may_begin(&entry, &found).await? => None,
            None => return Ok(Asked::Wrong(None)),
        };
        match directory.verify(&found, typed).await.map_err(away)? {
            Verdict::Wrong | Verdict::Locked => self.count_wrong(&entry, account, client).await,
            Verdict::Right(person) => self.admit_person(&directory, &entry, account, &person, client).await,
        }
    }

    fn is_shut_out(&self, account: &Account, client: &Client) -> bool {
        let mut account = account.clone();
        account.disabled || limit::is_locked(budget(&mut account, client.device), self.context.now())
    }

    /// The directory that has this login. A person who is known is the own directory's; everybody else is looked for in the order of the
    /// configuration, and one that is away might have been the one.
    async fn whose_login(&self, login: &str, known: Option<&Account>) -> Result<Option<(Arc<Directory>, Found)>, Refused> {
        let sources = self.sources.get();
        let own = known.and_then(|known| known.source.as_ref()).map(|membership| &membership.person.source);
        if let Some(own) = own
            && sources.directory(own).is_none()
        {
            tracing::warn!(source = %own, "the account's source is not in the configuration; nobody is signed in by it");
            return Ok(None);
        }
        let is_own = |directory: &&Arc<Directory>| Some(directory.id()) == own;
        let first = sources.directories.iter().filter(is_own);
        let others = sources.directories.iter().filter(|directory| !is_own(directory));
        for directory in first.chain(others) {
            match directory.find(login).await.map_err(away)? {
                WhoIs::One(found) => return Ok(Some((directory.clone(), found))),
                WhoIs::Ambiguous => return Ok(None),
                WhoIs::Nobody => {}
            }
        }
        // As long as it takes to find that a password is wrong.
        if let Some(directory) = sources.directories.first() {
            directory.pretend().await;
        }
        Ok(None)
    }

    /// Whether somebody without an account may show a password: not if the entry is locked here, nor if the name is another's.
    async fn may_begin(&self, entry: &PersonId, found: &Found) -> Result<bool, Refused> {
        if let Some(owner) = self.store.account_by_login(&found.name).await? {
            let owner = owner.source_name();
            tracing::warn!(source = %entry.source, name = %found.name, id = %entry.id, %owner, "an entry has the name of another person's account: \
                nobody is signed in by it; `vestibule user rebind` gives the name to the new entry");
            return Ok(false);
        }
        let failures = self.store.entry_failures(entry).await?;
        Ok(!limit::is_locked(&failures, self.context.now()))
    }

    async fn count_wrong(&self, entry: &PersonId, account: Option<Account>, client: &Client) -> Result<Asked, Refused> {
        let (limits, now) = (self.context.config().limits.clone(), self.context.now());
        let count = |failures: &mut Failures| limit::record_failure(failures, &limits, now);
        let Some(account) = account else {
            self.store.change_entry_failures(entry, count).await?;
            return Ok(Asked::Wrong(None));
        };
        let outcome = self.store.update_account(account.id, |account| Edit::Write(count(budget(account, client.device)))).await?;
        if matches!(outcome, Some(Ok(true))) {
            self.audit.record(Event::Locked, Some(&account.name), Actor::User(client), "").await?;
        }
        Ok(Asked::Wrong(Some(account.name)))
    }

    /// The password was right: the account becomes what the directory says, and is made if there is none yet.
    async fn admit_person(
        &self,
        directory: &Directory,
        entry: &PersonId,
        account: Option<Account>,
        person: &Person,
        client: &Client,
    ) -> Result<Asked, Refused> {
        self.refresh.heard_of(&entry.source).await;
        let followed = match account {
            Some(account) => self.records.follow(account.id, person).await?,
            None if person.closed.is_some() => None,
            None => Some(self.first_sign_in(directory.id(), entry, person, client).await?),
        };
        if let Some(closed) = person.closed {
            let name = followed.as_ref().map(|account| account.name.as_str());
            self.audit.record(Event::PasswordRight, name, Actor::User(client), format!("{}: {closed}", entry.source)).await?;
            return Err(Refused::Closed(closed));
        }
        let Some(account) = followed else { return Ok(Asked::Wrong(None)) };
        self.live.confirmed(account.id, self.context.now());
        Ok(Asked::Right(Box::new(account), person.must_change_password))
    }

    async fn first_sign_in(&self, source: &SourceId, entry: &PersonId, person: &Person, client: &Client) -> Result<Account, Refused> {
        let failures = self.store.entry_failures(entry).await?;
        let account = self.records.make(source, person, Actor::User(client)).await?;
        // What was counted before counts on.
        let carry = |account: &mut Account| {
            account.failures = failures.clone();
            Edit::Write(account.clone())
        };
        let carried = self.store.update_account(account.id, carry).await?;
        self.store.forget_entry_failures(entry).await?;
        match carried {
            Some(Ok(account)) => Ok(account),
            _ => Err(Refused::Gone),
        }
    }
}

/// A sign-in's questions to directories, all together.
const TOTAL: std::time::Duration = std::time::Duration::from_secs(12);

fn away(e: Unavailable) -> Refused {
    tracing::error!(error = %e, "a directory cannot be asked; the sign-in is refused and nothing is counted");
    Refused::SourceAway
}
