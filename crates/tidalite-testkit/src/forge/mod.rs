//! Files of a store that say anything and break no checksum: their content is changed, and then the checksums of frame, page,
//! file and manifest are made to match it. What a reader does with such files is not protected by any checksum.
//!
//! `segment.rs` takes segments of logs apart and puts them together, `pages.rs` does the same with Parquet files of pages, and
//! `sealed.rs` with two-copies files, and with what a manifest says of other files. The formats are written down here a second
//! time, after `docs/format.md`: a forger must write what the engine refuses to write.

mod pages;
mod sealed;
mod segment;

pub use pages::{FilePage, PagedFile};
pub use sealed::{StoreFiles, name_again, seal, sealed_text};
pub use segment::{LogFrame, LogSegment};
