//! The name under which a data folder's gateway was last known to the others: `DATA_DIR/gateway`. After a crash the next process
//! takes the old name back from the shared store.

use std::path::Path;

use crate::store::StoreError;

/// Writes this name; returns the one before, if there was one.
///
/// # Errors
/// If the file cannot be written.
pub fn replace(data_dir: &Path, id: &str) -> Result<Option<String>, StoreError> {
    let path = data_dir.join("gateway");
    let is_id = |text: &String| !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let before = std::fs::read_to_string(&path).ok().map(|text| text.trim().to_owned()).filter(is_id);
    std::fs::write(&path, format!("{id}\n")).map_err(|e| StoreError::file(&path, &e))?;
    Ok(before)
}
