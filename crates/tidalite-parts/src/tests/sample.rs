//! Sample points of many shapes. They are the same in each run.

use crate::SeriesChunk;
use tidalite_model::{Labels, Seq, SeriesKey, Written};

/// The points of one series.
#[derive(Debug, Clone)]
pub(super) struct SampleSeries {
    pub(super) key: SeriesKey,
    pub(super) steps: Vec<i64>,
    pub(super) seqs: Vec<i64>,
    pub(super) written: Vec<i64>,
    pub(super) times_us: Vec<i64>,
    pub(super) values: Vec<f64>,
}

impl SampleSeries {
    pub(super) fn new(run: &str, metric: &str, labels: &str) -> SampleSeries {
        let key = SeriesKey::new(run, metric, Labels::parse(labels).unwrap());
        SampleSeries { key, steps: vec![], seqs: vec![], written: vec![], times_us: vec![], values: vec![] }
    }

    pub(super) fn push(&mut self, step: i64, seq: Seq, time_us: i64, value: f64) {
        self.steps.push(step);
        self.seqs.push(seq.as_i64());
        self.written.push(Written::AT_ITS_TIME.as_i64());
        self.times_us.push(time_us);
        self.values.push(value);
    }

    pub(super) fn chunk(&self) -> SeriesChunk<'_> {
        SeriesChunk {
            key: &self.key,
            steps: &self.steps,
            seqs: &self.seqs,
            written: &self.written,
            times_us: &self.times_us,
            values: &self.values,
        }
    }
}

/// Pseudo-random numbers.
pub(super) struct SampleRandom(pub(super) u64);

impl SampleRandom {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A run as a tracker logs it: every metric at each step, with one time per step.
pub(super) fn tracker(run: &str, metrics: usize, steps: std::ops::Range<i64>) -> Vec<SampleSeries> {
    let mut random = SampleRandom(steps.start.unsigned_abs() + 1);
    let mut time = 1_780_000_000_000_000;
    let times: Vec<i64> = steps
        .clone()
        .map(|_| {
            time += 100_000 + random.below(10_000).cast_signed();
            time
        })
        .collect();
    let mut all = Vec::new();
    for m in 0..metrics {
        let mut series =
            SampleSeries::new(run, &format!("metric/{m:05}"), if m % 2 == 0 { "" } else { "rank=1" });
        for (i, step) in steps.clone().enumerate() {
            let value = match m % 5 {
                0 => f64::from(random.below(1 << 30) as f32 / 1e6),
                1 => random.below(16) as f64,
                2 => f64::from_bits(random.next()),
                3 => step as f64 * 1e-3,
                _ => 0.1,
            };
            series.push(step, Seq::new(3, i as u64), times[i], value);
        }
        all.push(series);
    }
    all
}

/// Values and steps at the ends of their types, repeats of a step, and times that decrease.
pub(super) fn extremes() -> Vec<SampleSeries> {
    let mut steps = SampleSeries::new("r", "a/steps", "");
    for step in [i64::MIN, i64::MIN + 1, -1, 0, 0, 0, 1, i64::MAX - 1, i64::MAX] {
        let n = steps.steps.len() as u64;
        steps.push(step, Seq::new(n as u32, 9 - n), i64::MAX - step.saturating_abs(), step as f64);
    }
    let mut values = SampleSeries::new("r", "b/values", "k=v");
    let odd = [
        f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(0xffff_ffff_ffff_ffff),
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::MAX,
        f64::MIN,
    ];
    for (i, value) in odd.into_iter().enumerate() {
        values.push(i as i64, Seq::new(1 << 22, tidalite_model::SEQ_ORDINAL_MAX), -(i as i64), value);
    }
    let mut jumps = SampleSeries::new("r", "c/jumps", "");
    let mut random = SampleRandom(5);
    let mut wild: Vec<i64> = (0..5000).map(|_| random.next().cast_signed()).collect();
    wild.sort_unstable();
    wild.dedup();
    for step in wild {
        jumps.push(step, Seq::new(0, random.below(1 << 40)), random.next().cast_signed() >> 8, 1.0);
    }
    vec![steps, values, jumps]
}
