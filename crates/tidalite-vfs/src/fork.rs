//! What a process must know of itself: whether it is the child of a fork since something was opened, and how to
//! step back behind the host program's own work.
//!
//! After a fork the child holds copies of its parent's handles, maps and locks, and must touch none of them. The
//! guard's page holds a mark that the kernel wipes in the child, so that the question costs one load from memory;
//! where the kernel has no such pages, the process ids are compared.

use crate::mapped::Words;
use std::sync::atomic::Ordering;

const MARK: u64 = 0x7469_6465;

/// Remembers the process in which it was made.
#[derive(Debug)]
pub struct ForkGuard {
    /// The first word of the page is `MARK` in this process, zero in a child.
    page: Option<Words>,
    pid: u32,
}

impl ForkGuard {
    /// A guard of this process.
    pub fn new() -> Self {
        let page = Words::wiped_on_fork().ok();
        if let Some(page) = &page {
            page.as_slice()[0].store(MARK, Ordering::Relaxed);
        }
        ForkGuard { page, pid: std::process::id() }
    }

    /// Whether this process is a child of the one in which the guard was made.
    #[inline]
    pub fn forked(&self) -> bool {
        match &self.page {
            Some(page) => page.as_slice()[0].load(Ordering::Relaxed) != MARK,
            None => std::process::id() != self.pid,
        }
    }
}

impl Default for ForkGuard {
    fn default() -> Self {
        Self::new()
    }
}

/// Lowers the priority of the calling thread (nice 10), for work in the background. Where the system refuses, the
/// thread goes on as it is.
pub fn lower_priority() {
    // On Linux the priority is the thread's; elsewhere it would be the whole process's.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_made_the_guard_is_not_a_child() {
        let guard = ForkGuard::new();
        assert!(!guard.forked());
        let by_pid = ForkGuard { page: None, pid: std::process::id() };
        assert!(!by_pid.forked());
    }

    #[test]
    fn a_wiped_page_or_another_process_id_tells_a_child() {
        let guard = ForkGuard::new();
        if let Some(page) = &guard.page {
            page.as_slice()[0].store(0, Ordering::Relaxed);
            assert!(guard.forked());
        }
        assert!(ForkGuard { page: None, pid: u32::MAX }.forked());
    }
}
