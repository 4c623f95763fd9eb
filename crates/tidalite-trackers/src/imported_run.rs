//! One run of an import: what its files add, and how far they were read.
//!
//! The run's environment holds the place up to which each file was read, as `imported.files.NAME.read` (bytes) and
//! `.crc32c` (of the file's first 4 KiB). It is written after the points before that place. So a process that is killed between
//! the two imports at most one batch again: the same points, which count once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite::arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use tidalite::{Error, Param, Params, Result, Run, RunInfo, Status, Store};

use crate::event::{EventBody, EventHead, TagMeaning, TagPlugins, tag_values};
use crate::event_files::{EventFileReader, NextFrame, damaged_at, fingerprint};
use crate::event_folder_stats::EventFolderStats;
use crate::wire::Malformed;

/// Points that are appended at once.
const BATCH_POINTS: usize = 1 << 18;
/// The key of the environment.
const IMPORTED: &str = "imported";

/// A run, and the event files of its folder.
pub(crate) struct ImportedRun {
    pub(crate) id: String,
    folder: PathBuf,
    files: BTreeMap<String, EventFilePlace>,
    /// From the first point or param that this process adds on.
    run: Option<Run>,
    has_points: bool,
    points: EventPoints,
    params: Params,
    times_us: Option<(i64, i64)>,
    started_us: Option<i64>,
    status: Option<Status>,
    /// Whether something was read that is not appended or noted yet.
    has_news: bool,
}

/// How far a file was read.
#[derive(Debug, Clone, Default)]
struct EventFilePlace {
    read: u64,
    crc: Option<u32>,
    /// The plugins of the tags before `read`, once this process knows them.
    plugins: Option<TagPlugins>,
}

/// Points that are not appended yet.
#[derive(Default)]
struct EventPoints {
    tags: Vec<Arc<str>>,
    codes: HashMap<Vec<u8>, i32>,
    metrics: Vec<i32>,
    steps: Vec<i64>,
    times_us: Vec<i64>,
    values: Vec<f64>,
}

impl ImportedRun {
    /// A run as the store has it, if it does.
    ///
    /// # Errors
    /// `Invalid` for a run that was not imported, and for a file that is not the one that was imported.
    pub(crate) fn new(id: String, folder: PathBuf, known: Option<&RunInfo>) -> Result<ImportedRun> {
        let files = known.map_or(Ok(BTreeMap::new()), |info| places(info, &folder))?;
        for (name, place) in &files {
            check_same(&folder.join(name), place)?;
        }
        Ok(ImportedRun {
            id,
            folder,
            files,
            run: None,
            has_points: known.is_some(),
            points: EventPoints::default(),
            params: Params::new(),
            times_us: None,
            started_us: known.and_then(|info| info.started_us),
            status: None,
            has_news: false,
        })
    }

    /// The bytes of a file that were read.
    pub(crate) fn read_of(&self, name: &str) -> u64 {
        self.files.get(name).map_or(0, |place| place.read)
    }

    /// Reads what is new in one file.
    ///
    /// # Errors
    /// `Corrupt` for a damaged file, after what precedes the damage was taken; those of appending.
    pub(crate) fn read_file(
        &mut self,
        store: &Store,
        name: &str,
        stats: &mut EventFolderStats,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let path = self.folder.join(name);
        let mut place = self.files.remove(name).unwrap_or_default();
        let from = if place.plugins.is_some() { place.read } else { 0 };
        let mut plugins = place.plugins.take().unwrap_or_default();
        let mut reader = EventFileReader::open(&path, from)?;
        let done = loop {
            let at = reader.at();
            let is_new = at >= place.read;
            let taken = match reader.next() {
                Err(e) => break Err(e),
                Ok(NextFrame::End) => break Ok(()),
                Ok(NextFrame::Large) => {
                    if is_new {
                        stats.leave_out("events of more than 64 MiB", 1);
                        self.has_news = true;
                    }
                    Ok(())
                }
                Ok(NextFrame::Payload(event)) => self.take_event(store, event, is_new, &mut plugins, stats),
            };
            match taken {
                Ok(()) => place.read = place.read.max(reader.at()),
                Err(EventFault::Store(e)) => break Err(e),
                Err(EventFault::Event(wrong)) => break Err(damaged_at(&path, at, wrong)),
            }
            if self.points.values.len() >= BATCH_POINTS {
                self.files.insert(name.to_owned(), EventFilePlace { plugins: None, ..place.clone() });
                if let Err(e) = self.append(store, stats).and_then(|()| progress(place.read)) {
                    break Err(e);
                }
            }
        };
        if place.crc.is_none() || place.read < 4096 {
            place.crc = Some(fingerprint(&path, place.read)?);
        }
        let done = done.and_then(|()| progress(place.read));
        self.files.insert(name.to_owned(), EventFilePlace { plugins: Some(plugins), ..place });
        done
    }

