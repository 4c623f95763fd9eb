//! What a store has lost: places whose rows or changes to runs cannot be read any more. The manifest lists those that were
//! passed by permanently; a snapshot adds what it finds itself.
//!
//! Invariant: a list of them stays small ([`LOST_MAX`] entries of bounded size). Where more is lost, entries are joined: what
//! they say gets coarser and stays true.

use super::finding::Finding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use tidalite_log::{LogFinding, WriterDir};
use tidalite_model::{Labels, Moment, Seq, SeriesKey};
use tidalite_parts::PartMeta;

/// The most entries in a manifest.
pub(crate) const LOST_MAX: usize = 64;
/// The most runs that an entry lists, and the most bytes of their ids; beyond, it has their range.
const RUNS_MAX: usize = 32;
/// The most series that an entry names.
const SERIES_MAX: usize = 4;
/// The most bytes of text in either of the two lists.
const TEXT_BYTES_MAX: usize = 4096;

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// The file or folder, by its path in the store; an absolute path if another store lost it.
    pub(crate) file: String,
    /// The bytes in it; both 0 if they are not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) bytes: u64,
    /// Of a place in a log: the writer, the first frame, and the frame after the last one, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) frames: Option<(u32, u64, Option<u64>)>,
    /// The runs that it could have held something of.
    #[serde(default)]
    pub(crate) runs: LostRuns,
    /// Series that it held, as far as the damaged bytes tell: run, metric, labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) series: Vec<(String, String, String)>,
    /// The least and the greatest step, as far as the damaged bytes tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<(i64, i64)>,
    /// The number of rows, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
    /// The version that listed it first; 0 until one does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) since: u64,
}

/// The runs that a place could have held something of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LostRuns {
    /// Any.
    #[default]
    Any,
    /// These, ascending.
    Listed(Vec<String>),
    /// Any from the first to the last, both included.
    Between(String, String),
}

impl LostRuns {
    fn of(runs: BTreeSet<String>) -> LostRuns {
        let bytes: usize = runs.iter().map(String::len).sum();
        match (runs.first(), runs.last()) {
            (Some(first), Some(last)) if runs.len() > RUNS_MAX || bytes > TEXT_BYTES_MAX => {
                LostRuns::Between(first.clone(), last.clone())
            }
            _ => LostRuns::Listed(runs.into_iter().collect()),
        }
    }

    fn join(self, other: LostRuns) -> LostRuns {
        if let (LostRuns::Listed(a), LostRuns::Listed(b)) = (&self, &other) {
            return LostRuns::of(a.iter().chain(b).cloned().collect());
        }
        match (self.ends(), other.ends()) {
            (Some((a, b)), Some((c, d))) => LostRuns::Between(a.min(c), b.max(d)),
            // A list without runs adds nothing.
            (None, Some((a, b))) if self != LostRuns::Any => LostRuns::Between(a, b),
            (Some((a, b)), None) if other != LostRuns::Any => LostRuns::Between(a, b),
            _ => LostRuns::Any,
        }
    }

    fn ends(&self) -> Option<(String, String)> {
        match self {
            LostRuns::Any => None,
            LostRuns::Listed(runs) => Some((runs.first()?.clone(), runs.last()?.clone())),
            LostRuns::Between(first, last) => Some((first.clone(), last.clone())),
        }
    }

    /// For people.
    fn in_words(&self) -> String {
        match self {
            LostRuns::Any => "any run".into(),
            LostRuns::Listed(runs) => match &runs[..] {
                [run] => format!("run {run:?}"),
                [first, .., last] if runs.len() > 3 => {
                    format!("{} runs, {first:?} to {last:?}", runs.len())
                }
                _ => format!("runs {}", runs.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>().join(", ")),
            },
            LostRuns::Between(first, last) if first == last => format!("run {first:?}"),
            LostRuns::Between(first, last) => format!("runs from {first:?} to {last:?}"),
        }
    }
}

