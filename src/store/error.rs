//! What can go wrong in a store. Every one of these ends in a refusal.

use std::path::{Path, PathBuf};

/// A store that did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the store at {0} is in use by another process; stop it first, or let this command reach it over its control socket")]
    InUse(PathBuf),
    #[error("the store at {} does not open: {fault}; {}", path.display(), way_back(path, snapshot.as_deref()))]
    Damaged { path: PathBuf, fault: String, snapshot: Option<PathBuf> },
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
    #[error(
        "this store was written by vestibule {version}, in a form that this release cannot read (form {format}; this one reads up to {ours}); \
         upgrade this gateway"
    )]
    NewerFormat { version: String, format: u32, ours: u32 },
    #[error(
        "the gateway {name} runs vestibule {version}, which cannot read what this release writes; stop or upgrade it first (docs/guides/upgrade.md)"
    )]
    OlderGateway { name: String, version: String },
    #[error("the record kept changing under the write; try again")]
    Contended,
    #[error("the operating system gave no random bytes")]
    NoEntropy,
    #[error("a sealed secret does not open under any key in the key file; restore keys.json from a backup")]
    Unsealable,
}

/// What to do about a store that does not open: two commands, the newest snapshot named if there is one.
fn way_back(store: &Path, snapshot: Option<&Path>) -> String {
    let file = snapshot.map_or_else(|| "BACKUP".to_owned(), |path| path.display().to_string());
    let store = store.display();
    format!("move it aside with `mv {store} {store}.broken`, and restore with `vestibule store import {file} --replace`")
}

impl StoreError {
    /// Names the newest snapshot in what says that a store is damaged.
    #[must_use]
    pub fn with_snapshot(self, newest: Option<PathBuf>) -> Self {
        match self {
            Self::Damaged { path, fault, .. } => Self::Damaged { path, fault, snapshot: newest },
            other => other,
        }
    }

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
