//! Folders that nobody but their owner can enter.

use std::path::Path;

use crate::store::StoreError;

/// Makes a folder that only its owner can enter, or checks that an existing one is.
///
/// # Errors
/// Where others can read it, with the command that fixes it.
pub fn private_folder(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    match std::fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Err(StoreError::Loose { path: path.to_owned(), mode: "700" }),
        Ok(meta) if !meta.is_dir() => Err(StoreError::NotAFolder(path.to_owned())),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| StoreError::file(path, &e))
        }
        Err(e) => Err(StoreError::file(path, &e)),
    }
}
