//! What a column of a list of runs shows, and the words for it.

use crate::aggregate::Aggregate;
use crate::filter::RunField;
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// A column of a list of runs.
///
/// As text: `METRIC:AGGREGATE` such as `val/loss:min`, or a field of runs as in filters, such as `params.lr`, `status` or `started`.
/// `param:lr` is `params.lr`, and `val/loss.min` is `val/loss:min`, unless it is a field.
///
/// ```
/// use tidalite_query::{Aggregate, RunColumn, RunField};
/// let metric = RunColumn::Metric("val/loss".into(), Aggregate::Min);
/// assert_eq!("val/loss:min".parse::<RunColumn>()?, metric);
/// assert_eq!(metric.to_string(), "val/loss:min");
/// assert_eq!("params.lr".parse::<RunColumn>()?, RunColumn::Field(RunField::param("lr")));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum RunColumn {
    /// An aggregate of a metric's points, over all series of the run. It has to be one that summaries hold.
    Metric(String, Aggregate),
    /// A field of the run.
    Field(RunField),
}

/// One key of the order of a list of runs. As text: the column, after `-` where the greatest comes first.
///
/// ```
/// use tidalite_query::RunSort;
/// let sort: RunSort = "-val/acc:max".parse()?;
/// assert!(sort.descending && sort.to_string() == "-val/acc:max");
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RunSort {
    /// The column to sort by. It need not be shown.
    pub column: RunColumn,
    /// Whether the greatest comes first. Runs without a value come last in either case.
    pub descending: bool,
}

impl FromStr for RunColumn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The name of a metric may have colons and dots.
        let metric = |between: char| {
            let (metric, word) = text.rsplit_once(between)?;
            let aggregate: Aggregate = word.parse().ok()?;
            (!metric.is_empty()).then(|| RunColumn::Metric(metric.to_string(), aggregate))
        };
        if let Some(column) = metric(':') {
            return Ok(column);
        }
        if let Some(param) = text.strip_prefix("param:").filter(|param| !param.is_empty()) {
            return Ok(RunColumn::Field(RunField::param(param)));
        }
        let field = text.parse().map(RunColumn::Field);
        field.ok().or_else(|| metric('.')).ok_or_else(|| {
            let wrong = format!("{text:?} is not a column of runs");
            let remedy = "give METRIC:AGGREGATE such as val/loss:min, or id, name, group, notes, status, reason, started, \
                          ended, parent, params.NAME, environment.NAME or labels.NAME";
            Error::invalid("read column", wrong, remedy)
        })
    }
}

impl fmt::Display for RunColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunColumn::Metric(metric, aggregate) => write!(f, "{metric}:{aggregate}"),
            RunColumn::Field(field) => write!(f, "{field}"),
        }
    }
}

impl FromStr for RunSort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (column, descending) = text.strip_prefix('-').map_or((text, false), |column| (column, true));
        Ok(RunSort { column: column.parse()?, descending })
    }
}

impl fmt::Display for RunSort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_reads_back_from_its_text() {
        let texts = [
            "val/loss:min",
            "a:b:last",
            "params.lr",
            "params.model.depth",
            "status",
            "started",
            "labels.rank",
            "params:max",
            "-x:last",
        ];
        for text in texts {
            assert_eq!(text.parse::<RunColumn>().unwrap().to_string(), text);
        }
        assert_eq!(
            "a:b:last".parse::<RunColumn>().unwrap(),
            RunColumn::Metric("a:b".into(), Aggregate::Last)
        );
        assert_eq!("val/loss.min".parse::<RunColumn>().unwrap().to_string(), "val/loss:min");
        assert_eq!("params.min".parse::<RunColumn>().unwrap(), RunColumn::Field(RunField::param("min")));
        assert_eq!("param:a b".parse::<RunColumn>().unwrap(), RunColumn::Field(RunField::param("a b")));
        let sort: RunSort = "--x:last".parse().unwrap();
        assert_eq!((sort.column.to_string().as_str(), sort.descending), ("-x:last", true));
    }

    #[test]
    fn other_texts_are_refused_with_what_would_do() {
        for text in ["", "val/loss", "val/loss:mni", ":min", "params", "param:", "status x"] {
            let wrong = text.parse::<RunColumn>().unwrap_err().to_string();
            assert!(wrong.contains("METRIC:AGGREGATE") && wrong.contains("params.NAME"), "{text:?}: {wrong}");
        }
    }
}
