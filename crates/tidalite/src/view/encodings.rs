//! How the parts of a snapshot are encoded.

use super::snapshot::Snapshot;
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
