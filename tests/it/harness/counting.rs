//! An allocator that counts while it is asked to, for tests and measurements of memory. Otherwise it costs one load of a flag that never changes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

/// What was allocated since [`start`], in all threads.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Allocations and reallocations.
    pub count: u64,
    /// Bytes that are held now and were not at the start.
    #[allow(dead_code, reason = "read by the benches that include this file")]
    pub held: i64,
}

/// Counts from here on.
pub fn start() {
    COUNT.store(0, Relaxed);
    HELD.store(0, Relaxed);
    ON.store(true, Relaxed);
}

pub fn so_far() -> Counted {
    Counted { count: COUNT.load(Relaxed), held: HELD.load(Relaxed) }
}

fn note(count: u64, bytes: i64) {
    if ON.load(Relaxed) {
        COUNT.fetch_add(count, Relaxed);
        HELD.fetch_add(bytes, Relaxed);
    }
}

#[allow(unsafe_code)]
// SAFETY: every call is the system allocator's own, with the same arguments; what is added does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        unsafe { System.realloc(at, layout, size) }
    }
}
