//! The store as a file: back up, restore, move between stores.
//!
//! One JSON object per line: first a header `{"format":"vestibule-store","version":1,"created":TIME,"records":N}`, then `{"k":…,"v":…}` for
//! each pair (base64) in the order of the keys, all from one moment, and last `{"sha256":HEX}` of every byte before that line. Secrets stay
//! sealed under the keys of `keys.json`, which is not included: without that file no authenticator app works after a restore. The keys that
//! gateways share are in it, sealed under `keys.json` too.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::base::Time;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::keys::{KeyError, Keys};
use crate::service::refused::Refused;
use crate::service::sessions::{LiveSessions, TokenMemory};
use crate::session::{EndReason, KeyRing};
use crate::store::kv::{Pair, is_furniture};
use crate::store::{Store, StoreError, audit, check_format_of, is_format, is_genuine_in};

use super::renewed;

const FORMAT: &str = "vestibule-store";
const VERSION: u32 = 1;

/// What a restore leaves behind: what was revoked or used up since the backup must not rise again, so everybody signs in again. The
/// entries of the audit log are made again from its records.
pub(in crate::service) const PASSING: [&[u8]; 20] = [
    b"session/",
    b"session-",
    b"device/",
    b"device-",
    b"family/",
    b"ticket/",
    b"flow/",
    b"flow-of/",
    b"provider-request/",
    b"provider-session/",
    b"provider-ended/",
    b"link/",
    b"nothing",
    b"failed/",
    b"keys-canary",
    b"gateway/",
    b"lease/",
    b"acme/lease",
    b"acme/challenge/",
    audit::names::ENTRIES,
];

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    created: String,
    records: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    v: String,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    sha256: String,
}

/// Why a file was not taken in. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("line {0} is not what an export has there: {1}; use a file that `vestibule store export` wrote")]
    Malformed(usize, &'static str),
    #[error("the file was cut off or changed: its checksum does not fit; use another copy")]
    Checksum,
    #[error("the file has version {0}, and this program reads version 1; use the program that wrote it")]
    Version(u32),
    #[error("the store is not empty; say --replace to put the file in its place")]
    NotEmpty,
    #[error(
        "the secret of “{0}” does not open under the keys in DATA_DIR/keys.json; restore the keys.json that belongs to this file first"
    )]
    OtherKeys(String),
    #[error(
        "the mark of the audit log's beginning is not signed under the keys in DATA_DIR/keys.json; restore the keys.json that belongs to this file first"
    )]
    OtherAnchor,
    #[error("the file's own keys do not open under DATA_DIR/keys.json; restore the keys.json that belongs to this file first")]
    OtherKeyFile,
    #[error("{0}")]
    Keys(#[from] KeyError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// An export of these pairs, line ends included.
pub fn write(pairs: &[Pair], now: Time) -> Result<String, StoreError> {
    let json = |e: serde_json::Error| StoreError::Record(e.to_string());
    let header = Header { format: FORMAT.to_owned(), version: VERSION, created: now.rfc3339(), records: pairs.len() };
    let mut text = serde_json::to_string(&header).map_err(json)?;
    text.push('\n');
    for (key, value) in pairs {
        let line = Line { k: BASE64.encode(key), v: BASE64.encode(value) };
        text.push_str(&serde_json::to_string(&line).map_err(json)?);
        text.push('\n');
    }
    let trailer = Trailer { sha256: HEXLOWER.encode(&Sha256::digest(text.as_bytes())) };
    text.push_str(&serde_json::to_string(&trailer).map_err(json)?);
    text.push('\n');
    Ok(text)
}

/// The pairs in an export. The checksum is verified before anything else is believed.
pub fn read(text: &str) -> Result<Vec<Pair>, ImportError> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let start = body.rfind('\n').map(|at| at + 1).ok_or(ImportError::Malformed(1, "a header and a trailer"))?;
    let (covered, last) = body.split_at_checked(start).ok_or(ImportError::Checksum)?;
    let trailer: Trailer = serde_json::from_str(last).map_err(|_| ImportError::Checksum)?;
    if HEXLOWER.encode(&Sha256::digest(covered.as_bytes())) != trailer.sha256 {
        return Err(ImportError::Checksum);
    }
    let mut lines = covered.lines().enumerate();
    let header = lines.next().and_then(|(_, line)| serde_json::from_str::<Header>(line).ok());
    let header = header.filter(|header| header.format == FORMAT).ok_or(ImportError::Malformed(1, "a header"))?;
    if header.version != VERSION {
        return Err(ImportError::Version(header.version));
    }
    let pairs =
        lines.map(|(at, line)| pair(line).ok_or(ImportError::Malformed(at + 1, "a key and a value"))).collect::<Result<Vec<_>, _>>()?;
    if pairs.len() != header.records { Err(ImportError::Checksum) } else { Ok(pairs) }
}

/// The pair with this key, from a text whose checksum nobody has looked at. Costs a look through the text, and nothing is taken apart but that line.
pub(in crate::service) fn find(text: &str, key: &[u8]) -> Option<Pair> {
    let start = text.find(&format!("{{\"k\":\"{}\"", BASE64.encode(key)))?;
    pair(text.get(start..)?.lines().next()?)
}