impl Lost {
    /// A place of which no more is known.
    fn at(root: &Path, path: &Path) -> Lost {
        let within = path.strip_prefix(root).unwrap_or(path);
        let names = within.components().map(|name| name.as_os_str().to_string_lossy());
        Lost {
            file: names.collect::<Vec<_>>().join("/"),
            offset: 0,
            bytes: 0,
            frames: None,
            runs: LostRuns::Any,
            series: Vec::new(),
            steps: None,
            rows: None,
            since: 0,
        }
    }

    /// A file whose content is unknown.
    pub(crate) fn file(root: &Path, path: &Path) -> Lost {
        Lost::at(root, path)
    }

    /// The frames of a writer whose folder is gone.
    pub(crate) fn log(root: &Path, folder: &Path, writer: u32, frames: Range<u64>) -> Lost {
        Lost { frames: Some((writer, frames.start, Some(frames.end))), ..Lost::at(root, folder) }
    }

    /// What a log has lost by a finding; `None` if nothing. `of_part` says whether a staged part may belong to it, whose runs
    /// no log declares.
    pub(crate) fn of_log(
        root: &Path,
        dir: &WriterDir,
        finding: &LogFinding,
        of_part: impl FnOnce() -> bool,
    ) -> Option<Lost> {
        let lost = finding.lost.as_ref()?;
        let runs = match &lost.runs {
            Some(runs) if !(lost.part && of_part()) => {
                LostRuns::of(runs.iter().map(ToString::to_string).collect())
            }
            _ => LostRuns::Any,
        };
        Some(Lost {
            offset: finding.offset,
            bytes: finding.bytes,
            frames: Some((dir.writer, lost.first, lost.end)),
            runs,
            series: named(&finding.series),
            steps: finding.steps,
            rows: finding.rows,
            ..Lost::at(root, &finding.path)
        })
    }

    /// A part that was left out.
    pub(crate) fn part(root: &Path, path: &Path, meta: &PartMeta) -> Lost {
        Lost {
            bytes: meta.bytes,
            runs: LostRuns::Between(meta.run_min.clone(), meta.run_max.clone()),
            steps: Some((meta.step_min, meta.step_max)),
            rows: Some(meta.thinned.unwrap_or(meta.rows)),
            ..Lost::at(root, path)
        }
    }

    /// What an answer left out by a finding.
    pub(crate) fn of_finding(root: &Path, finding: &Finding) -> Lost {
        Lost {
            offset: finding.offset,
            bytes: finding.bytes,
            runs: finding.run.clone().map_or(LostRuns::Any, |run| LostRuns::Listed(vec![run])),
            series: named(&finding.series),
            steps: finding.steps,
            rows: finding.rows,
            ..Lost::at(root, &finding.path)
        }
    }

    /// The same for another store: the file keeps its place, as an absolute path.
    pub(crate) fn of_other(self, root: &Path) -> Lost {
        Lost { file: root.join(&self.file).to_string_lossy().into_owned(), since: 0, ..self }
    }

    /// The same in a store where runs have other ids and the writer another number.
    pub(crate) fn renamed(
        mut self,
        run: impl Fn(&str) -> String,
        writer: impl Fn(u32) -> Option<u32>,
    ) -> Lost {
        self.frames = self.frames.and_then(|(w, first, end)| Some((writer(w)?, first, end)));
        self.runs = match self.runs {
            LostRuns::Listed(runs) => LostRuns::of(runs.iter().map(|id| run(id)).collect()),
            // Ids in between may have got others.
            LostRuns::Between(first, last) if run(&first) == first && run(&last) == last => {
                LostRuns::Between(first, last)
            }
            _ => LostRuns::Any,
        };
        for (of, ..) in &mut self.series {
            *of = run(of);
        }
        self
    }

