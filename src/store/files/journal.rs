//! The audit log as lines of JSON in a file, mode 0600, for those who ship logs. The store is the truth: a line is written after its
//! record was committed, and what a crash cut off is mended at the next opening, so that every record stands there once and whole.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The last line is looked for in so many bytes; no record is nearly as long.
const TAIL: u64 = 1 << 20;

/// How far the file goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub seq: u64,
    pub hash: String,
}

/// A file that lines are appended to. Where a log rotation took it away, the next lines begin another.
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or makes the file, cuts off a line that was not finished, and says which record stands last.
    ///
    /// # Errors
    /// Where it cannot be written, is no plain file, or can be read by everybody on this machine.
    pub fn open(path: &Path) -> Result<(Self, Option<Mark>)> {
        let file = File::options().read(true).append(true).create(true).mode(0o600).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(Error::new(ErrorKind::InvalidInput, "not a plain file; name another"));
        }
        if meta.permissions().mode() & 0o007 != 0 {
            return Err(Error::new(ErrorKind::PermissionDenied, format!("open to everybody; run: chmod 600 {}", path.display())));
        }
        let mut journal = Self { path: path.to_owned(), file };
        let last = journal.mend(meta.len())?;
        Ok((journal, last))
    }

    fn mend(&mut self, length: u64) -> Result<Option<Mark>> {
        let start = length.saturating_sub(TAIL);
        let mut tail = Vec::new();
        self.file.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut self.file).take(TAIL).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < tail.len() && (whole > 0 || start == 0) {
            self.file.set_len(start + whole as u64)?;
        }
        let lines = tail.get(..whole).unwrap_or_default();
        let last = lines.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
        Ok(last.and_then(|line| serde_json::from_slice(line).ok()))
    }

    /// Appends whole lines and waits until they are on the disk. After an error, open it again: that mends it.
    pub fn append(&mut self, lines: &str) -> Result<()> {
        if !self.is_in_place() {
            (*self, _) = Self::open(&self.path)?;
        }
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()
    }

    /// Whether the name still leads to the open file.
    fn is_in_place(&self) -> bool {
        let there = std::fs::metadata(&self.path).map(|meta| (meta.dev(), meta.ino()));
        let open = self.file.metadata().map(|meta| (meta.dev(), meta.ino()));
        matches!((there, open), (Ok(there), Ok(open)) if there == open)
    }
}

/// How far an earlier run came: for a file that was rotated away just before a stop, and for standard output.
pub fn read_mark(path: &Path) -> Option<Mark> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Written aside and renamed, mode 0600.
pub fn write_mark(path: &Path, mark: &Mark) -> Result<()> {
    let aside = path.with_extension("new");
    let _ = std::fs::remove_file(&aside);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(&serde_json::to_vec(mark)?)?;
    std::fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64) -> Mark {
        Mark { seq, hash: format!("h{seq}") }
    }

    fn line(seq: u64) -> String {
        format!("{{\"seq\":{seq},\"event\":\"x\",\"hash\":\"h{seq}\"}}\n")
    }

    #[test]
    fn what_was_cut_off_is_mended_and_the_last_record_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (mut journal, last) = Journal::open(&path).unwrap();
        assert_eq!(last, None);
        journal.append(&(line(1) + &line(2))).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let whole = std::fs::read_to_string(&path).unwrap();
        for cut in 1..line(2).len() {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (mut journal, last) = Journal::open(&path).unwrap();
            assert_eq!(last, Some(mark(1)), "{cut}");
            journal.append(&line(2)).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        }
        std::fs::write(&path, "{\"seq\"").unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_rotated_file_is_followed_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&line(1)).unwrap();
        std::fs::rename(&path, &old).unwrap();
        journal.append(&line(2)).unwrap();
        // Another program's new file is taken as it is.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        journal.append(&line(3)).unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), line(1));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line(3));
    }

    #[test]
    fn what_everybody_reads_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Journal::open(&path).err().unwrap().to_string().contains("chmod 600"));
        assert!(Journal::open(folder.path()).is_err());
    }

    #[test]
    fn a_mark_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.position");
        assert_eq!(read_mark(&path), None);
        write_mark(&path, &mark(7)).unwrap();
        write_mark(&path, &mark(8)).unwrap();
        assert_eq!(read_mark(&path), Some(mark(8)));
    }
}
