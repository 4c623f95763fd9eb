//! An embedded columnar store for streams of metrics.
