//! Fresh recovery codes in the place of the old ones.

use crate::account::Account;
use crate::base::Secret;
use crate::factor::recovery;
use crate::service::refused::Refused;
use crate::store::{Edit, Store};

/// Ten fresh recovery codes; the old ones are invalid from now on.
///
/// # Errors
/// The store's.
pub async fn fresh_codes(store: &Store, account: &Account) -> Result<Vec<Secret>, Refused> {
    let (shown, kept): (Vec<_>, Vec<_>) = recovery::generate()?.into_iter().unzip();
    let write = |account: &mut Account| {
        account.recovery.clone_from(&kept);
        Edit::Write(())
    };
    match store.update_verified(account.version(), write).await? {
        Some(Ok(())) => Ok(shown),
        Some(Err(_)) | None => Err(Refused::Gone),
    }
}
