//! Sparklines: a series as one short line of block characters in eight heights.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Marks a character without a finite value.
const GAP: char = '×';

/// Draws `values` in at most `width` characters, scaled to the range of the finite ones. If there are more values than
/// characters, each character is the mean of several. A constant series is drawn at half height.
pub(crate) fn spark(values: &[f64], width: usize) -> String {
    let cells = values.len().min(width);
    let share = |i: usize| &values[i * values.len() / cells..(i + 1) * values.len() / cells];
    let means: Vec<f64> = (0..cells).map(|i| mean(share(i))).collect();
    let finite = means.iter().copied().filter(|m| m.is_finite());
    let (lo, hi) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), m| (lo.min(m), hi.max(m)));
    let draw = |m: f64| {
        if !m.is_finite() {
            return GAP;
        }
        // Halve first, so that the difference of two extremes does not overflow.
        let part = if hi > lo { (m / 2.0 - lo / 2.0) / (hi / 2.0 - lo / 2.0) } else { 0.4 };
        LEVELS[((part * LEVELS.len() as f64) as usize).min(LEVELS.len() - 1)]
    };
    means.into_iter().map(draw).collect()
}

/// Mean of the finite values; NaN if there are none.
fn mean(values: &[f64]) -> f64 {
    let finite = values.iter().filter(|v| v.is_finite());
    let (count, sum) = finite.fold((0.0, 0.0), |(n, sum), v| (n + 1.0, sum + v));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_values_use_the_eight_heights() {
        let values: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(spark(&values, 8), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn more_values_than_characters_are_averaged() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(spark(&values, 4), "▁▃▆█");
    }

    #[test]
    fn non_finite_values_are_marked() {
        assert_eq!(spark(&[1.0, 2.0, f64::NAN, f64::INFINITY], 10), "▁█××");
        assert_eq!(spark(&[f64::NAN], 3), "×");
    }

    #[test]
    fn edge_cases_are_drawn() {
        assert_eq!(spark(&[], 10), "");
        assert_eq!(spark(&[1.0], 0), "");
        assert_eq!(spark(&[5.0, 5.0, 5.0], 10), "▄▄▄");
        assert_eq!(spark(&[f64::MIN, f64::MAX], 2), "▁█");
    }
}
