//! An allocator that gives nothing beyond what any reader may ask for at once: promise 7, held against every input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;

/// The largest request, in bytes: the dictionary of an xz stream may have 128 MiB.
const MOST: usize = 160 * 1024 * 1024;

struct Allowance;

#[global_allocator]
static ALLOWANCE: Allowance = Allowance;

// SAFETY: `System` does the work; a null pointer is how an allocator says no.
#[expect(unsafe_code, reason = "the only way to see what is asked for")]
unsafe impl GlobalAlloc for Allowance {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST { null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST { null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > MOST { null_mut() } else { unsafe { System.realloc(pointer, layout, size) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
