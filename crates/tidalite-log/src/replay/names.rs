//! The names that a log has declared so far, and the decoding of frames that refer to them.
//!
//! The checksum of each frame has matched. Here its content is checked: lengths, texts, and handles that must have
//! been declared. A frame that breaks a rule is *malformed*, which only a defect or a forged file causes. A frame
//! whose declaration was lost is *undeclared*.

use crate::change;
use crate::format::{
    HANDLE_MAX, ROW_FIXED_BYTES, SERIES_FIXED_BYTES, STAMPED_ROW_FIXED_BYTES, Tag, i64_at, u32_at,
};
use crate::frame::Frame;
use crate::sink::{BatchRef, LayoutId, LogSink, Row, SeriesId, Values};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use tidalite_model::{Error, Labels, Result, Seq, SeriesKey, WriteOrder, Written, check_name};
use uuid::Uuid;

/// Handles are small consecutive numbers. The hash only has to spread them.
#[derive(Debug, Default)]
struct HandleHasher(u64);

impl Hasher for HandleHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u32(u32::from(b)));
    }
    fn write_u32(&mut self, handle: u32) {
        self.0 = (self.0 ^ u64::from(handle)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

type ByHandle<T> = HashMap<u32, T, BuildHasherDefault<HandleHasher>>;

#[derive(Debug, Default)]
pub(super) struct DeclaredNames {
    runs: ByHandle<Arc<str>>,
    series: ByHandle<SeriesKey>,
    layouts: ByHandle<Arc<[SeriesId]>>,
    /// All runs, as a finding names them; made anew where more were declared since.
    named_runs: Option<Arc<[Arc<str>]>>,
    /// The layout used last and its width. Consecutive rows usually share a layout.
    last_layout: Option<(u32, usize)>,
}

/// Why a frame was refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// It refers to a name that is not declared.
    Undeclared,
    /// It breaks a rule of the format.
    Malformed,
    /// The sink returned an error.
    BySink(Error),
}

impl From<Error> for Refused {
    fn from(e: Error) -> Self {
        Refused::BySink(e)
    }
}

type TakeResult = std::result::Result<(), Refused>;

impl DeclaredNames {
    pub(super) fn series_key(&self, id: SeriesId) -> Option<&SeriesKey> {
        self.series.get(&id.0)
    }

    pub(super) fn layout(&self, id: LayoutId) -> Option<&[SeriesId]> {
        self.layouts.get(&id.0).map(|l| &**l)
    }

    /// The runs declared so far, sorted. Findings share one list.
    pub(super) fn runs(&mut self) -> Arc<[Arc<str>]> {
        let all = &self.runs;
        let known = self.named_runs.take().filter(|named| named.len() == all.len());
        let named = known.unwrap_or_else(|| {
            let mut named: Vec<Arc<str>> = all.values().cloned().collect();
            named.sort_unstable();
            named.into()
        });
        self.named_runs.insert(named).clone()
    }

    /// Passes all known names to the sink.
    pub(super) fn hand_over(&self, sink: &mut dyn LogSink) -> Result<()> {
        self.series.iter().try_for_each(|(&id, key)| sink.series(SeriesId(id), key))?;
        self.layouts.iter().try_for_each(|(&id, series)| sink.layout(LayoutId(id), series))
    }

    /// Passes a frame that a caller appended to the sink.
    #[inline]
    pub(super) fn take_unit(&mut self, frame: &Frame<'_>, seq: Seq, sink: &mut dyn LogSink) -> TakeResult {
        match frame.tag {
            Some(Tag::Row) => self.take_row(frame, ROW_FIXED_BYTES, seq, sink),
            Some(Tag::StampedRow) => self.take_row(frame, STAMPED_ROW_FIXED_BYTES, seq, sink),
            Some(Tag::Points) => self.take_points(frame, seq, sink),
            Some(Tag::Change) => {
                let (fixed, bytes) = frame.payload.split_at_checked(12).ok_or(Refused::Malformed)?;
                let run = self.runs.get(&u32_at(fixed, 0)).ok_or(Refused::Undeclared)?;
                let order = WriteOrder::new(i64_at(fixed, 4), seq);
                Ok(sink.change(order, run, change::decode(bytes).ok_or(Refused::Malformed)?)?)
            }
            Some(Tag::Part) => {
                let (part, rest) = frame.payload.split_first_chunk::<16>().ok_or(Refused::Malformed)?;
                let (clock, meta) = rest.split_first_chunk::<8>().ok_or(Refused::Malformed)?;
                let order = WriteOrder::new(i64::from_le_bytes(*clock), seq);
                Ok(sink.part(order, Uuid::from_bytes(*part), meta)?)
            }
            _ => Err(Refused::Malformed),
        }
    }

    #[inline]
    fn take_row(
        &mut self,
        frame: &Frame<'_>,
        row_fixed: usize,
        seq: Seq,
        sink: &mut dyn LogSink,
    ) -> TakeResult {
        let width = match self.last_layout {
            Some((layout, width)) if layout == frame.arg => width,
            _ => {
                let width = self.layouts.get(&frame.arg).ok_or(Refused::Undeclared)?.len();
                self.last_layout = Some((frame.arg, width));
                width
            }
        };
        if frame.payload.len() != row_fixed + 8 * width {
            return Err(Refused::Malformed);
        }
        let (fixed, values) = frame.payload.split_at(row_fixed);
        let stamped = row_fixed == STAMPED_ROW_FIXED_BYTES;
        Ok(sink.row(Row {
            seq,
            layout: LayoutId(frame.arg),
            step: i64_at(fixed, 0),
            time_us: i64_at(fixed, 8),
            written: if stamped { Written::from_i64(i64_at(fixed, 16)) } else { Written::AT_ITS_TIME },
            values: Values::new(values),
        })?)
    }

    fn take_points(&self, frame: &Frame<'_>, seq: Seq, sink: &mut dyn LogSink) -> TakeResult {
        let points = BatchRef::new(seq, frame.payload).ok_or(Refused::Malformed)?;
        let mut last = None;
        for id in (0..points.len()).map(|i| points.series(i)) {
            if last != Some(id) && !self.series.contains_key(&id.0) {
                return Err(Refused::Undeclared);
            }
            last = Some(id);
        }
        Ok(sink.points(points)?)
    }

    /// Learns a declaration, and passes what is new to the sink.
    pub(super) fn learn(&mut self, frame: &Frame<'_>, sink: &mut dyn LogSink) -> TakeResult {
        match frame.tag {
            Some(Tag::Run) => self.learn_run(frame.payload).ok_or(Refused::Malformed),
            Some(Tag::Series) => {
                let mut rest = frame.payload;
                while !rest.is_empty() {
                    let (declared, after) = SeriesBytes::split(rest).ok_or(Refused::Malformed)?;
                    self.learn_series(&declared, sink)?;
                    rest = after;
                }
                Ok(())
            }
            Some(Tag::Layout) => self.learn_layout(frame, sink),
            _ => Err(Refused::Malformed),
        }
    }

    fn learn_run(&mut self, payload: &[u8]) -> Option<()> {
        let (handle, id) = payload.split_at_checked(4)?;
        let handle = Some(u32_at(handle, 0)).filter(|&h| h <= HANDLE_MAX)?;
        let id = std::str::from_utf8(id).ok()?;
        check_name("run id", id).ok()?;
        if let Some(known) = self.runs.get(&handle) {
            return (**known == *id).then_some(());
        }
        self.runs.insert(handle, id.into());
        Some(())
    }

    fn learn_series(&mut self, declared: &SeriesBytes<'_>, sink: &mut dyn LogSink) -> TakeResult {
        let SeriesBytes { handle, run, metric, labels } = *declared;
        let run = self.runs.get(&run).ok_or(Refused::Undeclared)?;
        if let Some(known) = self.series.get(&handle) {
            let same = known.run == *run && *known.metric == *metric && known.labels.as_str() == labels;
            return if same { Ok(()) } else { Err(Refused::Malformed) };
        }
        check_name("metric name", metric).map_err(|_| Refused::Malformed)?;
        let parsed = Labels::parse(labels).ok().filter(|l| l.as_str() == labels).ok_or(Refused::Malformed)?;
        let key = SeriesKey::new(run.clone(), metric, parsed);
        sink.series(SeriesId(handle), &key)?;
        self.series.insert(handle, key);
        Ok(())
    }

    fn learn_layout(&mut self, frame: &Frame<'_>, sink: &mut dyn LogSink) -> TakeResult {
        let (handles, odd) = frame.payload.as_chunks::<4>();
        if handles.is_empty() || !odd.is_empty() {
            return Err(Refused::Malformed);
        }
        let handles = handles.iter().map(|h| SeriesId(u32::from_le_bytes(*h)));
        if let Some(known) = self.layouts.get(&frame.arg) {
            let same = known.iter().copied().eq(handles);
            return if same { Ok(()) } else { Err(Refused::Malformed) };
        }
        let series: Arc<[SeriesId]> = handles.collect();
        if series.iter().any(|s| !self.series.contains_key(&s.0)) {
            return Err(Refused::Undeclared);
        }
        sink.layout(LayoutId(frame.arg), &series)?;
        self.layouts.insert(frame.arg, series);
        Ok(())
    }
}

/// One series in a declaration frame.
#[derive(Debug, Clone, Copy)]
struct SeriesBytes<'a> {
    handle: u32,
    run: u32,
    metric: &'a str,
    labels: &'a str,
}

impl<'a> SeriesBytes<'a> {
    /// The first series in these bytes, and the bytes after it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (fixed, rest) = bytes.split_at_checked(SERIES_FIXED_BYTES)?;
        let (metric, rest) = rest.split_at_checked(usize::try_from(u32_at(fixed, 8)).ok()?)?;
        let (labels, rest) = rest.split_at_checked(usize::try_from(u32_at(fixed, 12)).ok()?)?;
        let handle = Some(u32_at(fixed, 0)).filter(|&h| h <= HANDLE_MAX)?;
        let (metric, labels) = (std::str::from_utf8(metric).ok()?, std::str::from_utf8(labels).ok()?);
        Some((SeriesBytes { handle, run: u32_at(fixed, 4), metric, labels }, rest))
    }
}
