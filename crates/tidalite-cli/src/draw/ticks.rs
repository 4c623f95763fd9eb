//! The ticks of axes and their labels.
//!
//! A tick is a multiple of 1, 2 or 5 times a power of ten; on a time axis, a multiple of a round number of seconds,
//! minutes, hours or days; on a logarithmic axis, a power of ten. The labels of an axis share the shortest form: plain,
//! scaled (`1.5k`) or scientific (`3e-4`).

use crate::text::{SUFFIXES, scientific, time_span, trim_zeros};

/// Distances between ticks of a time axis, in seconds. Smaller and larger ones are 1, 2 or 5 × 10ᵏ seconds or days.
const TIME_STEPS_S: [f64; 18] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0,
    21600.0, 43200.0, 86400.0,
];
const DAY_S: f64 = 86400.0;
/// The most ticks of an axis.
const TICKS_MAX: usize = 64;

/// Returns about `about` round numbers in [`lo`, `hi`].
pub(crate) fn ticks(lo: f64, hi: f64, about: usize) -> Vec<f64> {
    multiples(lo, hi, nice((hi - lo) / about.max(1) as f64))
}

/// Returns about `about` round numbers of seconds, minutes, hours or days in [`lo`, `hi`], in seconds.
pub(crate) fn time_ticks(lo: f64, hi: f64, about: usize) -> Vec<f64> {
    let wanted = (hi - lo) / about.max(1) as f64;
    let step = if wanted <= TIME_STEPS_S[0] {
        nice(wanted)
    } else {
        let listed = TIME_STEPS_S.into_iter().find(|&s| s >= wanted);
        listed.unwrap_or_else(|| nice(wanted / DAY_S) * DAY_S)
    };
    multiples(lo, hi, step)
}

/// Returns powers of ten in [`lo`, `hi`], both positive. If these are fewer than three, adds 2 and 5 times them; if these
/// are still fewer, returns round numbers instead.
pub(crate) fn log_ticks(lo: f64, hi: f64, about: usize) -> Vec<f64> {
    let decades = |every: usize| {
        let (first, last) = (lo.log10().floor() as i32, hi.log10().ceil() as i32);
        (first..=last).filter(move |k| k.rem_euclid(every as i32) == 0).map(|k| 10f64.powi(k))
    };
    let inside = |t: &f64| (lo..=hi).contains(t);
    let count = decades(1).filter(inside).count();
    if count >= 3 {
        let every = count.div_ceil(about.max(1)).max(1);
        return decades(every).filter(inside).take(TICKS_MAX).collect();
    }
    let finer: Vec<f64> = decades(1).flat_map(|d| [d, 2.0 * d, 5.0 * d]).filter(inside).collect();
    if finer.len() >= 3 { finer } else { ticks(lo, hi, about) }
}

/// The number among 1, 2, 5 × 10ᵏ with the least ratio to `wanted`.
fn nice(wanted: f64) -> f64 {
    if !wanted.is_finite() || wanted <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powi(wanted.log10().floor() as i32);
    // The thresholds are geometric means: √2, √10, √50.
    match wanted / power {
        m if m < 1.42 => power,
        m if m < 3.17 => 2.0 * power,
        m if m < 7.08 => 5.0 * power,
        _ => 10.0 * power,
    }
}

fn multiples(lo: f64, hi: f64, step: f64) -> Vec<f64> {
    let first = (lo / step - 1e-9).ceil();
    let all = (0..TICKS_MAX).map(|i| (first + i as f64) * step);
    // Adding zero turns −0 into 0.
    all.take_while(|t| *t <= hi + step * 1e-9).map(|t| t + 0.0).collect()
}

