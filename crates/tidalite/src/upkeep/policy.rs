//! Which parts a compaction merges next: pure functions over what the manifest says of the parts.

use super::hiding::Deleted;
use crate::parts::thinned::ThinnedSize;
use std::collections::BTreeSet;
use tidalite_parts::PartMeta;
use uuid::Uuid;

/// How eagerly parts are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Every set of parts that fits into one: a compaction by hand.
    All,
    /// No merge: only parts with deleted points are rewritten, those first of which least is left. For a full disk.
    Deleted,
    /// Only where [`TIER_PARTS`] parts of similar size, or small ones, exist, so that each point is rewritten a logarithmic
    /// number of times once it is in a part that is not small: the background.
    Tiered,
}

/// The number of parts of similar size that are worth a rewrite.
const TIER_PARTS: usize = 8;
/// Parts with fewer points are small. They are merged whatever their sizes, since a rewrite takes milliseconds and each part
/// costs files and an entry in the manifest: thousands of short jobs leave few parts at any time.
const SMALL_ROWS: u64 = 1 << 17;
/// A part is rewritten in the background where at least one in this many of its points is deleted.
const DELETED_SHARE: u64 = 4;
/// Bytes of memory that any open part takes.
const OPEN_PART_BYTES: u64 = 8 << 10;
/// Bytes of memory of a row of a series table: the row, and what a merge notes of it.
const SERIES_ROW_BYTES: u64 = 128;

/// What bounds a merge.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergeBounds {
    /// The points of the part that is made.
    pub(super) part_rows: u64,
    /// Bytes that the series tables and page indexes of the parts to merge take in memory. Two parts are merged whatever they
    /// take.
    pub(super) table_bytes: u64,
    /// The buckets of a thinned part, which are in memory while it is built.
    pub(super) buckets: u64,
}

/// The parts to merge next, all thinned or none; empty where there is nothing to merge.
pub(super) fn next_merge(parts: &[&PartMeta], policy: Policy, bounds: &MergeBounds) -> BTreeSet<Uuid> {
    let (thinned, whole): (Vec<&PartMeta>, Vec<&PartMeta>) = parts.iter().partition(|p| p.is_thinned());
    let mut picked = tier(whole, policy, bounds);
    if picked.len() < 2 {
        picked = fitting(tier(thinned, policy, bounds), bounds.buckets);
    }
    if picked.len() < 2 { BTreeSet::new() } else { picked.into_iter().map(|p| p.id).collect() }
}

/// Parts of one kind that fit into one part, smallest first.
fn tier<'a>(parts: Vec<&'a PartMeta>, policy: Policy, bounds: &MergeBounds) -> Vec<&'a PartMeta> {
    let mut small: Vec<&PartMeta> = parts.into_iter().filter(|p| p.rows < bounds.part_rows / 2).collect();
    small.sort_by_key(|p| p.rows);
    let mut picked = match policy {
        Policy::All => small,
        Policy::Deleted => Vec::new(),
        Policy::Tiered => small
            .chunk_by(|a, b| size_of(a) == size_of(b))
            .find(|tier| tier.len() >= TIER_PARTS)
            .map_or(Vec::new(), <[_]>::to_vec),
    };
    let (mut rows, mut bytes, mut count) = (0, 0, 0);
    let fits = picked.iter().take_while(|p| {
        rows += p.rows;
        bytes = table_bytes(p).saturating_add(bytes);
        count += 1;
        rows <= bounds.part_rows && (count <= 2 || bytes <= bounds.table_bytes)
    });
    let count = fits.count();
    picked.truncate(count);
    picked
}

/// The class of a part's size: 0 for small ones; the others are within a factor of four.
fn size_of(part: &PartMeta) -> u32 {
    if part.rows < SMALL_ROWS { 0 } else { part.rows.ilog2() / 2 }
}

/// About the bytes of memory that a part takes while it is open for a merge. Tables of short summaries compress well, so their
/// bytes alone do not tell.
fn table_bytes(part: &PartMeta) -> u64 {
    // A manifest may say anything.
    let table = part.series_bytes.saturating_add(part.series_bytes / 2);
    let table = table.max(part.series.saturating_mul(SERIES_ROW_BYTES));
    OPEN_PART_BYTES.saturating_add(table).saturating_add(part.footer_bytes.saturating_mul(2))
}

