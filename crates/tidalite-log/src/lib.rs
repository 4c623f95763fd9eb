//! The log: segments, frames, writing and replay.
