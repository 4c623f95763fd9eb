//! Spans of series, so that a selection of very many series is planned one span at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A half-open range of series, by run, then metric; `None` is unbounded. The series of one metric of one run are in one
/// span.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SeriesSpan {
    lo: Option<(Arc<str>, Arc<str>)>,
    hi: Option<(Arc<str>, Arc<str>)>,
}

/// How many series there are of each metric, by run.
pub(super) type SeriesCounts<'a> = BTreeMap<&'a str, BTreeMap<&'a str, u64>>;

impl SeriesSpan {
    /// Whether the span may hold series of a run.
    pub(super) fn meets(&self, run: &str) -> bool {
        // A span that ends where a run begins has none of it.
        let before_end = |hi: &(Arc<str>, Arc<str>)| (run, "") < (&*hi.0, &*hi.1);
        self.lo.as_ref().is_none_or(|lo| run >= &*lo.0) && self.hi.as_ref().is_none_or(before_end)
    }

    pub(super) fn contains(&self, run: &str, metric: &str) -> bool {
        self.lo.as_ref().is_none_or(|lo| (run, metric) >= (&*lo.0, &*lo.1))
            && self.hi.as_ref().is_none_or(|hi| (run, metric) < (&*hi.0, &*hi.1))
    }

    /// Splits all series into spans of about `most` each. A run is split only where it alone has more.
    pub(super) fn cut(counts: &SeriesCounts<'_>, most: u64) -> Vec<SeriesSpan> {
        let mut spans = Vec::new();
        let mut lo: Option<(Arc<str>, Arc<str>)> = None;
        let mut held = 0;
        let mut cut = |at: (&str, &str), count: u64| {
            if held > 0 && held + count > most {
                let hi: Option<(Arc<str>, Arc<str>)> = Some((at.0.into(), at.1.into()));
                spans.push(SeriesSpan { lo: lo.take(), hi: hi.clone() });
                (lo, held) = (hi, 0);
            }
            held += count;
        };
        for (&run, metrics) in counts {
            let of_run: u64 = metrics.values().sum();
            if of_run <= most {
                cut((run, ""), of_run);
                continue;
            }
            for (&metric, &count) in metrics {
                cut((run, metric), count);
            }
        }
        spans.push(SeriesSpan { lo, hi: None });
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_each_series_once_and_about_as_many_as_allowed() {
        let runs: Vec<String> = (0..30).map(|i| format!("run-{i:02}")).collect();
        let metrics: Vec<String> = (0..7).map(|i| format!("m{i}")).collect();
        let of_run = |r: usize| metrics.iter().take(r % 8).map(String::as_str).zip((r as u64 % 3..).take(7));
        let counts: SeriesCounts<'_> =
            runs.iter().enumerate().map(|(r, run)| (run.as_str(), of_run(r).collect())).collect();
        for most in [1, 9, 10, 44, 1000] {
            let spans = SeriesSpan::cut(&counts, most);
            let mut held = 0;
            for span in &spans {
                let of_run = |(run, metrics): (&&str, &BTreeMap<&str, u64>)| -> Vec<u64> {
                    let within = metrics.iter().filter(|(metric, _)| span.contains(run, metric));
                    within.map(|(_, n)| *n).collect()
                };
                let within: Vec<u64> = counts.iter().flat_map(of_run).collect();
                held += within.len();
                let sum: u64 = within.iter().sum();
                assert!(sum <= most || within.iter().filter(|n| **n > 0).count() == 1, "{most}: {within:?}");
                for (run, metrics) in &counts {
                    let met = metrics.keys().any(|metric| span.contains(run, metric));
                    assert!(span.meets(run) || !met, "{run} in {span:?}");
                }
            }
            assert_eq!(held, counts.values().map(BTreeMap::len).sum::<usize>(), "{most}");
            let holding = |run: &str, metric: &str| spans.iter().filter(|s| s.contains(run, metric)).count();
            assert!([("", "m"), ("run-00", "a"), ("zzz", "m")].iter().all(|(r, m)| holding(r, m) == 1));
        }
    }

    #[test]
    fn a_run_is_split_only_where_it_alone_has_too_many_series() {
        let counts = SeriesCounts::from([
            ("a", BTreeMap::from([("m1", 3), ("m2", 3)])),
            ("b", BTreeMap::from([("m1", 3), ("m2", 3)])),
            ("c", BTreeMap::from([("m1", 9), ("m2", 9)])),
        ]);
        let span = |lo: Option<(&str, &str)>, hi: Option<(&str, &str)>| {
            let end = |(run, metric): (&str, &str)| (run.into(), metric.into());
            SeriesSpan { lo: lo.map(end), hi: hi.map(end) }
        };
        let cut = [
            span(None, Some(("b", ""))),
            span(Some(("b", "")), Some(("c", "m1"))),
            span(Some(("c", "m1")), Some(("c", "m2"))),
            span(Some(("c", "m2")), None),
        ];
        assert_eq!(SeriesSpan::cut(&counts, 10), cut);
        assert!(!cut[0].meets("b") && cut[1].meets("c") && cut[1].contains("c", "a"));
    }
}
