//! Telemetry of the machine: a [`Sampler`] reads it, and a [`SystemWatch`] logs what it reads to a run. Present with the
//! cargo feature `system`.

mod sampler;
mod watch;

pub use sampler::{Sampler, SystemReading};
pub use watch::SystemWatch;

/// The name of this machine, where it has one.
pub fn host_name() -> Option<String> {
    sysinfo::System::host_name().filter(|name| !name.is_empty())
}
