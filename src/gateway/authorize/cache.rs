//! What a shard remembers of its last requests, since the next ones are mostly like them. Whoever uses an entry checks that a look-up
//! would give the same. The cache belongs to the shard: what all shards shared would move from core to core, and many connections of
//! one user find the same entry. It is bounded and soon forgotten.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::HeaderValue;
use pingora::http::RequestHeader;

use crate::base::{Host, Time};
use crate::gateway::client_certificate::ClientCertificate;
use crate::gateway::host::UserSession;
use crate::gateway::upstream::pool::Pool;
use crate::policy::Person;
use crate::token::Way;

/// How many of each kind are remembered.
const MOST: usize = 512;
/// After so many rounds without use an entry is forgotten.
const ROUNDS: u8 = 4;

/// What the unchanging part of an outgoing header is made from: addresses in memory, which [`PreparedHeaders`] keeps alive, so that
/// nothing else can be there while it is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderKey {
    pub pool: usize,
    pub at: usize,
    pub authority: usize,
    pub person: usize,
    pub peer: IpAddr,
    pub secure: bool,
}

/// The unchanging part of an outgoing header.
pub struct PreparedHeaders {
    pub header: RequestHeader,
    /// From when on it must be made again.
    pub renew: Option<Time>,
    pub _keeps_alive: (Arc<Pool>, Arc<str>, Option<Arc<Person>>),
}

/// What the headers that say who asks are made from, by addresses as in [`HeaderKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ToldKey {
    pub pool: usize,
    pub authority: usize,
    pub person: usize,
    pub secure: bool,
}

/// The headers that say who asks, under the application's names.
pub struct Told {
    pub headers: Vec<(Bytes, HeaderValue)>,
    /// From when on they must be made again.
    pub renew: Option<Time>,
    pub _keeps_alive: (Arc<Pool>, Arc<str>, Arc<Person>),
}

impl Told {
    pub fn is_current(&self, now: Time) -> bool {
        self.renew.is_none_or(|renew| now < renew)
    }
}

/// What is remembered of the last requests.
#[derive(Default)]
pub struct ShardCache {
    /// Hosts, by the authorities that named them.
    hosts: RecentMap<Arc<str>, Host>,
    /// Sessions, by a hash of the cookie's value.
    sessions: RecentMap<u64, Arc<dyn UserSession>>,
    /// The headers that requests were sent on with.
    prepared: RecentMap<HeaderKey, PreparedHeaders>,
    /// Owners of tokens, by a hash of the token and its way.
    tokens: RecentMap<u64, Arc<dyn UserSession>>,
    told: RecentMap<ToldKey, Arc<Told>>,
    /// Certificates, by the header in which a proxy passes them on.
    certificates: RecentMap<Box<[u8]>, Arc<ClientCertificate>>,
    /// Service accounts, by the subjects of their certificates.
    holders: RecentMap<[u8; 32], Arc<dyn UserSession>>,
    hasher: RandomState,
}

/// A shard's cache, as its requests hold it.
pub type SharedCache = Arc<Mutex<ShardCache>>;

impl ShardCache {
    /// One more round without use for everything in it.
    pub fn ages(&mut self) {
        self.hosts.ages();
        self.sessions.ages();
        self.prepared.ages();
        self.tokens.ages();
        self.told.ages();
        self.certificates.ages();
        self.holders.ages();
    }

    /// The host that an authority names, if it was named in the same words lately.
    pub fn host(&mut self, authority: &str) -> Option<(Host, Arc<str>)> {
        let host = self.hosts.get(authority)?.clone();
        self.hosts.0.get_key_value(authority).map(|(known, _)| (host, Arc::clone(known)))
    }

    /// Keeps what an authority was read as.
    pub fn remember_host(&mut self, (host, authority): &(Host, Arc<str>)) {
        self.hosts.put(Arc::clone(authority), host.clone());
    }

    /// The session that this cookie's value led to lately. The caller asks whether it still does.
    pub fn session(&mut self, token: &str) -> Option<Arc<dyn UserSession>> {
        let key = self.hasher.hash_one(token);
        self.sessions.get(&key).map(Arc::clone)
    }

