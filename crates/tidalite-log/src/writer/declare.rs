//! The names a writer has used, and which of them the current segment does not declare yet.
//!
//! Handles are assigned once per writer, in order, and mean the same in all its segments. Each segment still declares
//! the names it uses before it uses them, so that it can be read without its predecessors. A name stores the number
//! of the segment that last declared it, so the check is one comparison per row.
//!
//! Guarded by the writer's one mutex.

use crate::format::{FRAME_BYTES_MAX, HANDLE_MAX, SERIES_FIXED_BYTES, STAMPED_ROW_FIXED_BYTES, Tag};
use crate::frame::Draft;
use crate::sink::{LayoutId, SeriesId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey, check_name};

/// A declaration frame is closed at this size and another begins, so that damage to one frame does not lose all
/// names.
const SERIES_PAYLOAD_BYTES: usize = 64 << 10;
/// The widest row that a frame can hold.
const ROW_VALUES_MAX: usize = (FRAME_BYTES_MAX - STAMPED_ROW_FIXED_BYTES) / 8;

/// Segments are numbered from 1, so no name is declared in this one.
pub(super) const NO_SEGMENT: u32 = 0;

/// The names a frame refers to. All must be declared before it in its segment.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequiredNames<'a> {
    Nothing,
    Run(u32),
    Series(&'a [SeriesId]),
    Layout(LayoutId),
}

#[derive(Debug, Default)]
pub(super) struct WriterNames {
    runs: Interned<Arc<str>>,
    series: Interned<SeriesKey>,
    /// The run of each series.
    runs_of: Vec<u32>,
    layouts: Interned<Arc<[SeriesId]>>,
}

/// Maps values to handles and handles to values.
#[derive(Debug)]
struct Interned<T> {
    handles: HashMap<T, u32>,
    /// Each value, and the segment that declares it.
    list: Vec<(T, u32)>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Interned { handles: HashMap::new(), list: Vec::new() }
    }
}

impl<T: Eq + Hash + Clone> Interned<T> {
    fn add(&mut self, thing: T, what: &str) -> Result<u32> {
        let handle = u32::try_from(self.list.len()).ok().filter(|&h| h <= HANDLE_MAX).ok_or_else(|| {
            Error::new(
                ErrorKind::Full,
                "append to log",
                format!("this process has named {} {what}, which is the maximum", self.list.len()),
                "use fewer names, or spread the work over several processes",
            )
        })?;
        self.handles.insert(thing.clone(), handle);
        self.list.push((thing, NO_SEGMENT));
        Ok(handle)
    }

    fn get(&self, handle: u32) -> Option<&(T, u32)> {
        self.list.get(handle as usize)
    }
}

impl WriterNames {
    /// The handle of a run.
    pub(super) fn run(&mut self, id: &str) -> Result<u32> {
        if let Some(&handle) = self.runs.handles.get(id) {
            return Ok(handle);
        }
        check_name("run id", id)?;
        self.runs.add(id.into(), "runs")
    }

    /// The handle of a series.
    pub(super) fn series(&mut self, key: &SeriesKey) -> Result<SeriesId> {
        if let Some(&handle) = self.series.handles.get(key) {
            return Ok(SeriesId(handle));
        }
        check_name("metric name", &key.metric)?;
        let run = self.run(&key.run)?;
        let handle = self.series.add(key.clone(), "series")?;
        self.runs_of.push(run);
        Ok(SeriesId(handle))
    }

    /// The handle of a layout.
    pub(super) fn layout(&mut self, series: &[SeriesId]) -> Result<LayoutId> {
        if let Some(&handle) = self.layouts.handles.get(series) {
            return Ok(LayoutId(handle));
        }
        if series.is_empty() || series.len() > ROW_VALUES_MAX {
            return Err(Error::invalid(
                "make layout",
                format!("a row of {} values was requested", series.len()),
                format!("log 1 to {ROW_VALUES_MAX} values at once"),
            ));
        }
        if let Some(&unknown) = series.iter().find(|s| self.series.get(s.0).is_none()) {
            return Err(unknown_handle("series", unknown.0));
        }
        Ok(LayoutId(self.layouts.add(series.into(), "layouts")?))
    }

