//! The key file: `DATA_DIR/keys.json`, mode 0600, made at the first start; or a credential of the service manager of that name.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::base::Time;
use crate::base::credentials::{credentials_directory, is_private};
use crate::session::keys::{KeyRing, MasterKey};
use crate::store::{StoreError, private_folder};

/// The keys in `folder`; without any there, those of the credential `keys.json`; without that, new ones are made in `folder`.
///
/// # Errors
/// A file that others can read, or that holds no usable key: never replaced by a new one, which would sign everybody out and
/// make every sealed secret unreadable.
pub fn load_or_create(folder: &Path, now: Time) -> Result<Vec<MasterKey>, StoreError> {
    load_beside(folder, credentials_directory().as_deref(), now)
}

fn load_beside(folder: &Path, credentials: Option<&Path>, now: Time) -> Result<Vec<MasterKey>, StoreError> {
    private_folder(folder)?;
    for place in [Some(folder), credentials].into_iter().flatten() {
        let path = place.join("keys.json");
        match File::open(&path) {
            Ok(file) => return read(&path, file, credentials),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::file(&path, &e)),
        }
    }
    let keys = vec![MasterKey::random(1, now)?];
    write(folder, &keys)?;
    Ok(keys)
}

fn read(path: &Path, mut file: File, credentials: Option<&Path>) -> Result<Vec<MasterKey>, StoreError> {
    let meta = file.metadata().map_err(|e| StoreError::file(path, &e))?;
    if !is_private(path, meta.permissions().mode(), credentials) {
        return Err(StoreError::Loose { path: path.to_owned(), mode: "600" });
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(|e| StoreError::file(path, &e))?;
    let keys: Vec<MasterKey> = serde_json::from_str(&text).map_err(|e| StoreError::File { path: path.to_owned(), fault: e.to_string() })?;
    KeyRing::new(&keys).map_err(|e| StoreError::File { path: path.to_owned(), fault: e.to_string() })?;
    Ok(keys)
}

/// Replaces the key file as a whole: written beside it, synced, renamed.
pub fn write(folder: &Path, keys: &[MasterKey]) -> Result<(), StoreError> {
    let (path, fresh) = (folder.join("keys.json"), folder.join("keys.json.new"));
    let text = zeroize::Zeroizing::new(serde_json::to_vec_pretty(keys).map_err(|e| StoreError::Record(e.to_string()))?);
    let replace = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.set_permissions(PermissionsExt::from_mode(0o600))?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        File::open(folder)?.sync_all()
    };
    replace().map_err(|e| StoreError::file(&path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = load_or_create(&data, Time::default()).unwrap();
        let again = load_or_create(&data, Time::default()).unwrap();
        assert_eq!(serde_json::to_string(&first).unwrap(), serde_json::to_string(&again).unwrap());
        let file = data.join("keys.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let said = load_or_create(&data, Time::default()).unwrap_err().to_string();
        assert!(said.contains("chmod 600"), "{said}");
    }

    #[test]
    fn a_credential_is_taken_while_the_folder_has_no_keys_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let (data, other, credentials) = (place.path().join("data"), place.path().join("other"), place.path().join("credentials"));
        std::fs::create_dir(&credentials).unwrap();
        let same = |a: &[MasterKey], b: &[MasterKey]| serde_json::to_string(a).unwrap() == serde_json::to_string(b).unwrap();
        let operators = load_or_create(&other, Time::default()).unwrap();
        let given = credentials.join("keys.json");
        std::fs::copy(other.join("keys.json"), &given).unwrap();
        let mode = |file: &Path, mode| std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
        mode(&given, 0o440);
        let load = |credentials| load_beside(&data, credentials, Time::default());
        assert!(same(&load(Some(&credentials)).unwrap(), &operators) && !data.join("keys.json").exists());
        mode(&given, 0o644);
        assert!(load(Some(&credentials)).is_err(), "everybody can read it");
        mode(&given, 0o640);
        std::fs::write(&given, "[]").unwrap();
        assert!(load(Some(&credentials)).is_err() && !data.join("keys.json").exists(), "a broken one is not passed over");
        // Keys of the folder's own count, and their mode is as strict as ever.
        let own = load(None).unwrap();
        assert!(!same(&own, &operators) && same(&load(Some(&credentials)).unwrap(), &own));
        mode(&data.join("keys.json"), 0o440);
        assert!(load(Some(&credentials)).is_err());
    }

    #[test]
    fn a_broken_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        load_or_create(&data, Time::default()).unwrap();
        std::fs::write(data.join("keys.json"), "[]").unwrap();
        assert!(load_or_create(&data, Time::default()).is_err());
        assert_eq!(std::fs::read_to_string(data.join("keys.json")).unwrap(), "[]");
    }
}
