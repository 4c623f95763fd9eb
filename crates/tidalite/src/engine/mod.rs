//! The state of an open store in one process: options, log writer, threads, and caches. [`Store`](store::Store) is the
//! public handle on a [`StoreState`](state::StoreState).
//!
//! May use: `files`. Methods of `Store` that need other folders are `impl` blocks in those folders, such as
//! `Store::flush` in `upkeep`.
//!
//! Invariants: one `StoreState` per process and opened store, also after a fork. Rows of logs are read once and kept
//! ([`TailCache`](cache::TailCache)). Which points are visible is not decided here but in `view`.

pub(crate) mod cache;
pub(crate) mod cancel;
pub(crate) mod change_tails;
mod cold;
mod cold_read;
mod cooling;
pub(crate) mod counter;
pub(crate) mod cut;
pub(crate) mod log_tail;
pub(crate) mod on_damage;
pub(crate) mod options;
pub(crate) mod room;
mod row_block;
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod store_lock;
pub(crate) mod tail;
pub(crate) mod tail_names;
pub(crate) mod tail_shape;
#[cfg(test)]
mod tail_tests;
pub(crate) mod threads;
pub(crate) mod watching;
