//! What an outline must keep of the points that it stands for.

use crate::series::row::SeriesRow;
use tidalite_model::{Extreme, Point, Summary};

/// Gives a row of a thinned series its one place in the order of writing: that of its last point. A rewind that was made
/// before the series was thinned does not hide that point, so it cannot seem to hide another; one that is made later comes
/// after all of them.
pub(crate) fn place(row: &mut SeriesRow, seqs: &[i64]) {
    if let Some(&last) = seqs.last() {
        (row.seq_min, row.seq_max) = (last, last);
    }
}

/// Whether what is left of points is what has to be left of them.
pub(crate) fn is_left_of(kept: &Summary, all: &Summary) -> bool {
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

/// Whether a row of the series table is that of points, but for what it says of those that are not there any more.
pub(crate) fn stands_for(kept: &SeriesRow, row: &SeriesRow) -> bool {
    let place = |r: &SeriesRow| (r.tile, r.row_start, r.rows, r.seq_min, r.seq_max, r.repeats);
    place(kept) == place(row) && !row.repeats && is_left_of(&kept.summary, &row.summary)
}
