//! Questions to a store and to the oracle: which points are asked for, as plain data.

use tidalite::{History, Point, Repeats, SeriesKey};

/// A question; the default is all points, inherited ones too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Runs that match any of these; all where empty.
    pub runs: Vec<NameTest>,
    /// Metrics that match any of these; all where empty.
    pub metrics: Vec<NameTest>,
    /// Series with all these labels.
    pub labels: Vec<(String, String)>,
    /// Steps, lo ≤ step < hi.
    pub steps: (Option<i64>, Option<i64>),
    /// Times in µs, lo ≤ time < hi.
    pub times_us: (Option<i64>, Option<i64>),
    /// Values, lo ≤ value < hi. NaN is in no range.
    pub values: (Option<f64>, Option<f64>),
    /// Which of several points at one step count.
    pub repeats: Repeats,
    /// Which inherited points are read.
    pub history: History,
    /// Whether rewound points are visible.
    pub hidden: bool,
}

/// A test for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameTest {
    /// This name alone.
    Exact(String),
    /// Names with this prefix, which holds no signs of patterns.
    Prefix(String),
}

impl NameTest {
    fn matches(&self, name: &str) -> bool {
        match self {
            NameTest::Exact(n) => n == name,
            NameTest::Prefix(p) => name.starts_with(p.as_str()),
        }
    }
}

impl Question {
    /// All points as written and not deleted, under a rule for repeats.
    pub fn all(repeats: Repeats) -> Self {
        Question { repeats, history: History::Own, hidden: true, ..Question::default() }
    }

    pub(crate) fn wants(&self, key: &SeriesKey) -> bool {
        let any = |names: &[NameTest], name: &str| names.is_empty() || names.iter().any(|n| n.matches(name));
        any(&self.runs, &key.run)
            && any(&self.metrics, &key.metric)
            && self.labels.iter().all(|(k, v)| key.labels.get(k).as_deref() == Some(v.as_str()))
    }

    pub(crate) fn takes_step(&self, step: i64) -> bool {
        self.steps.0.is_none_or(|lo| step >= lo) && self.steps.1.is_none_or(|hi| step < hi)
    }

    pub(crate) fn takes_point(&self, p: &Point) -> bool {
        let (lo, hi) = self.times_us;
        let in_time = lo.is_none_or(|lo| p.time_us >= lo) && hi.is_none_or(|hi| p.time_us < hi);
        let (lo, hi) = self.values;
        in_time && lo.is_none_or(|lo| p.value >= lo) && hi.is_none_or(|hi| p.value < hi)
    }
}
