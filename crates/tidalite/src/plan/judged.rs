//! The verdict of a selection's filter on one row of a part.

use crate::parts::scan::RowRef;
use tidalite_model::Summary;
use tidalite_query::Verdict;

/// A row of a series table and the filter's verdict on it.
pub(super) struct Judged {
    pub(super) at: RowRef,
    pub(super) verdict: Verdict,
    /// Its summary, where that stands for its points.
    pub(super) known: Option<Summary>,
}
