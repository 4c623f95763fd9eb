//! Test support: a sink that records, a small generator, and a writer that records what was accepted and durable.

use crate::{
    BatchRef, LayoutId, Log, LogOptions, LogSink, Replayed, Row, SeriesId, WriterDir, replay, writers,
};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{
    ErrorKind, Labels, Result, RunChange, RunEdit, RunEnd, Seq, SeriesKey, Status, WriteOrder,
};
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// The folder of the tests' logs.
pub(crate) const LOG: &str = "/log";

/// One appended unit, with names instead of handles and bits instead of values.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a test holds few units")]
pub(crate) enum LoggedUnit {
    Row(i64, i64, Vec<(SeriesKey, u64)>),
    Points(Vec<(SeriesKey, i64, i64, u64)>),
    Change(String, RunChange),
    Part(Uuid, Vec<u8>),
}

/// Records everything it receives.
#[derive(Debug, Default, Clone)]
pub(crate) struct RecordingSink {
    pub(crate) keys: HashMap<SeriesId, SeriesKey>,
    pub(crate) layouts: HashMap<LayoutId, Vec<SeriesId>>,
    pub(crate) units: Vec<(Seq, LoggedUnit)>,
}

impl LogSink for RecordingSink {
    fn series(&mut self, id: SeriesId, key: &SeriesKey) -> Result<()> {
        assert!(self.keys.insert(id, key.clone()).is_none_or(|k| k == *key), "a handle keeps its meaning");
        Ok(())
    }

