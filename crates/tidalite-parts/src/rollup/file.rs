//! The rollups' file: plain Parquet with one row group, and one row per bucket. Tiers ascend by series, then width.
//!
//! The encodings, the zstd frames with checksums and the page checksums in the footer are those of the points file. Pages
//! are small, so that the buckets of one series are read alone. There are no levels, hence no nulls: where no value is
//! finite, `min` is +Inf and `max` −Inf.

use super::bucket::bucket_of;
use super::tier::Tier;
use crate::options::ValueEncoding;
use crate::page::write::{ChunkPages, EncodedColumn, Zstd};
use crate::page::{delta, doubles, strings};
use crate::schema::PointColumn;
use parquet::basic::Encoding;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};
use std::sync::{Arc, LazyLock};
use tidalite_model::{Result, Summary, rest_to_bytes};

/// Rows per page.
const PAGE_ROWS: usize = 512;

/// The columns are the three names, then [`INTEGERS`], then [`REALS`], then [`SUMS_REST`].
const SCHEMA_TEXT: &str = "message rollups {
    required binary run (STRING);
    required binary metric (STRING);
    required binary labels (STRING);
    required int64 width;
    required int64 start;
    required int64 count;
    required int64 finite;
    required int64 nan;
    required int64 pos_inf;
    required int64 neg_inf;
    required int64 first_step;
    required int64 last_step;
    required int64 min_step;
    required int64 max_step;
    required int64 first_time (TIMESTAMP(MICROS,true));
    required int64 last_time (TIMESTAMP(MICROS,true));
    required int64 time_min (TIMESTAMP(MICROS,true));
    required int64 time_max (TIMESTAMP(MICROS,true));
    required double sum;
    required double squares;
    required double first_value;
    required double last_value;
    required double min;
    required double max;
    required binary sums_rest;
}";

pub(crate) static ROLLUP_SCHEMA: LazyLock<SchemaDescPtr> = LazyLock::new(|| {
    let root = parse_message_type(SCHEMA_TEXT).expect("the schema's text is valid");
    Arc::new(SchemaDescriptor::new(Arc::new(root)))
});

