//! What writers append, as the oracle notes it.

use tidalite::{Point, Seq, SeriesKey};
use tidalite_model::RunChange;

/// One point as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenPoint {
    /// Its series.
    pub key: SeriesKey,
    /// Its step, time and value.
    pub point: Point,
    /// Whether the store counted its step up. Then it is never a repeat, and no rewind hides it.
    pub automatic: bool,
}

/// What a unit holds.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a test holds few units")]
pub enum UnitContent {
    /// The points of a row or batch.
    Points(Vec<WrittenPoint>),
    /// A change to a run.
    Change {
        /// The run's id.
        run: String,
        /// The change.
        change: RunChange,
    },
}

/// What a writer appended at once.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteUnit {
    /// Its place in its writer's log.
    pub seq: Seq,
    /// How many calls of all writers came before. The later write wins, whichever writer made it.
    pub order: u64,
    /// What it holds.
    pub content: UnitContent,
}

/// The accepted units of one writer, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// The units.
    pub units: Vec<WriteUnit>,
    /// The length of the durable prefix.
    pub durable: usize,
}
