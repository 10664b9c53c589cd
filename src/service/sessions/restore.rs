//! Reads the stored sessions into memory: at the start, and again if news of other gateways may have been missed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use tokio::task::JoinSet;

use super::live::{LiveSessions, UserState};
use crate::account::Account;
use crate::base::{SessionId, UserId};
use crate::session::{EndReason, SessionRecord};
use crate::store::{FIRST_LETTERS, Store, StoreError};

/// Whether the account as it is now still stands behind a session.
pub(super) fn stands(account: &Account, record: &SessionRecord) -> bool {
    !account.disabled && account.epoch == record.epoch
}

/// Takes the stored sessions in, and ends those in memory that are gone from the store. One whose account is gone, disabled or
/// changed since is invalid and is deleted; nothing else is written. Few are read in one go, many by the first byte of their ids, as many at a time as there are
/// cores and one more.
///
/// # Errors
/// The store's; then the memory may have been changed in part.
pub async fn restore(store: &Arc<Store>, live: &Arc<LiveSessions>) -> Result<(), StoreError> {
    // What is in memory now was in the store before: what the store shows from here on decides.
    let (known, users) = (live.ids(), live.users().into_iter().collect::<HashSet<_>>());
    let page = store.sessions(None, PAGE, &mut live.names()).await?;
    let void = if page.len() < PAGE {
        let wanted: HashSet<UserId> = page.iter().map(|record| record.user).chain(users.iter().copied()).collect();
        let states = if wanted.len() <= FEW { states_of(store, live, wanted).await? } else { all_states(store, live, users).await? };
        let mut gone = known.into_iter().collect();
        let void = take_in(store, live, &states, page, &mut gone).await?;
        end_all(live, gone);
        void
    } else {
        drop((known, page));
        let states = Arc::new(all_states(store, live, users).await?);
        in_parts(0..=u8::MAX, |first| part(store.clone(), live.clone(), states.clone(), first)).await?.concat()
    };
    live.end_orphans();
    store.delete_sessions(&void).await
}

/// How many sessions, or accounts, are read at a time.
const PAGE: usize = 5000;

/// So many accounts are read each by itself; if there are more, all are.
const FEW: usize = 200;

/// Does `work` for every part, a few at a time.
async fn in_parts<P, T, F>(parts: impl Iterator<Item = P>, work: impl Fn(P) -> F) -> Result<Vec<T>, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let at_a_time = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    let (mut parts, mut running, mut done) = (parts, JoinSet::new(), Vec::new());
    loop {
        while running.len() < at_a_time
            && let Some(part) = parts.next()
        {
            running.spawn(work(part));
        }
        match running.join_next().await {
            Some(result) => done.push(result.map_err(|e| StoreError::Backend(e.to_string()))??),
            None => return Ok(done),
        }
    }
}

/// The sessions whose ids begin with this byte. Returns those that are invalid.
async fn part(store: Arc<Store>, live: Arc<LiveSessions>, states: Arc<UserStates>, first: u8) -> Result<Vec<SessionId>, StoreError> {
    let (mut gone, mut void, mut after) = (live.ids_beginning(first), Vec::new(), None);
    loop {
        let page = store.sessions_beginning(first, after, PAGE, &mut live.names()).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.id);
        void.extend(take_in(&store, &live, &states, page, &mut gone).await?);
        if is_last {
            break;
        }
    }
    end_all(&live, gone);
    Ok(void)
}

/// What belongs to them is looked at once everything is read: what replaced one of them may not be here yet.
fn end_all(live: &LiveSessions, gone: HashSet<SessionId>) {
    for id in gone {
        live.end_alone(id, EndReason::Revoked);
    }
}

/// Takes in what was read, and takes it out of `gone`. Returns the sessions that are invalid.
pub(in crate::service) async fn take_in(
    store: &Store,
    live: &LiveSessions,
    states: &UserStates,
    page: Vec<SessionRecord>,
    gone: &mut HashSet<SessionId>,
) -> Result<Vec<SessionId>, StoreError> {
    let (mut sound, mut doubtful, mut void) = (Vec::with_capacity(page.len()), Vec::new(), Vec::new());
    for record in page {
        match states.get(&record.user).filter(|state| state.epoch() == record.epoch) {
            Some(state) => {
                gone.remove(&record.id);
                sound.push((record, state.clone()));
            }
            None => doubtful.push(record),
        }
    }
    live.insert_all(sound);
    for record in doubtful {
        // The account may have changed since it was read, and the session be of what it is now.
        match store.account(record.user).await?.filter(|account| stands(account, &record)) {
            Some(account) => {
                gone.remove(&record.id);
                live.account_changed(account.id, Some(&account));
                live.insert(record, &account);
            }
            None => void.push(record.id),
        }
    }
    Ok(void)
}

/// What the sessions of each account share. The ids are random and the gateway's own.
pub(in crate::service) type UserStates = HashMap<UserId, Arc<UserState>, RandomState>;

/// Those of all accounts but the disabled. `users` have sessions in memory, which follow what is read.
async fn all_states(store: &Arc<Store>, live: &Arc<LiveSessions>, users: HashSet<UserId>) -> Result<UserStates, StoreError> {
    let users = Arc::new(users);
    let read = in_parts(FIRST_LETTERS.chars(), |first| states_beginning(store.clone(), live.clone(), users.clone(), first)).await?;
    let mut all = UserStates::with_capacity_and_hasher(read.iter().map(Vec::len).sum(), RandomState::default());
    all.extend(read.into_iter().flatten());
    for user in users.iter().filter(|user| !all.contains_key(user)) {
        live.account_changed(*user, None);
    }
    Ok(all)
}

