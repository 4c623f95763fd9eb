//! Parts: immutable Parquet files and their side tables.
