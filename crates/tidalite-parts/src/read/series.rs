//! Reads the series of a row group from its columns run, metric and labels.

use super::footer::TileMap;
use super::pages::Pages;
use crate::names::NameInterner;
use crate::schema::PointColumn;
use tidalite_model::{Error, Result, SeriesKey};
use tidalite_vfs::ReadFile;

/// The series of a row group and their numbers of rows, in file order.
pub(super) fn series_of(
    file: &dyn ReadFile,
    map: &TileMap,
    tile: u32,
    names: &mut NameInterner,
) -> Result<Vec<(SeriesKey, u32)>> {
    let pages = |column| Pages::new(file, map, tile, column).texts(map.rows);
    let texts = [pages(PointColumn::Run)?, pages(PointColumn::Metric)?, pages(PointColumn::Labels)?];
    let mut series = Vec::new();
    let mut start = 0;
    while start < map.rows {
        let found = texts.each_ref().map(|t| t.at(start));
        // The key is constant up to the first end among the runs of the three columns.
        let mut end = found.iter().map(|(_, end)| *end).min().unwrap_or(map.rows);
        let [run, metric, labels] = found.map(|(text, _)| text);
        while end < map.rows && texts.each_ref().map(|t| t.at(end).0) == [run, metric, labels] {
            end = texts.iter().map(|t| t.at(end).1).min().unwrap_or(map.rows);
        }
        let key = names
            .key(run, metric, labels)
            .map_err(|wrong| Error::corrupt("read part", file.path(), 0, format!("tile {tile}: {wrong}")))?;
        series.push((key, end - start));
        start = end;
    }
    Ok(series)
}
