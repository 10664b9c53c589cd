//! Whether a file was changed and has come to rest: an editor that writes in pieces is waited for.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often the file is looked at, and how long it must have stood still.
pub const LOOK: Duration = Duration::from_secs(2);

/// What tells one state of a file from another: when it was written, how long it is, which file it is.
type Stamp = Option<(SystemTime, u64, u64)>;

/// A file that is looked at from time to time.
pub struct Changes {
    file: PathBuf,
    /// What was last said to have settled.
    known: Stamp,
    last: Stamp,
}

impl Changes {
    pub fn of(file: PathBuf) -> Self {
        let mut changes = Self { file, known: None, last: None };
        changes.last = changes.stamp();
        changes.known = changes.last;
        changes
    }

    /// A file that is away for now is none: it may be in the middle of being replaced.
    fn stamp(&self) -> Stamp {
        let about = std::fs::metadata(&self.file).ok()?;
        Some((about.modified().ok()?, about.len(), about.ino()))
    }

    /// Call every [`LOOK`]: `true` once for each change, when the file was the same at two looks.
    pub fn has_settled(&mut self) -> bool {
        let now = self.stamp();
        let settled = now.is_some() && now == self.last && now != self.known;
        self.last = now;
        if settled {
            self.known = now;
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (file, aside) = (folder.path().join("x.toml"), folder.path().join("aside"));
        std::fs::write(&file, "one").unwrap();
        let mut changes = Changes::of(file.clone());
        assert!(!changes.has_settled() && !changes.has_settled());
        std::fs::write(&file, "one and").unwrap();
        assert!(!changes.has_settled(), "it may still be written");
        std::fs::write(&file, "one and two").unwrap();
        assert!(!changes.has_settled() && changes.has_settled() && !changes.has_settled());
        std::fs::remove_file(&file).unwrap();
        assert!(!changes.has_settled() && !changes.has_settled());
        std::fs::write(&aside, "one and two").unwrap();
        std::fs::rename(&aside, &file).unwrap();
        assert!(!changes.has_settled() && changes.has_settled(), "another file of the same length");
    }
}
