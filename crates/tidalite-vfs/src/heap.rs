//! Gives freed memory of the allocator back to the kernel.

/// Gives back the pages that the allocator holds and nobody uses. It visits all threads' arenas and locks each in turn: a
/// millisecond or so, during which others may wait to allocate. Does nothing where the C library has no such call.
pub fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call has no precondition and changes no memory that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
