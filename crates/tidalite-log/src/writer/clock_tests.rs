//! Clocks of a writer: they never decrease, also if the wall clock steps back, and read back as they were written.

use super::{Log, LogOptions, RowHead};
use crate::testing::{LOG, key, make_log_dir, only_writer, small};
use crate::{BatchRef, LayoutId, LogSink, Row, TailReader, replay, segments};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Params, Result, RunChange, RunEdit, Seq, WriteOrder, Written};
use tidalite_vfs::{SimVfs, Vfs};
use uuid::Uuid;

/// The order of each unit, its time if it has one, and whether its step is automatic.
#[derive(Debug, Default, PartialEq)]
struct ClockSink(Vec<(WriteOrder, Option<i64>, bool)>);

impl LogSink for ClockSink {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let order = WriteOrder::new(row.written.clock_us(row.time_us), row.seq);
        self.0.push((order, Some(row.time_us), row.written.is_automatic()));
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        for i in 0..p.len() {
            assert_eq!(p.written(i).clock_us(p.time_us(i)), p.clock_us(), "a batch has one clock");
        }
        self.0.push((
            WriteOrder::new(p.clock_us(), p.seq()),
            Some(p.time_us(0)),
            p.written(0).is_automatic(),
        ));
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, _: &str, _: RunChange) -> Result<()> {
        self.0.push((order, None, false));
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, _: Uuid, _: &[u8]) -> Result<()> {
        self.0.push((order, None, false));
        Ok(())
    }
}

struct ClockBench {
    disk: SimVfs,
    log: Log,
    layout: LayoutId,
}

impl ClockBench {
    fn new(options: LogOptions) -> ClockBench {
        let disk = SimVfs::new(1);
        make_log_dir(&disk);
        let log = Log::create(Arc::new(disk.clone()), Path::new(LOG), 0, options).unwrap();
        let series = log.series(&key("r", "m")).unwrap();
        let layout = log.layout(&[series]).unwrap();
        ClockBench { disk, log, layout }
    }

    fn row(&self, time_us: i64, now_us: i64, automatic: bool) -> Seq {
        self.log.append_row_at(self.layout, RowHead { step: 1, automatic, time_us, now_us }, &[0.5]).unwrap()
    }

    fn seen(&self) -> Vec<(WriteOrder, Option<i64>, bool)> {
        let mut sink = ClockSink::default();
        let replayed = replay(&self.disk, &only_writer(&self.disk), 0, true, &mut sink).unwrap();
        assert_eq!(replayed.findings, []);
        sink.0
    }
}

#[test]
fn a_row_at_its_time_takes_no_byte_more_than_its_step_time_and_values() {
    let bench = ClockBench::new(small());
    bench.row(10, 10, false);
    let bytes = |time_us, now_us, automatic| {
        let before = bench.log.bytes();
        bench.row(time_us, now_us, automatic);
        bench.log.bytes() - before
    };
    assert_eq!(bytes(20, 20, false), 16 + 16 + 8);
    for (time_us, now_us, automatic) in [(30, 30, true), (5, 40, false), (90, 50, false), (20, 20, false)] {
        assert_eq!(bytes(time_us, now_us, automatic), 16 + 24 + 8);
    }
    let seen: Vec<_> = bench.seen().into_iter().map(|(o, time, auto)| (o.clock_us, time, auto)).collect();
    let at = |clock, time, auto| (clock, Some(time), auto);
    assert_eq!(
        seen,
        [
            at(10, 10, false),
            at(20, 20, false),
            at(30, 30, true),
            at(40, 5, false),
            at(50, 90, false),
            at(50, 20, false)
        ]
    );
}

#[test]
fn clocks_never_decrease_and_replay_gives_them_back_from_any_frame() {
    let bench = ClockBench::new(small());
    let series = bench.log.series(&key("r", "m")).unwrap();
    let start = bench.disk.now_us();
    let mut orders = Vec::new();
    for i in 0..400 {
        // Mostly forward, now and then an hour back.
        bench.disk.advance(if i % 50 == 49 { -3_600_000_000 } else { 1_000 });
        let now_us = bench.disk.now_us();
        let seq = match i % 5 {
            0 => bench.log.append_points(&[series], &[i], &[now_us - 7], &[1.0], i % 2 == 0).unwrap(),
            1 => bench.log.append_change("r", &RunChange::Edit(RunEdit::params(Params::new()))).unwrap(),
            2 => bench.log.append_part(Uuid::from_u128(7), b"about").unwrap(),
            3 => bench.row(now_us - 9, now_us, false),
            _ => bench.row(now_us, now_us, false),
        };
        orders.push(seq);
    }
    assert!(segments(&bench.disk, &only_writer(&bench.disk)).unwrap().len() > 3, "several segments");
    let seen = bench.seen();
    assert_eq!(seen.iter().map(|(order, ..)| order.seq).collect::<Vec<_>>(), orders);
    assert!(seen.windows(2).all(|w| w[0].0 < w[1].0), "each write is later than the one before");
    assert!(seen[0].0.clock_us > start);
    for from in (0..400).step_by(37) {
        let first = orders[from].ordinal();
        let mut tail = ClockSink::default();
        let mut reader = TailReader::new(only_writer(&bench.disk), first);
        reader.poll(&bench.disk, true, &mut tail).unwrap();
        assert_eq!(tail.0, seen[from..], "the segments before are not needed");
    }
}

#[test]
fn what_was_seen_raises_the_clock() {
    let bench = ClockBench::new(small());
    bench.row(10, 10, false);
    bench.log.observe(1_000);
    bench.log.observe(500);
    bench.row(20, 20, false);
    bench.log.append_change("r", &RunChange::Edit(RunEdit::params(Params::new()))).unwrap();
    let clocks: Vec<i64> = bench.seen().iter().map(|(order, ..)| order.clock_us).collect();
    assert_eq!(clocks[..2], [10, 1_001]);
    assert!(clocks[2] > 1_001, "the wall clock is ahead of what was seen");
}

#[test]
fn no_clock_is_zero_which_means_the_time_of_the_point() {
    let bench = ClockBench::new(small());
    bench.row(-5, 0, false);
    assert_eq!(bench.seen()[0].0.clock_us, 1);
    assert_eq!(Written::new(1, -5, false).clock_us(-5), 1);
}