/// The thinned parts whose buckets fit into memory together, those with the fewest buckets first.
fn fitting(mut parts: Vec<&PartMeta>, buckets_max: u64) -> Vec<&PartMeta> {
    let buckets = |p: &PartMeta| p.rollups.map_or(0, |r| r.rows);
    parts.sort_by_key(|p| buckets(p));
    let mut size = ThinnedSize::default();
    let fits = parts.iter().take_while(|p| {
        size.add(buckets(p), p.tiles, p.rows);
        size.is_within(buckets_max)
    });
    let count = fits.count();
    parts.truncate(count);
    parts
}

/// The hidden parts to merge next: the last ones that fit into one, if none before them is much larger. So there are few, and
/// a point is rewritten a logarithmic number of times. `parts` are in the order of the manifest.
pub(super) fn next_hidden_merge(parts: &[&PartMeta], part_rows: u64) -> BTreeSet<Uuid> {
    let (mut rows, mut first) = (0, parts.len());
    // A manifest may say anything.
    let joins = |before: u64, rows: u64| {
        rows == 0 || (before <= rows.saturating_mul(2) && before.saturating_add(rows) <= part_rows)
    };
    while first > 0 && joins(parts[first - 1].rows, rows) {
        first -= 1;
        rows = parts[first].rows.saturating_add(rows);
    }
    let picked = &parts[first..];
    if picked.len() < 2 { BTreeSet::new() } else { picked.iter().map(|p| p.id).collect() }
}

/// Whether a part may hold points of a deleted run, as far as the manifest tells.
pub(super) fn may_hold_deleted(part: &PartMeta, deleted: &Deleted) -> bool {
    // A range that ends before it begins panics, and a manifest may say anything.
    part.run_min <= part.run_max
        && deleted.range(part.run_min.clone()..=part.run_max.clone()).next().is_some()
}