    /// Whether it could have held something of a run that is `wanted`. `exact` lists these, if they are known by name.
    /// `deleted` gives what was deleted of a run; what came before is in no answer.
    pub(crate) fn concerns<'a>(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        exact: Option<&[&str]>,
        deleted: &dyn Fn(&str) -> Option<&'a Moment>,
    ) -> bool {
        let counts = |run: &str| {
            let last =
                self.frames.and_then(|(writer, _, end)| Some(Seq::new(writer, end?.saturating_sub(1))));
            let covered = |moment: &Moment| last.is_some_and(|last| moment.covers(last));
            !deleted(run).is_some_and(covered)
        };
        match &self.runs {
            LostRuns::Any => true,
            LostRuns::Listed(runs) => runs.iter().any(|run| wanted(run) && counts(run)),
            LostRuns::Between(first, last) => match exact {
                Some(exact) => {
                    exact.iter().any(|run| first.as_str() <= *run && *run <= last.as_str() && counts(run))
                }
                None => true,
            },
        }
    }

    /// What is lost, for people.
    pub(crate) fn in_words(&self) -> String {
        let what = match (self.frames, self.rows) {
            (Some((writer, first, Some(end))), _) => {
                let n = end.saturating_sub(first);
                let frames = if n == 1 { "1 frame".to_string() } else { format!("{n} frames") };
                format!("{frames} of writer {writer} from frame {first} on could not be read")
            }
            (Some((writer, first, None)), _) => {
                format!(
                    "frames of writer {writer} from frame {first} on could not be read, an unknown number"
                )
            }
            (None, Some(rows)) => format!("{rows} points could not be read"),
            (None, None) => "it could not be read".into(),
        };
        let of = match (&self.runs, self.frames) {
            (LostRuns::Listed(runs), _) if runs.is_empty() => {
                return format!("{what}; they held no run's rows");
            }
            (runs, Some(_)) => format!("they may have held rows or changes of {}", runs.in_words()),
            (runs, None) => format!("of {}", runs.in_words()),
        };
        format!("{what}; {of}")
    }

    /// The keys of the series that it names.
    pub(crate) fn keys(&self) -> Vec<SeriesKey> {
        let key = |(run, metric, labels): &(String, String, String)| {
            Some(SeriesKey::new(run.as_str(), metric.as_str(), Labels::parse(labels).ok()?))
        };
        self.series.iter().filter_map(key).collect()
    }

    /// The run, if it is a single one.
    pub(crate) fn run(&self) -> Option<&str> {
        match &self.runs {
            LostRuns::Listed(runs) => runs.first().filter(|_| runs.len() == 1).map(String::as_str),
            LostRuns::Between(first, last) => (first == last).then_some(first),
            LostRuns::Any => None,
        }
    }

    /// Whether another entry says the same of the same frames, or more.
    pub(crate) fn is_within(&self, other: &Lost) -> bool {
        match (self.frames, other.frames) {
            (Some((w, first, end)), Some((v, from, to))) => {
                other.runs.clone().join(self.runs.clone()) == other.runs
                    && w == v
                    && from <= first
                    && (to.is_none() || end.zip(to).is_some_and(|(end, to)| end <= to))
            }
            (None, None) => Lost { since: other.since, ..self.clone() } == *other,
            _ => false,
        }
    }

    fn join(self, other: Lost) -> Lost {
        let same = self.file == other.file;
        let end = |l: &Lost| l.offset.saturating_add(l.bytes);
        let offset = if same { self.offset.min(other.offset) } else { 0 };
        let bytes = if same { end(&self).max(end(&other)) - offset } else { 0 };
        let frames = match (self.frames, other.frames) {
            (Some((w, a, b)), Some((v, c, d))) if w == v => {
                Some((w, a.min(c), b.zip(d).map(|(b, d)| b.max(d))))
            }
            _ => None,
        };
        let mut series = self.series;
        series.extend(other.series);
        series.dedup();
        let (a, b) = (self.steps, other.steps);
        Lost {
            file: if same { self.file } else { common_folder(&self.file, &other.file) },
            offset,
            bytes,
            frames,
            runs: self.runs.join(other.runs),
            series: bounded(series),
            steps: a.zip(b).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))),
            rows: self.rows.zip(other.rows).map(|(a, b)| a.saturating_add(b)),
            since: if self.since.min(other.since) == 0 { 0 } else { self.since.max(other.since) },
        }
    }
}

