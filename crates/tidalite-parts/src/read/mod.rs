//! Reading a part: chosen rows of chosen columns of a tile, its series table and its rollups.
//!
//! [`footer`] says where each page is stored and what its checksum is. [`pages`] fetches the pages that hold the rows,
//! with few reads, and checks, decompresses and decodes each. [`series`] reads the names of a row group, whose [`texts`]
//! are runs. [`derived`] is the series table of a part that stores none. [`rollups`] reads buckets. [`part`] is an open
//! part: it joins these. [`share`] divides the bytes of pages among series. [`cache`] keeps decoded pages. [`encodings`]
//! tells how columns are stored. These modules import pages (the format), the series table and rollups; they write
//! nothing.
//!
//! Invariant: no byte of a page is used before the page's checksum has matched.
//!
//! Decoding is done here rather than by the Parquet crate's column readers: our pages are flat and have four encodings,
//! and a page of values decodes several times faster so. The crate's readers are the oracle in tests.

mod cache;
mod derived;
mod encodings;
mod footer;
mod pages;
mod part;
mod rollups;
mod series;
mod share;
mod texts;

pub use cache::PageCache;
pub use encodings::ColumnEncodings;
pub(crate) use footer::{ChunkMap, PageEntry};
pub(crate) use pages::Pages;
pub use part::{Part, TileColumns, series_table_alone};
pub use rollups::{RolledSeries, RollupTier, Rollups};