/// One label per tick, all in the same form.
pub(crate) fn labels(ticks: &[f64]) -> Vec<String> {
    let step = ticks.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    let greatest = ticks.iter().fold(0.0, |m: f64, t| m.max(t.abs()));
    let step = if step.is_finite() && step > 0.0 { step } else { greatest };
    let (scale, suffix) = SUFFIXES.into_iter().find(|(s, _)| greatest >= *s).unwrap_or((1.0, ""));
    let form = |scale: f64, suffix: &str| -> Vec<String> {
        let decimals = decimals(step / scale);
        let text = |t: f64| if t == 0.0 { "0".into() } else { format!("{:.decimals$}{suffix}", t / scale) };
        ticks.iter().map(|&t| trim_zeros(text(t), suffix)).collect()
    };
    let width = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
    let plain = form(1.0, "");
    if width(&plain) <= 4 {
        return plain;
    }
    let scientific: Vec<String> = ticks.iter().map(|&t| scientific(t, 3)).collect();
    // Skip a form that gives neighbouring ticks the same label.
    let distinct = |texts: &Vec<String>| texts.windows(2).all(|w| w[0] != w[1]);
    let shorter = [form(scale, suffix), scientific].into_iter().filter(distinct).min_by_key(|t| width(t));
    shorter.filter(|texts| width(texts) < width(&plain)).unwrap_or(plain)
}

/// One label per tick of a time axis, given in seconds.
pub(crate) fn time_labels(ticks: &[f64]) -> Vec<String> {
    ticks.iter().map(|&t| time_span(t)).collect()
}

/// The number of decimals that distinguish multiples of `step`.
fn decimals(step: f64) -> usize {
    let whole = |d: u8| {
        let shifted = step * 10f64.powi(d.into());
        shifted.round() >= 1.0 && (shifted - shifted.round()).abs() < 1e-6 * shifted
    };
    (0..12).find(|&d| whole(d)).map_or(12, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside_the_range() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(-1.0, 1.0, 4), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(labels(&ticks(0.0, 0.3, 3)), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(ticks(17.0, 17.0, 4).len(), 1);
        assert!(ticks(f64::NAN, 1.0, 5).is_empty());
        assert!(ticks(0.0, 1.0, 10_000).len() <= TICKS_MAX);
    }

    #[test]
    fn labels_of_one_axis_share_the_shortest_form() {
        assert_eq!(labels(&[0.0, 500.0, 1000.0, 1500.0]), ["0", "500", "1000", "1500"]);
        assert_eq!(labels(&[0.0, 5_000.0, 10_000.0]), ["0", "5k", "10k"]);
        assert_eq!(labels(&[0.0, 0.5e6, 1e6, 1.5e6]), ["0", "0.5M", "1M", "1.5M"]);
        assert_eq!(labels(&[0.0001, 0.0002, 0.0003]), ["1e-4", "2e-4", "3e-4"]);
        assert_eq!(labels(&[1e20, 2e20]), ["1e20", "2e20"]);
        assert_eq!(labels(&[1_000_000.0, 1_000_000.2]), ["1000000", "1000000.2"]);
        assert_eq!(labels(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_logarithmic_axis_has_powers_of_ten() {
        assert_eq!(log_ticks(0.002, 200.0, 8), [0.01, 0.1, 1.0, 10.0, 100.0]);
        assert_eq!(log_ticks(1e-12, 1e12, 6).len(), 5);
        assert_eq!(log_ticks(0.9, 30.0, 5), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(log_ticks(2.2, 2.9, 4), [2.2, 2.4, 2.6, 2.8].map(|t: f64| (t / 0.2).round() * 0.2));
    }

    #[test]
    fn a_time_axis_has_minutes_and_hours() {
        assert_eq!(time_labels(&time_ticks(0.0, 100.0, 4)), ["0 s", "30 s", "1m", "1m 30s"]);
        assert_eq!(time_labels(&time_ticks(0.0, 3.0 * 3600.0, 3)), ["0 s", "1h", "2h", "3h"]);
        assert_eq!(time_labels(&time_ticks(0.0, 0.004, 2)), ["0 s", "2 ms", "4 ms"]);
    }
}
