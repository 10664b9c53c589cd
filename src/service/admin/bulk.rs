//! The same done to many accounts: first a preview of whom it concerns, then the act. Guarantees that each account is changed in one step of the store,
//! only if it still is what the preview showed, and that nobody does any of it to their own account.
//!
//! The work is bounded: at most [`MOST`] accounts at a time, one such act at a time. What was begun goes on to the end, and says of every account
//! what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sessions::AdminSessions;
use super::users::UserList;
use crate::account::{Account, BulkAction, Seen, Version};
use crate::base::{Time, UserId};
use crate::factor::Method;
use crate::service::admin::directory::Row;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::notices::Notices;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSessions;
use crate::store::{Edit, Store, StoreError};

/// How many accounts one act changes.
pub const MOST: usize = 400;

/// Notices wait while so many mails are under way.
const ROOM: usize = 64;
/// How long each looks again for room, and how often before it is sent all the same.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);
const WAITS: usize = 240;

/// Why an account is not among those that will be changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LeftOut {
    /// The administrator's own.
    Yourself,
    /// It has no password that is kept here.
    NoPassword,
    /// There is nothing to change.
    Already,
}

/// An account as a preview showed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Picked {
    pub id: UserId,
    pub seen: Seen,
}

/// Whom an act would concern.
#[derive(Debug, Default)]
pub struct Preview {
    /// At most [`MOST`], with their names.
    pub picked: Vec<(Picked, String)>,
    /// How many more it would concern.
    pub more: usize,
    pub left_out: BTreeMap<LeftOut, Vec<String>>,
}

/// What became of the accounts, by name.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: Vec<String>,
    /// Not what the preview showed any more, and not touched.
    pub changed: Vec<String>,
    /// Not there any more.
    pub gone: usize,
    /// The store did not take it: not touched.
    pub failed: Vec<String>,
    /// Sessions are over here, and the store does not know yet.
    pub end_pending: bool,
    /// The accounts before and after, for [`Bulk::tell`].
    pub changes: Vec<(Account, Account)>,
}

/// What one account met.
enum Met {
    Done(Box<(Account, Account)>),
    /// It is as shown, and its sessions of this version are to end.
    Ends(Version, String),
    Changed(String),
    Gone,
}

/// The same done to many accounts.
pub struct Bulk {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) users: Arc<UserList>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) sessions: Arc<AdminSessions>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) notices: Arc<Notices>,
    pub(in crate::service) running: tokio::sync::Mutex<()>,
}

impl Bulk {
    /// Whom of these `action` would concern, in their order. Changes nothing.
    ///
    /// # Errors
    /// The store's.
    pub async fn preview(&self, rows: &[Arc<Row>], action: BulkAction, acting: UserId) -> Result<Preview, Refused> {
        let (mut preview, now) = (Preview::default(), self.context.now());
        for row in rows {
            let why = self.left_out(row, action, acting, now);
            if why.is_none() && preview.picked.len() >= MOST {
                preview.more += 1;
                continue;
            }
            let (why, account) = match why {
                Some(why) => (why, None),
                None => match self.store.account(row.id).await? {
                    // The row may be a moment older than the account.
                    Some(account) if action.apply(&mut account.clone()) => (LeftOut::Already, Some(account)),
                    Some(_) => (LeftOut::Already, None),
                    None => continue,
                },
            };
            match account {
                Some(account) => preview.picked.push((Picked { id: account.id, seen: account.seen() }, account.name)),
                None => preview.left_out.entry(why).or_default().push(row.name().to_owned()),
            }
        }
        Ok(preview)
    }

    fn left_out(&self, row: &Row, action: BulkAction, acting: UserId, now: Time) -> Option<LeftOut> {
        let applies = match action {
            _ if row.id == acting => return Some(LeftOut::Yourself),
            BulkAction::RequirePassword if !row.has_password => return Some(LeftOut::NoPassword),
            BulkAction::RequirePassword => !row.must_change_password,
            // Where memory holds some sessions only, somebody may have one elsewhere.
            BulkAction::EndSessions => self.live.is_partial() || !self.live.signed_in(row.id).is_empty(),
            BulkAction::Disable => !row.disabled,
            BulkAction::Enable => row.disabled,
            BulkAction::ResetFactors => !row.enrolled.is_empty(),
            BulkAction::Unlock => row.is_locked(now),
        };
        (!applies).then_some(LeftOut::Already)
    }

