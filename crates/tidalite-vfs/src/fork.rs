//! What a process must know about itself: whether it is a forked child, what it has of its own, and how to run a thread
//! at low priority.
//!
//! A forked child holds copies of its parent's handles, maps and locks, and must not use them. The guard's page holds
//! a mark that the kernel wipes in the child, so the check is one load from memory. Where the kernel has no such
//! pages, the process ids are compared.

use crate::mapped::Words;
use std::sync::OnceLock;
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
    /// A guard for this process.
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

/// Something that each process has once: made on first use, and anew in a forked child, where locks of the parent's may
/// be held by threads that do not exist.
#[derive(Debug)]
pub struct PerProcess<T: 'static> {
    first: OnceLock<ProcessOnce<T>>,
}

#[derive(Debug)]
struct ProcessOnce<T: 'static> {
    guard: ForkGuard,
    value: T,
    child: OnceLock<Box<ProcessOnce<T>>>,
}

impl<T: Default> PerProcess<T> {
    /// Nothing is made yet.
    #[expect(clippy::new_without_default, reason = "a default is not const, and this is for statics")]
    pub const fn new() -> Self {
        PerProcess { first: OnceLock::new() }
    }

    /// That of this process.
    pub fn get(&'static self) -> &'static T {
        let made = || ProcessOnce { guard: ForkGuard::new(), value: T::default(), child: OnceLock::new() };
        // A fork during the making of one would leave it half made for ever, so it is made before it is set.
        if self.first.get().is_none() {
            let _ = self.first.set(made());
        }
        let mut of_process = self.first.get_or_init(made);
        while of_process.guard.forked() {
            if of_process.child.get().is_none() {
                let _ = of_process.child.set(Box::new(made()));
            }
            of_process = of_process.child.get_or_init(|| Box::new(made()));
        }
        &of_process.value
    }
}

/// Lowers the priority of the calling thread (nice 10), for background work that can wait. If the system refuses, the
/// priority stays.
pub fn lower_priority() {
    set_nice(10);
}

/// As [`lower_priority`], for background work that must keep up with others (nice 3): on a machine that is busy, it gets
/// half of their share rather than a tenth.
pub fn lower_priority_slightly() {
    set_nice(3);
}

fn set_nice(_nice: i32) {
    // On Linux this sets the thread's priority. Elsewhere it would set that of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, _nice);
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
    fn a_wiped_page_or_another_process_id_identifies_a_child() {
        let guard = ForkGuard::new();
        if let Some(page) = &guard.page {
            page.as_slice()[0].store(0, Ordering::Relaxed);
            assert!(guard.forked());
        }
        assert!(ForkGuard { page: None, pid: u32::MAX }.forked());
    }
}