    /// The number of values in a row of this layout, and the segment that declares it.
    #[inline]
    pub(super) fn layout_facts(&self, layout: LayoutId) -> Option<(usize, u32)> {
        self.layouts.get(layout.0).map(|(series, declared_in)| (series.len(), *declared_in))
    }

    /// The frames that declare what is required and not yet declared in `segment`, in the order to write them.
    pub(super) fn missing(&self, needs: RequiredNames<'_>, segment: u32) -> Result<Vec<Draft>> {
        let absent = |declared_in: u32| declared_in != segment || segment == NO_SEGMENT;
        let (run, series, layout) = match needs {
            RequiredNames::Nothing => (None, &[][..], None),
            RequiredNames::Run(run) => (Some(run), &[][..], None),
            RequiredNames::Series(series) => (None, series, None),
            RequiredNames::Layout(id) => {
                let (series, declared_in) =
                    self.layouts.get(id.0).ok_or_else(|| unknown_handle("layout", id.0))?;
                (None, &series[..], absent(*declared_in).then_some(id))
            }
        };
        let mut missing: Vec<SeriesId> = Vec::new();
        for &s in series {
            let (_, declared_in) = self.series.get(s.0).ok_or_else(|| unknown_handle("series", s.0))?;
            if absent(*declared_in) {
                missing.push(s);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        let mut runs: Vec<u32> = missing.iter().map(|s| self.runs_of[s.0 as usize]).chain(run).collect();
        runs.sort_unstable();
        runs.dedup();
        let mut out = Vec::new();
        for handle in runs {
            let (id, declared_in) = self.runs.get(handle).expect("a run is named before it is needed");
            if absent(*declared_in) {
                let mut draft = Draft::new(Tag::Run, 0);
                draft.push(&handle.to_le_bytes());
                draft.push(id.as_bytes());
                draft.finish_fitting();
                out.push(draft);
            }
        }
        self.declare_series(&missing, &mut out);
        if let Some(id) = layout {
            let mut draft = Draft::new(Tag::Layout, id.0);
            draft.reserve(series.len() * 4);
            series.iter().for_each(|s| draft.push(&s.0.to_le_bytes()));
            draft.finish_fitting();
            out.push(draft);
        }
        Ok(out)
    }

    fn declare_series(&self, missing: &[SeriesId], out: &mut Vec<Draft>) {
        let length = |text: &[u8]| u32::try_from(text.len()).expect("names are bounded").to_le_bytes();
        let mut rest = missing;
        while !rest.is_empty() {
            let mut draft = Draft::new(Tag::Series, 0);
            while let Some((s, after)) = rest.split_first() {
                let (key, _) = self.series.get(s.0).expect("its handle was looked up");
                let (metric, labels) = (key.metric.as_bytes(), key.labels.as_str().as_bytes());
                let bytes = SERIES_FIXED_BYTES + metric.len() + labels.len();
                if draft.payload_bytes() > 0 && draft.payload_bytes() + bytes > SERIES_PAYLOAD_BYTES {
                    break;
                }
                draft.push(&s.0.to_le_bytes());
                draft.push(&self.runs_of[s.0 as usize].to_le_bytes());
                draft.push(&length(metric));
                draft.push(&length(labels));
                draft.push(metric);
                draft.push(labels);
                rest = after;
            }
            draft.finish_fitting();
            out.push(draft);
        }
    }

    /// Records that `segment` declares everything required.
    pub(super) fn declared(&mut self, needs: RequiredNames<'_>, segment: u32) {
        let series = match needs {
            RequiredNames::Nothing => return,
            RequiredNames::Run(run) => {
                self.runs.list[run as usize].1 = segment;
                return;
            }
            RequiredNames::Series(series) => series,
            RequiredNames::Layout(id) => {
                let (series, declared_in) = &mut self.layouts.list[id.0 as usize];
                *declared_in = segment;
                &**series
            }
        };
        for s in series {
            self.series.list[s.0 as usize].1 = segment;
            self.runs.list[self.runs_of[s.0 as usize] as usize].1 = segment;
        }
    }
}

pub(super) fn unknown_handle(what: &str, handle: u32) -> Error {
    Error::invalid(
        "append to log",
        format!("{what} {handle} is not from this log"),
        "use handles with the log that made them",
    )
}
