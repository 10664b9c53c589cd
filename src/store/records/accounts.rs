//! Accounts: one document each, found by name or e-mail address through one index, so that both are one identity.
//!
//! Keys: `account/ID` the document; `login/NAME` and `login/EMAIL` (folded) the id; `totp/DIGEST` and `credential/ID` the one
//! account that owns a factor; `person/SOURCE/ID` the one account of a directory's or provider's person.

use data_encoding::BASE64URL_NOPAD;

use crate::account::{Account, PersonId, Version};
use crate::base::UserId;
use crate::store::audit::record::AuditRecord;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::login_name::fold;
use crate::store::{Store, StoreError};

/// How often a write is tried again when the record changed meanwhile.
pub(super) const TRIES: usize = 64;

/// What an id may begin with when it is written ([`crate::base::UserId`]: base32).
pub const FIRST_LETTERS: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// What an edit decided: to write the document, or to leave it.
#[derive(Debug)]
pub enum Edit<R> {
    Write(R),
    Leave(R),
}

/// Why a write of an account was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("another account already signs in as “{0}”")]
    Login(String),
    #[error("another account already has this authenticator, security key or person of a source")]
    Factor,
}

fn logins(account: &Account) -> Vec<Vec<u8>> {
    // A guest has no login: the address stays free for an account, and no password is ever asked about it.
    if account.is_guest() {
        return Vec::new();
    }
    let mut keys = vec![key("login", fold(&account.name))];
    if !account.email.is_empty() {
        keys.push(key("login", fold(&account.email)));
    }
    keys.dedup();
    keys
}

