//! An allocator that remembers the largest single allocation, so that a test can prove that damage causes no large one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static LARGEST_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Smaller ones are not counted: threads would contend for one word.
const WATCHED_MIN: usize = 1 << 20;

fn watch(bytes: usize) {
    if bytes >= WATCHED_MIN {
        LARGEST.fetch_max(bytes, Ordering::Relaxed);
        // A thread that ends may free and allocate without it.
        let _ = LARGEST_HERE.try_with(|here| here.set(here.get().max(bytes)));
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

// SAFETY: every call goes to the system's allocator unchanged; noting a size allocates nothing.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch(layout.size());
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        watch(layout.size());
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        watch(new_size);
        // SAFETY: the caller keeps the promises of `realloc`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// The largest allocation of this process so far, in bytes; below 1 MiB, 0.
pub(crate) fn largest() -> usize {
    LARGEST.load(Ordering::Relaxed)
}

/// The largest allocation of this thread since it asked last, in bytes; below 1 MiB, 0.
pub(crate) fn take_largest_here() -> usize {
    LARGEST_HERE.take()
}

#[test]
fn the_largest_allocation_is_remembered() {
    drop(std::hint::black_box(vec![1u8; 3 << 20]));
    assert!(largest() >= 3 << 20);
}