    fn take_event(
        &mut self,
        store: &Store,
        event: &[u8],
        is_new: bool,
        plugins: &mut TagPlugins,
        stats: &mut EventFolderStats,
    ) -> std::result::Result<(), EventFault> {
        let head = EventHead::read(event)?;
        let summary = match head.body {
            EventBody::Summary(summary) => summary,
            EventBody::Restart if is_new && (self.has_points || !self.points.values.is_empty()) => {
                self.restart(store, head.step, stats)?;
                return Ok(());
            }
            EventBody::Other(kind) if is_new => {
                stats.leave_out(kind, 1);
                self.has_news = true;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let time_us = time_us(head.wall_time)
            .ok_or(EventFault::Event("the time of an event is not one of the years 1 to 9999"))?;
        self.has_news |= is_new;
        for value in tag_values(summary) {
            let value = value?;
            match value.meaning(plugins)? {
                _ if !is_new => {}
                TagMeaning::Scalar(_) if value.tag.is_empty() => stats.leave_out("values without a tag", 1),
                TagMeaning::Scalar(number) => {
                    self.points.push(value.tag, head.step, time_us, number)?;
                    self.note_time(time_us);
                }
                TagMeaning::Params(params) => self.params.extend(params),
                TagMeaning::End(status, seconds) => {
                    self.status = status;
                    if let Some(time_us) = (seconds > 0.0).then(|| self::time_us(seconds)).flatten() {
                        self.note_time(time_us);
                    }
                }
                TagMeaning::Nothing => {}
                TagMeaning::Other(kind) => stats.leave_out(&kind, 1),
            }
        }
        Ok(())
    }

    fn note_time(&mut self, time_us: i64) {
        let (first, last) = self.times_us.unwrap_or((time_us, time_us));
        self.times_us = Some((first.min(time_us), last.max(time_us)));
    }

    /// What was written from a step on before does not count.
    fn restart(&mut self, store: &Store, step: i64, stats: &mut EventFolderStats) -> Result<()> {
        self.append(store, stats)?;
        self.begin(store, stats)?.rewind(step.saturating_sub(1))?;
        stats.restarts += 1;
        Ok(())
    }

    /// Appends what was read, and notes how far that was.
    pub(crate) fn append(&mut self, store: &Store, stats: &mut EventFolderStats) -> Result<()> {
        if !self.has_news {
            return Ok(());
        }
        let points = std::mem::take(&mut self.points);
        let params = std::mem::take(&mut self.params);
        let run = self.begin(store, stats)?;
        if !params.is_empty() {
            let none: [String; 0] = [];
            run.change_params(params, none)?;
        }
        stats.points += points.values.len() as u64;
        if !points.values.is_empty() {
            store.append(&points.batch(&self.id))?;
            self.has_points = true;
        }
        store.edit(&self.id).environment(self.environment()).apply()?;
        self.has_news = false;
        Ok(())
    }

    /// The run, started if this process has not yet.
    fn begin(&mut self, store: &Store, stats: &mut EventFolderStats) -> Result<&Run> {
        if self.run.is_none() {
            let mut builder = store.run(&self.id).environment(self.environment());
            if let Some((first_us, _)) = self.times_us.filter(|_| self.started_us.is_none()) {
                builder = builder.started_us(first_us);
                self.started_us = Some(first_us);
            }
            self.run = Some(builder.start()?);
            stats.runs += 1;
        }
        Ok(self.run.as_ref().expect("it was started"))
    }

    /// Ends the run as its files say, if this process has begun it.
    pub(crate) fn end(&mut self, store: &Store) -> Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        match self.status {
            Some(Status::Failed) => run.fail()?,
            _ => run.finish()?,
        }
        let mut times = store.edit(&self.id);
        if let Some(started_us) = self.started_us {
            times = times.started_us(started_us);
        }
        if let Some((_, last_us)) = self.times_us {
            times = times.ended_us(last_us);
        }
        times.apply().map(|_| ())
    }

    fn environment(&self) -> Params {
        let number = |n: u64| Param::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let files = self.files.iter().map(|(name, place)| {
            let mut facts = Params::from([("read".to_owned(), number(place.read))]);
            facts.extend(place.crc.map(|crc| ("crc32c".to_owned(), number(u64::from(crc)))));
            (name.clone(), Param::Map(facts))
        });
        let imported = Params::from([
            ("from".to_owned(), Param::Text("TensorBoard".to_owned())),
            ("folder".to_owned(), Param::Text(self.folder.to_string_lossy().into_owned())),
            ("files".to_owned(), Param::Map(files.collect())),
        ]);
        Params::from([(IMPORTED.to_owned(), Param::Map(imported))])
    }
}

/// Why an event was not taken.
enum EventFault {
    Store(Error),
    Event(&'static str),
}

impl From<Error> for EventFault {
    fn from(e: Error) -> EventFault {
        EventFault::Store(e)
    }
}

impl From<Malformed> for EventFault {
    fn from(_: Malformed) -> EventFault {
        EventFault::Event("an event is not encoded as its format says")
    }
}

impl EventPoints {
    fn push(
        &mut self,
        tag: &[u8],
        step: i64,
        time_us: i64,
        value: f64,
    ) -> std::result::Result<(), EventFault> {
        let code = match self.codes.get(tag) {
            Some(code) => *code,
            None => {
                let text = std::str::from_utf8(tag).map_err(|_| EventFault::Event("a tag is not UTF-8"))?;
                let code = i32::try_from(self.tags.len()).expect("a batch has few tags");
                self.tags.push(text.into());
                self.codes.insert(tag.to_vec(), code);
                code
            }
        };
        self.metrics.push(code);
        self.steps.push(step);
        self.times_us.push(time_us);
        self.values.push(value);
        Ok(())
    }

