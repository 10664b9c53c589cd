//! What one gateway does for all that share a store: it holds a lease, which runs out if it dies. Guarantees that of many who take a lease
//! at once one has it, and that nobody gives back another's.
//!
//! Keys: `lease/sweep`, `lease/retention`, `lease/providers`, and for certificates `acme/lease`.

use serde::{Deserialize, Serialize};

use crate::base::Time;
use crate::store::backend::kv::{Batch, decode, encode};
use crate::store::{Store, StoreError};

/// What one gateway does for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duty {
    /// Orders certificates by ACME.
    Certificates,
    /// Removes what has expired.
    Sweep,
    /// Removes old records of the audit log.
    Retention,
    /// Asks providers about sessions that came from them.
    Providers,
}

impl Duty {
    pub(in crate::store) const fn place(self) -> &'static [u8] {
        match self {
            Self::Certificates => b"acme/lease",
            Self::Sweep => b"lease/sweep",
            Self::Retention => b"lease/retention",
            Self::Providers => b"lease/providers",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Lease {
    holder: String,
    until: Time,
}

impl Store {
    /// Takes the lease, or holds it for longer; `false` while another has it.
    ///
    /// # Errors
    /// The store's.
    pub async fn take_lease(&self, duty: Duty, holder: &str, until: Time, now: Time) -> Result<bool, StoreError> {
        let before = self.kv.get(duty.place()).await?;
        // What cannot be read, a later release wrote: it holds the lease for as long as it stands there.
        let held = before.as_deref().map(decode::<Lease>).transpose()?;
        // Nobody else can hold it in a store that is not shared: there it is what a crash left.
        if self.kv.is_shared() && held.is_some_and(|lease| lease.holder != holder && lease.until > now) {
            return Ok(false);
        }
        let lease = encode(&Lease { holder: holder.to_owned(), until })?;
        self.kv.commit(Batch::durable().expect(duty.place(), before).put(duty.place(), lease)).await
    }

    /// Gives the lease back, if it is still this holder's.
    ///
    /// # Errors
    /// The store's.
    pub async fn release_lease(&self, duty: Duty, holder: &str) -> Result<(), StoreError> {
        if let Some(lease) = self.held_lease(duty, holder).await? {
            self.kv.commit(Batch::default().expect(duty.place(), Some(lease)).delete(duty.place())).await?;
        }
        Ok(())
    }

    /// The lease as it is written, if it is this holder's: for a write that must hold only while it is.
    pub(in crate::store) async fn held_lease(&self, duty: Duty, holder: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.kv.get(duty.place()).await? else { return Ok(None) };
        Ok(Some(bytes).filter(|bytes| decode::<Lease>(bytes).is_ok_and(|lease| lease.holder == holder)))
    }
}
