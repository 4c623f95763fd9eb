//! Following: only what is new since a cursor.
//!
//! A cursor holds the next frame to see of each writer. Earlier frames count as seen, whether they are still in a log
//! or already in a part: parts keep each point's seq, so a late follower finds its position in them.
//!
//! New points of one series may lie in several parts, in the logs of several writers, and there in rows of several
//! layouts and in batches. Each poll brings them together and sorts them by seq.

use super::selection::Selection;
use crate::parts::scan::{RowRef, read_rows, steps_of};
use crate::view::snapshot::Snapshot;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use arrow::array::RecordBatch;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result, Seq, SeriesKey};
use tidalite_parts::{ColumnSet, PartMeta};
use tidalite_query::{Points, PointsBuilder, SeriesFilter};

/// A position in the stream of all writes: the next frame to see of each writer. Its text form can be kept and
/// parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    next: BTreeMap<u32, u64>,
}

impl fmt::Display for Cursor {
    /// `writer:ordinal` pairs joined by `,`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (writer, next)) in self.next.iter().enumerate() {
            write!(f, "{}{writer}:{next}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor> {
        let wrong = |pair: &str| {
            Error::invalid(
                "read cursor",
                format!("{pair:?} is not writer:ordinal"),
                "give a cursor as `follow` printed it",
            )
        };
        let mut next = BTreeMap::new();
        for pair in text.split(',').filter(|p| !p.is_empty()) {
            let (writer, ordinal) = pair.split_once(':').ok_or_else(|| wrong(pair))?;
            next.insert(writer.parse().map_err(|_| wrong(pair))?, ordinal.parse().map_err(|_| wrong(pair))?);
        }
        Ok(Cursor { next })
    }
}

impl Cursor {
    fn has_seen(&self, writer: u32, ordinal: u64) -> bool {
        self.next.get(&writer).is_some_and(|&next| ordinal < next)
    }

    fn of(&self, writer: u32) -> i64 {
        Seq::new(writer, self.next.get(&writer).copied().unwrap_or(0)).as_i64()
    }
}

/// Returns the points of a selection as they are written, each once, repeats included.
///
/// The points of a series that one writer wrote come in the order of writing, in each poll and over all polls, whether
/// they are still in the log or already in parts. The points of one batch are written at once; they ascend by step. If
/// several writers write one series, each poll returns its new points writer by writer.
///
/// A fork has the points written to it, and none that it inherits. A run filter is evaluated at each poll, and so is
/// whether a text is a name that exists or a glob: where a run matches only later, points that earlier polls passed are
/// not returned. Points that are hidden or deleted by the time of a poll are not
/// returned by it.
#[derive(Debug)]
pub struct Follow {
    select: Selection,
    cursor: Cursor,
}

/// How often a waiting follower polls. A poll costs a few system calls per writer.
const POLL: Duration = Duration::from_millis(4);

impl Selection {
    /// Follows the selection from its beginning: the first poll returns all points so far.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let mut follow = store.select().metric("loss").follow()?;
    /// assert_eq!(follow.poll()?[0].num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`follow_from`](Self::follow_from).
    pub fn follow(&self) -> Result<Follow> {
        self.follow_from(Cursor::default())
    }

    /// Follows what is written from now on.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let mut follow = store.select().follow_new()?;
    /// assert!(follow.poll()?.is_empty());
    /// run.log(1, &[("loss", 0.5)])?;
    /// assert_eq!(follow.poll()?[0].num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::snapshot`](crate::Store::snapshot) and [`follow_from`](Self::follow_from).
    pub fn follow_new(&self) -> Result<Follow> {
        let now = ends(&self.snapshot()?, &Cursor::default());
        self.follow_from(now)
    }