/// Adds an entry that is not listed yet. Where there are too many, two are joined: of one file, if there are such.
pub(crate) fn add(list: &mut Vec<Lost>, lost: Lost) {
    if list.iter().any(|known| lost.is_within(known)) {
        return;
    }
    list.push(lost);
    while list.len() > LOST_MAX {
        let at = list.windows(2).position(|pair| pair[0].file == pair[1].file).unwrap_or(0);
        let (first, second) = (list.remove(at), list.remove(at));
        list.insert(at, first.join(second));
    }
}

fn named(keys: &[SeriesKey]) -> Vec<(String, String, String)> {
    let of = |key: &SeriesKey| (key.run.to_string(), key.metric.to_string(), key.labels.as_str().to_string());
    bounded(keys.iter().take(SERIES_MAX).map(of).collect())
}

fn bounded(series: Vec<(String, String, String)>) -> Vec<(String, String, String)> {
    let mut bytes = 0;
    let fits = |(run, metric, labels): &(String, String, String)| {
        bytes += run.len() + metric.len() + labels.len();
        bytes <= TEXT_BYTES_MAX
    };
    series.into_iter().take(SERIES_MAX).take_while(fits).collect()
}

fn common_folder(a: &str, b: &str) -> String {
    let same = a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).map(|(a, _)| a);
    same.collect::<Vec<_>>().join("/")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(file: &str, first: u64, runs: &[&str]) -> Lost {
        Lost {
            offset: first * 100,
            bytes: 50,
            frames: Some((1, first, Some(first + 1))),
            runs: LostRuns::of(runs.iter().map(ToString::to_string).collect()),
            rows: Some(1),
            ..Lost::at(Path::new("/s"), &Path::new("/s").join(file))
        }
    }

    #[test]
    fn a_list_stays_small_and_still_covers_all_that_was_added() {
        let mut list = Vec::new();
        let all: Vec<Lost> = (0..1000u64)
            .map(|i| frames(&format!("log/{}", i / 300), 2 * i, &[&format!("r{}", i % 50)]))
            .collect();
        for lost in &all {
            add(&mut list, lost.clone());
            add(&mut list, lost.clone());
        }
        assert_eq!(list.len(), LOST_MAX);
        assert!(serde_json::to_string(&list).unwrap().len() < 1 << 20);
        for lost in &all {
            let LostRuns::Listed(runs) = &lost.runs else { panic!() };
            assert!(list.iter().any(|l| l.concerns(&|r| *r == runs[0], None, &|_| None)), "{lost:?}");
        }
        assert_eq!(list.iter().map(|l| l.rows.unwrap()).sum::<u64>(), 1000);
    }

    #[test]
    fn only_runs_that_a_place_could_have_held_are_concerned() {
        let lost = frames("log/1/1.seg", 7, &["a", "c"]);
        let concerns = |lost: &Lost, run: &str| lost.concerns(&|r| r == run, Some(&[run]), &|_| None);
        assert!(concerns(&lost, "a") && concerns(&lost, "c") && !concerns(&lost, "b"));
        let between =
            lost.clone().join(Lost { runs: LostRuns::Between("x".into(), "z".into()), ..lost.clone() });
        assert!(concerns(&between, "b") && concerns(&between, "z") && !concerns(&between, "zz"));
        assert!(concerns(&Lost { runs: LostRuns::Any, ..lost.clone() }, "b"));
        // What was deleted later is in no answer.
        let deleted = Moment::new(2, []);
        assert!(!lost.concerns(&|r| r == "a", None, &|run| (run == "a").then_some(&deleted)));
        assert!(lost.concerns(&|_| true, None, &|run| (run == "a").then_some(&deleted)));
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let lost = Lost { steps: Some((-3, 9)), since: 4, ..frames("log/1/1.seg", 7, &["a"]) };
        let text = serde_json::to_string(&lost).unwrap();
        assert_eq!(serde_json::from_str::<Lost>(&text).unwrap(), lost, "{text}");
        assert_eq!(
            text,
            r#"{"file":"log/1/1.seg","offset":700,"bytes":50,"frames":[1,7,8],"runs":{"listed":["a"]},"steps":[-3,9],"rows":1,"since":4}"#
        );
    }
}