/// The width of a bucket, as a power of two, and its summary.
type TierBucket<'a> = (u32, &'a Summary);
type Integer = fn(TierBucket<'_>) -> i64;
type Real = fn(&Summary) -> f64;

/// Columns of integers: their names and values. A bucket holds at least one point.
const INTEGERS: [(&str, Integer); 15] = [
    ("width", |(shift, _)| 1 << shift),
    ("start", |(shift, s)| bucket_of(s.first.map_or(0, |p| p.step), shift) << shift),
    ("count", |(_, s)| s.count.cast_signed()),
    ("finite", |(_, s)| s.finite.cast_signed()),
    ("nan", |(_, s)| s.nan.cast_signed()),
    ("pos_inf", |(_, s)| s.pos_inf.cast_signed()),
    ("neg_inf", |(_, s)| s.neg_inf.cast_signed()),
    ("first_step", |(_, s)| s.first.map_or(0, |p| p.step)),
    ("last_step", |(_, s)| s.last.map_or(0, |p| p.step)),
    ("min_step", |(_, s)| s.min.map_or(0, |e| e.step)),
    ("max_step", |(_, s)| s.max.map_or(0, |e| e.step)),
    ("first_time", |(_, s)| s.first.map_or(0, |p| p.time_us)),
    ("last_time", |(_, s)| s.last.map_or(0, |p| p.time_us)),
    ("time_min", |(_, s)| s.time_min_us.unwrap_or(0)),
    ("time_max", |(_, s)| s.time_max_us.unwrap_or(0)),
];

/// Columns of reals: their names and values.
const REALS: [(&str, Real); 6] = [
    ("sum", |s| s.sum.nearest()),
    ("squares", |s| s.squares.nearest()),
    ("first_value", |s| s.first.map_or(0.0, |p| p.value)),
    ("last_value", |s| s.last.map_or(0.0, |p| p.value)),
    ("min", |s| s.min.map_or(f64::INFINITY, |e| e.value)),
    ("max", |s| s.max.map_or(f64::NEG_INFINITY, |e| e.value)),
];

/// The column of what [`rest_to_bytes`] gives.
const SUMS_REST: &str = "sums_rest";

/// The index of a column, and its name.
pub(crate) fn column(name: &'static str) -> (usize, &'static str) {
    let names = ["run", "metric", "labels"].into_iter();
    let mut all =
        names.chain(INTEGERS.iter().map(|c| c.0)).chain(REALS.iter().map(|c| c.0)).chain([SUMS_REST]);
    (all.position(|n| n == name).expect("the schema has the column"), name)
}

/// Encodes the columns of the row group, and passes each to `take`, in the schema's order. Returns the number of rows.
pub(crate) fn encode(
    tiers: &[Tier],
    zstd_level: i32,
    mut take: impl FnMut(EncodedColumn) -> Result<()>,
) -> Result<u64> {
    let mut zstd = Zstd::new(zstd_level)?;
    let rows: Vec<TierBucket<'_>> =
        tiers.iter().flat_map(|t| t.buckets.iter().map(move |s| (t.shift, s))).collect();
    for column in [PointColumn::Run, PointColumn::Metric, PointColumn::Labels] {
        take(strings::encode(column, tiers.iter().map(|t| (&t.key, t.buckets.len())), &mut zstd)?)?;
    }
    let mut descriptors = ROLLUP_SCHEMA.columns()[3..].iter().cloned();
    let mut descriptor = || descriptors.next().expect("the schema has the column");
    let mut body = Vec::new();
    for (_, get) in INTEGERS {
        let mut pages = ChunkPages::new(descriptor(), &mut zstd);
        for page in rows.chunks(PAGE_ROWS) {
            let values: Vec<i64> = page.iter().map(|&bucket| get(bucket)).collect();
            body.clear();
            delta::encode(&values, &mut body);
            pages.data_page(&body, page_rows(page), Encoding::DELTA_BINARY_PACKED)?;
        }
        take(pages.finish(None)?)?;
    }
    for (_, get) in REALS {
        let reals = BucketReals { rows: &rows, get };
        take(doubles::encode(descriptor(), &reals, ValueEncoding::Least, &mut zstd)?.finish(None)?)?;
    }
    let mut pages = ChunkPages::new(descriptor(), &mut zstd);
    for page in rows.chunks(PAGE_ROWS) {
        body.clear();
        for (_, s) in page {
            strings::plain(&rest_to_bytes(&s.sum, &s.squares), &mut body);
        }
        pages.data_page(&body, page_rows(page), Encoding::PLAIN)?;
    }
    take(pages.finish(None)?)?;
    Ok(rows.len() as u64)
}

/// One number of each bucket.
struct BucketReals<'a> {
    rows: &'a [TierBucket<'a>],
    get: Real,
}

impl doubles::DoublePages for BucketReals<'_> {
    fn count(&self) -> usize {
        self.rows.len().div_ceil(PAGE_ROWS)
    }

    fn fill(&self, page: usize, bits: &mut Vec<u64>) {
        bits.clear();
        let rows = self.rows.chunks(PAGE_ROWS).nth(page).unwrap_or_default();
        bits.extend(rows.iter().map(|&(_, s)| (self.get)(s).to_bits()));
    }
}

fn page_rows(page: &[TierBucket<'_>]) -> u32 {
    u32::try_from(page.len()).expect("a page is short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_schema_agree() {
        for (name, _) in INTEGERS {
            assert_eq!(ROLLUP_SCHEMA.column(column(name).0).name(), name);
        }
        for (name, _) in REALS {
            assert_eq!(ROLLUP_SCHEMA.column(column(name).0).name(), name);
        }
        assert_eq!(ROLLUP_SCHEMA.column(column(SUMS_REST).0).name(), SUMS_REST);
        assert_eq!(ROLLUP_SCHEMA.num_columns(), 4 + INTEGERS.len() + REALS.len());
    }
}
