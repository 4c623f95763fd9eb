//! Checks that a killed trainer lost nothing: the store must hold every row that it acknowledged.

use super::plan::{EVERY_STEP, TESTED, is_tested};
use crate::error::{CliError, CliResult};
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use std::collections::BTreeMap;
use tidalite::{Status, Store};

/// What the store holds of the killed run.
#[derive(Debug)]
pub(super) struct RecoveredRun {
    acked: i64,
    last: i64,
    points: u64,
}

impl RecoveredRun {
    /// Describes the result for people.
    pub(super) fn describe(&self, run: &str) -> String {
        let one_more = match self.last - self.acked {
            0 => String::new(),
            _ => format!(
                "Step {} was accepted too, but the process died before it was acknowledged. ",
                self.last
            ),
        };
        format!(
            "Killed {run} with SIGKILL after the store had acknowledged step {}.\n\
             The store holds steps 0 to {}, each row complete: {} points, nothing lost.\n\
             {one_more}The run's status is now: lost.",
            self.acked, self.last, self.points
        )
    }
}

/// Reads the run back. Every step up to the last must be present once with all its metrics, and the last step must be
/// at least `acked`.
pub(super) fn check(store: &Store, run: &str, acked: i64) -> CliResult<RecoveredRun> {
    let snapshot = store.snapshot()?;
    let mut steps: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut points = 0;
    for batch in snapshot.select().run(run).points()? {
        let batch = batch?;
        points += batch.num_rows() as u64;
        let column = |name: &str| batch.column_by_name(name).expect("points have metric and step");
        let metrics = cast(column("metric"), &DataType::Utf8)
            .map_err(|e| CliError::Other(format!("read metrics: {e}")))?;
        let (metrics, at) = (metrics.as_string::<i32>(), column("step").as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            match steps.get_mut(metrics.value(row)) {
                Some(list) => list.push(at.value(row)),
                None => drop(steps.insert(metrics.value(row).to_owned(), vec![at.value(row)])),
            }
        }
    }
    let last = steps.get(EVERY_STEP[0]).and_then(|s| s.last().copied()).unwrap_or(-1);
    let lost =
        |text: String| CliError::Other(format!("the store lost rows of {run}: {text}; please report it"));
    if last < acked {
        return Err(lost(format!("step {acked} was acknowledged, but the last step is {last}")));
    }
    let all = || 0..=u32::try_from(last).unwrap_or(0);
    let expected = |metric: &str| -> Vec<i64> {
        all().filter(|&s| !TESTED.contains(&metric) || is_tested(s)).map(i64::from).collect()
    };
    for metric in EVERY_STEP.iter().chain(&TESTED) {
        let found = steps.get(*metric).map_or(&[][..], Vec::as_slice);
        if found != expected(metric) {
            return Err(lost(format!(
                "{metric} has {} points, {} were expected",
                found.len(),
                expected(metric).len()
            )));
        }
    }
    let status = snapshot.run(run)?.status;
    if status != Status::Lost {
        return Err(CliError::Other(format!(
            "{run} was killed, but its status is {}; please report it",
            status.as_str()
        )));
    }
    Ok(RecoveredRun { acked, last, points })
}
