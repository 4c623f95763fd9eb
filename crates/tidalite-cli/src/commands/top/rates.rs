//! How many steps a run makes per second: over the last half minute if it was watched that long, otherwise on average.

use std::collections::{HashMap, VecDeque};
use tidalite::Summary;

/// The time over which a rate is taken, in µs.
const WINDOW_US: i64 = 30_000_000;
/// A shorter time says too little.
const LEAST_US: i64 = 2_000_000;

/// What was seen of runs: times of their last points, and their steps.
#[derive(Debug, Default)]
pub(super) struct TopRates {
    seen: HashMap<String, VecDeque<(i64, i64)>>,
}

impl TopRates {
    /// The rate of a run, of which a series is known as `summary`.
    pub(super) fn of(&mut self, run: &str, summary: &Summary) -> Option<f64> {
        let last = summary.last.as_ref()?;
        let now = (last.time_us, last.step);
        let seen = self.seen.entry(run.to_string()).or_default();
        // A rewind begins anew.
        if seen.back().is_some_and(|before| before.0 > now.0 || before.1 > now.1) {
            seen.clear();
        }
        if seen.back() != Some(&now) {
            seen.push_back(now);
        }
        while seen.len() > 2 && seen.get(1).is_some_and(|second| now.0.saturating_sub(second.0) >= WINDOW_US)
        {
            seen.pop_front();
        }
        let recent = seen.front().filter(|from| now.0.saturating_sub(from.0) >= LEAST_US);
        rate(*recent.unwrap_or(&(summary.time_min_us?, summary.first.as_ref()?.step)), now)
    }

    /// Forgets all other runs.
    pub(super) fn keep<'a>(&mut self, runs: impl Iterator<Item = &'a str> + Clone) {
        self.seen.retain(|run, _| runs.clone().any(|kept| kept == run));
    }
}

fn rate(from: (i64, i64), to: (i64, i64)) -> Option<f64> {
    let seconds = to.0.checked_sub(from.0)? as f64 / 1e6;
    (seconds > 0.0).then(|| to.1.saturating_sub(from.1) as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite::Point;

    fn series(until: i64) -> Summary {
        let mut summary = Summary::default();
        // One step per second for 100 s, then ten per second.
        for step in 0..=until {
            let time_us = step.min(100) * 1_000_000 + (step - 100).max(0) * 100_000;
            summary.push(Point { step, time_us, value: 1.0 });
        }
        summary
    }

    #[test]
    fn a_rate_is_an_average_at_first_and_recent_later() {
        let mut rates = TopRates::default();
        assert_eq!(rates.of("a", &series(100)), Some(1.0));
        assert_eq!(rates.of("a", &series(150)), Some(10.0), "5 s are enough");
        for until in (200..1000).step_by(50) {
            assert_eq!(rates.of("a", &series(until)), Some(10.0));
        }
        assert!(rates.seen["a"].len() < 10);
        assert_eq!(rates.of("a", &series(50)), Some(1.0), "after a rewind");
        assert_eq!(rates.of("b", &series(0)), None);
        rates.keep(["b"].into_iter());
        assert_eq!(rates.seen.len(), 1);
    }
}
