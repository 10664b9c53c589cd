//! A service account that came by its certificate, as one shard knows it. Guarantees the account's rights of that moment.

use std::sync::{Arc, Mutex, PoisonError};

use super::holders::Holder;
use super::visitor::Copied;
use crate::policy::{DeviceState, Grant, Identity, Proof};
use crate::service::sessions::live::LiveSessions;
use crate::token::{Scope, Way};

/// Who comes with a certificate.
pub struct MachineVisitor {
    live: Arc<LiveSessions>,
    holder: Arc<Holder>,
    grant: Grant,
    person: Mutex<Copied>,
}

impl MachineVisitor {
    /// Whom a look-up of the certificate's subject has just found.
    pub fn new(holder: Arc<Holder>, live: Arc<LiveSessions>) -> Self {
        let person = Mutex::new(Copied::new(holder.owner.person()));
        let grant = Grant { scope: Arc::new(Scope::default()), way: Way::Certificate };
        Self { live, holder, grant, person }
    }

    /// Who it is by now. The same address for as long as nothing about the person changes.
    pub fn identity(&self) -> Identity {
        let person = self.person.lock().unwrap_or_else(PoisonError::into_inner).follow(self.holder.owner.person());
        Identity { person, proof: Proof::Password, token: Some(self.grant.clone()), device: DeviceState::Unbound }
    }

    /// Over, or not to be relied on at the moment.
    pub fn is_ended(&self) -> bool {
        self.holder.is_ended() || self.live.is_stale()
    }

    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}
