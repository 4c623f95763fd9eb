//! Pages: how the values of one column become bytes of a file, and bytes become values again.
//!
//! Writing: [`delta`], [`split`], [`hybrid`] and [`strings`] encode values, and [`doubles`] chooses how, with a
//! [`value_dictionary`]; [`write`] compresses a page, writes its header and
//! records its checksum. Reading: [`header`] parses a page's header; [`decode`] turns its body into values. [`sums`] is
//! the text form of the page checksums in the footer.
//!
//! These modules know columns and texts, but no tiles, series tables or files. They import only [`schema`](crate::schema).
//!
//! Invariant: `decode` and `header` read what the encoders write. They never panic; bytes that contradict themselves give
//! `None`.

pub(crate) mod decode;
pub(crate) mod delta;
pub(crate) mod doubles;
pub(crate) mod header;
pub(crate) mod hybrid;
pub(crate) mod split;
pub(crate) mod strings;
pub(crate) mod sums;
mod transpose;
mod value_dictionary;
pub(crate) mod write;
