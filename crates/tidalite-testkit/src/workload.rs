//! The tracker workload: what an experiment tracker receives. All metrics of a run are logged together in each step and
//! share its time. Equal arguments give equal data.
//!
//! Ten shapes of values in turn, as they occur: a decaying noisy loss, a schedule, an accuracy over 512 samples, a
//! gradient norm, a counter, a percentage, a slow integer walk, a large value that seldom changes, a random walk, and
//! a float with all mantissa bits random. Shapes that come out of float32 arithmetic are rounded to it.

use crate::random::Random;

/// One run of the workload.
#[derive(Debug, Clone)]
pub struct WorkloadRun {
    /// The run's id, `run-00000` and on.
    pub id: String,
    /// One time per step, µs since 1970 UTC: about 100 ms apart.
    pub times_us: Vec<i64>,
    /// One vector per metric, one value per step.
    pub values: Vec<Vec<f64>>,
}

const NAMES: [&str; 10] =
    ["loss", "lr", "acc", "grad_norm", "tokens", "gpu_util", "gpu_temp", "mem_bytes", "w_mean", "throughput"];

/// The metrics' names: `loss/0`, `lr/0`, …, `loss/1`, ….
pub fn metric_names(metrics: usize) -> Vec<String> {
    (0..metrics).map(|i| format!("{}/{}", NAMES[i % NAMES.len()], i / NAMES.len())).collect()
}

/// Run `run` of the workload.
pub fn workload_run(run: usize, metrics: usize, steps: usize) -> WorkloadRun {
    let mut random = Random::new(7 << 32 | run as u64);
    let mut time_us = 1_780_000_000_000_000 + run as i64 * 60_000_000;
    let mut times_us = Vec::with_capacity(steps);
    for _ in 0..steps {
        time_us += (100_000.0 + 5_000.0 * random.normal()) as i64;
        times_us.push(time_us);
    }
    let values = (0..metrics).map(|m| shape(m % NAMES.len(), steps, &mut random)).collect();
    WorkloadRun { id: format!("run-{run:05}"), times_us, values }
}

fn shape(kind: usize, steps: usize, r: &mut Random) -> Vec<f64> {
    let n = steps as f64;
    let float32 = |x: f64| f64::from(x as f32);
    let mut state = match kind {
        6 => 65.0,
        _ => 0.0,
    };
    let mut each = |i: usize| {
        let s = i as f64;
        match kind {
            0 => float32(2.0 * (-s / (n / 3.0)).exp() + 0.1 + 0.02 * r.normal()),
            1 => 3e-4 * 0.5 * (1.0 + (std::f64::consts::PI * s / n).cos()),
            2 => {
                ((512.0 * (1.0 - (-s / (n / 4.0)).exp())).round() + r.below(17) as f64 - 8.0)
                    .clamp(0.0, 512.0)
                    / 512.0
            }
            3 => float32((0.5 * r.normal()).exp()),
            4 => {
                state += 60_000.0 + r.below(5_536) as f64;
                state
            }
            5 => 85.0 + r.below(16) as f64,
            6 => {
                if r.below(10) == 0 {
                    state = (state + r.below(3) as f64 - 1.0).clamp(30.0, 95.0);
                }
                state
            }
            7 => {
                if i.is_multiple_of(200) {
                    state = 30e9 + r.below(1_000_000_000) as f64;
                }
                state
            }
            8 => {
                state += 1e-4 * r.normal();
                float32(state)
            }
            _ => 1000.0 / (0.1 + 0.005 * r.normal()),
        }
    };
    (0..steps).map(&mut each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_give_the_same_data() {
        let (a, b) = (workload_run(3, 20, 100), workload_run(3, 20, 100));
        assert_eq!((a.times_us, a.values), (b.times_us, b.values));
        assert_ne!(workload_run(4, 1, 10).values, workload_run(3, 1, 10).values);
        assert_eq!(metric_names(12)[11], "lr/1");
    }
}
