//! The store as a file: back up, restore, move between stores; the form of the file is in [`super::lines`]. Neither is ever held as a whole, but
//! for an import into an embedded store, which takes all records in one step. Secrets stay sealed under the keys of `keys.json`, which is not
//! included: without that file no authenticator app works after a restore. The keys that gateways share are in it, sealed under `keys.json` too.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::lines::Writer;
pub use super::refusal::ImportError;
use super::renewed::Renewal;
use super::taking_in::{self, Opener, TakingIn};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::keys::{KeyError, Keys};
use crate::service::refused::Refused;
use crate::service::sessions::{LiveSessions, TokenMemory};
use crate::session::EndReason;
use crate::store::kv::{Pair, is_furniture};
use crate::store::{Store, StoreError, audit, check_format_of, is_genuine_in};

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
    /// Everything, as one text: for a small store.
    pub async fn export(&self, actor: Actor<'_>) -> Result<String, Refused> {
        let (out, _) = self.export_to(Vec::new(), actor).await?;
        Ok(String::from_utf8(out).map_err(|e| StoreError::Record(e.to_string()))?)
    }

    /// Everything, written to `out` as it is read; how many records. The export itself is recorded first, so that it is in it.
    pub async fn export_to<W: Write + Send + 'static>(&self, out: W, actor: Actor<'_>) -> Result<(W, usize), Refused> {
        self.audit.record(Event::StoreExported, None, actor, "").await?;
        let writer = Arc::new(Mutex::new(Writer::new(out, self.context.now())));
        self.store.kv().pour(&[audit::names::ENTRIES], writer.clone()).await?;
        let held = || StoreError::Backend("the export is still written".to_owned());
        let mut writer = Arc::into_inner(writer).ok_or_else(held)?.into_inner().map_err(|_| held())?;
        let records = writer.finish()?;
        Ok((writer.into_inner(), records))
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
        let text: Arc<[u8]> = text.as_bytes().into();
        self.import_from(Arc::new(move || Ok(Box::new(std::io::Cursor::new(text.clone())))), replace, actor).await
    }

    /// As [`Self::import`], of a file.
    ///
    /// # Errors
    /// As there.
    pub async fn import_from(&self, opener: Opener, replace: bool, actor: Actor<'_>) -> Result<usize, ImportError> {
        if !replace && !self.is_empty().await? {
            return Err(ImportError::NotEmpty);
        }
        let first = opener.clone();
        let seen = off_thread(move || taking_in::overview(&first)).await?;
        check_format_of(seen.format.as_slice())?;
        let mut keyring: Vec<Pair> = seen.keyring.into_iter().collect();
        // The keys' own record is written anew.
        let records = seen.records - keyring.len();
        let theirs = self.store.take_keys_out(&mut keyring).map_err(|_| ImportError::OtherKeyFile)?;
        let keys = self.keys.with(theirs).await?;
        let ring = match &keys {
            Some(keys) => Arc::new(keys.ring(self.context.now()).map_err(KeyError::from)?),
            None => self.store.keys(),
        };
        let (second, under) = (opener.clone(), ring.clone());
        let accounts = off_thread(move || taking_in::accounts(&second, &under)).await?;
        if !is_genuine_in(seen.anchor.as_slice(), &ring) {
            return Err(ImportError::OtherAnchor);
        }
        let mut besides: Vec<Pair> = self.store.format_record().await?.into_iter().collect();
        if let Some(keys) = &keys {
            besides.extend(self.keys.keep(keys).await?);
        }
        let renewal = replace.then(|| (self.store.clone(), Renewal::new(seen.owners_of_tokens)));
        let source = TakingIn::new(&opener, renewal, besides)?;
        if !self.store.kv().fill(Box::new(source), !replace).await? {
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

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, ImportError> + Send + 'static) -> Result<T, ImportError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Backend(e.to_string()))?
}
