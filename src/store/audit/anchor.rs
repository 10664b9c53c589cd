//! Where the audit log begins. Records that were kept long enough are removed from its beginning, and in the same step an anchor is
//! written: the number and hash of the last one that is gone, signed, so that whoever can edit the store cannot move it unseen.
//!
//! Key: `audit-anchor`. A log that was never trimmed has none and begins at [`GENESIS`]. What does not follow is not removed:
//! a trimming must not carry off the traces of a change.

use serde::{Deserialize, Serialize};

use super::names::entries;
use super::record::{AuditRecord, GENESIS};
use crate::base::Time;
use crate::session::{KeyRing, Purpose};
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

const ANCHOR: &[u8] = b"audit-anchor";

const TRIES: usize = 16;

/// The last record that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub seq: u64,
    pub hash: String,
    /// Over both, under the key ring.
    signature: String,
}

/// What the log's beginning is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditStart {
    /// After this number and hash; zero and [`GENESIS`] where nothing was ever removed.
    At(u64, String),
    /// There is an anchor, and it is not this gateway's.
    Forged,
}

/// What a trimming did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trimmed {
    /// So many records, the last of which had this number.
    Removed { count: u64, last: u64 },
    /// There is nothing (more) to remove.
    Nothing,
    /// Another gateway was quicker.
    Overtaken,
    /// This record does not follow from the one before, or the anchor is not the gateway's. Nothing was removed.
    Broken(u64),
}

fn payload(seq: u64, hash: &str) -> Vec<u8> {
    [&seq.to_be_bytes()[..], hash.as_bytes()].concat()
}

impl Anchor {
    fn new(keys: &KeyRing, seq: u64, hash: String) -> Self {
        Self { signature: keys.sign(Purpose::Audit, &payload(seq, &hash)), seq, hash }
    }

    /// Whether the gateway wrote it, under a key that is still kept.
    pub fn is_genuine(&self, keys: &KeyRing) -> bool {
        keys.verify(Purpose::Audit, &self.signature, &mut [0; 256]) == Some(&payload(self.seq, &self.hash))
    }
}

/// Whether a key is the anchor's.
pub fn is_anchor(key: &[u8]) -> bool {
    key == ANCHOR
}

/// Whether the anchor in these pairs, where there is one, was signed under these keys.
pub fn is_genuine_in(pairs: &[crate::store::backend::kv::Pair], keys: &KeyRing) -> bool {
    let anchor = pairs.iter().find(|(key, _)| key == ANCHOR);
    anchor.is_none_or(|(_, bytes)| decode::<Anchor>(bytes).is_ok_and(|anchor| anchor.is_genuine(keys)))
}

impl Store {
    async fn anchor(&self) -> Result<(Option<Anchor>, Option<Vec<u8>>), StoreError> {
        let raw = self.kv.get(ANCHOR).await?;
        // What cannot be read is taken for forged: its number and hash are nobody's.
        let read =
            raw.as_deref().map(|bytes| decode(bytes).unwrap_or_else(|_| Anchor { seq: 0, hash: String::new(), signature: String::new() }));
        Ok((read, raw))
    }

    /// The batch holds only while the log begins where it does now.
    pub(in crate::store) async fn expect_anchor(&self, batch: Batch) -> Result<Batch, StoreError> {
        Ok(batch.expect(ANCHOR, self.anchor().await?.1))
    }

    /// Where the log begins.
    pub async fn audit_start(&self) -> Result<AuditStart, StoreError> {
        Ok(self.start(self.anchor().await?.0))
    }

    fn start(&self, anchor: Option<Anchor>) -> AuditStart {
        match anchor {
            None => AuditStart::At(0, GENESIS.to_owned()),
            Some(anchor) if anchor.is_genuine(&self.keys()) => AuditStart::At(anchor.seq, anchor.hash),
            Some(_) => AuditStart::Forged,
        }
    }

    /// The id of the key that the anchor is signed under.
    pub async fn anchored_under(&self) -> Result<Option<u8>, StoreError> {
        Ok(self.anchor().await?.0.and_then(|anchor| KeyRing::sealed_under(&anchor.signature)))
    }

    /// Signs the anchor anew under the newest key, so that an older one can be given up. A forged one stays as it is.
    pub async fn renew_anchor(&self) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let (Some(anchor), before) = self.anchor().await? else { return Ok(()) };
            let keys = self.keys();
            if !anchor.is_genuine(&keys) || KeyRing::is_fresh(&keys, &anchor.signature) {
                return Ok(());
            }
            let fresh = Anchor::new(&keys, anchor.seq, anchor.hash);
            if self.kv.commit(Batch::durable().expect(ANCHOR, before).put(ANCHOR, encode(&fresh)?)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    /// Removes the oldest records that were written before `before`, at most `most` of them and none after number `up_to`. The newest
    /// record of all stays. Each that goes is proved first.
    pub async fn trim_audit(&self, before: Time, up_to: u64, most: usize) -> Result<Trimmed, StoreError> {
        let (anchor, raw) = self.anchor().await?;
        let AuditStart::At(start, hash) = self.start(anchor) else { return Ok(Trimmed::Broken(0)) };
        let newest = self.audit_head().await?.map_or(0, |head| head.seq);
        let last = up_to.min(newest.saturating_sub(1));
        let page = self.kv.scan(b"audit/", None, most, false).await?;
        let (mut seq, mut link, mut batch) = (start, hash, Batch::durable().expect(ANCHOR, raw.clone()));
        for (place, bytes) in page {
            let next = seq.saturating_add(1);
            let record = match decode::<AuditRecord>(&bytes) {
                Ok(record) if record.follows(&place, &bytes, next, &link) => record,
                // Another gateway may have removed it between the two readings.
                _ if self.kv.get(ANCHOR).await? != raw => return Ok(Trimmed::Overtaken),
                _ => return Ok(Trimmed::Broken(next)),
            };
            if record.at >= before || record.seq > last {
                break;
            }
            batch = entries(&record).into_iter().fold(batch.delete(place), |batch, (key, _)| batch.delete(key));
            (seq, link) = (record.seq, record.hash);
        }
        if seq == start {
            return Ok(Trimmed::Nothing);
        }
        let batch = batch.put(ANCHOR, encode(&Anchor::new(&self.keys(), seq, link))?);
        let removed = Trimmed::Removed { count: seq.saturating_sub(start), last: seq };
        Ok(if self.kv.commit(batch).await? { removed } else { Trimmed::Overtaken })
    }
}

impl AuditRecord {
    /// Whether this is record `seq`, in its place, unchanged, after the one with this hash.
    fn follows(&self, place: &[u8], bytes: &[u8], seq: u64, previous: &str) -> bool {
        place == key("audit", seq.to_be_bytes())
            && self.seq == seq
            && self.previous == previous
            && encode(self).is_ok_and(|again| again == bytes)
            && self.digest().is_ok_and(|digest| digest == self.hash)
    }
}
