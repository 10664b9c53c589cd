//! How much of its uploads an HTTP/2 client may send ahead of what the upstream takes (RFC 9113 section 5.2). With the protocol's 64 KiB a
//! client 40 ms away uploads 1.6 MB a second. So a connection gets a large window, as long as all of them together stay within a bound;
//! the next ones get the small one. What lies in a window is memory that a client can fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A connection's window and each of its streams', in bytes.
pub const LARGE: u32 = 2 * 1024 * 1024;
/// All large windows of a shard, in bytes.
const IN_ALL: usize = 128 * 1024 * 1024;

/// The large windows of a shard's connections.
#[derive(Clone, Debug, Default)]
pub struct UploadWindows(Arc<AtomicUsize>);

/// A connection's large window, given back when dropped.
#[derive(Debug)]
pub struct LargeWindow(UploadWindows);

impl UploadWindows {
    /// A large window; `None`: there are as many as there may be.
    pub fn take(&self) -> Option<LargeWindow> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < IN_ALL / LARGE as usize).then(|| taken + 1));
        taken.ok().map(|_| LargeWindow(self.clone()))
    }
}

impl Drop for LargeWindow {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_windows_are_bounded_in_all_and_given_back() {
        let windows = UploadWindows::default();
        let mut taken: Vec<_> = std::iter::from_fn(|| windows.take()).collect();
        assert_eq!(taken.len(), 64);
        taken.pop();
        assert!(windows.take().is_some());
    }
}
