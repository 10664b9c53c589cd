//! The keys of gateways that share a store, as one of them holds them.

use std::sync::Arc;

use super::StoreError;
use crate::session::KeyRing;
use crate::session::keys::{MasterKey, SharedKeys};

/// The shared keys in force, and the record that they are from.
pub struct Followed {
    pub(super) record: Vec<u8>,
    pub(super) keys: SharedKeys,
    pub(super) signer: Option<u8>,
}

/// The keys of a key file as the operator's, which seals the shared ones.
///
/// # Errors
/// If the file has no usable key.
pub fn operator(file: &[MasterKey]) -> Result<Arc<KeyRing>, StoreError> {
    KeyRing::new(file).map(Arc::new).map_err(|e| StoreError::Record(e.to_string()))
}