/// Whether a part with `deleted_rows` rows of deleted runs is rewritten for that reason alone.
pub(super) fn is_worth_rewriting(part: &PartMeta, deleted_rows: u64, policy: Policy) -> bool {
    deleted_rows > 0 && (policy == Policy::All || deleted_rows >= part.rows / DELETED_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::PART_ROWS_MAX;
    use crate::view::tombstones::Tombstones;
    use serde_json::json;
    use tidalite_model::Moment;
    use tidalite_parts::TILES_MAX;

    const BOUNDS: MergeBounds =
        MergeBounds { part_rows: PART_ROWS_MAX, table_bytes: 100 << 20, buckets: 1000 };

    /// A part of runs `b` to `d`; `buckets` makes it a thinned one.
    fn part(id: u128, rows: u64, buckets: Option<u64>) -> PartMeta {
        let rollups = buckets.map(
            |rows| json!({"rows": rows, "bytes": 0, "crc32c": 0, "footer_bytes": 0, "footer_crc32c": 0}),
        );
        serde_json::from_value(json!({
            "id": Uuid::from_u128(id), "rows": rows, "tiles": 1, "series": 1, "runs": 1, "bytes": 0, "crc32c": 0,
            "footer_bytes": 0, "footer_crc32c": 0, "series_bytes": 0, "series_crc32c": 0, "rollups": rollups,
            "thinned": buckets.map(|_| rows * 100), "run_min": "b", "run_max": "d", "step_min": 0, "step_max": 9,
            "time_min_us": 0, "time_max_us": 9, "seq": [], "value_bits_sum": 0,
        }))
        .unwrap()
    }

    fn picked(parts: &[PartMeta], policy: Policy) -> Vec<u128> {
        let all: Vec<&PartMeta> = parts.iter().collect();
        next_merge(&all, policy, &BOUNDS).into_iter().map(|id| id.as_u128()).collect()
    }

    #[test]
    fn a_compaction_by_hand_merges_all_parts_that_fit_into_one() {
        let half = PART_ROWS_MAX / 2;
        assert_eq!(picked(&[part(1, 10, None), part(2, 100_000, None)], Policy::All), [1, 2]);
        assert_eq!(picked(&[part(1, 10, None)], Policy::All), [], "one part is merged with nothing");
        assert_eq!(picked(&[part(1, half, None), part(2, 10, None)], Policy::All), [], "a large part stays");
        let three = [part(1, half - 1, None), part(2, half - 2, None), part(3, half - 3, None)];
        assert_eq!(picked(&three, Policy::All), [2, 3], "the smallest that fit together");
        let full = [part(1, half - 1, None), part(2, half - 1, None), part(3, 2, None)];
        assert_eq!(picked(&full, Policy::All), [1, 2, 3], "together exactly one full part");
    }

    #[test]
    fn the_background_merges_eight_parts_of_similar_size() {
        let similar = |n: u128| (1..=n).map(|id| part(id, 300_000 + id as u64, None)).collect::<Vec<_>>();
        assert_eq!(picked(&similar(7), Policy::Tiered), []);
        assert_eq!(picked(&similar(8), Policy::Tiered), (1..=8).collect::<Vec<_>>());
        let mut mixed = similar(7);
        mixed.push(part(8, 1 << 20, None));
        assert_eq!(picked(&mixed, Policy::Tiered), [], "the eighth is of another tier");
    }

    #[test]
    fn a_tier_is_a_factor_of_four_wide_and_the_tier_of_the_smallest_parts_goes_first() {
        let parts = |from: u128, sizes: &[u64]| {
            (from..).zip(sizes).map(|(id, rows)| part(id, *rows, None)).collect::<Vec<_>>()
        };
        let tier = [1024, 1500, 2047, 2048, 2500, 3000, 3500, 4095].map(|rows| rows << 8);
        assert_eq!(picked(&parts(1, &tier), Policy::Tiered), (1..=8).collect::<Vec<_>>());
        for outside in [(1024 << 8) - 1, 4096 << 8] {
            let sizes: Vec<u64> = tier[1..].iter().copied().chain([outside]).collect();
            assert_eq!(picked(&parts(1, &sizes), Policy::Tiered), [], "{outside}");
        }
        let both = [parts(1, &[5_000_000; 8]), parts(11, &tier)].concat();
        assert_eq!(picked(&both, Policy::Tiered), (11..=18).collect::<Vec<_>>());
    }

    #[test]
    fn a_merge_in_the_background_makes_one_part_of_bounded_size() {
        let parts: Vec<_> = (1..=8).map(|id| part(id, PART_ROWS_MAX / 4 + id as u64, None)).collect();
        assert_eq!(picked(&parts, Policy::Tiered), [1, 2, 3]);
    }

    #[test]
    fn parts_with_large_series_tables_are_merged_two_at_a_time() {
        let large = |id| PartMeta { series_bytes: 60 << 20, ..part(id, 10 + id as u64, None) };
        let small = |id| PartMeta { series_bytes: 20 << 20, ..part(id, 10 + id as u64, None) };
        assert_eq!(picked(&[large(1), large(2), large(3)], Policy::All), [1, 2]);
        assert_eq!(picked(&[small(1), small(2), small(3), small(4)], Policy::All), [1, 2, 3]);
    }

    #[test]
    fn the_background_merges_eight_small_parts_whatever_their_sizes() {
        let small: Vec<u64> = (0..7).map(|i| 10u64.pow(i % 5)).chain([SMALL_ROWS - 1]).collect();
        let parts: Vec<_> = (1..).zip(&small).map(|(id, rows)| part(id, *rows, None)).collect();
        assert_eq!(picked(&parts, Policy::Tiered), (1..=8).collect::<Vec<_>>());
        assert_eq!(picked(&parts[..7], Policy::Tiered), []);
        let not_small = [&parts[..7], &[part(8, SMALL_ROWS, None)]].concat();
        assert_eq!(picked(&not_small, Policy::Tiered), []);
    }

    #[test]
    fn thousands_of_small_parts_are_few_at_any_time() {
        let mut parts: Vec<PartMeta> = Vec::new();
        let (mut most, mut rewritten) = (0, 0);
        for id in 1..=1250 {
            parts.push(part(id, 800, None));
            merge_all(&mut parts, &mut rewritten);
            most = most.max(parts.len());
        }
        assert!(most < 2 * TIER_PARTS, "{most} parts");
        assert!(rewritten < 15 * 1250 * 800, "{rewritten} rows were rewritten");
    }

    fn merge_all(parts: &mut Vec<PartMeta>, rewritten: &mut u64) {
        loop {
            let merged = next_merge(&parts.iter().collect::<Vec<_>>(), Policy::Tiered, &BOUNDS);
            if merged.is_empty() {
                return;
            }
            let rows = parts.iter().filter(|p| merged.contains(&p.id)).map(|p| p.rows).sum();
            parts.retain(|p| !merged.contains(&p.id));
            *rewritten += rows;
            parts.push(part(u128::from(*rewritten) << 20, rows, None));
        }
    }

    #[test]
    fn repeated_background_merges_rewrite_a_point_a_logarithmic_number_of_times() {
        let mut parts: Vec<PartMeta> = Vec::new();
        let (mut appended, mut rewritten) = (0, 0);
        for id in 1..=4096 {
            parts.push(part(id, SMALL_ROWS, None));
            appended += SMALL_ROWS;
            merge_all(&mut parts, &mut rewritten);
        }
        assert_eq!(parts.iter().map(|p| p.rows).sum::<u64>(), appended);
        assert!(rewritten <= 4 * appended, "a point is rewritten at most 4 times, not {rewritten}");
        assert!(parts.len() < 5 * TIER_PARTS, "{} parts are left", parts.len());
    }

    #[test]
    fn thinned_parts_merge_among_themselves_while_their_buckets_fit_into_memory() {
        let parts =
            [part(1, 10, Some(600)), part(2, 10, Some(300)), part(3, 10, Some(500)), part(4, 10, None)];
        assert_eq!(picked(&parts, Policy::All), [2, 3]);
        assert_eq!(picked(&[part(1, 10, Some(600)), part(2, 10, Some(500))], Policy::All), []);
        assert_eq!(picked(&[part(1, 10, Some(600)), part(2, 10, Some(400))], Policy::All), [1, 2]);
        let wide = |id| PartMeta { tiles: TILES_MAX / 2 + 1, ..part(id, 10, Some(1)) };
        assert_eq!(picked(&[wide(1), wide(2)], Policy::All), [], "the tiles of a part are bounded");
    }

    #[test]
    fn thinned_parts_wait_for_whole_ones_and_in_the_background_for_eight_of_similar_size() {
        let thinned = |n: u128| (1..=n).map(|id| part(id, 300_000, Some(10))).collect::<Vec<_>>();
        let whole = [part(11, 10, None), part(12, 10, None)];
        assert_eq!(picked(&[&thinned(2)[..], &whole].concat(), Policy::All), [11, 12]);
        assert_eq!(picked(&thinned(7), Policy::Tiered), []);
        assert_eq!(picked(&thinned(8), Policy::Tiered), (1..=8).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_hidden_parts_are_merged_unless_the_one_before_is_much_larger() {
        let picked = |sizes: &[u64]| {
            let parts: Vec<PartMeta> = (1..).zip(sizes).map(|(id, rows)| part(id, *rows, None)).collect();
            let picked = next_hidden_merge(&parts.iter().collect::<Vec<_>>(), 1000);
            picked.into_iter().map(|id| id.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(picked(&[7]), []);
        assert_eq!(picked(&[21, 10]), []);
        assert_eq!(picked(&[20, 10]), [1, 2]);
        assert_eq!(picked(&[200, 31, 10, 10]), [2, 3, 4]);
        assert_eq!(picked(&[900, 1000]), [], "a full part stays");
        assert_eq!(picked(&[10, 600, 500]), [], "together more than one part");
    }

    #[test]
    fn a_part_is_rewritten_in_the_background_once_a_quarter_of_it_is_deleted() {
        let meta = part(1, 100, None);
        let worth = |rows, policy| is_worth_rewriting(&meta, rows, policy);
        assert_eq!([worth(0, Policy::All), worth(1, Policy::All)], [false, true]);
        assert_eq!([worth(24, Policy::Tiered), worth(25, Policy::Tiered)], [false, true]);
    }

    #[test]
    fn only_parts_whose_runs_may_be_deleted_ones_are_opened() {
        let deleted = |run: &str| Deleted::from([(run.to_string(), Tombstones::deleted(&Moment::default()))]);
        let may = |run: &str| may_hold_deleted(&part(1, 1, None), &deleted(run));
        assert_eq!([may("a"), may("b"), may("c"), may("d"), may("e")], [false, true, true, true, false]);
    }

    #[test]
    fn parts_with_impossible_numbers_of_series_and_bytes_are_merged_two_at_a_time() {
        let most = |id| PartMeta {
            series: u64::MAX,
            series_bytes: u64::MAX,
            footer_bytes: u64::MAX,
            ..part(id, 10 + id as u64, None)
        };
        assert_eq!(table_bytes(&most(1)), u64::MAX);
        assert_eq!(picked(&[most(1), most(2), most(3)], Policy::All), [1, 2]);
    }

    #[test]
    fn hidden_parts_with_impossible_numbers_of_rows_are_not_merged() {
        let parts = [part(1, u64::MAX, None), part(2, u64::MAX, None)];
        assert!(next_hidden_merge(&parts.iter().collect::<Vec<_>>(), 1000).is_empty());
    }

    #[test]
    fn a_part_whose_first_run_comes_after_its_last_holds_no_deleted_run() {
        let deleted = Deleted::from([("b".to_string(), Tombstones::deleted(&Moment::default()))]);
        let turned = PartMeta { run_min: "d".into(), run_max: "a".into(), ..part(1, 1, None) };
        assert!(!may_hold_deleted(&turned, &deleted));
    }
}