    /// Follows from the cursor of another follower.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let mut first = store.select().follow()?;
    /// first.poll()?;
    /// let text = first.cursor().to_string();
    /// run.log(1, &[("loss", 0.5)])?;
    /// let mut second = store.select().follow_from(text.parse()?)?;
    /// assert_eq!(second.poll()?[0].num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a malformed pattern, and for a selection that chooses series by what they hold or transforms them.
    pub fn follow_from(&self, cursor: Cursor) -> Result<Follow> {
        if self.has_having() {
            return Err(Error::invalid(
                "follow selection",
                "it chooses series by what they hold, which changes as they are written",
                "follow it without `having`",
            ));
        }
        if self.has_transforms() {
            return Err(Error::invalid(
                "follow selection",
                "it transforms series, and a follower returns points as they were written",
                "follow it without `transform`",
            ));
        }
        Ok(Follow { select: self.checked()?, cursor })
    }
}

impl Follow {
    /// The follower's position.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let mut follow = store.select().follow()?;
    /// let start = follow.cursor().clone();
    /// run.log(0, &[("loss", 1.0)])?;
    /// follow.poll()?;
    /// assert_ne!(follow.cursor(), &start);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The new points, without waiting; empty where there are none. Series ascend; the points of each are in the order
    /// of writing, writer by writer (see [`Follow`]).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let mut follow = store.select().follow()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(follow.poll()?[0].num_rows(), 1);
    /// assert!(follow.poll()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Selection::points`]; the cursor then stays, so that nothing is skipped.
    pub fn poll(&mut self) -> Result<Vec<RecordBatch>> {
        let snapshot = self.select.snapshot()?;
        let ends = ends(&snapshot, &self.cursor);
        if ends == self.cursor {
            return Ok(Vec::new());
        }
        let wanted = self.select.series_filter(&snapshot)?;
        let unseen =
            |meta: &PartMeta| !meta.seq.iter().all(|&(writer, _, hi)| self.cursor.has_seen(writer, hi));
        let snapshot = snapshot.with_hidden(unseen)?;
        let mut found = Found::new();
        self.gather_parts(&snapshot, &wanted, &mut found)?;
        for tail in &snapshot.view.tails {
            let seqs = (tail.seqs.0.max(self.cursor.of(tail.writer)), tail.seqs.1);
            if seqs.0 < seqs.1 {
                for (key, points) in tail.points_of(seqs, &|key| wanted.matches(key), &snapshot.inner.pool)? {
                    found.entry(key).or_default().extend(&points);
                }
            }
        }
        let filter = self.select.point_filter();
        let mut builder = PointsBuilder::new();
        for (key, points) in found {
            let mut points = in_write_order(points);
            if let Some(tombstones) = self.tombstones_of(&snapshot, &key) {
                tombstones.apply(&mut points);
            }
            filter.apply(&mut points);
            builder.push_series(&key, points);
        }
        let batches = builder.finish();
        self.cursor = ends;
        Ok(batches.into_iter().filter(|b| b.num_rows() > 0).collect())
    }

