//! Live sessions follow their source: everybody who has one is looked up again within `refresh`, once for all their sessions, at a steady pace. Who
//! is gone, disabled or in no allowed group any more is signed out; changed groups count at once. A source that cannot be asked changes nothing:
//! sessions go on for `max_stale` and wait from then on, until it answers.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;

use super::records::SourceRecords;
use super::set::SourcesInForce;
use crate::account::{Account, Closed};
use crate::base::UserId;
use crate::service::context::Context;
use crate::service::refused::{ProviderProblem, Refused};
use crate::service::sessions::{Due, LiveSessions};
use crate::source::directory::Directory;
use crate::source::provider::linked::is_providers;
use crate::source::{Source, SourceId};
use crate::store::Store;

/// How often it is seen who is due.
const TICK: Duration = Duration::from_millis(500);

/// After so many ticks the servers that failed are looked at again.
const PROBE: u32 = 120;

/// How long a directory that could not be asked is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How long a request of somebody who has just come into memory waits for the directory.
const FIRST: Duration = Duration::from_secs(2);

/// So many are looked up in a tick at least.
const AT_LEAST: usize = 4;

/// Looks people of sources up again for as long as they have sessions.
pub struct SourceRefresh {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) sources: Arc<SourcesInForce>,
    pub(in crate::service) records: Arc<SourceRecords>,
}

/// Goes on for as long as the use cases are there.
pub async fn follow_sources(refresh: Weak<SourceRefresh>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rounds: HashMap<SourceId, tokio::task::JoinHandle<()>> = HashMap::new();
    let mut ticks = 0u32;
    loop {
        tick.tick().await;
        let Some(refresh) = refresh.upgrade() else { return };
        if ticks.is_multiple_of(PROBE) {
            refresh
                .sources
                .get()
                .directories
                .iter()
                .cloned()
                .for_each(|directory| drop(tokio::spawn(async move { directory.probe().await })));
        }
        ticks = ticks.wrapping_add(1);
        let now = refresh.context.now();
        let due = refresh.live.due(now);
        refresh.live.wait_or_go_on(now);
        for (source, people) in by_source(due) {
            if rounds.get(&source).is_some_and(|round| !round.is_finished()) {
                continue;
            }
            let round = refresh.clone().round(source.clone(), people);
            rounds.insert(source, tokio::spawn(round));
        }
    }
}

fn by_source(due: Vec<Due>) -> HashMap<SourceId, Vec<Due>> {
    let mut all: HashMap<SourceId, Vec<Due>> = HashMap::new();
    for one in due {
        all.entry(one.person.source.clone()).or_default().push(one);
    }
    all
}

/// How many of so many people are looked up in a tick, so that all are within four fifths of `refresh`.
fn pace(people: usize, refresh: Duration) -> usize {
    let ticks = (refresh.as_secs_f64() * 0.8 / TICK.as_secs_f64()).max(1.0);
    AT_LEAST.max((people as f64 / ticks).ceil() as usize)
}

impl SourceRefresh {
    /// Looks some of the people up who are due, those who have waited longest first.
    async fn round(self: Arc<Self>, source: SourceId, mut due: Vec<Due>) {
        let Some(directory) = self.sources.get().directory(&source).cloned() else {
            for one in due {
                self.sign_out(one.user, Closed::SourceRemoved).await;
            }
            return;
        };
        due.sort_by_key(|one| one.since);
        due.truncate(pace(self.live.people_of(&source), directory.config().refresh));
        let (mut running, mut left, mut answered) = (JoinSet::new(), due.into_iter(), false);
        loop {
            while running.len() < directory.config().pool
                && let Some(one) = left.next()
            {
                running.spawn(self.clone().look_again(directory.clone(), one));
            }
            match running.join_next().await {
                Some(Ok(true)) => answered = true,
                Some(_) => {
                    // Nobody else is asked for now: each would wait for its time to run out.
                    tokio::time::sleep(AFTER_FAILURE).await;
                    break;
                }
                None => break,
            }
        }
        if answered {
            self.heard_of(&source).await;
        }
    }

