//! Writers of the same place in the store take turns within this process; between processes the commit decides.

const TURNS: usize = 64;

/// Counts that begin with the same cell are written one after the other.
pub(super) struct Turns(Box<[tokio::sync::Mutex<()>]>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| tokio::sync::Mutex::default()).collect())
    }
}

impl Turns {
    pub(super) async fn take(&self, cell: &[u8]) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let sum = cell.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        Some(self.0.get(sum % TURNS)?.lock().await)
    }
}