/// The index keys of what belongs to one account only: its factors, and who its person is at sources elsewhere.
fn factors(account: &Account) -> Vec<Vec<u8>> {
    let totp = account.totp.iter().map(|totp| key("totp", &totp.fingerprint));
    let credentials = account.webauthn.iter().map(|credential| key("credential", &credential.id));
    let persons = account.source.iter().map(|membership| &membership.person).chain(&account.linked).map(person);
    let mut keys: Vec<_> = totp.chain(credentials).chain(persons).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A source's name has no slash, so no two persons share a key.
fn person(person: &PersonId) -> Vec<u8> {
    key("person", format!("{}/{}", person.source, person.id))
}

/// New accounts, none of whose names and factors is anybody's.
fn added(accounts: &[Account]) -> Result<Batch, StoreError> {
    let mut batch = Batch::durable();
    for account in accounts {
        let document = key("account", account.id.to_string());
        batch = batch.expect(document.clone(), None).put(document, encode(account)?);
        for index in logins(account).into_iter().chain(factors(account)) {
            batch = batch.expect(index.clone(), None).put(index, encode(&account.id)?);
        }
    }
    Ok(batch)
}

impl Store {
    /// The account with this id.
    pub async fn account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.kv.get(&key("account", id.to_string())).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// The accounts with these ids, in their order, in one go.
    pub async fn accounts_by_id(&self, ids: &[UserId]) -> Result<Vec<Option<Account>>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| key("account", id.to_string())).collect();
        let values = self.kv.get_many(&keys).await?;
        values.into_iter().map(|bytes| bytes.map(|bytes| decode(&bytes)).transpose()).collect()
    }

    /// Reads an account again that another process wrote or deleted, and tells whoever is told of written accounts.
    pub async fn account_again(&self, id: UserId) -> Result<(), StoreError> {
        let account = self.account(id).await?;
        self.told(id, account.as_ref());
        Ok(())
    }

    /// The account that signs in with this name or e-mail address.
    pub async fn account_by_login(&self, login: &str) -> Result<Option<Account>, StoreError> {
        let folded = fold(login);
        if folded.is_empty() || folded.len() > 512 {
            return Ok(None);
        }
        let Some(id) = self.kv.get(&key("login", folded)).await? else { return Ok(None) };
        let id: UserId = decode(&id)?;
        self.account(id).await
    }

    /// Up to `limit` accounts in the order of their ids, after one.
    pub async fn accounts(&self, after: Option<UserId>, limit: usize) -> Result<Vec<Account>, StoreError> {
        let after = after.map(|id| key("account", id.to_string()));
        self.kv.scan(b"account/", after.as_deref(), limit, false).await?.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    /// As [`Store::accounts`], of those whose id begins with this one of [`FIRST_LETTERS`]: all letters together are every account, and can
    /// be read side by side.
    pub async fn accounts_beginning(&self, first: char, after: Option<UserId>, limit: usize) -> Result<Vec<Account>, StoreError> {
        let after = after.map(|id| key("account", id.to_string()));
        let prefix = key("account", first.to_string());
        self.kv.scan(&prefix, after.as_deref(), limit, false).await?.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    /// Every account, for listings and the start.
    pub async fn all_accounts(&self) -> Result<Vec<Account>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.accounts(after, 1000).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id);
            all.extend(page);
        }
    }

    /// Adds an account.
    ///
    /// # Errors
    /// The inner one where its name or address is taken.
    pub async fn create_account(&self, account: &Account) -> Result<Result<(), Conflict>, StoreError> {
        self.write(None, account).await
    }

    /// Adds many, all or nothing.
    pub async fn create_accounts(&self, accounts: &[Account]) -> Result<Result<(), Conflict>, StoreError> {
        Ok(self.create_accounts_recorded(accounts, Vec::new()).await?.map(drop))
    }

    /// The same with records of it at the end of the audit log, in one step.
    pub async fn create_accounts_recorded(
        &self,
        accounts: &[Account],
        mut records: Vec<AuditRecord>,
    ) -> Result<Result<Vec<AuditRecord>, Conflict>, StoreError> {
        let _turn = self.audit_turn.lock().await;
        for _ in 0..TRIES {
            if self.kv.commit(self.with_audits(added(accounts)?, &mut records).await?).await? {
                accounts.iter().for_each(|account| self.told(account.id, Some(account)));
                return Ok(Ok(records));
            }
            for account in accounts {
                if let Some(taken) = self.taken(None, account).await? {
                    return Ok(Err(taken));
                }
            }
        }
        Err(StoreError::Contended)
    }

    /// Reads, edits and writes an account as one atomic step; the edit runs again where the record changed meanwhile.
    /// `None` where there is no such account.
    pub async fn update_account<R>(
        &self,
        id: UserId,
        mut edit: impl FnMut(&mut Account) -> Edit<R>,
    ) -> Result<Option<Result<R, Conflict>>, StoreError> {
        for _ in 0..TRIES {
            let Some(bytes) = self.kv.get(&key("account", id.to_string())).await? else { return Ok(None) };
            let before: Account = decode(&bytes)?;
            let mut after = before.clone();
            let result = match edit(&mut after) {
                Edit::Leave(result) => return Ok(Some(Ok(result))),
                Edit::Write(result) => result,
            };
            after.revision = before.revision.saturating_add(1);
            match self.write(Some((&before, bytes)), &after).await {
                Ok(Ok(())) => return Ok(Some(Ok(result))),
                Ok(Err(conflict)) => return Ok(Some(Err(conflict))),
                Err(StoreError::Contended) => {}
                Err(e) => return Err(e),
            }
        }
        Err(StoreError::Contended)
    }

    /// As [`Store::update_account`], of the account in the version that was verified before a wait. `None` if it is gone, disabled, or a
    /// password or factor was changed since; then the edit did not run.
    pub async fn update_verified<R>(
        &self,
        version: Version,
        mut edit: impl FnMut(&mut Account) -> Edit<R>,
    ) -> Result<Option<Result<R, Conflict>>, StoreError> {
        let checked = |account: &mut Account| {
            if !version.is_of(account) {
                return Edit::Leave(None);
            }
            match edit(account) {
                Edit::Write(result) => Edit::Write(Some(result)),
                Edit::Leave(result) => Edit::Leave(Some(result)),
            }
        };
        Ok(match self.update_account(version.user(), checked).await? {
            Some(Ok(result)) => result.map(Ok),
            Some(Err(conflict)) => Some(Err(conflict)),
            None => None,
        })
    }

    /// Removes an account and all that points to it.
    pub async fn delete_account(&self, id: UserId) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let document = key("account", id.to_string());
            let Some(bytes) = self.kv.get(&document).await? else { return Ok(false) };
            let account: Account = decode(&bytes)?;
            let mut batch = Batch::durable().expect(document.clone(), Some(bytes)).delete(document);
            for index in logins(&account).into_iter().chain(factors(&account)) {
                batch = batch.delete(index);
            }
            if self.kv.commit(batch).await? {
                self.told(id, None);
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    /// The document and its index keys, in place of those that were there.
    pub(super) fn account_batch(before: Option<(&Account, Vec<u8>)>, after: &Account) -> Result<Batch, StoreError> {
        let document = key("account", after.id.to_string());
        let (before, bytes) = before.unzip();
        let mut batch = Batch::durable().expect(document.clone(), bytes).put(document, encode(after)?);
        let owner = encode(&after.id)?;
        let old = match before {
            Some(account) => [logins(account), factors(account)].concat(),
            None => Vec::new(),
        };
        let new = [logins(after), factors(after)].concat();
        for index in old.iter().filter(|index| !new.contains(index)) {
            batch = batch.delete(index.clone());
        }
        for index in new.into_iter().filter(|index| !old.contains(index)) {
            batch = batch.expect(index.clone(), None).put(index, owner.clone());
        }
        Ok(batch)
    }

    async fn write(&self, before: Option<(&Account, Vec<u8>)>, after: &Account) -> Result<Result<(), Conflict>, StoreError> {
        let batch = Self::account_batch(before.clone(), after)?;
        let before = before.map(|(account, _)| account);
        match self.kv.commit(batch).await {
            Ok(true) => {
                self.told(after.id, Some(after));
                return Ok(Ok(()));
            }
            Ok(false) => {}
            Err(e) => {
                // It may have been applied and not flushed. What takes something away must hold either way.
                if after.disabled || before.is_some_and(|before| before.epoch != after.epoch) {
                    self.told(after.id, Some(after));
                }
                return Err(e);
            }
        }
        match self.taken(before, after).await? {
            Some(conflict) => Ok(Err(conflict)),
            None => Err(StoreError::Contended),
        }
    }

    pub(super) async fn taken(&self, before: Option<&Account>, after: &Account) -> Result<Option<Conflict>, StoreError> {
        let own = Some(encode(&after.id)?);
        let old = before.map(logins).unwrap_or_default();
        for login in [&after.name, &after.email] {
            let index = key("login", fold(login));
            if !login.is_empty()
                && !old.contains(&index)
                && self.kv.get(&index).await?.is_some_and(|id| Some(id) != own || before.is_none())
            {
                return Ok(Some(Conflict::Login(login.clone())));
            }
        }
        for index in factors(after) {
            if self.kv.get(&index).await?.is_some_and(|id| Some(id) != own) {
                return Ok(Some(Conflict::Factor));
            }
        }
        Ok(None)
    }

    /// The account of a person at a directory or provider.
    pub async fn account_by_person(&self, id: &PersonId) -> Result<Option<Account>, StoreError> {
        let Some(id) = self.kv.get(&person(id)).await? else { return Ok(None) };
        let id: UserId = decode(&id)?;
        self.account(id).await
    }

    /// The account that a security key or passkey belongs to.
    pub async fn account_by_credential(&self, credential: &str) -> Result<Option<Account>, StoreError> {
        let Some(id) = self.kv.get(&key("credential", credential)).await? else { return Ok(None) };
        let id: UserId = decode(&id)?;
        self.account(id).await
    }

    /// What a TOTP secret is told apart by: a slow-to-guess secret needs no salt, and 160 random bits cannot be searched.
    pub fn totp_fingerprint(secret: &[u8]) -> String {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        hash.update(b"vestibule totp fingerprint v1");
        hash.update(secret);
        BASE64URL_NOPAD.encode(&hash.finalize())
    }

    /// A write that means nothing and takes as long as one that counts a failure, so that no answer tells by its time whether a
    /// name exists (OWASP ASVS 6.3.8).
    pub async fn spend_time(&self) -> Result<(), StoreError> {
        self.kv.commit(Batch::durable().put("nothing", "")).await.map(|_| ())
    }
}
