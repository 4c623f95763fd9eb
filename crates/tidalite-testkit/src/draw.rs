//! Contents drawn from a seed: record batches with their points, params and tags.
//!
//! The types of a batch's columns vary as callers' do: text plain or as a dictionary, times as integers or timestamps.

use crate::ops::{LABELS, METRICS, RUNS, labels_of, step_of, value_bits};
use crate::random::Random;
use crate::units::WrittenPoint;
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidalite::{Param, Params, Point, SeriesKey, Status};
use tidalite_model::{Assign, RunEdit};

/// A batch of `rows` rows, all at one time, and its points in their order. Some batches have no steps; their points have
/// automatic steps that count from 0 in each series.
pub fn draw_batch(seed: u64, rows: usize, time_us: i64) -> (RecordBatch, Vec<WrittenPoint>) {
    let mut random = Random::new(seed);
    let mut pick = |len: usize| usize::try_from(random.below(len as u64)).expect("below a usize");
    let with_labels = pick(2) == 0;
    let names: Vec<(usize, usize, usize)> = (0..rows)
        .map(|_| (pick(RUNS.len()), pick(METRICS.len()), if with_labels { pick(LABELS.len()) } else { 0 }))
        .collect();
    let steps: Vec<i64> = (0..rows).map(|_| step_of(random.next_u64())).collect();
    let values: Vec<f64> = (0..rows).map(|_| f64::from_bits(value_bits(random.next_u64()))).collect();
    let automatic = Random::new(!seed).below(4) == 0;
    let mut counts: BTreeMap<SeriesKey, i64> = BTreeMap::new();
    let written = (0..rows).map(|i| {
        let key = SeriesKey::new(RUNS[names[i].0], METRICS[names[i].1], labels_of(names[i].2));
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        let step = if automatic { *count - 1 } else { steps[i] };
        WrittenPoint { key, point: Point { step, time_us, value: values[i] }, automatic }
    });
    let written = written.collect();
    let text = |texts: Vec<&str>, coded: bool| -> ArrayRef {
        if coded {
            Arc::new(DictionaryArray::<Int32Type>::from_iter(texts))
        } else {
            Arc::new(StringArray::from(texts))
        }
    };
    let coded = random.below(2) == 0;
    let times: ArrayRef = if random.below(2) == 0 {
        Arc::new(Int64Array::from(vec![time_us; rows]))
    } else {
        Arc::new(TimestampMicrosecondArray::from(vec![time_us; rows]).with_timezone("UTC"))
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("value", Arc::new(Float64Array::from(values))),
        ("run", text(names.iter().map(|n| RUNS[n.0]).collect(), coded)),
        ("metric", text(names.iter().map(|n| METRICS[n.1]).collect(), !coded)),
        ("time", times),
    ];
    if !automatic {
        columns.push(("step", Arc::new(Int64Array::from(steps))));
    }
    if with_labels {
        columns.push(("labels", text(names.iter().map(|n| LABELS[n.2]).collect(), false)));
    }
    (RecordBatch::try_from_iter(columns).expect("columns of one length"), written)
}

/// Lets the automatic steps of a run's points, which count from 0, begin at `first`. Returns the step after the last; `None`
/// where the run has no points.
pub(crate) fn count_on(written: &mut [WrittenPoint], run: &str, first: i64) -> Option<i64> {
    let mut next = None;
    for w in written.iter_mut().filter(|w| *w.key.run == *run) {
        next = next.max(Some(first.saturating_add(w.point.step + 1)));
        w.point.step = first.saturating_add(w.point.step);
    }
    next
}

pub(crate) fn draw_params(random: &mut Random) -> Params {
    let mut params = Params::new();
    for _ in 0..random.below(3) {
        let value = match random.below(5) {
            0 => Param::Float(f64::from_bits(value_bits(random.next_u64()))),
            1 => Param::Int(random.next_u64().cast_signed()),
            2 => Param::Text("🌊 \"x\"\0".into()),
            3 => Param::List(vec![Param::Null, Param::Bool(true)]),
            _ => Param::Map(BTreeMap::from([("$float".to_string(), Param::Text("NaN".into()))])),
        };
        params.insert(format!("p{}", random.below(4)), value);
    }
    params
}

pub(crate) fn draw_tags(random: &mut Random) -> BTreeSet<String> {
    (0..random.below(3)).map(|_| format!("tag {}", random.below(3))).collect()
}

/// An edit: it sets, clears or keeps each field.
pub(crate) fn draw_edit(random: &mut Random) -> RunEdit {
    fn assign<T>(random: &mut Random, value: impl FnOnce(&mut Random) -> T) -> Assign<T> {
        match random.below(4) {
            0 => Assign::Set(value(random)),
            1 => Assign::Clear,
            _ => Assign::Keep,
        }
    }
    let text = |random: &mut Random| format!("text {}", random.below(3));
    let time = |random: &mut Random| 1 + random.below(1000) as i64;
    let status = |random: &mut Random| {
        [Status::Running, Status::Finished, Status::Failed, Status::Lost][random.below(4) as usize]
    };
    let (params, removed) = (draw_params(random), draw_params(random));
    RunEdit {
        remove_params: removed.into_keys().collect(),
        params,
        add_tags: draw_tags(random),
        remove_tags: draw_tags(random),
        name: assign(random, text),
        notes: assign(random, text),
        group: assign(random, text),
        environment: assign(random, draw_params),
        parent: Assign::Keep,
        status: assign(random, status),
        started_us: assign(random, time),
        ended_us: assign(random, time),
    }
}
