//! Sessions that ended while the store could not be written, kept beside it until it can: a restart in between brings none of them back.
//!
//! The file has its whole size from the start and is overwritten in place, so that it takes ends on a full disk too (not on file systems that copy
//! what is overwritten). It takes [`PLACES`] of them; beyond that, and on a disk that takes nothing at all, only the memory knows.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::SessionId;
use crate::store::{StoreError, private_folder};

/// How many ends there is room for.
pub const PLACES: usize = 4096;

/// Of a place, in bytes. One is never written in half: it lies within a sector.
const PLACE: usize = 16;

/// `DATA_DIR/ended`.
pub struct EndedFile {
    file: File,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: HashMap<SessionId, usize>,
    free: Vec<usize>,
}

impl EndedFile {
    /// Opens the file, made where there is none. Also the ends in it.
    ///
    /// # Errors
    /// If it cannot be read, or not be made in its whole size.
    pub fn open(folder: &Path) -> Result<(Self, Vec<SessionId>), StoreError> {
        private_folder(folder)?;
        let path = folder.join("ended");
        let (file, bytes) = read(&path).map_err(|e| StoreError::file(&path, &e))?;
        let mut state = State::default();
        for (at, place) in bytes.chunks_exact(PLACE).enumerate() {
            match place.first_chunk::<PLACE>().filter(|id| id.iter().any(|byte| *byte != 0)) {
                Some(id) => {
                    state.places.insert(SessionId::from_bytes(*id), at);
                }
                None => state.free.push(at),
            }
        }
        let ids = state.places.keys().copied().collect();
        Ok((Self { file, path, state: Mutex::new(state) }, ids))
    }

    /// Keeps ends, on the disk when this returns. Blocks.
    ///
    /// # Errors
    /// If there is no room left, or the disk takes nothing.
    pub fn add(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        let mut state = self.locked();
        for id in ids {
            if state.places.contains_key(id) {
                continue;
            }
            let full = || StoreError::File { path: self.path.clone(), fault: "no room for more ended sessions".to_owned() };
            let at = state.free.pop().ok_or_else(full)?;
            state.places.insert(*id, at);
            self.write(at, id.as_bytes()).map_err(|e| StoreError::file(&self.path, &e))?;
        }
        self.file.sync_data().map_err(|e| StoreError::file(&self.path, &e))
    }

    /// The store knows of these. Blocks if one of them is here.
    ///
    /// # Errors
    /// If the disk takes nothing; then they are ended once more at the next start, which does no harm.
    pub fn remove(&self, ids: &[SessionId]) -> Result<(), StoreError> {
        let mut state = self.locked();
        for id in ids {
            if let Some(at) = state.places.remove(id) {
                self.write(at, &[0; PLACE]).map_err(|e| StoreError::file(&self.path, &e))?;
                state.free.push(at);
            }
        }
        Ok(())
    }

    /// Whether no end is kept here.
    pub fn is_empty(&self) -> bool {
        self.locked().places.is_empty()
    }

    fn write(&self, at: usize, bytes: &[u8; PLACE]) -> std::io::Result<()> {
        self.file.write_all_at(bytes, (at * PLACE) as u64)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> std::io::Result<(File, Vec<u8>)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mut bytes = Vec::with_capacity(PLACES * PLACE);
    file.read_to_end(&mut bytes)?;
    if bytes.len() < PLACES * PLACE {
        file.write_all(&vec![0; PLACES * PLACE - bytes.len()])?;
        file.sync_all()?;
        bytes.resize(PLACES * PLACE, 0);
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> SessionId {
        SessionId::from_bytes(n.to_be_bytes())
    }

    #[test]
    fn ends_are_kept_over_a_restart_until_the_store_knows_them() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (file, ids) = EndedFile::open(&data).unwrap();
        assert!(ids.is_empty() && file.is_empty());
        file.add(&[id(1), id(2)]).unwrap();
        file.add(&[id(2), id(3)]).unwrap();
        file.remove(&[id(1), id(9)]).unwrap();
        let size = std::fs::metadata(data.join("ended")).unwrap().len();
        let (again, mut ids) = EndedFile::open(&data).unwrap();
        ids.sort();
        assert_eq!((ids, size), (vec![id(2), id(3)], (PLACES * PLACE) as u64));
        again.remove(&[id(2), id(3)]).unwrap();
        assert!(EndedFile::open(&data).unwrap().1.is_empty());
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = EndedFile::open(&folder.path().join("data")).unwrap();
        let ids: Vec<_> = (1..=PLACES as u128).map(id).collect();
        file.add(&ids).unwrap();
        assert!(file.add(&[id(1_000_000)]).is_err());
        file.remove(&ids[..1]).unwrap();
        assert!(file.add(&[id(1_000_000)]).is_ok());
    }
}
