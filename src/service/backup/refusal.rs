//! Why an export is not taken in, as it is told: what is wrong, and what to do.

use crate::service::keys::KeyError;
use crate::service::refused::Refused;
use crate::store::StoreError;

/// Why a file was not taken in. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("line {0} is not what an export has there: {1}; use a file that `vestibule store export` wrote")]
    Malformed(usize, &'static str),
    #[error("the file was cut off or changed: its checksum does not fit; use another copy")]
    Checksum,
    #[error("the file has version {0}, and this program reads version 1; use the program that wrote it")]
    Version(u32),
    #[error("the store is not empty; say --replace to put the file in its place")]
    NotEmpty,
    #[error(
        "the secret of “{0}” does not open under the keys in DATA_DIR/keys.json; restore the keys.json that belongs to this file first"
    )]
    OtherKeys(String),
    #[error(
        "the mark of the audit log's beginning is not signed under the keys in DATA_DIR/keys.json; restore the keys.json that belongs to this file first"
    )]
    OtherAnchor,
    #[error("the file's own keys do not open under DATA_DIR/keys.json; restore the keys.json that belongs to this file first")]
    OtherKeyFile,
    #[error("{0}")]
    Keys(#[from] KeyError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(#[from] Refused),
}
