//! Every system call that can lose data, and a simulated disk that can crash.
//!
//! The engine accesses files, folders, locks, the clock and new identifiers through one trait, [`Vfs`]. It has two
//! implementations. [`RealVfs`] calls the operating system. [`SimVfs`] is a disk in memory that tracks what was
//! synced, fails on request, and can lose power at any step ([`SimVfs::crash`]). Both follow the same rules:
//!
//! 1. A file's bytes are durable after a sync of the file. The *name* of a file or folder is durable after a sync of
//!    the folder that contains it. Neither implies the other.
//! 2. A name never changes what it refers to: [`Vfs::create`], [`Vfs::create_segment`] and [`Vfs::link`] create files
//!    only under unused names, and nothing replaces a file by name.
//! 3. After a failed sync, data that was not yet synced may never become durable, even if a later sync of the same
//!    file succeeds.
//! 4. A lock belongs to a descriptor, not to a process. Two locks in one process exclude each other, closing another
//!    descriptor of the file releases nothing, and a lock is released when its holder is dropped or dies.
//!
//! [`publish`] makes a small file appear complete or not at all. [`ForkGuard`] detects that the process is a forked
//! child. [`Job`] is background work, for which all stores of a process share a few threads. `unsafe` is confined to
//! `mapped.rs` and `heap.rs`.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and damage them"))]

mod access;
mod beneath;
mod crew;
mod folder_watch;
mod fork;
mod heap;
mod locked;
mod mapped;
mod open_files;
mod places;
mod positioned;
mod publish;
mod real;
#[cfg(test)]
mod rules;
mod segment_bounds;
mod sim;
mod statfs;
mod vfs;

pub use crew::{Due, Job};
pub use fork::{ForkGuard, PerProcess, lower_priority, lower_priority_slightly};
pub use heap::trim_heap;
pub use open_files::limit_open_files;
pub use publish::publish;
pub use real::RealVfs;
pub use sim::{FailKind, SimFailure, SimVfs, Survive, Tear};
pub use vfs::{FileSystem, FolderWatch, Lock, LockMode, ReadFile, SegmentFile, Stat, Vfs, WriteFile};
