//! API tokens as the store keeps them: their digests, never themselves. Guarantees that a token is made only for the account state
//! that was checked, and that a revoked one is not brought back by the note of its last use.
//!
//! Key: `token/ID` the record.

use crate::account::Account;
use crate::base::TokenId;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};
use crate::token::{LastUse, Token};

/// How often a write is tried again when the account changed meanwhile.
const TRIES: usize = 64;
/// How many are read at a time.
const PAGE: usize = 1000;
/// How many last uses are noted in one step.
const TOUCHED: usize = 128;

fn token_key(id: TokenId) -> Vec<u8> {
    key("token", id.to_string())
}

impl Store {
    /// Keeps a token, if its owner is still there, enabled, and in the epoch that the token names; `false` otherwise.
    pub async fn create_token(&self, token: &Token) -> Result<bool, StoreError> {
        let owner = key("account", token.user.to_string());
        for _ in 0..TRIES {
            let Some(bytes) = self.kv.get(&owner).await? else { return Ok(false) };
            let account: Account = decode(&bytes)?;
            if account.disabled || account.epoch != token.epoch {
                return Ok(false);
            }
            let batch = Batch::durable().expect(owner.clone(), Some(bytes)).expect(token_key(token.id), None);
            if self.kv.commit(batch.put(token_key(token.id), encode(token)?)).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    /// The token with this id.
    pub async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError> {
        self.kv.get(&token_key(id)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Every token.
    pub async fn all_tokens(&self) -> Result<Vec<Token>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.kv.scan(b"token/", after.as_deref(), PAGE, false).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            for (_, bytes) in &page {
                all.push(decode(bytes)?);
            }
        }
    }

    /// Removes tokens for good.
    pub async fn delete_tokens(&self, ids: &[TokenId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let batch = ids.iter().fold(Batch::durable(), |batch, id| batch.delete(token_key(*id)));
        self.kv.commit(batch).await?;
        Ok(())
    }

    /// Notes when tokens were last used. Those that are gone stay gone, and a later use noted by another gateway stands.
    pub async fn touch_tokens(&self, uses: &[(TokenId, LastUse)]) -> Result<(), StoreError> {
        for uses in uses.chunks(TOUCHED) {
            let mut batch = Batch::default();
            for one in uses {
                batch = self.used(one, batch).await?;
            }
            // If one of them changed between the look and here, each is noted by itself.
            if !batch.write.is_empty() && !self.kv.commit(batch).await? {
                for one in uses {
                    let batch = self.used(one, Batch::default()).await?;
                    self.kv.commit(batch).await?;
                }
            }
        }
        Ok(())
    }

    async fn used(&self, (id, at): &(TokenId, LastUse), batch: Batch) -> Result<Batch, StoreError> {
        let Some(before) = self.kv.get(&token_key(*id)).await? else { return Ok(batch) };
        let mut token: Token = decode(&before)?;
        if token.last_used.is_some_and(|last| last.at >= at.at) {
            return Ok(batch);
        }
        token.last_used = Some(*at);
        Ok(batch.expect(token_key(*id), Some(before)).put(token_key(*id), encode(&token)?))
    }
}
