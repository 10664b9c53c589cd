//! People of directories and providers who have sessions or API tokens: until when what is known of them may be relied on, and who is to be looked up again. Nothing
//! here asks a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::hold::{Hold, TimesOfSources};
use super::registry::LiveSessions;
use crate::account::{Account, PersonId, SourceId};
use crate::base::{Time, UserId};
use crate::source::provider::linked::is_providers;

/// How often it is worth writing down that a source answered.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);

/// Somebody who is to be looked up.
#[derive(Clone, Debug)]
pub struct Due {
    pub user: UserId,
    pub person: PersonId,
    pub since: Time,
}

impl LiveSessions {
    /// Other sources from now on. What is known of when they answered stays.
    pub fn set_sources(&self, times: TimesOfSources) {
        let before = self.sources.load();
        for (source, known) in before.iter() {
            if let Some(new) = times.get(source) {
                new.answered.fetch_max(known.answered.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        self.sources.store(Arc::new(times));
        let sources = self.sources.load();
        // Shorter times count at once.
        self.each_hold(|_, hold| {
            let until = sources
                .get(&hold.person.source)
                .map_or(i64::MIN, |times| Time::from_millis(times.answered.load(Ordering::Relaxed)).plus(times.max_stale).millis());
            hold.relied_until.fetch_min(until, Ordering::AcqRel);
            hold.due.store(i64::MIN, Ordering::Relaxed);
        });
    }

    /// What an account with a source is held to; it is looked up at once, and relied on since the source's last answer.
    pub(super) fn hold(&self, account: &Account) -> Option<Hold> {
        // Nobody can be asked about a guest.
        let person = account.source.as_ref().filter(|_| !account.is_guest())?.person.clone();
        // A provider cannot be asked for a person: each session that came from it is looked at again by its own token.
        let sources = self.sources.load();
        if is_providers(&person) && !sources.contains_key(&person.source) {
            return None;
        }
        self.has_people.store(true, Ordering::Release);
        let relied_until = sources
            .get(&person.source)
            .map_or(i64::MIN, |times| Time::from_millis(times.answered.load(Ordering::Relaxed)).plus(times.max_stale).millis());
        Some(Hold { person, relied_until: AtomicI64::new(relied_until), due: AtomicI64::new(i64::MIN), waits: AtomicBool::new(false) })
    }

    /// The same for somebody who has API tokens, shared by them all.
    pub(in crate::service::sessions) fn token_hold(&self, account: &Account) -> Option<Arc<Hold>> {
        let hold = self.hold(account)?;
        Some(Arc::clone(self.token_holds.entry(account.id).or_insert_with(|| Arc::new(hold)).value()))
    }

    /// Those who have no tokens any more are looked up for them no more.
    pub(in crate::service::sessions) fn keep_token_holds(&self, has_tokens: impl Fn(UserId) -> bool) {
        self.token_holds.retain(|user, _| has_tokens(*user));
    }

    /// The source has said at this time who the user is.
    pub fn confirmed(&self, user: UserId, at: Time) {
        let of_sessions = self.users.get(&user).map(|entry| entry.value().clone());
        let of_tokens = self.token_holds.get(&user).map(|entry| Arc::clone(entry.value()));
        for hold in of_sessions.iter().filter_map(|state| state.hold.as_ref()).chain(of_tokens.as_deref()) {
            self.confirm(hold, user, at);
        }
    }

    fn confirm(&self, hold: &Hold, user: UserId, at: Time) {
        let sources = self.sources.load();
        let Some(times) = sources.get(&hold.person.source) else { return };
        // Somewhat early, and not all at the same time.
        let early = u32::from(user.as_bytes().first().copied().unwrap_or_default());
        let next = times.refresh.mul_f64(0.8 - f64::from(early) / 255.0 * 0.1);
        hold.relied_until.store(at.plus(times.max_stale).millis(), Ordering::Release);
        hold.due.store(at.plus(next).millis(), Ordering::Relaxed);
        if hold.waits.swap(false, Ordering::AcqRel) {
            self.recheck();
        }
    }

    /// A source has answered somebody; whether it is time to write that down.
    pub fn answered(&self, source: &SourceId, now: Time) -> bool {
        let sources = self.sources.load();
        let Some(times) = sources.get(source) else { return false };
        times.answered.fetch_max(now.millis(), Ordering::Relaxed);
        let written = Time::from_millis(times.written.load(Ordering::Relaxed));
        let is_time = now.since(written) >= WRITTEN_EVERY.min(times.max_stale / 4);
        if is_time {
            times.written.store(now.millis(), Ordering::Relaxed);
        }
        is_time
    }

    /// Who is to be looked up now.
    pub fn due(&self, now: Time) -> Vec<Due> {
        let mut due = Vec::new();
        self.each_hold(|user, hold| {
            let since = hold.due.load(Ordering::Relaxed);
            if since <= now.millis() {
                due.push(Due { user, person: hold.person.clone(), since: Time::from_millis(since) });
            }
        });
        due.sort_by_key(|one| one.user);
        due.dedup_by_key(|one| one.user);
        due
    }

    /// Somebody of a source whom it was not asked about since they came into memory.
    pub fn never_confirmed(&self, user: UserId) -> Option<Due> {
        let state = self.users.get(&user).map(|entry| Arc::clone(entry.value()))?;
        let hold = state.hold.as_ref().filter(|hold| hold.due.load(Ordering::Relaxed) == i64::MIN)?;
        Some(Due { user, person: hold.person.clone(), since: Time::from_millis(i64::MIN) })
    }

    /// Who has sessions or tokens and is of this source; who has both counts twice.
    pub fn people_of(&self, source: &SourceId) -> usize {
        let mut count = 0;
        self.each_hold(|_, hold| count += usize::from(hold.person.source == *source));
        count
    }

    /// Cuts what is open of those whose source was not heard of for too long.
    pub fn wait_or_go_on(&self, now: Time) {
        let mut newly = false;
        self.each_hold(|_, hold| {
            if !hold.is_relied_on(now) {
                newly |= !hold.waits.swap(true, Ordering::AcqRel);
            }
        });
        if newly {
            self.recheck();
        }
    }

    fn each_hold(&self, mut see: impl FnMut(UserId, &Hold)) {
        if !self.has_people.load(Ordering::Acquire) {
            return;
        }
        for entry in &self.users {
            if let Some(hold) = &entry.value().hold {
                see(*entry.key(), hold);
            }
        }
        for entry in &self.token_holds {
            see(*entry.key(), entry.value());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::config::Config;
    use crate::policy::Proof;
    use crate::service::sessions::Found;
    use crate::service::sessions::live::hold::SourceTimes;
    use crate::session::keys::MasterKey;
    use crate::session::{KeyRing, SessionRecord};

    const REFRESH: Duration = Duration::from_secs(300);
    const MAX_STALE: Duration = Duration::from_secs(3600);

    fn at(seconds: i64) -> Time {
        Time::from_secs(1_000_000 + seconds)
    }

    fn times(answered: i64) -> TimesOfSources {
        HashMap::from([(SourceId::new("corp"), SourceTimes::new(REFRESH, MAX_STALE, Some(at(answered))))])
    }

    fn rig() -> (LiveSessions, Account, String) {
        let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap());
        let config = Config::default();
        let live = LiveSessions::new(keys, config.session, config.mfa).0;
        live.set_sources(times(0));
        let account: Account = serde_json::from_value(serde_json::json!({
            "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "", "display_name": "Alice", "created": 0,
            "source": { "source": "corp", "id": "id-alice" },
        }))
        .unwrap();
        let record = SessionRecord::begin(account.id, 0, Proof::Password, at(0), [127, 0, 0, 1].into(), "").unwrap();
        let token = live.token(live.insert(record, &account).id());
        (live, account, token)
    }

    #[test]
    fn somebody_is_due_at_once_and_then_within_refresh() {
        let (live, account, _) = rig();
        assert_eq!(live.due(at(0)).len(), 1);
        live.confirmed(account.id, at(0));
        assert!(live.due(at(1)).is_empty());
        assert_eq!(live.due(at(300)).len(), 1);
        assert_eq!(live.people_of(&SourceId::new("corp")), 1);
    }

    #[test]
    fn a_session_waits_when_its_source_was_away_too_long_and_goes_on_when_it_is_back() {
        let (live, account, token) = rig();
        live.confirmed(account.id, at(0));
        assert!(matches!(live.lookup(&token, at(3599)), Found::Live(_)));
        assert!(matches!(live.lookup(&token, at(3600)), Found::Unknown));
        let watch = live.revocations();
        live.wait_or_go_on(at(3600));
        let session = live.of(account.id).remove(0);
        assert!(session.is_ended() && watch.has_changed().unwrap(), "what is open is cut");
        live.confirmed(account.id, at(3601));
        assert!(!session.is_ended());
        assert!(matches!(live.lookup(&token, at(3602)), Found::Live(_)));
    }

    #[test]
    fn who_has_tokens_alone_is_due_too_and_waits_too() {
        let (live, account, _) = rig();
        let other = Account { id: UserId::from_bytes([2; 16]), ..account.clone() };
        let hold = live.token_hold(&other).unwrap();
        assert_eq!(live.due(at(0)).len(), 2);
        live.token_hold(&account).unwrap();
        assert_eq!(live.due(at(0)).len(), 2, "one look-up a person");
        live.confirmed(account.id, at(0));
        live.confirmed(other.id, at(0));
        assert!(live.due(at(1)).is_empty() && hold.is_relied_on(at(3599)) && !hold.is_relied_on(at(3600)));
        live.wait_or_go_on(at(3600));
        assert!(hold.waits());
        live.confirmed(other.id, at(3601));
        assert!(!hold.waits());
        live.keep_token_holds(|_| false);
        assert!(live.due(at(4000)).iter().all(|due| due.user != other.id));
    }

    #[test]
    fn nobody_is_let_in_by_a_source_that_is_no_longer_there() {
        let (live, account, token) = rig();
        live.confirmed(account.id, at(0));
        live.set_sources(TimesOfSources::new());
        assert!(matches!(live.lookup(&token, at(1)), Found::Unknown));
        assert_eq!(live.due(at(1)).len(), 1);
    }
}
