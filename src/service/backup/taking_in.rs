//! An export on its way into a store, a few pairs at a time: what does not last is left out, accounts are renewed, and what the store needs
//! besides is added. The file is read three times, and the third reading verifies it once more: a file that changed meanwhile changes nothing.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::Arc;

use async_trait::async_trait;

use super::lines::Reader;
use super::refusal::ImportError;
use super::renewed::Renewal;
use crate::account::Account;
use crate::base::UserId;
use crate::session::KeyRing;
use crate::store::kv::{Pair, Source, decode};
use crate::store::{Store, StoreError, audit, is_anchor, is_format, is_keyring};
use crate::token::Token;

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

/// How many pairs are on their way at a time.
const AT_ONCE: usize = 500;

/// Opens the export from its beginning.
pub type Opener = Arc<dyn Fn() -> std::io::Result<Box<dyn BufRead + Send>> + Send + Sync>;

pub(super) fn opened(opener: &Opener) -> Result<Reader<Box<dyn BufRead + Send>>, ImportError> {
    let lines = opener().map_err(|e| StoreError::Backend(format!("the file cannot be read: {e}")))?;
    Reader::open(lines)
}

/// What is to be known of an export before any of it is taken in.
#[derive(Default)]
pub(super) struct Overview {
    /// What goes into the store of it.
    pub records: usize,
    pub format: Option<Pair>,
    pub keyring: Option<Pair>,
    pub anchor: Option<Pair>,
    pub owners_of_tokens: HashSet<UserId>,
}

/// Reads it once, to its end: the checksum is right.
pub(super) fn overview(opener: &Opener) -> Result<Overview, ImportError> {
    let (mut reader, mut seen) = (opened(opener)?, Overview::default());
    while let Some(pair) = reader.next_pair()? {
        if pair.0.starts_with(b"token/")
            && let Ok(token) = decode::<Token>(&pair.1)
        {
            seen.owners_of_tokens.insert(token.user);
        }
        seen.records += usize::from(lasts(&pair.0));
        match &pair.0 {
            key if is_format(key) => seen.format = Some(pair),
            key if is_keyring(key) => seen.keyring = Some(pair),
            key if is_anchor(key) => seen.anchor = Some(pair),
            _ => {}
        }
    }
    Ok(seen)
}

/// How many accounts there are, all of them readable, their secrets too.
pub(super) fn accounts(opener: &Opener, ring: &KeyRing) -> Result<usize, ImportError> {
    let (mut reader, mut count) = (opened(opener)?, 0);
    while let Some((key, bytes)) = reader.next_pair()? {
        if !key.starts_with(b"account/") {
            continue;
        }
        let account: Account = decode(&bytes)?;
        let opens = |sealed: &str| ring.open(account.id.as_bytes(), sealed).is_ok();
        if account.sealed().any(|sealed| !opens(sealed)) {
            return Err(ImportError::OtherKeys(account.name));
        }
        count += 1;
    }
    Ok(count)
}

fn lasts(key: &[u8]) -> bool {
    !is_format(key) && !PASSING.iter().any(|prefix| key.starts_with(prefix))
}

/// The pairs as they go into the store.
pub(super) struct TakingIn {
    reader: Option<Reader<Box<dyn BufRead + Send>>>,
    /// If the store is in use.
    renewal: Option<(Arc<Store>, Renewal)>,
    /// What comes last.
    besides: Vec<Pair>,
}

impl TakingIn {
    pub fn new(opener: &Opener, renewal: Option<(Arc<Store>, Renewal)>, besides: Vec<Pair>) -> Result<Self, ImportError> {
        Ok(Self { reader: Some(opened(opener)?), renewal, besides })
    }
}

#[async_trait]
impl Source for TakingIn {
    async fn more(&mut self) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        while pairs.len() < AT_ONCE
            && let Some(reader) = &mut self.reader
        {
            match reader.next_pair() {
                Ok(Some((key, _))) if is_keyring(&key) || !lasts(&key) => {}
                Ok(Some(pair)) => pairs.push(pair),
                Ok(None) => self.reader = None,
                Err(ImportError::Store(e)) => return Err(e),
                Err(e) => return Err(StoreError::Backend(e.to_string())),
            }
        }
        audit::names::complete(&mut pairs)?;
        if let Some((store, renewal)) = &mut self.renewal {
            renewal.renew(store, &mut pairs).await?;
        }
        if self.reader.is_none() {
            pairs.append(&mut self.besides);
        }
        Ok(pairs)
    }
}
