//! Fault points: one stands before every write to the lake, so that tests can let the process die there.

use std::sync::atomic::{AtomicU64, Ordering};

static WRITES_UNTIL_FAULT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Lets the process abort before its n-th write from now on.
pub fn arm(writes: u64) {
    WRITES_UNTIL_FAULT.store(writes, Ordering::SeqCst);
}

/// Stands before each write to the lake, and before each removal of a file.
pub fn before_write() {
    if WRITES_UNTIL_FAULT.load(Ordering::Relaxed) == u64::MAX {
        return;
    }
    if WRITES_UNTIL_FAULT.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}
