//! What a tail says of rows in memory, of cold ones, and of handles that its log never named.

use super::cold::LogFiles;
use super::cooling::TailRoom;
use super::tail::TailData;
use super::tail_shape::TailRange;
use std::path::Path;
use std::sync::Arc;
use tidalite_log::{LayoutId, Log, LogOptions, LogSink, SeriesId, WriterDir};
use tidalite_model::{Extent, Labels, Seq, SeriesKey, StepRange};
use tidalite_query::Points;
use tidalite_vfs::{SimVfs, Vfs};

const ALL: (i64, i64) = (i64::MIN, i64::MAX);

/// A log of rows at steps 0 to 99, of which every tenth is followed by a batch of two points.
struct TailSample {
    disk: SimVfs,
    dir: WriterDir,
    /// A series of rows, one of batches.
    series: [SeriesId; 2],
    layout: LayoutId,
    seqs: Vec<Seq>,
}

fn key(metric: &str) -> SeriesKey {
    SeriesKey::new("r", metric, Labels::none())
}

impl TailSample {
    fn new() -> Self {
        let disk = SimVfs::new(1);
        let path = Path::new("/log");
        disk.create_dir(path).unwrap();
        let mut options = LogOptions::default();
        options.background = false;
        let log = Log::create(Arc::new(disk.clone()), path, 0, options).unwrap();
        let series = ["rows", "batches"].map(|metric| log.series(&key(metric)).unwrap());
        let layout = log.layout(&series[..1]).unwrap();
        let mut seqs = Vec::new();
        for step in 0..100 {
            seqs.push(log.append_row(layout, step, step, &[step as f64]).unwrap());
            if step % 10 == 0 {
                let batch = [series[1]; 2];
                seqs.push(log.append_points(&batch, &[step, step + 1], &[0; 2], &[0.5; 2], false).unwrap());
            }
        }
        log.close().unwrap();
        let dir = tidalite_log::writers(&disk, path).unwrap().remove(0);
        TailSample { disk, dir, series, layout, seqs }
    }

    /// The tail with at most so many bytes of rows in memory.
    fn tail(&self, room: Option<TailRoom>) -> TailData {
        let mut data = TailData::default();
        if let Some(room) = room {
            let vfs: Arc<dyn Vfs> = Arc::new(self.disk.clone());
            data.cool(LogFiles { vfs, dir: self.dir.clone(), may_grow: false }, 0, room);
        }
        let replayed = tidalite_log::replay(&self.disk, &self.dir, 0, false, &mut data).unwrap();
        data.end_skipping(Seq::new(0, replayed.next_ordinal).as_i64());
        data
    }
}

fn room(row_bytes: usize, skip_bytes: usize) -> Option<TailRoom> {
    Some(TailRoom { row_bytes, skip_bytes })
}

fn view(steps: StepRange) -> TailRange {
    TailRange { steps, seqs: ALL }
}

#[test]
fn a_handle_that_the_log_never_named_has_no_points() {
    let sample = TailSample::new();
    for data in [sample.tail(None), sample.tail(room(500, 0))] {
        let unknown = SeriesId(77);
        assert_eq!((data.count_in_memory(unknown), data.count_within(unknown, ALL).unwrap()), (0, 0));
        assert!(
            data.sample_steps(unknown, 1).is_empty() && data.sample_all_steps(unknown, 1).unwrap().is_empty()
        );
        let reach = data.step_reach(unknown, view(StepRange::ALL)).unwrap();
        assert!(reach.certain.is_none() && reach.possible.is_none());
        let shape = data.shape(unknown, view(StepRange::ALL)).unwrap();
        assert!(shape.steps.is_none() && shape.points == 0 && !shape.cold);
        let mut points = Points::default();
        data.gather(unknown, view(StepRange::ALL), &mut points);
        assert!(points.is_empty());
    }
}

#[test]
fn names_that_are_declared_again_take_no_memory() {
    let sample = TailSample::new();
    let mut data = sample.tail(None);
    let (bytes, points) = (data.bytes(), data.point_count());
    data.series(sample.series[0], &key("rows")).unwrap();
    data.layout(sample.layout, &sample.series[..1]).unwrap();
    assert_eq!((data.bytes(), data.point_count(), data.keys().count()), (bytes, points, 2));
}

#[test]
fn rows_count_alike_whether_they_are_in_memory_or_became_cold_or_never_got_there() {
    let sample = TailSample::new();
    // No room even for one row; room for a few; older ones skipped.
    for room in [None, room(1, 0), room(500, 0), room(2000, 1000), room(1 << 20, usize::MAX)] {
        let data = sample.tail(room);
        assert_eq!(data.point_count(), 120);
        for (series, points) in sample.series.iter().zip([100, 20]) {
            assert_eq!(data.count_within(*series, ALL).unwrap(), points, "{room:?}");
            let within = (sample.seqs[20].as_i64(), sample.seqs[60].as_i64());
            let whole = sample.tail(None);
            assert_eq!(
                data.count_within(*series, within).unwrap(),
                whole.count_in_memory_within(*series, within),
                "{room:?}"
            );
        }
        let cold: u64 = data.cold_frames(ALL).map(|frames| frames.points()).sum();
        let held = sample.series.map(|series| data.count_in_memory(series)).iter().sum::<u64>();
        assert_eq!(cold + held, 120, "{room:?}");
        match room {
            None => assert_eq!(cold, 0),
            Some(room) => assert!(cold > 0 && data.row_bytes() <= room.row_bytes.max(80), "{room:?}: {cold}"),
        }
    }
}

#[test]
fn steps_of_cold_rows_are_certain_where_all_are_in_the_view_and_else_possible() {
    let sample = TailSample::new();
    let data = sample.tail(room(500, 0));
    let rows = sample.series[0];
    let whole = data.step_reach(rows, view(StepRange::ALL)).unwrap();
    assert_eq!((whole.certain, whole.possible), (Some(Extent::new(0, 99)), Some(Extent::new(0, 99))));
    // The oldest rows are cold and begin before the view.
    let part = data.step_reach(rows, view(StepRange { lo: Some(3), hi: Some(5) })).unwrap();
    assert_eq!((part.certain, part.possible), (None, Some(Extent::new(3, 4))));
    let none = data.step_reach(rows, view(StepRange { lo: Some(1000), hi: None })).unwrap();
    assert!(none.certain.is_none() && none.possible.is_none());
    let samples = data.sample_all_steps(rows, 1).unwrap();
    assert!(samples.len() >= 99 && samples.iter().all(|step| (0..100).contains(step)), "{samples:?}");
}
