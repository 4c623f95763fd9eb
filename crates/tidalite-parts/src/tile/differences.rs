//! Columns of integers as differences of neighbours.

use super::plan::PageSlices;
use crate::chunk::SeriesChunk;
use crate::page::delta;
use crate::page::write::{ChunkPages, Zstd};
use crate::schema::PointColumn;
use parquet::basic::Encoding;
use tidalite_model::Result;

/// Pages of DELTA_BINARY_PACKED with the planned boundaries.
pub(super) fn integer_column<'z>(
    column: PointColumn,
    chunks: &[SeriesChunk<'_>],
    of: for<'c> fn(&SeriesChunk<'c>) -> &'c [i64],
    plan: &[PageSlices],
    zstd: &'z mut Zstd,
) -> Result<ChunkPages<'z>> {
    let mut pages = ChunkPages::new(column.descriptor(), zstd);
    let (mut values, mut body) = (Vec::new(), Vec::new());
    for page in plan {
        values.clear();
        body.clear();
        page.for_each(chunks, |chunk, rows| values.extend_from_slice(&of(chunk)[rows]));
        delta::encode(&values, &mut body);
        pages.data_page(&body, page.rows, Encoding::DELTA_BINARY_PACKED)?;
    }
    Ok(pages)
}
