//! How the parts of a snapshot are encoded.

use super::snapshot::Snapshot;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;
use tidalite_model::Result;
use tidalite_parts::ColumnEncodings;
use uuid::Uuid;

/// How a part is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartEncodings {
    /// The part's id, which names its files.
    pub part: Uuid,
    /// The points in the part's file.
    pub points: u64,
    /// Its columns, in the order of the file.
    pub columns: Vec<ColumnEncodings>,
}

impl PartEncodings {
    /// One row for each column of each part: the `part`'s id, its `points`, the `column`, the data `pages` of each encoding,
    /// `dictionaries`, `bytes` and `bytes_per_point`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// store.flush()?;
    /// let table = tidalite::PartEncodings::table(&store.snapshot()?.encodings()?);
    /// assert_eq!((table.num_rows(), table.schema().field(2).name().as_str()), (8, "column"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn table(parts: &[PartEncodings]) -> RecordBatch {
        let rows = || parts.iter().flat_map(|part| part.columns.iter().map(move |column| (part, column)));
        let pages = |column: &ColumnEncodings| {
            let of = column.pages.iter().map(|(encoding, pages)| format!("{encoding} {pages}"));
            of.collect::<Vec<_>>().join(", ")
        };
        let counts = |of: &dyn Fn(&PartEncodings, &ColumnEncodings) -> u64| -> ArrayRef {
            let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            Arc::new(rows().map(|(part, column)| Some(whole(of(part, column)))).collect::<Int64Array>())
        };
        let texts = |of: &dyn Fn(&PartEncodings, &ColumnEncodings) -> String| -> ArrayRef {
            Arc::new(rows().map(|(part, column)| Some(of(part, column))).collect::<StringArray>())
        };
        let each_point = rows().map(|(part, column)| column.bytes as f64 / part.points.max(1) as f64);
        RecordBatch::try_from_iter_with_nullable([
            ("part", texts(&|part, _| part.part.simple().to_string()), false),
            ("points", counts(&|part, _| part.points), false),
            ("column", texts(&|_, column| column.column.to_owned()), false),
            ("pages", texts(&|_, column| pages(column)), false),
            ("dictionaries", counts(&|_, column| column.dictionaries), false),
            ("bytes", counts(&|_, column| column.bytes), false),
            ("bytes_per_point", Arc::new(each_point.map(Some).collect::<Float64Array>()), false),
        ])
        .expect("columns of one length")
    }
}

impl Snapshot {
    /// How the columns of each part are encoded, and the bytes that they take.
    ///
    /// The encoding of values and times follows from the data: each page has the one that takes the least space.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..10_000 { run.log(step, &[("accuracy", (step % 97) as f64 / 100.0)])?; }
    /// store.flush()?;
    /// let encodings = store.snapshot()?.encodings()?;
    /// let values = encodings[0].columns.last().unwrap();
    /// assert_eq!((values.column, &*values.pages[0].0), ("value", "RLE_DICTIONARY"));
    /// assert!(values.bytes < 10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` for a part that cannot be opened, unless this snapshot [reports damage](Self::on_damage): then these are the
    /// others.
    pub fn encodings(&self) -> Result<Vec<PartEncodings>> {
        let all = self.with_all_hidden()?;
        all.check_whole("measure store")?;
        let of = |part: &std::sync::Arc<tidalite_parts::Part>| {
            let meta = part.meta();
            Ok(PartEncodings { part: meta.id, points: meta.rows, columns: part.encodings()? })
        };
        all.view.parts.iter().map(of).collect()
    }
}