    fn layout(&mut self, id: LayoutId, series: &[SeriesId]) -> Result<()> {
        assert!(series.iter().all(|s| self.keys.contains_key(s)), "series come before their layouts");
        self.layouts.insert(id, series.to_vec());
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let series = &self.layouts[&row.layout];
        assert_eq!(series.len(), row.values.len());
        let values = series.iter().zip(row.values.iter()).map(|(s, v)| (self.keys[s].clone(), v.to_bits()));
        self.units.push((row.seq, LoggedUnit::Row(row.step, row.time_us, values.collect())));
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        let point = |i| (self.keys[&p.series(i)].clone(), p.step(i), p.time_us(i), p.value(i).to_bits());
        let all = (0..p.len()).map(point).collect();
        self.units.push((p.seq(), LoggedUnit::Points(all)));
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, run: &str, change: RunChange) -> Result<()> {
        self.units.push((order.seq, LoggedUnit::Change(run.to_string(), change)));
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, part: Uuid, meta: &[u8]) -> Result<()> {
        self.units.push((order.seq, LoggedUnit::Part(part, meta.to_vec())));
        Ok(())
    }
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct LogTestRandom(pub(crate) u64);

impl LogTestRandom {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub(crate) fn key(run: &str, metric: &str) -> SeriesKey {
    SeriesKey::new(run, metric, Labels::parse("rank=0").unwrap())
}

/// Small segments and no background job.
pub(crate) fn small() -> LogOptions {
    LogOptions {
        segment_bytes_min: 4096,
        segment_bytes_max: 8192,
        background: false,
        ..LogOptions::default()
    }
}

/// Creates the folder of logs on a new disk, and makes it durable.
pub(crate) fn make_log_dir(vfs: &dyn Vfs) {
    vfs.create_dir(Path::new(LOG)).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
}

pub(crate) fn read(vfs: &dyn Vfs, dir: &WriterDir, from: u64, alive: bool) -> (RecordingSink, Replayed) {
    let mut seen = RecordingSink::default();
    let replayed = replay(vfs, dir, from, alive, &mut seen).unwrap();
    (seen, replayed)
}

/// The only writer in the folder of logs.
pub(crate) fn only_writer(vfs: &dyn Vfs) -> WriterDir {
    let mut all = writers(vfs, Path::new(LOG)).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// A log, and what it reported.
pub(crate) struct Witness {
    pub(crate) log: Log,
    pub(crate) accepted: Vec<(Seq, LoggedUnit)>,
    /// The number of accepted units that are durable.
    pub(crate) durable: usize,
    /// The unit whose append failed last, if nothing was accepted since. It may be in the log or not.
    pub(crate) in_doubt: Option<LoggedUnit>,
}

impl Witness {
    pub(crate) fn new(vfs: &Arc<dyn Vfs>, options: LogOptions) -> Result<Self> {
        let log = Log::create(vfs.clone(), Path::new(LOG), 0, options)?;
        Ok(Witness { log, accepted: Vec::new(), durable: 0, in_doubt: None })
    }

    /// Does one thing drawn by `random`. Records an error before returning it.
    pub(crate) fn step(&mut self, random: &mut LogTestRandom) -> Result<()> {
        let time = 1_780_000_000_000_000 + random.below(1000).cast_signed();
        let step = random.below(1 << 20).cast_signed();
        let run = format!("run-{}", random.below(3));
        let width = 1 + random.below(6);
        let keys: Vec<SeriesKey> = (0..width).map(|i| key(&run, &format!("metric/{i}"))).collect();
        let value = |r: &mut LogTestRandom| match r.below(8) {
            0 => f64::from_bits(0x7FF8_0000_0000_0000 | r.below(1 << 40)),
            1 => f64::NEG_INFINITY,
            2 => -0.0,
            _ => r.below(1000) as f64 / 8.0,
        };
        match random.below(16) {
            0 => self.log.sync().inspect(|()| self.durable = self.accepted.len()),
            1 if random.below(4) == 0 => self.log.seal().inspect(|()| self.durable = self.accepted.len()),
            2 => {
                let change = match random.below(3) {
                    0 => RunChange::Edit(RunEdit::param("lr", step)),
                    1 => RunChange::Edit(RunEdit {
                        add_tags: BTreeSet::from([run.clone()]),
                        ..RunEdit::default()
                    }),
                    _ => RunChange::End(RunEnd {
                        start: 0,
                        time_us: time,
                        status: Status::Finished,
                        reason: None,
                        logged: true,
                        last_step: Some(step),
                    }),
                };
                let done = self.log.append_change(&run, &change);
                self.note(LoggedUnit::Change(run, change), done)
            }
            3 => {
                let part = Uuid::from_u64_pair(random.next(), 7);
                let meta = vec![7; 250 + usize::try_from(random.below(300)).unwrap()];
                let done = self.log.append_part(part, &meta);
                self.note(LoggedUnit::Part(part, meta), done)
            }
            4 | 5 => {
                let n = 1 + random.below(40);
                let points: Vec<(SeriesKey, i64, i64, u64)> = (0..n)
                    .map(|i| {
                        let k = &keys[usize::try_from(i % width).unwrap()];
                        (k.clone(), step + i.cast_signed(), time, value(random).to_bits())
                    })
                    .collect();
                let series: Vec<SeriesId> =
                    points.iter().map(|p| self.log.series(&p.0)).collect::<Result<_>>()?;
                let steps: Vec<i64> = points.iter().map(|p| p.1).collect();
                let times: Vec<i64> = points.iter().map(|p| p.2).collect();
                let values: Vec<f64> = points.iter().map(|p| f64::from_bits(p.3)).collect();
                let done = self.log.append_points(&series, &steps, &times, &values, false);
                self.note(LoggedUnit::Points(points), done)
            }
            _ => {
                let series: Vec<SeriesId> = keys.iter().map(|k| self.log.series(k)).collect::<Result<_>>()?;
                let layout = self.log.layout(&series)?;
                let values: Vec<f64> = keys.iter().map(|_| value(random)).collect();
                let done = self.log.append_row(layout, step, time, &values);
                let bits = values.iter().map(|v| v.to_bits());
                self.note(LoggedUnit::Row(step, time, keys.into_iter().zip(bits).collect()), done)
            }
        }
    }

    fn note(&mut self, unit: LoggedUnit, done: Result<Seq>) -> Result<()> {
        match done {
            Ok(seq) => {
                self.in_doubt = None;
                self.accepted.push((seq, unit));
                Ok(())
            }
            Err(e) => {
                if e.kind() != ErrorKind::Poisoned {
                    self.in_doubt = Some(unit);
                }
                Err(e)
            }
        }
    }

    /// Compares what was recovered with what the log reported.
    pub(crate) fn check(
        &self,
        recovered: &RecordingSink,
        all_accepted: bool,
    ) -> std::result::Result<(), String> {
        let units = &recovered.units;
        let common = units.len().min(self.accepted.len());
        if units[..common] != self.accepted[..common] {
            return Err("what was recovered is not a prefix of what was accepted".to_string());
        }
        let needed = if all_accepted { self.accepted.len() } else { self.durable };
        if units.len() < needed {
            return Err(format!("{needed} units are required, {} were recovered", units.len()));
        }
        match &units[common..] {
            [] => Ok(()),
            [(_, one)] if self.in_doubt.as_ref() == Some(one) => Ok(()),
            more => Err(format!("{} units were never accepted", more.len())),
        }
    }
}