    fn batch(self, run: &str) -> RecordBatch {
        let codes = |codes: Vec<i32>, texts: StringArray| -> ArrayRef {
            Arc::new(DictionaryArray::new(Int32Array::from(codes), Arc::new(texts)))
        };
        RecordBatch::try_from_iter([
            ("run", codes(vec![0; self.values.len()], StringArray::from(vec![run]))),
            ("metric", codes(self.metrics, self.tags.iter().map(|tag| Some(&**tag)).collect())),
            ("step", Arc::new(Int64Array::from(self.steps)) as ArrayRef),
            ("time", Arc::new(Int64Array::from(self.times_us))),
            ("value", Arc::new(Float64Array::from(self.values))),
        ])
        .expect("columns of one length")
    }
}

/// A time in seconds as microseconds.
fn time_us(seconds: f64) -> Option<i64> {
    let us = (seconds * 1e6).round();
    let range = tidalite::TIME_US_MIN as f64..=tidalite::TIME_US_MAX as f64;
    range.contains(&us).then_some(us as i64)
}

/// The places that a run's environment holds.
fn places(info: &RunInfo, folder: &Path) -> Result<BTreeMap<String, EventFilePlace>> {
    let map = |param: Option<&Param>| match param {
        Some(Param::Map(map)) => Some(map.clone()),
        _ => None,
    };
    let Some(imported) = map(info.environment.get(IMPORTED)) else {
        let wrong = format!("the run {} is there already, and was not imported from event files", info.id);
        return Err(Error::invalid("import", wrong, "give another id for the imported runs").at(folder));
    };
    let number = |facts: &Params, key: &str| match facts.get(key) {
        Some(Param::Int(n)) => u64::try_from(*n).ok(),
        _ => None,
    };
    let files = map(imported.get("files")).unwrap_or_default();
    Ok(files
        .iter()
        .filter_map(|(name, facts)| {
            let facts = map(Some(facts))?;
            let crc = number(&facts, "crc32c").and_then(|crc| u32::try_from(crc).ok());
            Some((name.clone(), EventFilePlace { read: number(&facts, "read")?, crc, plugins: None }))
        })
        .collect())
}

/// # Errors
/// `Invalid` where the file has become shorter, or begins otherwise.
fn check_same(path: &Path, place: &EventFilePlace) -> Result<()> {
    let Ok(about) = std::fs::metadata(path) else {
        // It was imported, and is gone.
        return Ok(());
    };
    let is_same = about.len() >= place.read
        && match place.crc {
            Some(crc) => fingerprint(path, place.read)? == crc,
            None => true,
        };
    match is_same {
        true => Ok(()),
        false => Err(Error::invalid(
            "import",
            "the file was written anew since it was imported",
            "import it under another run id, or delete the run first",
        )
        .at(path)),
    }
}
