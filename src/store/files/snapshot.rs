//! A folder with the last few snapshots of the embedded store. Each is written aside, synced and renamed, mode 0600: a file under its
//! final name is whole. The newest is the way back after damage.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::Time;
use crate::store::{StoreError, private_folder};

/// How many are kept.
pub const KEPT: usize = 8;

const SUFFIX: &str = ".jsonl";

/// The folder, which need not be there yet.
#[derive(Clone, Debug)]
pub struct Snapshots(PathBuf);

impl Snapshots {
    /// Those of a data folder.
    pub fn below(data_dir: &Path) -> Self {
        Self(data_dir.join("snapshots"))
    }

    /// The file in which the next one is written, empty.
    ///
    /// # Errors
    /// Where the folder cannot be written or can be read by others.
    pub fn begin(&self) -> Result<File, StoreError> {
        private_folder(&self.0)?;
        let aside = self.0.join("new");
        // What a stop left behind may have another mode.
        let _ = std::fs::remove_file(&aside);
        File::options().write(true).create_new(true).mode(0o600).open(&aside).map_err(|e| StoreError::file(&aside, &e))
    }

    /// The one that was begun is written: it is named by its time, and the oldest beyond [`KEPT`] are removed.
    ///
    /// # Errors
    /// Where the folder cannot be written; no snapshot was removed then.
    pub fn keep(&self, file: &File, now: Time) -> Result<PathBuf, StoreError> {
        let name: String = now.rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let path = self.0.join(format!("{name}{SUFFIX}"));
        let aside = self.0.join("new");
        self.named(&aside, &path, file).map_err(|e| StoreError::file(&path, &e))?;
        let all = self.all();
        for old in all.iter().take(all.len().saturating_sub(KEPT)) {
            std::fs::remove_file(old).map_err(|e| StoreError::file(old, &e))?;
        }
        Ok(path)
    }

    fn named(&self, aside: &Path, path: &Path, file: &File) -> std::io::Result<()> {
        file.sync_all()?;
        std::fs::rename(aside, path)?;
        File::open(&self.0)?.sync_all()
    }

    /// The newest one.
    pub fn newest(&self) -> Option<PathBuf> {
        self.all().pop()
    }

    /// All, the oldest first.
    fn all(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let mut all: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(SUFFIX)).collect();
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn keep(snapshots: &Snapshots, text: &str, now: Time) -> Result<PathBuf, StoreError> {
        let mut file = snapshots.begin()?;
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        snapshots.keep(&file, now)
    }

    #[test]
    fn the_last_eight_are_kept_and_only_the_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::below(folder.path());
        assert_eq!(snapshots.newest(), None);
        for minute in 0..10 {
            keep(&snapshots, &format!("{minute}"), Time::from_secs(1_800_000_000 + minute * 60)).unwrap();
        }
        // A write that was cut off is no snapshot.
        std::fs::write(folder.path().join("snapshots/new"), "half").unwrap();
        assert_eq!(snapshots.all().len(), KEPT);
        let newest = snapshots.newest().unwrap();
        assert_eq!(std::fs::read_to_string(&newest).unwrap(), "9");
        assert_eq!(std::fs::metadata(&newest).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&snapshots.all()[0]).unwrap(), "2");
        keep(&snapshots, "10", Time::from_secs(1_800_000_600)).unwrap();
        std::fs::set_permissions(folder.path().join("snapshots"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(keep(&snapshots, "11", Time::from_secs(1_800_000_660)).unwrap_err().to_string().contains("chmod 700"));
    }
}
