//! Columnar kernels: selection, merge, aggregates. Knows no files.
