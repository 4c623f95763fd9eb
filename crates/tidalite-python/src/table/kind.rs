//! `TableKind`: which query of a selection gives a table's rows, and with which columns.

use super::summaries;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tidalite::{Aggregate, AlignOn, By, Fill, PointSort, Result, Selection, XAxis};

/// A query of a selection, with its arguments.
pub(crate) enum TableKind {
    Points,
    /// Points from an offset on, at most as many as the limit says, sorted or in the order of the series.
    PointPage {
        sort: Option<PointSort>,
        offset: usize,
        limit: Option<usize>,
    },
    /// One row per step of a run, one column per metric.
    Rows,
    Aggregate(Vec<Aggregate>, Vec<By>),
    /// Aggregates by groups, then aggregates of these by groups.
    Twice {
        aggregates: Vec<Aggregate>,
        by: Vec<By>,
        then: Vec<Aggregate>,
        then_by: Vec<By>,
    },
    /// The first `k` groups in the order of their first aggregate, ascending or descending.
    Ranking {
        k: usize,
        descending: bool,
        aggregates: Vec<Aggregate>,
        by: Vec<By>,
    },
    Chart(usize),
    /// The buckets, the groups, and what the band is over.
    Band(usize, Vec<By>, Vec<By>),
    Align(AlignOn, Fill),
    Latest,
    Summaries,
    Lttb(usize),
    M4(usize),
    Sample(usize),
    /// A query over an x-axis other than the step.
    OverX(XAxis, OverXKind),
}

/// A query over an x-axis other than the step.
#[derive(Clone)]
pub(crate) enum OverXKind {
    Points,
    Chart(usize),
    /// The buckets, the groups, and what the band is over.
    Band(usize, Vec<By>, Vec<By>),
    Align(Fill),
    Lttb(usize),
    M4(usize),
}

impl TableKind {
    /// The value of `Table.kind`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            TableKind::Points | TableKind::PointPage { .. } | TableKind::OverX(_, OverXKind::Points) => {
                "points"
            }
            TableKind::Rows => "rows",
            TableKind::Aggregate(..) | TableKind::Twice { .. } | TableKind::Ranking { .. } => "aggregate",
            TableKind::Chart(_) | TableKind::OverX(_, OverXKind::Chart(_)) => "chart",
            TableKind::Band(..) | TableKind::OverX(_, OverXKind::Band(..)) => "band",
            TableKind::Align(..) | TableKind::OverX(_, OverXKind::Align(_)) => "align",
            TableKind::Latest => "latest",
            TableKind::Summaries => "summaries",
            TableKind::Lttb(_) | TableKind::OverX(_, OverXKind::Lttb(_)) => "lttb",
            TableKind::M4(_) | TableKind::OverX(_, OverXKind::M4(_)) => "m4",
            TableKind::Sample(_) => "sample",
        }
    }

    /// The columns, or `None` if they depend on the points.
    pub(crate) fn schema(&self) -> Result<Option<SchemaRef>> {
        // The type of a param's column depends on its values.
        let by_param = |by: &[By]| by.iter().any(|b| matches!(b, By::Param(_)));
        Ok(match self {
            TableKind::Aggregate(_, by) | TableKind::Ranking { by, .. } if by_param(by) => None,
            TableKind::Band(_, by, _) | TableKind::OverX(_, OverXKind::Band(_, by, _)) if by_param(by) => {
                None
            }
            TableKind::Twice { .. } => None,
            TableKind::Points
            | TableKind::PointPage { .. }
            | TableKind::Latest
            | TableKind::Lttb(_)
            | TableKind::M4(_)
            | TableKind::Sample(_) => Some(tidalite::points_schema()),
            TableKind::Aggregate(aggregates, by) | TableKind::Ranking { aggregates, by, .. } => {
                Some(tidalite::aggregate_schema(aggregates, by)?)
            }
            TableKind::Summaries => Some(summaries::schema()),
            TableKind::Chart(_) => Some(tidalite::chart_schema()),
            TableKind::Band(_, by, over) => Some(tidalite::band_schema(by, over)?),
            TableKind::OverX(x, OverXKind::Points | OverXKind::Lttb(_) | OverXKind::M4(_)) => {
                Some(tidalite::over_points_schema(x))
            }
            TableKind::OverX(x, OverXKind::Chart(_)) => Some(tidalite::over_chart_schema(x)),
            TableKind::OverX(x, OverXKind::Band(_, by, over)) => {
                Some(tidalite::over_band_schema(x, by, over)?)
            }
            TableKind::Rows | TableKind::Align(..) | TableKind::OverX(_, OverXKind::Align(_)) => None,
        })
    }

    /// All rows; of points, at least `limit` or all.
    pub(crate) fn rows(&self, select: &Selection, limit: usize) -> Result<Vec<RecordBatch>> {
        let batch = match self {
            TableKind::Points => return points(select, limit),
            TableKind::PointPage { sort, offset, limit } => select.points_page(*sort, *offset, *limit)?,
            TableKind::Rows => select.rows()?,
            TableKind::Aggregate(aggregates, by) => select.aggregate(aggregates, by)?,
            TableKind::Ranking { k, descending: false, aggregates, by } => {
                select.bottom(*k, aggregates, by)?
            }
            TableKind::Ranking { k, descending: true, aggregates, by } => select.top(*k, aggregates, by)?,
            TableKind::Chart(buckets) => select.chart_batch(*buckets)?,
            TableKind::Band(buckets, by, over) => select.band_over(*buckets, by, over)?,
            TableKind::Twice { aggregates, by, then, then_by } => {
                select.aggregate_twice(aggregates, by, then, then_by)?
            }
            TableKind::Align(on, fill) => select.align(*on, *fill)?,
            TableKind::Latest => select.latest()?,
            TableKind::Summaries => summaries::batch(select)?,
            TableKind::Lttb(points) => select.lttb(*points)?,
            TableKind::M4(columns) => select.m4(*columns)?,
            TableKind::Sample(points) => select.sample(*points)?,
            TableKind::OverX(x, kind) => kind.rows(select, x)?,
        };
        Ok(vec![batch])
    }
}

impl OverXKind {
    fn rows(&self, select: &Selection, x: &XAxis) -> Result<RecordBatch> {
        let over = select.over(x.clone());
        match self {
            OverXKind::Points => over.points(),
            OverXKind::Chart(buckets) => over.chart(*buckets),
            OverXKind::Band(buckets, by, members) => over.band_over(*buckets, by, members),
            OverXKind::Align(fill) => over.align(*fill),
            OverXKind::Lttb(points) => over.lttb(*points),
            OverXKind::M4(columns) => over.m4(*columns),
        }
    }
}

fn points(select: &Selection, limit: usize) -> Result<Vec<RecordBatch>> {
    let (mut batches, mut rows) = (Vec::new(), 0);
    for batch in select.points()? {
        let batch = batch?;
        rows += batch.num_rows();
        batches.push(batch);
        if rows >= limit {
            break;
        }
    }
    Ok(batches)
}
