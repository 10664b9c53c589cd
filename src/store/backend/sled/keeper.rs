//! The embedded database while it works, and the way back where a write failed.
//!
//! sled takes no write again once one has failed, as on a full disk, until it is opened again. So from the first failure on nothing is
//! written and what is there can be read; a thread of its own waits until there is room, closes the database, opens it again and puts it
//! in force when the last write that was acknowledged is found and another one succeeds. sled's log is one line of writes, of which a
//! beginning comes back: with the last one, all are there. One try at a time, with a growing pause between them.

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::sleep;
use std::time::Duration;

use super::opened::{HEALTH, Opened};
use crate::store::StoreError;
use crate::store::backend::kv::{Batch, Pair};

/// The pause before the first try to open it again, doubled each time up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How long work under way may take to end before the database is closed; else it stays as it is until the next try.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOKS: u32 = 100;

/// What must fit on the disk before a try: sled opens with a snapshot of its page table and a segment of half a megabyte.
const ROOM: usize = 4 * 1024 * 1024;

/// Lends the database to those who work with it.
pub(crate) struct Keeper {
    folder: PathBuf,
    state: Mutex<State>,
    /// Counts the commits, in the order of the log.
    turn: Mutex<u64>,
    last: Mutex<Last>,
}

/// What the last commit that was acknowledged wrote.
#[derive(Default)]
struct Last {
    place: u64,
    writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

struct State {
    /// `None`: closed, and not open again yet.
    open: Option<Arc<Opened>>,
    fault: Option<Fault>,
}

/// Why nothing is written.
struct Fault {
    said: String,
    /// Keys of writes that were refused: they may be there or not.
    touched: BTreeSet<Vec<u8>>,
    /// All keys are.
    everything: bool,
}

impl Fault {
    fn new(said: String) -> Self {
        // A probe after opening it again writes as well.
        Self { said, touched: BTreeSet::from([HEALTH.to_vec()]), everything: false }
    }
}

/// What a write that is refused would have changed.
enum Touched {
    Keys(Vec<Vec<u8>>),
    Everything,
}

impl Keeper {
    pub(crate) fn open(folder: PathBuf) -> Result<Arc<Self>, StoreError> {
        let open = Some(Arc::new(Opened::open(&folder)?));
        Ok(Arc::new(Self { folder, state: Mutex::new(State { open, fault: None }), turn: Mutex::default(), last: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database, to read from.
    ///
    /// # Errors
    /// While it is closed.
    pub(crate) fn lend(&self) -> Result<Arc<Opened>, StoreError> {
        let state = self.state();
        state.open.clone().ok_or_else(|| state.refusal())
    }

    /// # Errors
    /// As for every write.
    pub(crate) fn commit(self: &Arc<Self>, batch: Batch) -> Result<bool, StoreError> {
        let keys = || Touched::Keys(batch.write.iter().map(|(key, _)| key.clone()).collect());
        let Some(place) = self.write(keys, |open| open.commit(&batch, &self.turn))? else { return Ok(false) };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if place > last.place {
            *last = Last { place, writes: batch.write };
        }
        Ok(true)
    }

    /// # Errors
    /// As for every write.
    pub(crate) fn replace(self: &Arc<Self>, pairs: Vec<Pair>, only_empty: bool) -> Result<bool, StoreError> {
        let done = self.write(|| Touched::Everything, |open| open.replace(pairs, only_empty))?;
        if done {
            self.last.lock().unwrap_or_else(PoisonError::into_inner).writes.clear();
        }
        Ok(done)
    }

    /// Runs a write. Where it fails, or failed before, nothing is written until the database was opened again.
    ///
    /// # Errors
    /// Its own, and the first one's for all that come after it.
    fn write<T>(
        self: &Arc<Self>,
        touched: impl FnOnce() -> Touched,
        write: impl FnOnce(&Opened) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let open = {
            let state = self.state();
            match (&state.open, &state.fault) {
                (Some(open), None) => open.clone(),
                _ => return Err(state.refusal()),
            }
        };
        // sled reports some faults by a panic; half a write is a fault too.
        let done = catch_unwind(AssertUnwindSafe(|| write(&open))).unwrap_or_else(|_| Err(StoreError::Backend("a write panicked".into())));
        if let Err(e) = &done {
            self.failed(e, touched());
        }
        done
    }

    /// Notes the fault; the first one starts the way back.
    fn failed(self: &Arc<Self>, error: &StoreError, touched: Touched) {
        let mut state = self.state();
        let is_first = state.fault.is_none();
        let said = error.to_string();
        let fault = state.fault.get_or_insert_with(|| Fault::new(said));
        match touched {
            Touched::Keys(keys) => fault.touched.extend(keys),
            Touched::Everything => fault.everything = true,
        }
        drop(state);
        if is_first {
            tracing::error!(%error, "a write failed: nothing is written until there is room and the database was opened anew");
            let keeper = Arc::downgrade(self);
            let thread = std::thread::Builder::new().name("store-mend".to_owned()).spawn(move || mend(&keeper));
            if let Err(error) = thread {
                tracing::error!(%error, "no thread to open the database anew; restart the gateway");
            }
        }
    }

    /// One try.
    fn reopen(&self) -> Result<(), StoreError> {
        has_room(&self.folder)?;
        self.close()?;
        let opened = Arc::new(Opened::open(&self.folder)?);
        self.is_whole(&opened)?;
        let works = opened.probe();
        let mut state = self.state();
        state.open = Some(opened);
        works?;
        state.fault = None;
        Ok(())
    }

    /// If it is closed, why it does not open is what everybody is told.
    fn puts_off(&self, error: &StoreError) {
        tracing::warn!(%error, "the database cannot be opened anew yet");
        let mut state = self.state();
        if state.open.is_none()
            && let Some(fault) = &mut state.fault
        {
            fault.said = error.to_string();
        }
    }

    /// Closes the database once nobody works with it.
    fn close(&self) -> Result<(), StoreError> {
        let Some(held) = self.state().open.take() else { return Ok(()) };
        let alone = match alone(held) {
            Ok(opened) => opened,
            Err(shared) => {
                self.state().open = Some(shared);
                return Err(StoreError::Backend("work with the database has not ended".to_owned()));
            }
        };
        // It ends with an error, or a panic, that is known already.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(alone)));
        Ok(())
    }

    /// Whether the last write that was acknowledged is there, as far as none that was refused would have changed it.
    fn is_whole(&self, opened: &Opened) -> Result<(), StoreError> {
        let state = self.state();
        let Some(fault) = state.fault.as_ref().filter(|fault| !fault.everything) else { return Ok(()) };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in last.writes.iter().filter(|(key, _)| !fault.touched.contains(key)) {
            if opened.get(key)? != *value {
                let fault = "records that were acknowledged are not there".to_owned();
                return Err(StoreError::Damaged { path: self.folder.clone(), fault, snapshot: None });
            }
        }
        Ok(())
    }
}

impl State {
    fn refusal(&self) -> StoreError {
        let said = self.fault.as_ref().map_or("closed", |fault| fault.said.as_str());
        StoreError::Backend(format!("nothing is written since this fault, until there is room: {said}"))
    }
}

/// Waits until nobody else works with it.
fn alone(mut held: Arc<Opened>) -> Result<Opened, Arc<Opened>> {
    for _ in 0..LOOKS {
        match Arc::try_unwrap(held) {
            Ok(opened) => return Ok(opened),
            Err(shared) => held = shared,
        }
        sleep(PATIENCE / LOOKS);
    }
    Err(held)
}

/// Tries until it is open again, or nobody wants it any more.
fn mend(keeper: &Weak<Keeper>) {
    let mut pause = FIRST;
    loop {
        sleep(pause);
        let Some(keeper) = keeper.upgrade() else { return };
        match keeper.reopen() {
            Ok(()) => return tracing::warn!("the database was opened anew after a failed write; all that was acknowledged is there"),
            Err(error) => keeper.puts_off(&error),
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Writes as much as opening the database may need, on to the disk, and takes it away again. Free space that a file system reports
/// may not be ours to use (quotas, reserved blocks).
fn has_room(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join("room");
    let tried = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![1; ROOM])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    tried.and(removed).map_err(|e| StoreError::file(&path, &e))
}

#[cfg(test)]
mod tests;
