//! Runs: the changes that writers append to a run, and what is known of the run from them.
//!
//! Several processes may take part in one run: the ranks of a training job, a restart, a sampler. Each records when it
//! starts and how it ends. Others only edit the run. [`RunRecord`] is the result of all changes; [`RunInfo`] is what a
//! reader sees of it.

mod change;
mod environment;
mod info;
mod joined;
mod participant;
mod record;
mod status;
#[cfg(test)]
mod tests;

pub use change::{Assign, Parent, RunChange, RunEdit, RunEnd, RunStart};
pub use environment::Environment;
pub use info::{Participant, RunInfo};
pub use joined::Moving;
pub use participant::{ParticipantEnd, Participants, Participation};
pub use record::{Latest, LatestField, Rewind, RunRecord};
pub use status::Status;
