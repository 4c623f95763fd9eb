//! What the manifest keeps of a part: enough to leave it out of a query unopened, and to check it when opened.

use serde::{Deserialize, Serialize};
use tidalite_model::Seq;
use uuid::Uuid;

/// Totals, ranges and checksums of one part. Ranges are inclusive at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMeta {
    /// The part's id.
    pub id: Uuid,
    /// Points.
    pub rows: u64,
    /// Tiles (row groups).
    pub tiles: u32,
    /// Different series.
    pub series: u64,
    /// Different runs.
    pub runs: u64,
    /// Bytes of the points file.
    pub bytes: u64,
    /// CRC32C of the points file.
    pub crc32c: u32,
    /// Bytes of all that lies behind the last page: page index, footer, trailer.
    pub footer_bytes: u64,
    /// CRC32C of those.
    pub footer_crc32c: u32,
    /// Bytes of the series table.
    pub series_bytes: u64,
    /// CRC32C of the series table.
    pub series_crc32c: u32,
    /// The rollups, where any series has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollups: Option<RollupMeta>,
    /// Of a thinned part, how many points its own stand for (see [`encode_thinned_tile`](crate::encode_thinned_tile)); `None`
    /// where each stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinned: Option<u64>,
    /// Least run id.
    pub run_min: String,
    /// Greatest run id.
    pub run_max: String,
    /// Least step.
    pub step_min: i64,
    /// Greatest step.
    pub step_max: i64,
    /// Least time, µs since 1970 UTC.
    pub time_min_us: i64,
    /// Greatest time, µs since 1970 UTC.
    pub time_max_us: i64,
    /// Per writer, ascending: its ordinal, and the least and greatest frame ordinal among its points here.
    pub seq: Vec<(u32, u64, u64)>,
    /// Added to each write order in the points file when it is read: 0, but for a part that was written before its place in
    /// the order of writing was known (see [`placed_at`](Self::placed_at)).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seq_base: i64,
    /// Wrapping sum of the values' bits, whatever their order: what goes into a compaction must come out of it.
    pub value_bits_sum: u64,
}

/// Length and checksums of a part's rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupMeta {
    /// Buckets.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// CRC32C of the file.
    pub crc32c: u32,
    /// Bytes of all that lies behind the last page.
    pub footer_bytes: u64,
    /// CRC32C of those.
    pub footer_crc32c: u32,
}

impl PartMeta {
    /// Bytes of all its files.
    pub fn files_bytes(&self) -> u64 {
        let rollups = self.rollups.map_or(0, |r| r.bytes);
        self.bytes.saturating_add(self.series_bytes).saturating_add(rollups)
    }

    /// Whether it holds few of the points that it stands for. Its rollups and its series table are then the only account of the
    /// others.
    pub fn is_thinned(&self) -> bool {
        self.thinned.is_some()
    }

    /// The same part, all of whose points were stored with write order 0 and are now given that of one frame: a batch
    /// becomes a part first, and the frame that speaks of it is its moment of acceptance.
    pub fn placed_at(mut self, seq: Seq) -> PartMeta {
        self.seq_base = seq.as_i64();
        self.seq = vec![(seq.writer(), seq.ordinal(), seq.ordinal())];
        self
    }
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}
