//! What the filter of a selection says of one row of a part.

use crate::parts::scan::RowRef;
use tidalite_model::Summary;
use tidalite_query::Verdict;

/// A row of a series table, judged.
pub(super) struct Judged {
    pub(super) at: RowRef,
    pub(super) verdict: Verdict,
    /// Its summary, where that stands for its points.
    pub(super) known: Option<Summary>,
}