    /// Does it to those that are still what the preview showed. Once the store fails, nothing more is tried.
    pub async fn run(&self, action: BulkAction, picked: &[Picked], acting: UserId, actor: Actor<'_>) -> Outcome {
        let _one_at_a_time = self.running.lock().await;
        let (mut outcome, mut ends) = (Outcome::default(), Vec::new());
        let whom: Vec<&Picked> = picked.iter().filter(|one| one.id != acting).take(MOST).collect();
        let mut left = whom.iter();
        for one in left.by_ref() {
            match self.change(action, one).await {
                Ok(Met::Done(both)) => {
                    let (before, after) = *both;
                    let recorded = self.record(action, (&before, &after), whom.len(), actor).await;
                    outcome.done.push(after.name.clone());
                    outcome.changes.push((before, after));
                    if let Err(e) = recorded {
                        tracing::error!(error = %e, action = action.name(), "done, and not in the audit log; nothing more is tried");
                        break;
                    }
                }
                Ok(Met::Ends(version, name)) => ends.push((version, name)),
                Ok(Met::Changed(name)) => outcome.changed.push(name),
                Ok(Met::Gone) => outcome.gone += 1,
                Err(e) => {
                    tracing::error!(error = %e, action = action.name(), "an account could not be changed; nothing more is tried");
                    outcome.failed.extend(self.name_of(one.id).await);
                    break;
                }
            }
        }
        for one in left {
            outcome.failed.extend(self.name_of(one.id).await);
        }
        self.end_sessions(ends, whom.len(), actor, &mut outcome).await;
        outcome
    }

    /// Tells the owners of what was changed, and leaves room in the queue of mails: a sign-in's code does not wait behind hundreds of notices.
    pub async fn tell(&self, changes: &[(Account, Account)], actor: Actor<'_>) {
        for (before, after) in changes {
            let mut waits = WAITS;
            while self.notices.mails_waiting() >= ROOM && waits > 0 {
                waits -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            self.notices.notice_changes(before, after, actor);
        }
    }

    async fn name_of(&self, id: UserId) -> Option<String> {
        self.users.directory().await.ok().and_then(|directory| directory.row(id)).map(|row| row.name().to_owned())
    }

    /// The check and the edit are one step.
    async fn change(&self, action: BulkAction, one: &Picked) -> Result<Met, StoreError> {
        let edit = |account: &mut Account| {
            if account.seen() != one.seen {
                return Edit::Leave(Met::Changed(account.name.clone()));
            }
            if action == BulkAction::EndSessions {
                return Edit::Leave(Met::Ends(account.version(), account.name.clone()));
            }
            let before = account.clone();
            if !action.apply(account) {
                return Edit::Leave(Met::Changed(account.name.clone()));
            }
            Edit::Write(Met::Done(Box::new((before, account.clone()))))
        };
        match self.store.update_account(one.id, edit).await? {
            Some(Ok(met)) => Ok(met),
            Some(Err(conflict)) => Err(StoreError::Backend(conflict.to_string())),
            None => Ok(Met::Gone),
        }
    }

    async fn record(&self, action: BulkAction, (before, after): (&Account, &Account), of: usize, actor: Actor<'_>) -> Result<(), Refused> {
        let (name, one_of) = (after.name.as_str(), format!("one of {of}"));
        let what = match action {
            BulkAction::RequirePassword => "new password required",
            BulkAction::Disable => "disabled",
            BulkAction::Enable => "enabled",
            BulkAction::Unlock => "unlocked",
            BulkAction::EndSessions => return Ok(()),
            BulkAction::ResetFactors => {
                let had = before.enrolled().iter().chain([Method::Recovery]).filter(|method| before.has(*method) && !after.has(*method));
                for method in had {
                    self.audit.record(Event::FactorRemoved, Some(name), actor, format!("{}, {one_of}", method.name())).await?;
                }
                return Ok(());
            }
        };
        self.audit.record(Event::AccountChanged, Some(name), actor, format!("{what}, {one_of}")).await
    }

    /// Ends the sessions of the versions that were found unchanged: one that began under a later version is not touched.
    async fn end_sessions(&self, whose: Vec<(Version, String)>, of: usize, actor: Actor<'_>, outcome: &mut Outcome) {
        if whose.is_empty() {
            return;
        }
        let versions: Vec<Version> = whose.iter().map(|(version, _)| *version).collect();
        let ended = match self.sessions.end_of(&versions).await {
            Ok(ended) => ended,
            Err(pending) => {
                outcome.end_pending = true;
                pending
            }
        };
        for (version, name) in whose {
            let count = ended.get(&version.user()).copied().unwrap_or_default();
            let detail = format!("{count} sessions, one of {of}");
            if let Err(e) = self.audit.record(Event::SessionRevoked, Some(&name), actor, detail).await {
                tracing::error!(error = %e, user = name, "sessions were ended, and the audit log does not say so");
            }
            outcome.done.push(name);
        }
    }
}
