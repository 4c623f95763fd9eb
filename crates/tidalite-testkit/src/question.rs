//! Questions to a store and to the oracle: which points are asked for, as plain data.

use tidalite::{History, Point, Repeats, SeriesKey};

/// A question; the default is all points, inherited ones too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Runs that match any of these; all where empty.
    pub runs: Vec<NameTest>,
    /// Metrics that match any of these; all where empty.
    pub metrics: Vec<NameTest>,
    /// Series with each of these keys, with any of the values that are given for the key.
    pub labels: Vec<(String, NameTest)>,
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
    /// This name where it exists, otherwise the names that match it as a glob.
    Text(String),
    /// The names that match a glob of `*`, `[ab]` and `{a,b}`, without nesting.
    Glob(String),
}

impl NameTest {
    fn matches(&self, name: &str) -> bool {
        match self {
            NameTest::Exact(n) => n == name,
            NameTest::Prefix(p) => name.starts_with(p.as_str()),
            NameTest::Text(_) => unreachable!("settled before names are compared"),
            NameTest::Glob(glob) => {
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                glob_matches(&chars(glob), &chars(name))
            }
        }
    }

    /// The same test, with a text taken as what it means among the names that exist.
    fn settled(&self, exists: impl Fn(&str) -> bool) -> NameTest {
        match self {
            NameTest::Text(text) if exists(text) => NameTest::Exact(text.clone()),
            NameTest::Text(text) => NameTest::Glob(text.clone()),
            other => other.clone(),
        }
    }
}

fn glob_matches(glob: &[char], name: &[char]) -> bool {
    let end = |close: char| glob.iter().position(|c| *c == close).expect("globs of tests are well formed");
    match glob.first() {
        None => name.is_empty(),
        Some('*') => (0..=name.len()).any(|skipped| glob_matches(&glob[1..], &name[skipped..])),
        Some('[') => {
            let end = end(']');
            name.first().is_some_and(|c| glob[1..end].contains(c))
                && glob_matches(&glob[end + 1..], &name[1..])
        }
        Some('{') => {
            let end = end('}');
            let mut choices = glob[1..end].split(|c| *c == ',');
            choices.any(|choice| glob_matches(&[choice, &glob[end + 1..]].concat(), name))
        }
        Some(c) => name.first() == Some(c) && glob_matches(&glob[1..], &name[1..]),
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
            && self.labels.iter().all(|(k, _)| {
                let values = self.labels.iter().filter(|(other, _)| other == k);
                key.labels.get(k).is_some_and(|has| values.into_iter().any(|(_, v)| v.matches(&has)))
            })
    }

    /// The same question, with each text taken as what it means: a name among `runs`, a metric or label value among
    /// the series `there`, or a glob.
    pub(crate) fn settled(&self, runs: &[&str], there: &[&SeriesKey]) -> Question {
        let runs = self.runs.iter().map(|n| n.settled(|id| runs.contains(&id))).collect();
        let metric = |name: &str| there.iter().any(|key| *key.metric == *name);
        let metrics = self.metrics.iter().map(|n| n.settled(metric)).collect();
        let label = |(k, v): &(String, NameTest)| {
            let has = |value: &str| there.iter().any(|key| key.labels.get(k).as_deref() == Some(value));
            (k.clone(), v.settled(has))
        };
        let labels = self.labels.iter().map(label).collect();
        Question { runs, metrics, labels, ..self.clone() }
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
