//! The seam between the verbs and a backend: ordered keys, and commits that hold only while what they expect holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::base::{SessionId, Time};
use crate::store::StoreError;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Takes what a store holds, some pairs at a time, in order.
pub trait Sink: Send {
    /// How many there will be. Called first, once.
    ///
    /// # Errors
    /// If it cannot take them; then it is given nothing more.
    fn begins(&mut self, records: usize) -> Result<(), StoreError>;

    /// # Errors
    /// As for [`Sink::begins`].
    fn takes(&mut self, pairs: Vec<Pair>) -> Result<(), StoreError>;
}

/// Gives what a store is to hold, some pairs at a time. No key comes twice.
#[async_trait]
pub trait Source: Send {
    /// The next ones; none at the end.
    ///
    /// # Errors
    /// If there is no end to come to: then nothing is taken in.
    async fn more(&mut self) -> Result<Vec<Pair>, StoreError>;
}

pub(in crate::store) fn given<T: ?Sized>(sink: &Mutex<T>) -> MutexGuard<'_, T> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a backend owes. Every method is atomic and, once it returned `Ok`, durable against the end of the process; a batch
/// marked `durable` also against the loss of power.
#[async_trait]
pub trait Kv: Send + Sync + 'static {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values of these keys, in their order.
    async fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.get(key).await?);
        }
        Ok(values)
    }

    /// Up to `limit` pairs whose key starts with `prefix` and is greater than `after`, in order; backwards from below `after` if `reverse`.
    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, reverse: bool) -> Result<Vec<Pair>, StoreError>;

    /// Applies the batch if every expectation holds; `false` and no change if one does not.
    async fn commit(&self, batch: Batch) -> Result<bool, StoreError>;

    /// Every pair, in order, as they stood at one moment: no commit happens while they are read.
    async fn snapshot(&self) -> Result<Vec<Pair>, StoreError>;

    /// As [`Kv::snapshot`], without the keys that start with one of these.
    async fn snapshot_without(&self, prefixes: &'static [&'static [u8]]) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.snapshot().await?;
        Ok(pairs.into_iter().filter(|(key, _)| !prefixes.iter().any(|prefix| key.starts_with(prefix))).collect())
    }

    /// Puts these pairs in the place of everything that is there, as one step, durable; `false` and no change where `only_empty` and
    /// something is there that is no [`is_furniture`]. Where the store is shared, the records of its gateways (`gateway/`) stay.
    async fn replace(&self, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError>;

    /// As [`Kv::snapshot_without`], into a sink.
    async fn pour(&self, without: &'static [&'static [u8]], sink: Arc<Mutex<dyn Sink>>) -> Result<(), StoreError> {
        let pairs = self.snapshot_without(without).await?;
        let mut sink = given(&sink);
        sink.begins(pairs.len())?;
        sink.takes(pairs)
    }

    /// As [`Kv::replace`], from a source. If that ends with an error, nothing has changed.
    async fn fill(&self, mut source: Box<dyn Source>, only_empty: bool) -> Result<bool, StoreError> {
        let mut all = Vec::new();
        loop {
            let mut pairs = source.more().await?;
            if pairs.is_empty() {
                return self.replace(all, only_empty).await;
            }
            all.append(&mut pairs);
        }
    }

    /// What other processes change from now on in accounts and sessions; `None` where no other has the store open.
    fn changes(&self) -> Option<mpsc::Receiver<Change>> {
        None
    }

    /// The name of this process among those that may have the store open, in hexadecimal; `None` where no other can.
    fn member(&self) -> Option<String> {
        None
    }

    /// Tells every process that has the store open, after all that was committed before. `false` where there is no other.
    async fn tell(&self, _word: Word) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Whether other processes may have the store open.
    fn is_shared(&self) -> bool {
        false
    }
}

/// What gateways put into an empty store before anybody has an account: their shared keys, the form of the records, themselves.
const FURNITURE: [&[u8]; 9] =
    [b"keyring", b"keys-canary", b"format", b"gateway/", b"lease/", b"acme/lease", b"session-index", b"health", b"nothing"];

/// Whether a store that holds this key and none of another kind counts as empty.
pub fn is_furniture(key: &[u8]) -> bool {
    FURNITURE.iter().any(|kind| if kind.ends_with(b"/") { key.starts_with(kind) } else { key == *kind })
}

/// A question to all processes that have a store open: a number that nobody else asks with.
pub type Question = [u8; 8];

/// What processes say to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Who has followed all that was committed before this?
    Ask(Question),
    /// This process has.
    Answer(Question),
}

/// News of a store that several processes share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// This key was written or deleted; read it again.
    Key(Vec<u8>),
    /// This session is over.
    Gone(SessionId),
    /// These sessions were last used then. Nothing else about them changed.
    Used(Vec<(SessionId, Time)>),
    /// The whole store was replaced, as by an import: read everything again.
    Replaced,
    /// From here on changes are heard. Those before may have been missed: read everything again.
    Listening,
    /// Somebody asks who has followed every change that was reported before this.
    Asked(Question),
    /// This process ([`Kv::member`]) had followed everything that was committed before this question.
    Answered(Question, String),
    /// Every change up to a moment ago was reported before this. Comes once a second; where it does not come, changes may be
    /// missed.
    Alive,
}

/// A change of several keys at once, with what must hold for it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub expect: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub write: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Must outlive a loss of power, not only of the process.
    pub durable: bool,
    /// All that the writes say: other processes are told this in one notice, instead of each key. Up to [`USED`] of them.
    pub used: Vec<(SessionId, Time)>,
}

/// How many last uses fit in one notice.
pub const USED: usize = 128;

impl Batch {
    pub fn durable() -> Self {
        Self { durable: true, ..Self::default() }
    }

    /// The key must have this value, or be absent.
    #[must_use]
    pub fn expect(mut self, key: impl Into<Vec<u8>>, value: Option<Vec<u8>>) -> Self {
        self.expect.push((key.into(), value));
        self
    }

    #[must_use]
    pub fn put(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.write.push((key.into(), Some(value.into())));
        self
    }

    #[must_use]
    pub fn delete(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.write.push((key.into(), None));
        self
    }
}

/// A record's bytes.
pub fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|e| StoreError::Record(e.to_string()))
}

/// The record in these bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Record(e.to_string()))
}

/// The first key after all that start with `prefix`.
pub(in crate::store) fn upper(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// `prefix/name`.
pub fn key(prefix: &str, name: impl AsRef<[u8]>) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 1 + name.as_ref().len());
    key.extend_from_slice(prefix.as_bytes());
    key.push(b'/');
    key.extend_from_slice(name.as_ref());
    key
}
