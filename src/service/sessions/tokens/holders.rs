//! The service accounts that client certificates stand for, by the certificates' subjects. Guarantees that a subject of two accounts
//! stands for neither, and that a look-up costs no lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::owner::{Change, Owner};
use crate::account::Account;
use crate::base::{Subject, Time, UserId};
use crate::config;

/// A service account that a certificate stands for.
pub struct Holder {
    pub user: UserId,
    pub subject: Subject,
    /// When the account was made.
    pub since: Time,
    pub(super) owner: Arc<Owner>,
    ended: AtomicBool,
    /// The last that came, since this gateway started.
    seen: Mutex<Option<SeenCertificate>>,
}

/// A certificate with which a service account came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeenCertificate {
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    /// From then on it is invalid.
    pub ends: Time,
    pub at: Time,
}

impl SeenCertificate {
    /// As `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

impl Holder {
    /// Notes with which certificate it came.
    pub fn came_with(&self, seen: SeenCertificate) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// With which it came last, at this gateway.
    pub fn seen(&self) -> Option<SeenCertificate> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The subject is another's now or nobody's, or the account is disabled or gone.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || !self.owner.is_active()
    }
}

/// What is known of an account that has or had a certificate. It stays when the account is deleted, so that late news cannot bring it back.
struct Known {
    revision: u64,
    subject: Option<Subject>,
    since: Time,
    owner: Arc<Owner>,
}

type BySubject = HashMap<Subject, Arc<Holder>>;

/// All of them.
pub struct CertificateHolders {
    known: Mutex<HashMap<UserId, Known>>,
    by_subject: ArcSwap<BySubject>,
    mfa: ArcSwap<config::Mfa>,
}

impl CertificateHolders {
    pub fn new(mfa: config::Mfa) -> Self {
        Self { known: Mutex::default(), by_subject: ArcSwap::default(), mfa: ArcSwap::from_pointee(mfa) }
    }

    /// The account that this subject stands for.
    pub fn find(&self, subject: &Subject) -> Option<Arc<Holder>> {
        self.by_subject.load().get(subject).filter(|holder| !holder.is_ended()).map(Arc::clone)
    }

    /// Accounts that have or had a certificate.
    pub fn users(&self) -> Vec<UserId> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Other policies from now on; the persons are made again from their accounts.
    pub fn reconfigure(&self, mfa: config::Mfa) {
        self.mfa.store(Arc::new(mfa));
    }

    /// An account was written or deleted. Says whether what its certificate carries is to be judged again.
    pub fn account_changed(&self, user: UserId, account: Option<&Account>) -> bool {
        let subject =
            account.filter(|account| account.service && !account.is_closed()).and_then(|account| account.certificate_subject.clone());
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(&user) else {
            if let (Some(account), Some(subject)) = (account, subject) {
                let owner = Arc::new(Owner::new(account, &self.mfa.load()));
                all.insert(user, Known { revision: account.revision, subject: Some(subject), since: account.created, owner });
                self.rebuild(&all);
            }
            return false;
        };
        if account.is_some_and(|account| account.revision < known.revision) {
            return false;
        }
        known.revision = account.map_or(u64::MAX, |account| account.revision);
        let rights = known.owner.update(account, &self.mfa.load()) == Change::Rights;
        if known.subject == subject {
            return rights;
        }
        known.subject = subject;
        self.rebuild(&all);
        true
    }

    /// What the store has by now, after it may have been replaced: an account that was deleted may be there again.
    pub fn restored(&self, accounts: &[Account]) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|user, known| known.revision != u64::MAX || !accounts.iter().any(|account| account.id == *user));
        drop(all);
        for account in accounts {
            let _ = self.account_changed(account.id, Some(account));
        }
    }

    /// Those that stay the same stay in place, so that what they carry goes on.
    fn rebuild(&self, all: &HashMap<UserId, Known>) {
        let before = self.by_subject.load();
        let (mut next, mut doubled) = (BySubject::new(), BTreeSet::new());
        for (user, known) in all {
            let Some(subject) = &known.subject else { continue };
            if next.contains_key(subject) {
                doubled.insert(subject.clone());
                continue;
            }
            let same = before.get(subject).filter(|holder| holder.user == *user && !holder.ended.load(Ordering::Acquire));
            let new = || {
                let owner = Arc::clone(&known.owner);
                Arc::new(Holder {
                    user: *user,
                    subject: subject.clone(),
                    since: known.since,
                    owner,
                    ended: AtomicBool::new(false),
                    seen: Mutex::default(),
                })
            };
            next.insert(subject.clone(), same.map_or_else(new, Arc::clone));
        }
        for subject in doubled {
            tracing::error!(%subject, "two service accounts have the same certificate subject: it stands for neither");
            next.remove(&subject);
        }
        let stays = |holder: &Arc<Holder>| next.get(&holder.subject).is_some_and(|other| Arc::ptr_eq(other, holder));
        before.values().filter(|holder| !stays(holder)).for_each(|holder| holder.ended.store(true, Ordering::Release));
        self.by_subject.store(Arc::new(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::accounts::NewAccount;

    fn account(name: &str, subject: &str) -> Account {
        let new = NewAccount { name: name.into(), service: true, certificate_subject: Some(subject.into()), ..NewAccount::default() };
        new.make(Time::from_secs(1)).unwrap()
    }

    fn holders() -> CertificateHolders {
        CertificateHolders::new(config::Config::default().mfa)
    }

    #[test]
    fn a_subject_of_two_accounts_stands_for_neither() {
        let (holders, subject) = (holders(), Subject::parse("CN=a").unwrap());
        let (one, mut two) = (account("one", "CN=a"), account("two", "CN=a"));
        holders.account_changed(one.id, Some(&one));
        let first = holders.find(&subject).unwrap();
        holders.account_changed(two.id, Some(&two));
        assert!(holders.find(&subject).is_none() && first.is_ended());
        two.certificate_subject = None;
        two.revision += 1;
        assert!(holders.account_changed(two.id, Some(&two)));
        assert_eq!(holders.find(&subject).unwrap().user, one.id);
    }

    #[test]
    fn who_is_disabled_deleted_or_renamed_is_held_by_nothing_and_late_news_change_nothing() {
        let (holders, subject) = (holders(), Subject::parse("CN=a").unwrap());
        let first = account("one", "CN=a");
        holders.account_changed(first.id, Some(&first));
        for change in [
            |account: &mut Account| account.disabled = true,
            |account: &mut Account| account.service = false,
            |account: &mut Account| account.certificate_subject = Some(Subject::parse("CN=b").unwrap()),
        ] {
            let held = holders.find(&subject).unwrap();
            let revision = holders.known.lock().unwrap()[&first.id].revision;
            let mut other = Account { revision: revision + 1, ..first.clone() };
            change(&mut other);
            assert!(holders.account_changed(first.id, Some(&other)) && held.is_ended() && holders.find(&subject).is_none());
            assert!(!holders.account_changed(first.id, Some(&Account { revision, ..first.clone() })), "an earlier state");
            assert!(holders.find(&subject).is_none());
            holders.account_changed(first.id, Some(&Account { revision: revision + 2, ..first.clone() }));
        }
        holders.account_changed(first.id, None);
        holders.account_changed(first.id, Some(&Account { revision: 99, ..first.clone() }));
        assert!(holders.find(&subject).is_none());
    }
}
