//! Every system call that can lose data, with an in-memory twin that can crash.
//!
//! The engine reaches files, folders, locks, the clock and fresh identifiers through one trait, [`Vfs`]. There are
//! two of it: [`RealVfs`] asks the operating system; [`SimVfs`] keeps a disk in memory that remembers what was
//! synced and what was not, fails where it is told to, and can lose its power at any step
//! ([`SimVfs::crash`]). Both follow the same rules, which the rest of the engine relies on:
//!
//! 1. A file's bytes are durable after its own sync; the *name* of a file or folder is durable after the sync of
//!    the folder that holds it. Neither implies the other.
//! 2. A name never changes what it means: files are made where no file is ([`Vfs::create`],
//!    [`Vfs::create_segment`], [`Vfs::link`]) and never overwritten by name.
//! 3. After a failed sync, what was not synced by then may never become durable, even where a later sync of the
//!    same file succeeds.
//! 4. A lock belongs to a descriptor, not to a process: two in one process exclude each other, closing another
//!    descriptor of the file releases nothing, and the lock goes when its holder is dropped or dies.
//!
//! [`publish`] is the one way in which a small file appears whole or not at all. [`ForkGuard`] tells a process
//! that it is the child of the one that opened something. `unsafe` is confined to `mapped.rs`.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and damage them"))]

mod fork;
mod mapped;
mod positioned;
mod publish;
mod real;
#[cfg(test)]
mod rules;
mod sim;
mod statfs;
mod vfs;

pub use fork::{ForkGuard, lower_priority};
pub use publish::publish;
pub use real::RealVfs;
pub use sim::{FailKind, Failure, SimVfs, Survive, Tear};
pub use vfs::{FileSystem, Lock, LockMode, ReadFile, SegmentFile, Stat, Vfs, WriteFile};
