//! Holds the workspace's benches.
