//! Holds the workspace's tests.
