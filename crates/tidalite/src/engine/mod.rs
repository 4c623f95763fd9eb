//! The state of an open store in one process: its options, its log writer, its threads, and what it keeps in memory
//! between answers. [`Store`](store::Store) is the public handle; [`StoreState`](state::StoreState) is the state behind it.
//!
//! May use: `files`. Every other room uses this one. The methods of `Store` that do more than this room knows are
//! `impl` blocks in the rooms that do the work, such as `Store::flush` in `upkeep/flush.rs`.
//!
//! Invariants: one `StoreState` per process and handle, also after a fork. Rows of logs are read once and kept
//! ([`TailCache`](cache::TailCache)). Nothing here decides what a point means; that is `view`.

pub(crate) mod cache;
pub(crate) mod counter;
pub(crate) mod log_tail;
pub(crate) mod options;
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod store_lock;
pub(crate) mod tail;
pub(crate) mod threads;