fn pair(line: &str) -> Option<Pair> {
    let line: Line = serde_json::from_str(line).ok()?;
    Some((BASE64.decode(line.k.as_bytes()).ok()?, BASE64.decode(line.v.as_bytes()).ok()?))
}

/// Exports and restores.
pub struct Backup {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) live: Arc<LiveSessions>,
    pub(in crate::service) tokens: Arc<TokenMemory>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) keys: Arc<Keys>,
}

impl Backup {
    /// Everything, as one text. The export itself is recorded first, so that it is in it.
    pub async fn export(&self, actor: Actor<'_>) -> Result<String, Refused> {
        self.audit.record(Event::StoreExported, None, actor, "").await?;
        let mut pairs = self.store.kv().snapshot().await?;
        pairs.retain(|(key, _)| !key.starts_with(audit::names::ENTRIES));
        Ok(write(&pairs, self.context.now())?)
    }

    /// Whether the store holds nothing but what gateways put into an empty one.
    async fn is_empty(&self) -> Result<bool, StoreError> {
        let mut after = None::<Vec<u8>>;
        loop {
            let page = self.store.kv().scan(b"", after.as_deref(), 500, false).await?;
            if page.iter().any(|(key, _)| !is_furniture(key)) {
                return Ok(false);
            }
            match page.last() {
                Some((last, _)) => after = Some(last.clone()),
                None => return Ok(true),
            }
        }
    }

    /// Puts an export in the place of an empty store, or with `replace` of any. Ends every session.
    ///
    /// # Errors
    /// [`ImportError`]; then nothing has changed.
    pub async fn import(&self, text: &str, replace: bool, actor: Actor<'_>) -> Result<usize, ImportError> {
        if !replace && !self.is_empty().await? {
            return Err(ImportError::NotEmpty);
        }
        let written = read(text)?;
        check_format_of(&written)?;
        let mut pairs: Vec<Pair> =
            written.into_iter().filter(|(key, _)| !is_format(key) && !PASSING.iter().any(|prefix| key.starts_with(prefix))).collect();
        let records = pairs.len();
        let theirs = self.store.take_keys_out(&mut pairs).map_err(|_| ImportError::OtherKeyFile)?;
        let keys = self.keys.with(theirs).await?;
        let ring = match &keys {
            Some(keys) => Arc::new(keys.ring(self.context.now()).map_err(KeyError::from)?),
            None => self.store.keys(),
        };
        let accounts = accounts_in(&pairs, &ring)?;
        if !is_genuine_in(&pairs, &ring) {
            return Err(ImportError::OtherAnchor);
        }
        audit::names::complete(&mut pairs)?;
        if replace {
            renewed::renew(&self.store, &mut pairs).await?;
        }
        pairs.extend(self.store.format_record().await?);
        if let Some(keys) = &keys {
            pairs.extend(self.keys.keep(keys).await?);
        }
        if !self.store.kv().replace(pairs, !replace).await? {
            return Err(ImportError::NotEmpty);
        }
        self.keys.follow().await?;
        self.tokens.restore().await?;
        for session in self.live.all() {
            self.live.end(session.id(), EndReason::Revoked);
        }
        self.audit.record(Event::StoreImported, None, actor, format!("{accounts} accounts")).await?;
        Ok(records)
    }
}

/// How many accounts there are, all of them readable, their secrets too.
fn accounts_in(pairs: &[Pair], ring: &KeyRing) -> Result<usize, ImportError> {
    let documents = pairs.iter().filter(|(key, _)| key.starts_with(b"account/"));
    let mut count = 0;
    for (_, bytes) in documents {
        let account: Account = crate::store::kv::decode(bytes)?;
        let opens = |sealed: &str| ring.open(account.id.as_bytes(), sealed).is_ok();
        if account.sealed().any(|sealed| !opens(sealed)) {
            return Err(ImportError::OtherKeys(account.name));
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_cut_or_changed_is_refused() {
        let pairs: Vec<Pair> = vec![(b"a".to_vec(), b"1".to_vec()), (b"b/\xff".to_vec(), vec![])];
        let text = write(&pairs, Time::default()).unwrap();
        assert_eq!(read(&text).unwrap(), pairs);
        let lines: Vec<&str> = text.lines().collect();
        for broken in [
            lines[..3].join("\n"),
            [lines[0], lines[2], lines[3]].join("\n"),
            [lines[0], lines[2], lines[1], lines[3]].join("\n"),
            text.replacen("YQ==", "Yg==", 1),
            String::new(),
            "{}\n{}".to_owned(),
        ] {
            assert!(read(&broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn every_pair_comes_back(pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8)) {
            let text = write(&pairs, Time::default()).unwrap();
            for (key, _) in &pairs {
                prop_assert_eq!(find(&text, key), pairs.iter().find(|pair| pair.0 == *key).cloned());
            }
            prop_assert_eq!(read(&text).unwrap(), pairs);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(.|\n){0,200}") {
            let _ = read(&text);
        }
    }
}
