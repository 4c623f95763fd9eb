//! What an outline keeps of the points of a thinned series.

use crate::series::row::SeriesRow;
use tidalite_model::{Extreme, Point, Summary};

/// Sets the write order of a thinned series' row to that of its last point. A rewind from before the thinning does not hide
/// that point, so it hides no other point by mistake. A later rewind comes after all of them.
pub(crate) fn set_seq(row: &mut SeriesRow, seqs: &[i64]) {
    if let Some(&last) = seqs.last() {
        (row.seq_min, row.seq_max) = (last, last);
    }
}

/// Whether all these points count under each rule for repeats, and a rewind may hide all of them or none: all steps are
/// automatic, or none is and none occurs twice.
pub(crate) fn are_uniform(row: &SeriesRow) -> bool {
    row.automatic == row.rows || (row.automatic == 0 && !row.repeats)
}

/// Whether `kept` can be the summary of the outline of a bucket whose summary is `all`: the first and last point and the
/// extremes are the same, and each kind of value that occurs is kept.
pub(crate) fn is_outline_of(kept: &Summary, all: &Summary) -> bool {
    let point = |p: Option<Point>| p.map(|p| (p.step, p.time_us, p.value.to_bits()));
    let extreme = |e: Option<Extreme>| e.map(|e| (e.step, e.value.to_bits()));
    let some = |kept: u64, all: u64| kept <= all && (kept > 0) == (all > 0);
    let counts = [
        (kept.count, all.count),
        (kept.finite, all.finite),
        (kept.nan, all.nan),
        (kept.pos_inf, all.pos_inf),
        (kept.neg_inf, all.neg_inf),
    ];
    counts.iter().all(|&(kept, all)| some(kept, all))
        && all.count == all.finite + all.nan + all.pos_inf + all.neg_inf
        && [(kept.first, all.first), (kept.last, all.last)].iter().all(|&(a, b)| point(a) == point(b))
        && [(kept.min, all.min), (kept.max, all.max)].iter().all(|&(a, b)| extreme(a) == extreme(b))
        && all.time_min_us <= kept.time_min_us
        && all.time_max_us >= kept.time_max_us
}

/// Whether `row` can be the series table's row of a thinned series whose points give the row `kept`.
pub(crate) fn row_fits_outline(kept: &SeriesRow, row: &SeriesRow) -> bool {
    kept.position() == row.position() && are_uniform(row) && is_outline_of(&kept.summary, &row.summary)
}
