//! What the demonstration works on: a real data set and a network small enough to train on it in seconds.

pub(crate) mod digits;
pub(crate) mod network;
