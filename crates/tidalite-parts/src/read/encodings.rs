//! How the columns of a part are encoded, and what they take.

use super::part::Part;
use crate::schema::PointColumn;
use parquet::basic::PageType;
use std::collections::BTreeMap;
use tidalite_model::Result;

/// How a column of a points file is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnEncodings {
    /// The column.
    pub column: &'static str,
    /// The number of data pages of each encoding, as Parquet names them, ascending by name.
    pub pages: Vec<(String, u64)>,
    /// Tiles whose column has a dictionary.
    pub dictionaries: u64,
    /// Bytes of all pages, dictionaries included.
    pub bytes: u64,
}

impl Part {
    /// How each column of the points file is stored, in file order. Reads the footer again.
    ///
    /// # Errors
    /// `Corrupt` where the footer has changed since the part was opened.
    pub fn encodings(&self) -> Result<Vec<ColumnEncodings>> {
        let metadata = self.metadata()?;
        let of = |column: PointColumn| {
            let (mut pages, mut dictionaries, mut bytes) = (BTreeMap::<String, u64>::new(), 0, 0);
            for group in metadata.row_groups() {
                let chunk = group.column(column.index());
                bytes += chunk.compressed_size().unsigned_abs();
                for counted in chunk.page_encoding_stats().into_iter().flatten() {
                    let count = u64::from(counted.count.unsigned_abs());
                    match counted.page_type {
                        PageType::DICTIONARY_PAGE => dictionaries += count,
                        _ => *pages.entry(counted.encoding.to_string()).or_default() += count,
                    }
                }
            }
            ColumnEncodings { column: column.name(), pages: pages.into_iter().collect(), dictionaries, bytes }
        };
        Ok(PointColumn::ALL.into_iter().map(of).collect())
    }
}