    /// Looks somebody up who has just come into memory, before anything is let in. A source that does not answer in time changes nothing.
    pub async fn look_first(self: &Arc<Self>, user: UserId) {
        let Some(due) = self.live.never_confirmed(user) else { return };
        let Some(directory) = self.sources.get().directory(&due.person.source).cloned() else { return };
        // Goes on by itself if it takes longer.
        let look = tokio::spawn(Arc::clone(self).look_again(directory, due));
        if tokio::time::timeout(FIRST, look).await.is_err() {
            tracing::warn!("somebody who comes back could not be looked up in time");
        }
    }

    /// One person; whether the source answered.
    async fn look_again(self: Arc<Self>, directory: Arc<Directory>, one: Due) -> bool {
        let asked_at = self.context.now();
        match directory.look_up(&one.person.id).await {
            Ok(Some(person)) => match self.records.follow(one.user, &person).await {
                Ok(_) => self.live.confirmed(one.user, asked_at),
                Err(e) => tracing::error!(error = %e, "what a directory says cannot be written down"),
            },
            Ok(None) => self.sign_out(one.user, Closed::Deleted).await,
            Err(e) => {
                tracing::warn!(error = %e, "somebody who is signed in could not be looked up");
                return false;
            }
        }
        true
    }

    async fn sign_out(&self, user: UserId, why: Closed) {
        if let Err(e) = self.records.close(user, why).await {
            tracing::error!(error = %e, "somebody whom the source lets in no more cannot be signed out");
        }
    }

    /// A source has answered: sessions of its people may rely on that, after a restart too.
    pub(in crate::service) async fn heard_of(&self, source: &SourceId) {
        let now = self.context.now();
        if self.live.answered(source, now)
            && let Err(e) = self.store.put_answered(source, now).await
        {
            tracing::warn!(error = %e, "when the directory answered last cannot be written down");
        }
    }

    /// Asks the source of an account whether its person may come in now, if no password is shown: a passkey.
    ///
    /// # Errors
    /// [`Refused::SourceAway`], [`Refused::Closed`]; [`ProviderProblem::SignInThere`] for people of a provider, which cannot be asked about
    /// somebody who is not there.
    pub(in crate::service) async fn ask(&self, account: Account) -> Result<Account, Refused> {
        let Some(membership) = account.source.clone() else { return Ok(account) };
        if is_providers(&membership.person) {
            return Err(Refused::Provider(ProviderProblem::SignInThere));
        }
        let sources = self.sources.get();
        let Some(directory) = sources.directory(&membership.person.source) else { return Err(Refused::Closed(Closed::SourceRemoved)) };
        let asked = directory.look_up(&membership.person.id).await.map_err(|e| {
            tracing::error!(error = %e, "a directory cannot be asked; the sign-in is refused");
            Refused::SourceAway
        })?;
        let Some(person) = asked else {
            self.records.close(account.id, Closed::Deleted).await?;
            return Err(Refused::Closed(Closed::Deleted));
        };
        self.heard_of(&membership.person.source).await;
        let followed = self.records.follow(account.id, &person).await?;
        match (person.closed, followed) {
            (Some(closed), _) => Err(Refused::Closed(closed)),
            (None, Some(now)) if now.epoch == account.epoch => Ok(now),
            // A password or method changed meanwhile.
            (None, _) => Err(Refused::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_people_cost_fewer_than_fifty_looks_a_second() {
        let each_tick = pace(10_000, Duration::from_secs(300));
        let a_second = each_tick as f64 / TICK.as_secs_f64();
        assert!(a_second < 50.0, "{a_second}");
        assert!(each_tick as f64 * 300.0 / TICK.as_secs_f64() > 10_000.0, "all within refresh");
        assert_eq!(pace(3, Duration::from_secs(300)), AT_LEAST);
        assert!(pace(1000, Duration::from_secs(1)) >= 500);
    }
}
