//! The metadata of a staged part: JSON in the log frame that refers to a part which is not flushed yet.

use std::path::Path;
use tidalite_model::{Error, Result, WriteOrder};
use tidalite_parts::PartMeta;

/// Whether a file in a writer's folder is of a staged part. The writer makes none before its first segment.
pub(crate) fn is_staged(name: &str) -> bool {
    name.ends_with(".parquet")
}

/// The metadata as bytes for a log frame.
pub(crate) fn write_meta(meta: &PartMeta) -> Vec<u8> {
    serde_json::to_vec(meta).expect("the metadata of a part is plain data")
}

/// Reads the metadata from a log frame; the frame's `order` gives the part its place in the order of writing. `dir` is
/// the writer's folder.
///
/// # Errors
/// `Corrupt` if the bytes are not the metadata of a part.
pub(crate) fn parse_meta(dir: &Path, order: WriteOrder, bytes: &[u8]) -> Result<PartMeta> {
    let corrupt = |wrong: String| {
        Error::corrupt("read staged part", dir, 0, format!("its metadata in the log is not valid: {wrong}"))
    };
    let meta: PartMeta = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
    match meta.is_possible() {
        true => Ok(meta.placed_at(order)),
        false => Err(corrupt("its numbers cannot be those of a part".into())),
    }
}
