//! What can go wrong in a store. Every one of these ends in a refusal.

use std::path::{Path, PathBuf};

/// A store that did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the store at {0} is in use by another process; stop it first, or let this command reach it over its control socket")]
    InUse(PathBuf),
    #[error("the store at {path} does not open: {fault}; move it aside and restore a backup with `vestibule store import FILE`")]
    Damaged { path: PathBuf, fault: String },
    #[error("{path} can be read by others; run `chmod {mode} {path}`")]
    Loose { path: PathBuf, mode: &'static str },
    #[error("{0} is not a folder; name another data_dir")]
    NotAFolder(PathBuf),
    #[error("{path}: {fault}")]
    File { path: PathBuf, fault: String },
    #[error("the store did not answer: {0}")]
    Backend(String),
    #[error("a record in the store cannot be read: {0}")]
    Record(String),
    #[error("this store was written with another key file; copy keys.json from a gateway that uses it into this one's data_dir")]
    ForeignKeys,
    #[error("the record kept changing under the write; try again")]
    Contended,
    #[error("the operating system gave no random bytes")]
    NoEntropy,
    #[error("a sealed secret does not open under any key in the key file; restore keys.json from a backup")]
    Unsealable,
}

impl StoreError {
    pub fn file(path: &Path, fault: &std::io::Error) -> Self {
        Self::File { path: path.to_owned(), fault: fault.to_string() }
    }
}

impl From<crate::base::random::NoEntropy> for StoreError {
    fn from(_: crate::base::random::NoEntropy) -> Self {
        Self::NoEntropy
    }
}

impl From<crate::session::keys::Unsealable> for StoreError {
    fn from(_: crate::session::keys::Unsealable) -> Self {
        Self::Unsealable
    }
}
