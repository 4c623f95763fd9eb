//! The constants of the demo that its processes share: learning rates, steps, run ids, metrics.

/// The learning rates, as written in the run ids. With the last one the network learns, then diverges to NaN.
pub(super) const RATES: [&str; 4] = ["0.003", "0.02", "0.1", "0.5"];
/// The learning rate whose trainer is killed.
pub(super) const VICTIM: &str = "0.02";
/// The number of steps of each trainer.
pub(super) const STEPS: u32 = 3000;
/// The metrics logged at every step.
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
/// The metrics logged only at steps at which the network is tested.
pub(super) const TESTED: [&str; 2] = ["test/loss", "test/accuracy"];
/// The network is tested at the last step of each hundred.
const TEST_EVERY: u32 = 100;
/// The id of the run that holds this machine's telemetry.
pub(super) const MACHINE_RUN: &str = "machine";

/// The run id of the trainer with a learning rate.
pub(super) fn run_id(rate: &str) -> String {
    format!("lr-{rate}")
}

/// Whether the network is tested at a step.
pub(super) fn is_tested(step: u32) -> bool {
    step % TEST_EVERY == TEST_EVERY - 1
}
