//! The order of a result's rows: ascending by the group columns.
//!
//! States are mostly in the order of their rows already. Then no order is kept, and columns are used without a copy.

use super::by::By;
use super::directory::GroupDirectory;
use super::param_column::ParamColumn;
use super::plan::GroupPlan;
use crate::axis::Width;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use std::cmp::Ordering;

/// The source of a group column.
pub(super) enum GroupColumn {
    /// Names by their index, and the rank of each distinct name.
    Names { level: usize, ranks: Vec<u32>, param: Option<ParamColumn> },
    /// Buckets: the first or the second of a group's key, their width, and whether they are of time.
    Bucket { second: bool, width: Width, times: bool },
}

pub(super) fn group_columns(plan: &GroupPlan, directory: &GroupDirectory) -> Vec<GroupColumn> {
    let (mut levels, mut params) = (0.., plan.params.iter().copied());
    let column = |by: &By| match by {
        By::StepBucket(_) | By::TimeBucket(_) | By::Calendar(_) => {
            let times = !matches!(by, By::StepBucket(_));
            let width = if times { &plan.time_width } else { &plan.step_width };
            let width = width.clone().expect("a bucket has a width");
            GroupColumn::Bucket { second: times && plan.step_width.is_some(), width, times }
        }
        name => {
            debug_assert!(name.is_name(), "a group is a bucket or a name");
            let level = levels.next().expect("levels do not end");
            let param = if let By::Param(_) = name { params.next() } else { None };
            GroupColumn::Names { level, ranks: directory.names().ranks(level), param }
        }
    };
    plan.by.iter().map(column).collect()
}

impl GroupColumn {
    fn compare(&self, directory: &GroupDirectory, a: usize, b: usize) -> Ordering {
        let (a, b) = (directory.key(a), directory.key(b));
        match self {
            GroupColumn::Names { level, ranks, .. } => {
                let rank = |names: u32| ranks[directory.names().text_id(names, *level)];
                rank(a.names).cmp(&rank(b.names))
            }
            GroupColumn::Bucket { second: false, .. } => a.bucket.cmp(&b.bucket),
            GroupColumn::Bucket { second: true, .. } => a.bucket2.cmp(&b.bucket2),
        }
    }
}

/// The state that each row shows.
pub(super) struct RowOrder {
    count: usize,
    /// `None` where the rows are the states in their order.
    order: Option<Vec<u32>>,
}

impl RowOrder {
    pub(super) fn of(groups: &[GroupColumn], directory: &GroupDirectory) -> Self {
        let count = directory.len();
        let compare = |a: usize, b: usize| {
            groups.iter().map(|x| x.compare(directory, a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        };
        // Most neighbours have the same names.
        let buckets: Vec<&GroupColumn> =
            groups.iter().filter(|x| matches!(x, GroupColumn::Bucket { .. })).collect();
        let follows = |i: usize| match &buckets[..] {
            [bucket] if directory.key(i - 1).names == directory.key(i).names => {
                bucket.compare(directory, i - 1, i).is_lt()
            }
            _ => compare(i - 1, i).is_lt(),
        };
        if (1..count).all(follows) {
            return RowOrder { count, order: None };
        }
        let mut order: Vec<u32> = (0..u32::try_from(count).expect("states are counted in u32")).collect();
        // The stable sort is fast on runs that are sorted already: mostly each series' buckets.
        order.sort_by(|&a, &b| compare(a as usize, b as usize));
        RowOrder { count, order: Some(order) }
    }

    /// Rows that are the states in their order.
    pub(super) fn as_they_are(count: usize) -> Self {
        RowOrder { count, order: None }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.count).map(|row| self.order.as_ref().map_or(row, |o| o[row] as usize))
    }

    /// The name sets of the rows, each with the number of consecutive rows that have it.
    pub(super) fn names(&self, directory: &GroupDirectory) -> Vec<(u32, usize)> {
        let mut runs: Vec<(u32, usize)> = Vec::new();
        for names in self.states().map(|state| directory.key(state).names) {
            match runs.last_mut() {
                Some((last, count)) if *last == names => *count += 1,
                _ => runs.push((names, 1)),
            }
        }
        runs
    }

    /// Turns a column of states into a column of rows.
    pub(super) fn take<T: Copy>(&self, column: &mut Vec<T>) -> Vec<T> {
        match &self.order {
            None => std::mem::take(column),
            Some(order) => order.iter().map(|&i| column[i as usize]).collect(),
        }
    }

    /// A mask that is null where a state has no value; `None` where all have one.
    pub(super) fn nulls(&self, has_value: impl Fn(usize) -> bool) -> Option<NullBuffer> {
        if (0..self.count).all(&has_value) {
            return None;
        }
        let mut states = self.states();
        let valid = BooleanBuffer::collect_bool(self.count, |_| states.next().is_some_and(&has_value));
        Some(NullBuffer::new(valid))
    }
}
