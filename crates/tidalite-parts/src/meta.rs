//! The manifest's entry for a part: enough to skip the part in a query without opening it, and to check it when opened.

use crate::schema::TILES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tidalite_model::{Moment, WriteOrder};
use uuid::Uuid;

/// Totals, ranges and checksums of one part. Both ends of a range are inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMeta {
    /// The part's id.
    pub id: Uuid,
    /// Number of points.
    pub rows: u64,
    /// Number of tiles (row groups).
    pub tiles: u32,
    /// Number of distinct series.
    pub series: u64,
    /// Number of distinct runs.
    pub runs: u64,
    /// Bytes of the points file.
    pub bytes: u64,
    /// CRC32C of the points file.
    pub crc32c: u32,
    /// Bytes after the last page: page index, footer, trailer.
    pub footer_bytes: u64,
    /// CRC32C of these bytes.
    pub footer_crc32c: u32,
    /// Bytes of the series table; 0 where the part has none, since its series have few points.
    pub series_bytes: u64,
    /// CRC32C of the series table; 0 where the part has none.
    pub series_crc32c: u32,
    /// The rollups; `None` where no series has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollups: Option<RollupMeta>,
    /// In a thinned part, the number of points before thinning (see [`encode_thinned_tile`](crate::encode_thinned_tile));
    /// `None` in any other part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinned: Option<u64>,
    /// In a hidden part, the [moment](Moment) up to which changes to runs had been applied when its points were found to be
    /// hidden: its bound and its exceptions. `None` in any other part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<(u32, Vec<(u32, u64)>)>,
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
    /// For each writer, ascending: its number, and the least and greatest frame ordinal of its points in this part. Writers
    /// in `seq_gone` are left out.
    pub seq: Vec<(u32, u64, u64)>,
    /// Ranges of writers that were gone, ascending: the first and last with points in this part, and the greatest frame ordinal
    /// of any of them. So a part of thousands of short jobs does not list each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seq_gone: Vec<(u32, u32, u64)>,
    /// Added to each write order of the points file when it is read. It is 0 unless the part was written before its write
    /// order was known (see [`placed_at`](Self::placed_at)).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seq_base: i64,
    /// The clock of all points, µs since 1970 UTC, where the part was written before its write order was known. Then the
    /// points file stores only which steps are automatic. `None` where each point's clock is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<i64>,
    /// Wrapping sum of the values' bits, which is independent of their order. A compaction must preserve the sum.
    pub value_bits_sum: u64,
}

/// Length and checksums of a part's rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupMeta {
    /// Number of buckets.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// CRC32C of the file.
    pub crc32c: u32,
    /// Bytes after the last page.
    pub footer_bytes: u64,
    /// CRC32C of these bytes.
    pub footer_crc32c: u32,
}

/// No part has more rows, series, runs, buckets or bytes of a file. A manifest of at most 1 GiB lists fewer than 2^22 parts, so
/// that sums over them do not overflow.
const NUMBER_MAX: u64 = 1 << 42;

impl PartMeta {
    /// Whether its numbers and ranges can be those of a part: for one that was read, since a file may say anything.
    pub fn is_possible(&self) -> bool {
        let of_rollups = self.rollups.map_or([0; 3], |r| [r.rows, r.bytes, r.footer_bytes]);
        let thinned = self.thinned.unwrap_or(0);
        let own = [self.rows, thinned, self.series, self.runs, self.bytes, self.series_bytes];
        self.tiles <= TILES_MAX
            && own.iter().chain(&of_rollups).all(|&n| n <= NUMBER_MAX)
            && self.footer_bytes <= self.bytes
            && self.run_min <= self.run_max
            && self.step_min <= self.step_max
            && self.time_min_us <= self.time_max_us
            && of_rollups[2] <= of_rollups[1]
    }

    /// Bytes of all its files.
    pub fn files_bytes(&self) -> u64 {
        let rollups = self.rollups.map_or(0, |r| r.bytes);
        self.bytes.saturating_add(self.series_bytes).saturating_add(rollups)
    }

    /// Whether the part has a file of its series table. Otherwise the table is derived from the points.
    pub fn has_series_table(&self) -> bool {
        self.series_bytes > 0
    }

    /// Whether the part is thinned. Its rollups and its series table are then the only record of the points that are gone.
    pub fn is_thinned(&self) -> bool {
        self.thinned.is_some()
    }

    /// Whether the points of the part are hidden: rewound, or replaced by a later write of their step.
    pub fn is_hidden(&self) -> bool {
        self.hidden.is_some()
    }

    /// Of a hidden part, the moment up to which changes to runs had been applied when it was written.
    pub fn hidden_as_of(&self) -> Option<Moment> {
        self.hidden.as_ref().map(|(below, ends)| Moment::new(*below, ends.iter().copied()))
    }

    /// The same part as a hidden one.
    pub fn hidden_at(mut self, moment: &Moment) -> PartMeta {
        self.hidden = Some((moment.below(), moment.ends().collect()));
        self
    }

    /// The same part with the writers that are gone in ranges, given all writers below `next` that are not gone.
    pub fn with_gone(mut self, next: u32, present: &BTreeSet<u32>) -> PartMeta {
        let is_gone = |w: u32| w < next && !present.contains(&w);
        for &(writer, _, greatest) in self.seq.iter().filter(|(w, ..)| is_gone(*w)) {
            match self.seq_gone.last_mut() {
                Some((_, last, most)) if present.range(*last..=writer).next().is_none() => {
                    (*last, *most) = (writer, greatest.max(*most));
                }
                _ => self.seq_gone.push((writer, writer, greatest)),
            }
        }
        self.seq.retain(|(w, ..)| !is_gone(*w));
        self
    }

    /// The same part with this write order of all its points, which must be stored with seq 0 and one clock. A staged part is
    /// written first; the frame that refers to it then gives it its write order.
    pub fn placed_at(mut self, order: WriteOrder) -> PartMeta {
        let seq = order.seq;
        self.seq_base = seq.as_i64();
        self.clock = Some(order.clock_us);
        self.seq = vec![(seq.writer(), seq.ordinal(), seq.ordinal())];
        self
    }
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}
