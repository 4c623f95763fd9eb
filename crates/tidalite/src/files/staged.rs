//! The facts of a staged part: the JSON that a writer puts into its log when it refers to a part which is not flushed yet.

use std::path::Path;
use tidalite_model::{Error, Result, Seq};
use tidalite_parts::PartMeta;

/// The bytes that a log frame holds.
pub(crate) fn write_meta(meta: &PartMeta) -> Vec<u8> {
    serde_json::to_vec(meta).expect("the facts of a part are plain data")
}

/// Reads the facts out of a log frame; the frame gives the part its place in the order of writing. `dir` is the
/// writer's folder.
///
/// # Errors
/// `Corrupt` where the bytes are not the facts of a part.
pub(crate) fn parse_meta(dir: &Path, seq: Seq, bytes: &[u8]) -> Result<PartMeta> {
    let meta: Result<PartMeta, _> = serde_json::from_slice(bytes);
    meta.map(|m| m.placed_at(seq)).map_err(|e| {
        Error::corrupt("read staged part", dir, 0, format!("its facts in the log are not valid: {e}"))
    })
}
