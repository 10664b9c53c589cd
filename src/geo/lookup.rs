//! The databases in force. Guarantees that a broken new file leaves the last good one in force.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::database::{Databases, GeoError};
use super::origin::{Knows, Origin};
use super::recent;

/// The databases in force, and the files that they came from.
pub struct Geo {
    files: Vec<PathBuf>,
    current: ArcSwap<Databases>,
    /// When the files were written, when they were looked at last.
    seen: Mutex<Vec<Option<SystemTime>>>,
}

impl std::fmt::Debug for Geo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Geo").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Geo {
    /// Reads every file.
    ///
    /// # Errors
    /// Names the first file that cannot be used, and why.
    pub fn open(files: Vec<PathBuf>) -> Result<Arc<Self>, GeoError> {
        let seen = Mutex::new(written(&files));
        let current = ArcSwap::from_pointee(Databases::open(&files)?);
        Ok(Arc::new(Self { files, current, seen }))
    }

    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What the databases can tell, found by looking at some of their records.
    pub fn knows(&self) -> Knows {
        self.current.load().knows()
    }

    /// Where an address is. An IPv4-mapped one is its IPv4 address.
    pub fn origin(&self, address: IpAddr) -> Origin {
        let (databases, address) = (self.current.load(), address.to_canonical());
        recent::find(databases.generation(), address, || databases.origin(address))
    }

    /// Reads the files again if one of them has changed; says whether that was so.
    ///
    /// # Errors
    /// As [`Self::open`]; the databases of before stay in force, and the same change is not tried again.
    pub fn refresh(&self) -> Result<bool, GeoError> {
        let now = written(&self.files);
        if std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now.clone()) == now {
            return Ok(false);
        }
        self.current.store(Arc::new(Databases::open(&self.files)?));
        Ok(true)
    }
}

fn written(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| std::fs::metadata(file).and_then(|about| about.modified()).ok()).collect()
}
