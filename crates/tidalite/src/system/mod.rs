//! Machine telemetry, with the cargo feature `system`: a [`Sampler`] reads it, and a [`SystemWatch`] logs the readings
//! to a run.
//!
//! May use: `write` (to log the readings) and `view` (for the prefix of their names).

mod sampler;
mod watch;

pub use sampler::{Sampler, SystemReading};
pub use watch::SystemWatch;

/// The host name of this machine, if it has one.
pub fn host_name() -> Option<String> {
    sysinfo::System::host_name().filter(|name| !name.is_empty())
}