    /// Keeps the session that this cookie's value led to.
    pub fn remember_session(&mut self, token: &str, session: &Arc<dyn UserSession>) {
        let key = self.hasher.hash_one(token);
        self.sessions.put(key, Arc::clone(session));
    }

    /// The owner of this token, if it came in this way lately. The caller asks whether it still leads there. Kept apart from sessions:
    /// no cookie is a token.
    pub fn token(&mut self, text: &str, way: Way) -> Option<Arc<dyn UserSession>> {
        let key = self.hasher.hash_one((text, way as u8));
        self.tokens.get(&key).map(Arc::clone)
    }

    /// Keeps the owner that a token led to.
    pub fn remember_token(&mut self, text: &str, way: Way, owner: &Arc<dyn UserSession>) {
        let key = self.hasher.hash_one((text, way as u8));
        self.tokens.put(key, Arc::clone(owner));
    }

    /// The certificate that this header held lately.
    pub fn certificate(&mut self, header: &[u8]) -> Option<Arc<ClientCertificate>> {
        self.certificates.get(header).map(Arc::clone)
    }

    /// Keeps the certificate of a header.
    pub fn remember_certificate(&mut self, header: &[u8], certificate: &Arc<ClientCertificate>) {
        self.certificates.put(header.into(), Arc::clone(certificate));
    }

    /// The service account that this subject led to lately. The caller asks whether it still does.
    pub fn holder(&mut self, fingerprint: &[u8; 32]) -> Option<Arc<dyn UserSession>> {
        self.holders.get(fingerprint).map(Arc::clone)
    }

    /// Keeps the service account of a certificate.
    pub fn remember_holder(&mut self, fingerprint: [u8; 32], holder: &Arc<dyn UserSession>) {
        self.holders.put(fingerprint, Arc::clone(holder));
    }

    /// What requests with this key were sent on with lately, if it is still what it should be.
    pub fn headers(&mut self, key: &HeaderKey, now: Time) -> Option<&PreparedHeaders> {
        self.prepared.get(key).filter(|known| known.renew.is_none_or(|renew| now < renew))
    }

    /// What the application was told lately of a person.
    pub fn told(&mut self, key: &ToldKey) -> Option<Arc<Told>> {
        self.told.get(key).map(Arc::clone)
    }

    /// Keeps it for the next request of that person.
    pub fn remember_told(&mut self, key: ToldKey, told: &Arc<Told>) {
        self.told.put(key, Arc::clone(told));
    }

    /// Keeps the headers for the next request with this key.
    pub fn remember_headers(&mut self, key: HeaderKey, prepared: PreparedHeaders) {
        self.prepared.put(key, prepared);
    }
}

/// Without anybody's names.
impl fmt::Debug for ShardCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardCache").finish_non_exhaustive()
    }
}

/// Entries, and for how many rounds nobody has asked for each.
struct RecentMap<K, V>(HashMap<K, (V, u8), RandomState>);

impl<K, V> Default for RecentMap<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Hash + Eq, V> RecentMap<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get_mut(key).map(|(value, idle)| {
            *idle = 0;
            &*value
        })
    }

    fn put(&mut self, key: K, value: V) {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, (_, idle)| *idle == 0);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        self.0.insert(key, (value, 0));
    }

    fn ages(&mut self) {
        if !self.0.is_empty() {
            self.0.retain(|_, (_, idle)| {
                *idle += 1;
                *idle <= ROUNDS
            });
            if self.0.is_empty() {
                self.0.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_what_nobody_asks_for_is_forgotten() {
        let mut recent = RecentMap::<usize, usize>::default();
        (0..10 * MOST).for_each(|n| recent.put(n, n));
        assert!(recent.0.len() <= MOST && recent.get(&(10 * MOST - 1)).is_some());
        recent.put(1, 1);
        for _ in 0..ROUNDS {
            recent.ages();
            assert_eq!(recent.get(&1), Some(&1));
        }
        recent.ages();
        assert_eq!(recent.0.len(), 1, "the one that was asked for");
        (0..=ROUNDS).for_each(|_| recent.ages());
        assert!(recent.0.is_empty());
    }
}
