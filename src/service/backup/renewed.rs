//! A backup's accounts as they go into a store that is in use. Guarantees that nothing which was made or verified before the import counts after
//! it, at any gateway and however late it arrives: each account gets an epoch and a revision that it never had. API tokens stay valid.

use std::collections::{HashMap, HashSet};

use crate::account::Account;
use crate::base::UserId;
use crate::store::kv::{Pair, decode, encode};
use crate::store::{Store, StoreError};
use crate::token::Token;

/// How far both go on: more than can be written between the look at the store and the import.
const LEAP: u32 = 1000;

/// How many accounts are looked up at a time.
const AT_ONCE: usize = 500;

/// Renews accounts, and the tokens of those who have any.
pub(super) struct Renewal {
    owners_of_tokens: HashSet<UserId>,
    epochs: HashMap<UserId, (u32, u32)>,
}

impl Renewal {
    pub fn new(owners_of_tokens: HashSet<UserId>) -> Self {
        Self { owners_of_tokens, epochs: HashMap::new() }
    }

    /// Renews what is among these pairs. Accounts come before their tokens, by the order of the keys.
    ///
    /// # Errors
    /// The store's, and a record that cannot be read.
    pub async fn renew(&mut self, store: &Store, pairs: &mut [Pair]) -> Result<(), StoreError> {
        let mut accounts: Vec<&mut Pair> = pairs.iter_mut().filter(|(key, _)| key.starts_with(b"account/")).collect();
        for some in accounts.chunks_mut(AT_ONCE) {
            let keys: Vec<Vec<u8>> = some.iter().map(|pair| pair.0.clone()).collect();
            for (pair, there) in some.iter_mut().zip(store.kv().get_many(&keys).await?) {
                let mut account: Account = decode(&pair.1)?;
                let old = account.epoch;
                go_on(&mut account, there.as_deref().map(decode).transpose()?.as_ref());
                if self.owners_of_tokens.contains(&account.id) {
                    self.epochs.insert(account.id, (old, account.epoch));
                }
                pair.1 = encode(&account)?;
            }
        }
        for (_, bytes) in pairs.iter_mut().filter(|(key, _)| key.starts_with(b"token/")) {
            let mut token: Token = decode(bytes)?;
            if let Some((_, new)) = self.epochs.get(&token.user).filter(|(old, _)| *old == token.epoch) {
                token.epoch = *new;
                *bytes = encode(&token)?;
            }
        }
        Ok(())
    }
}

fn go_on(account: &mut Account, there: Option<&Account>) {
    let (epoch, revision) = there.map_or((0, 0), |there| (there.epoch, there.revision));
    account.factors_changed();
    account.epoch = account.epoch.max(epoch).wrapping_add(LEAP);
    account.revision = account.revision.max(revision).saturating_add(u64::from(LEAP));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_and_revision_are_beyond_those_of_the_backup_and_of_the_store() {
        let account = |epoch: u32, revision: u64| -> Account {
            serde_json::from_value(serde_json::json!({
                "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "", "display_name": "", "created": 0,
                "epoch": epoch, "revision": revision,
            }))
            .unwrap()
        };
        for (backup, there) in [((3, 9), (5, 7)), ((5, 7), (3, 9)), ((1, 1), (1, 1))] {
            let mut renewed = account(backup.0, backup.1);
            go_on(&mut renewed, Some(&account(there.0, there.1)));
            assert!(renewed.epoch > backup.0.max(there.0) && renewed.revision > backup.1.max(there.1));
        }
    }
}
