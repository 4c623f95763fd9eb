//! What the demonstration runs: learning rates, steps, run ids and metrics.

/// The learning rates, as they stand in the runs' ids. The last one learns, then diverges to NaN.
pub(super) const RATES: [&str; 4] = ["0.003", "0.02", "0.1", "0.5"];
/// The one whose trainer is killed.
pub(super) const VICTIM: &str = "0.02";
/// Steps of each trainer.
pub(super) const STEPS: u32 = 3000;
/// The metrics of every step.
pub(super) const EVERY_STEP: [&str; 8] = [
    "loss",
    "accuracy",
    "grad_norm/fc1",
    "grad_norm/fc2",
    "grad_norm/fc3",
    "weight_norm/fc1",
    "weight_norm/fc2",
    "weight_norm/fc3",
];
/// Those of the steps at which the network is tested as well.
pub(super) const TESTED: [&str; 2] = ["test/loss", "test/accuracy"];
/// One step in so many is tested: the last of each hundred.
const TEST_EVERY: u32 = 100;
/// The id of the run that holds this machine's telemetry.
pub(super) const MACHINE_RUN: &str = "machine";

/// The id of the run of a trainer, by its learning rate.
pub(super) fn run_id(rate: &str) -> String {
    format!("lr-{rate}")
}

/// Whether the network is tested at a step.
pub(super) fn is_tested(step: u32) -> bool {
    step % TEST_EVERY == TEST_EVERY - 1
}
