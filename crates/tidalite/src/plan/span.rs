//! Spans of runs, so that a selection of very many series is planned one span at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A half-open range of runs; `None` is unbounded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunSpan {
    lo: Option<Arc<str>>,
    hi: Option<Arc<str>>,
}

impl RunSpan {
    pub(super) fn contains(&self, run: &str) -> bool {
        self.lo.as_deref().is_none_or(|lo| run >= lo) && self.hi.as_deref().is_none_or(|hi| run < hi)
    }

    /// Splits all runs into spans of about `most` series each; `counts` holds the number of series per run.
    pub(super) fn cut(counts: &BTreeMap<&str, u64>, most: u64) -> Vec<RunSpan> {
        let mut spans = Vec::new();
        let (mut lo, mut held): (Option<Arc<str>>, u64) = (None, 0);
        for (&run, &count) in counts {
            if held > 0 && held + count > most {
                let hi: Option<Arc<str>> = Some(run.into());
                spans.push(RunSpan { lo: lo.take(), hi: hi.clone() });
                (lo, held) = (hi, 0);
            }
            held += count;
        }
        spans.push(RunSpan { lo, hi: None });
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_each_run_once_and_about_as_many_series_as_allowed() {
        let names: Vec<String> = (0..100).map(|i| format!("run-{i:02}")).collect();
        let counts: BTreeMap<&str, u64> = names.iter().map(String::as_str).zip((0..10).cycle()).collect();
        for most in [1, 9, 10, 44, 1000] {
            let spans = RunSpan::cut(&counts, most);
            let mut held = 0;
            for span in &spans {
                let within: Vec<u64> =
                    counts.iter().filter(|(r, _)| span.contains(r)).map(|(_, n)| *n).collect();
                held += within.len();
                let sum: u64 = within.iter().sum();
                assert!(sum <= most || within.iter().filter(|n| **n > 0).count() == 1, "{most}: {within:?}");
            }
            assert_eq!(held, names.len(), "{most}");
            assert!(
                ["", "run-00", "zzz"].iter().all(|r| spans.iter().filter(|s| s.contains(r)).count() == 1)
            );
        }
    }
}
