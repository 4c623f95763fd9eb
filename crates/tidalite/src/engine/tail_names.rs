//! The names that a log declares: its series, and the layouts of its rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tidalite_log::{LayoutId, SeriesId};
use tidalite_model::SeriesKey;

/// Prefix of the names of telemetry metrics. Their steps count samples, and are unrelated to the run's own steps.
pub(crate) const TELEMETRY: &str = "system/";

/// Series and layouts by their index, which is the order in which they were declared.
#[derive(Debug, Default)]
pub(super) struct TailNames {
    series: Vec<NamedSeries>,
    /// Index of each series. A map, since ids come from the log and a large one must not cost memory.
    places: HashMap<SeriesId, usize>,
    layouts: Vec<NamedLayout>,
    blocks: HashMap<LayoutId, usize>,
}

#[derive(Debug)]
struct NamedSeries {
    id: SeriesId,
    key: SeriesKey,
    /// (layout, column) of each layout that has the series.
    columns: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct NamedLayout {
    id: LayoutId,
    /// The index of one of its series that is not telemetry. Run and labels are the same for all.
    sample: Option<usize>,
}

impl TailNames {
    /// Takes a series; `false` if it is known.
    pub(super) fn add_series(&mut self, id: SeriesId, key: &SeriesKey) -> bool {
        let Entry::Vacant(place) = self.places.entry(id) else { return false };
        place.insert(self.series.len());
        self.series.push(NamedSeries { id, key: key.clone(), columns: Vec::new() });
        true
    }

    /// Takes a layout of known series; `false` if it is known.
    pub(super) fn add_layout(&mut self, id: LayoutId, series: &[SeriesId]) -> bool {
        if self.blocks.contains_key(&id) {
            return false;
        }
        let layout = u32::try_from(self.layouts.len()).expect("layouts are u32");
        let mut places = series.iter().map(|s| self.place(*s));
        let sample = places.find(|at| !self.series[*at].key.metric.starts_with(TELEMETRY));
        for (column, &s) in series.iter().enumerate() {
            let column = u32::try_from(column).expect("a frame bounds the width of a row");
            let place = self.place(s);
            self.series[place].columns.push((layout, column));
        }
        self.blocks.insert(id, self.layouts.len());
        self.layouts.push(NamedLayout { id, sample });
        true
    }

    /// The series declared so far, with or without points.
    pub(super) fn keys(&self) -> impl Iterator<Item = (SeriesId, &SeriesKey)> {
        self.series.iter().map(|s| (s.id, &s.key))
    }

    /// The index of a series; a segment declares each series before it uses it.
    pub(super) fn place(&self, id: SeriesId) -> usize {
        self.places[&id]
    }

    pub(super) fn index_of(&self, id: SeriesId) -> Option<usize> {
        self.places.get(&id).copied()
    }

    /// The index of a layout; a segment declares each layout before it uses it.
    pub(super) fn block(&self, id: LayoutId) -> usize {
        self.blocks[&id]
    }

    pub(super) fn block_of(&self, id: LayoutId) -> Option<usize> {
        self.blocks.get(&id).copied()
    }

    /// The layouts that have a series, by index, and its column in each.
    pub(super) fn columns(&self, series: usize) -> impl Iterator<Item = (usize, usize)> {
        self.series[series].columns.iter().map(|&(layout, column)| (layout as usize, column as usize))
    }

    pub(super) fn layout_id(&self, layout: usize) -> LayoutId {
        self.layouts[layout].id
    }

    /// The layouts by index, each with the key of one of its series that is not telemetry.
    pub(super) fn samples(&self) -> impl Iterator<Item = (usize, &SeriesKey)> {
        let samples = self.layouts.iter().enumerate().filter_map(|(at, layout)| Some((at, layout.sample?)));
        samples.map(|(at, series)| (at, &self.series[series].key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::Labels;

    #[test]
    fn a_large_series_id_takes_no_more_memory_than_a_small_one() {
        let mut names = TailNames::default();
        let ids = [SeriesId(0xFF_FFFF), SeriesId(0)];
        for (id, metric) in ids.iter().zip(["a", "b"]) {
            assert!(names.add_series(*id, &SeriesKey::new("r", metric, Labels::none())));
        }
        assert!(names.add_layout(LayoutId(7), &ids) && !names.add_layout(LayoutId(7), &ids));
        assert!(names.series.capacity() < 64, "{}", names.series.capacity());
        let keys: Vec<_> = names.keys().map(|(id, key)| (id, key.metric.to_string())).collect();
        assert_eq!(keys, [(ids[0], "a".to_string()), (ids[1], "b".to_string())]);
        assert_eq!((names.index_of(ids[0]), names.index_of(SeriesId(3))), (Some(0), None));
        assert_eq!(names.columns(1).collect::<Vec<_>>(), [(0, 1)]);
    }
}