async fn states_beginning(
    store: Arc<Store>,
    live: Arc<LiveSessions>,
    users: Arc<HashSet<UserId>>,
    first: char,
) -> Result<Vec<(UserId, Arc<UserState>)>, StoreError> {
    let (mut states, mut after) = (Vec::new(), None);
    loop {
        let page = store.accounts_beginning(first, after, PAGE).await?;
        after = page.last().map(|account| account.id);
        for account in page.iter().filter(|account| !account.disabled) {
            if users.contains(&account.id) {
                live.account_changed(account.id, Some(account));
            }
            states.push((account.id, live.state(account)));
        }
        if page.len() < PAGE {
            return Ok(states);
        }
    }
}

/// As [`all_states`], of these alone.
pub(in crate::service) async fn states_of(store: &Store, live: &LiveSessions, users: HashSet<UserId>) -> Result<UserStates, StoreError> {
    let mut states = UserStates::default();
    for user in users {
        let account = store.account(user).await?.filter(|account| !account.disabled);
        live.account_changed(user, account.as_ref());
        states.extend(account.map(|account| (user, live.state(&account))));
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;
    use crate::config::Config;
    use crate::policy::Proof;
    use crate::session::KeyRing;
    use crate::session::keys::MasterKey;
    use crate::store::kv::{Batch, key};
    use crate::store::{Edit, SledKv};

    const USERS: usize = 300;
    const NAMES: [&str; 2] = ["Firefox · Linux", "Chrome · Windows"];

    async fn rig(folder: &std::path::Path, sessions: usize) -> (Arc<Store>, Arc<LiveSessions>, Vec<Account>, Vec<SessionRecord>) {
        let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, Time::default()).unwrap()]).unwrap());
        let store = Store::new(Arc::new(SledKv::open(folder).await.unwrap()), keys.clone());
        let account = |n| {
            serde_json::from_value(serde_json::json!({
                "id": UserId::random().unwrap(), "name": format!("user{n}"), "email": "", "display_name": "", "created": 0,
            }))
            .unwrap()
        };
        let accounts: Vec<Account> = (0..USERS).map(account).collect();
        store.create_accounts(&accounts).await.unwrap().unwrap();
        let now = Time::from_secs(1000);
        let begun = |n: usize| SessionRecord::begin(accounts[n % USERS].id, 0, Proof::Password, now, [127, 0, 0, 1].into(), NAMES[n % 2]);
        let records: Vec<_> = (0..sessions).map(|n| begun(n).unwrap()).collect();
        let batch = records.iter().fold(Batch::default(), |batch, r| batch.put(key("session", r.id.as_bytes()), r.pack()));
        assert!(store.kv().commit(batch).await.unwrap());
        let config = Config::default();
        let live = LiveSessions::new(keys, config.session, config.mfa).0;
        (Arc::new(store), Arc::new(live), accounts, records)
    }

    async fn edit(store: &Store, account: &Account, edit: fn(&mut Account)) {
        let written = store.update_account(account.id, |account| {
            edit(account);
            Edit::Write(())
        });
        written.await.unwrap().unwrap().unwrap();
    }

    async fn ids_in_store(store: &Store) -> HashSet<SessionId> {
        store.all_sessions().await.unwrap().into_iter().map(|record| record.id).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn few_and_many_are_taken_in_alike_and_only_what_is_void_is_deleted() {
        for sessions in [60, 900, PAGE + 1000] {
            let folder = tempfile::tempdir().unwrap();
            let (store, live, accounts, records) = rig(&folder.path().join("store"), sessions).await;
            edit(&store, &accounts[0], |account| account.disabled = true).await;
            edit(&store, &accounts[1], |account| account.epoch = 1).await;
            assert!(store.delete_account(accounts[2].id).await.unwrap());
            let over: HashSet<UserId> = accounts[..3].iter().map(|account| account.id).collect();
            let sound: HashSet<SessionId> = records.iter().filter(|r| !over.contains(&r.user)).map(|r| r.id).collect();
            restore(&store, &live).await.unwrap();
            assert_eq!(live.ids().into_iter().collect::<HashSet<_>>(), sound);
            assert_eq!(ids_in_store(&store).await, sound);
            assert!(over.iter().all(|user| live.of(*user).is_empty()));
            let mine = live.of(accounts[3].id);
            assert_eq!(mine.len(), records.iter().filter(|r| r.user == accounts[3].id).count());
            for name in NAMES {
                let named: Vec<_> = live.all().into_iter().map(|s| s.record().browser).filter(|browser| **browser == *name).collect();
                assert!(named.iter().all(|browser| Arc::ptr_eq(browser, &named[0])));
            }

            // Read again, memory follows the store: what was ended or whose account was changed elsewhere is over, what is new is there.
            let watched = (live.of(accounts[4].id), live.of(accounts[5].id));
            let gone: Vec<SessionId> = live.of(accounts[4].id).iter().map(|session| session.id()).collect();
            store.delete_sessions(&gone).await.unwrap();
            edit(&store, &accounts[5], |account| account.epoch = 1).await;
            let fresh = SessionRecord { id: SessionId::random().unwrap(), epoch: 1, ..records[5].clone() };
            assert!(store.put_session(&fresh, None).await.unwrap());
            restore(&store, &live).await.unwrap();
            assert!(watched.0.iter().chain(&watched.1).all(|session| session.is_ended()));
            assert_eq!(live.of(accounts[5].id).iter().map(|session| session.id()).collect::<Vec<_>>(), [fresh.id]);
            assert_eq!(live.ids().into_iter().collect::<HashSet<_>>(), ids_in_store(&store).await);
        }
    }
}