    /// As [`poll`](Self::poll), but waits up to `timeout` for new points.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let mut follow = store.select().follow()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(follow.wait(Duration::from_secs(9))?[0].num_rows(), 1);
    /// assert!(follow.wait(Duration::from_millis(1))?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn wait(&mut self, timeout: Duration) -> Result<Vec<RecordBatch>> {
        let start = Instant::now();
        loop {
            let batches = self.poll()?;
            let left = timeout.saturating_sub(start.elapsed());
            if !batches.is_empty() || left.is_zero() {
                return Ok(batches);
            }
            std::thread::sleep(POLL.min(left));
        }
    }

    /// The tombstones of a series in a snapshot.
    fn tombstones_of(&self, snapshot: &Snapshot, key: &SeriesKey) -> Option<Arc<Tombstones>> {
        let record = snapshot.view.runs.get(&*key.run)?;
        Tombstones::of(record, self.select.sees_hidden())?.of_series(&key.metric, &key.labels)
    }

    /// Adds the points of parts that the cursor has not seen.
    fn gather_parts(&self, snapshot: &Snapshot, wanted: &SeriesFilter, found: &mut Found) -> Result<()> {
        for (meta, error) in &snapshot.view.broken {
            if !meta.seq.iter().all(|&(writer, _, hi)| self.cursor.has_seen(writer, hi)) {
                return Err(error.duplicate());
            }
        }
        let parts = &snapshot.view.parts;
        for (p, part) in parts.iter().enumerate() {
            if part.meta().seq.iter().all(|&(writer, _, hi)| self.cursor.has_seen(writer, hi)) {
                continue;
            }
            let table = part.series();
            let mut details = table.reader();
            let mut lists: Vec<Vec<RowRef>> = Vec::new();
            let mut keys: Vec<SeriesKey> = Vec::new();
            for (r, row) in table.entries().iter().enumerate() {
                let key = table.key(row);
                if !wanted.matches(&key) {
                    continue;
                }
                let seqs = details.of(r)?.seqs();
                let writer = Seq::from_i64(seqs.1).map_or(0, Seq::writer);
                // The last frame decides for a row of one writer; a row of several has to be read.
                let one = Seq::from_i64(seqs.0).map_or(0, Seq::writer) == writer;
                // The points left of a thinned row keep their order of writing, so it has to be read too.
                let one = one && !part.meta().is_thinned();
                let seen = one && seqs.1 < self.cursor.of(writer);
                let tombstones = || self.tombstones_of(snapshot, &key);
                if !seen
                    && tombstones()
                        .is_none_or(|h| h.coverage(steps_of(row), seqs, Automatic::of(row)) != Coverage::All)
                {
                    lists.push(vec![RowRef::new(p, r)]);
                    keys.push(key);
                }
            }
            let columns = ColumnSet::ALL;
            for (lists, keys) in lists.chunks(64).zip(keys.chunks(64)) {
                for (key, chunks) in keys.iter().zip(read_rows(parts, lists, columns)?) {
                    let new = found.entry(key.clone()).or_default();
                    for points in chunks {
                        for i in 0..points.len() {
                            let writer = Seq::from_i64(points.seqs[i]).map_or(0, Seq::writer);
                            if points.seqs[i] >= self.cursor.of(writer) {
                                new.extend(points.view().slice(i..i + 1));
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The new points of each series, in no order.
type Found = BTreeMap<SeriesKey, Points>;

/// Sorts points by seq. Those of one batch have one seq, and parts keep only their order by step, so this is their
/// order here too. Points of one batch and one step keep their order.
fn in_write_order(points: Points) -> Points {
    let key = |i: usize| (points.seqs[i], points.steps[i]);
    if (1..points.len()).all(|i| key(i - 1) <= key(i)) {
        return points;
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&i| key(i));
    let mut sorted = Points::with_capacity(points.len());
    for i in order {
        sorted.extend(points.view().slice(i..i + 1));
    }
    sorted
}

/// The cursor after everything in a snapshot.
fn ends(snapshot: &Snapshot, before: &Cursor) -> Cursor {
    let mut next = before.next.clone();
    let mut raise = |writer: u32, ordinal: u64| {
        let entry = next.entry(writer).or_insert(0);
        *entry = (*entry).max(ordinal);
    };
    for part in &snapshot.view.version.manifest.parts {
        for &(writer, _, hi) in &part.seq {
            raise(writer, hi + 1);
        }
    }
    for state in &snapshot.view.version.manifest.writers {
        raise(state.writer, state.flushed);
    }
    for tail in &snapshot.view.tails {
        let end = Seq::from_i64(tail.seqs.1).map_or(0, Seq::ordinal);
        raise(tail.writer, end);
    }
    Cursor { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_from_its_text() {
        let cursor = Cursor { next: BTreeMap::from([(1, 20), (7, 0)]) };
        assert_eq!(cursor.to_string(), "1:20,7:0");
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!("1:x".parse::<Cursor>().is_err());
        assert!("1".parse::<Cursor>().is_err());
    }
}
