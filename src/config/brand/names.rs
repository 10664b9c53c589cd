//! Names of files that change with their content.

use sha2::{Digest, Sha256};

/// `stem.0a1b2c3d4e5f6071.ext`: changes with the content, so that browsers may keep the file for ever.
pub(super) fn named(stem: &str, extension: &str, bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("{stem}.{}.{extension}", data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default()))
}
