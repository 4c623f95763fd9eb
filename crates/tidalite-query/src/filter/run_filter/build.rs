//! Filters built by methods of their fields.

use super::field::RunField;
use super::tree::{FilterNode, FilterPattern, RunFilter};
use crate::filter::compare::Compare;
use crate::filter::series_filter::NameMatcher;
use tidalite_model::{Error, Param, Result};

impl RunField {
    /// Runs for whose field the comparison with a value is true.
    ///
    /// # Errors
    /// `Invalid` for a value that the field never has: an unknown status, an order of statuses, a time that is neither an
    /// RFC 3339 text nor an integer, a list or a map. `Invalid` for a param without a name.
    pub fn is(self, compare: Compare, value: impl Into<Param>) -> Result<RunFilter> {
        let value = self.checked(compare.is_order(), value.into()).map_err(wrong)?;
        Ok(RunFilter(FilterNode::Is(self, compare, value)))
    }

    /// Runs whose field equals one of these values; no run where there are none.
    ///
    /// # Errors
    /// As [`is`](Self::is).
    pub fn any_of<V: Into<Param>>(self, values: impl IntoIterator<Item = V>) -> Result<RunFilter> {
        let checked = values.into_iter().map(|v| self.checked(false, v.into()));
        let values = checked.collect::<Result<_, _>>().map_err(wrong)?;
        Ok(RunFilter(FilterNode::In(self, values)))
    }

    /// Runs whose field is text that matches a pattern; see [`NameMatcher`].
    ///
    /// # Errors
    /// `Invalid` for a malformed pattern, and for a field that is a time.
    pub fn like(self, pattern: impl Into<String>) -> Result<RunFilter> {
        self.check_like().map_err(wrong)?;
        let text = pattern.into();
        let matcher = NameMatcher::new(&[&text])?;
        Ok(RunFilter(FilterNode::Like(self, FilterPattern { text, matcher })))
    }

    /// Runs that have the field.
    pub fn exists(self) -> RunFilter {
        RunFilter(FilterNode::Has(self))
    }
}

fn wrong(what: String) -> Error {
    Error::invalid("filter runs", what, "see the fields and values of filters in the documentation")
}
