//! Divides the bytes of a part among its series, from the page index alone.
//!
//! A page with rows of one series counts for that series in full. A page that several series share is divided by rows, since
//! the values of one column take about the same space each. A dictionary is divided by the rows of its tile. The page index
//! and the footer are not counted. So the sum over all series is the size of all pages.

use super::footer::{ChunkMap, TileMap};
use super::part::Part;
use super::rollups::{RolledSeries, RollupTier};
use crate::series::row::SeriesEntry;
use tidalite_model::SeriesKey;

impl Part {
    /// The bytes of the points file that each row of the series table takes, in the table's order. They are exact where pages
    /// hold one series, otherwise estimated from the share of rows.
    pub fn bytes_of_rows(&self) -> Vec<f64> {
        let table = self.series();
        let mut shares = Vec::with_capacity(table.entries().len());
        // The table was checked against the tiles.
        for (number, tile) in (0u32..).zip(&*self.tiles) {
            let rows: Vec<SeriesEntry> = table.tile(number).map(|row| table.entry(row)).collect();
            shares.extend(shares_of(tile, &rows));
        }
        shares
    }

    /// The bytes of the rollups that each series takes, by its share of the buckets; empty where there are no rollups or they
    /// cannot be read; [`rollups_damage`](Self::rollups_damage) tells why.
    pub fn bytes_of_rollups(&self) -> Vec<(SeriesKey, f64)> {
        let Some((rollups, meta)) = self.rollups().zip(self.meta.rollups) else { return Vec::new() };
        let bytes = (meta.bytes - meta.footer_bytes) as f64 / meta.rows.max(1) as f64;
        let of = |rolled: &RolledSeries| rolled.tiers.iter().map(RollupTier::buckets).sum::<usize>() as f64;
        rollups.series().iter().map(|(key, rolled)| (key.clone(), of(rolled) * bytes)).collect()
    }
}

fn shares_of(tile: &TileMap, rows: &[SeriesEntry]) -> Vec<f64> {
    let mut shares = vec![0.0; rows.len()];
    for chunk in &tile.chunks {
        add_pages(chunk, rows, &mut shares);
        let dictionary = chunk.dictionary.map_or(0.0, |page| f64::from(page.bytes));
        for (share, row) in shares.iter_mut().zip(rows) {
            *share += dictionary * f64::from(row.rows) / f64::from(tile.rows.max(1));
        }
    }
    shares
}

/// Adds the bytes of each page to its series. Pages and rows both ascend and cover the tile, so one sweep suffices.
fn add_pages(chunk: &ChunkMap, rows: &[SeriesEntry], shares: &mut [f64]) {
    let mut first = 0;
    for page in &chunk.pages {
        let page_end = page.first_row + page.rows;
        while first < rows.len() && rows[first].row_start + rows[first].rows <= page.first_row {
            first += 1;
        }
        for (row, share) in rows.iter().zip(shares.iter_mut()).skip(first) {
            if row.row_start >= page_end {
                break;
            }
            let inside = page_end.min(row.row_start + row.rows) - page.first_row.max(row.row_start);
            *share += f64::from(page.bytes) * f64::from(inside) / f64::from(page.rows.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::footer::PageEntry;
    use super::*;

    #[test]
    fn pages_are_divided_by_rows_and_add_up() {
        let page = |first_row, rows, bytes| PageEntry { offset: 0, bytes, first_row, rows, sum: 0 };
        let row = |row_start, rows| SeriesEntry {
            names: [0; 3],
            tile: 0,
            row_start,
            rows,
            first_step: 0,
            last_step: 0,
            automatic: 0,
            repeats: false,
        };
        let texts =
            ChunkMap { dictionary: Some(page(0, 0, 100)), pages: vec![page(0, 10, 10)], constant: None };
        let values = ChunkMap {
            dictionary: None,
            pages: vec![page(0, 4, 40), page(4, 4, 80), page(8, 2, 7)],
            constant: None,
        };
        let tile = TileMap { rows: 10, chunks: vec![texts, values] };
        let shares = shares_of(&tile, &[row(0, 2), row(2, 6), row(8, 2)]);
        assert_eq!(shares, [22.0 + 20.0, 66.0 + 20.0 + 80.0, 22.0 + 7.0]);
    }
}
