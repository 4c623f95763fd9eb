//! Following: only what is new since a cursor.
//!
//! A cursor says which frames of each writer were seen, whether they are still in a log or already in a part: parts
//! keep each point's seq, so a late follower finds its position in them.
//!
//! New points of one series may lie in several parts, in the logs of several writers, and there in rows of several
//! layouts and in batches. Each poll brings them together and sorts them by seq.

use super::cursor::Cursor;
use super::selection::Selection;
use crate::engine::log_tail::{TailEnd, TailView};
use crate::engine::store::Store;
use crate::engine::watching::StoreWatch;
use crate::files::finding::Finding;
use crate::files::lost::Lost;
use crate::files::writer_table;
use crate::parts::scan::{RowRef, read_through};
use crate::view::losses::{part_error, part_finding};
use crate::view::snapshot::Snapshot;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use arrow::array::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result, SEQ_ORDINAL_MAX, Seq, SeriesKey};
use tidalite_parts::{ColumnSet, Part, PartMeta};
use tidalite_query::{Points, PointsBuilder, SeriesFilter};
use uuid::Uuid;

/// Returns the points of a selection as they are written, each once, repeats included.
///
/// The points of a series that one writer wrote come in the order of writing, in each poll and over all polls, whether
/// they are still in the log or already in parts. The points of one batch are written at once; they ascend by step. If
/// several writers write one series, each poll returns its new points writer by writer.
///
/// A fork has the points written to it, and none that it inherits. Each poll evaluates run filters anew, and whether a
/// text is a name that exists or a glob. If a run matches only later, points that earlier polls passed are not returned.
/// Points that are hidden or deleted by the time of a poll are not returned by it.
#[derive(Debug)]
pub struct Follow {
    select: Selection,
    cursor: Cursor,
    /// The live parts at the last poll, all of whose points were seen.
    passed: BTreeSet<Uuid>,
    /// The sighting of the store at the last poll.
    sighting: u64,
    /// Its number among those that wait for changes of the store.
    who: u64,
}

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
        let now = end_of(&self.snapshot()?, &Cursor::default());
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
        let (select, who) = (self.checked()?, StoreWatch::new_number());
        Ok(Follow { select, cursor, passed: BTreeSet::new(), sighting: 0, who })
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
    /// As [`Selection::points`]; the cursor then stays, so that nothing is skipped. To skip damage, follow a selection
    /// that [reports it](Selection::on_damage).
    pub fn poll(&mut self) -> Result<Vec<RecordBatch>> {
        let Some(store) = self.select.store() else { return self.read(&self.select.snapshot()?) };
        let state = store.state()?.clone();
        if state.watching.unchanged() == Some(self.sighting) {
            return Ok(Vec::new());
        }
        let take = || {
            let view = Snapshot::take(&state)?.view;
            let logs = view.tails.iter().filter_map(TailView::watched).collect();
            Ok((view, logs))
        };
        state.followers.get()?.install(|| {
            let (view, sighting) = state.watching.see(take)?;
            let found = self.read(&Snapshot { state: state.clone(), view })?;
            self.sighting = sighting;
            Ok(found)
        })
    }

    /// The points of a snapshot that are new.
    fn read(&mut self, snapshot: &Snapshot) -> Result<Vec<RecordBatch>> {
        let end = end_of(snapshot, &self.cursor);
        if end == self.cursor {
            return Ok(Vec::new());
        }
        let seen = seen_of(snapshot, &self.cursor)?;
        self.meet_losses(snapshot, &seen)?;
        let wanted = self.select.series_filter(snapshot)?;
        let snapshot = snapshot.with_hidden(|meta| self.may_be_new(&seen, meta))?;
        let mut found = Found::new();
        self.gather_parts(&snapshot, &seen, &wanted, &mut found)?;
        for tail in &snapshot.view.tails {
            let seqs = (tail.seqs.0.max(seen.of(tail.writer)), tail.seqs.1);
            if seqs.0 < seqs.1 {
                for (key, points) in tail.points_of(seqs, &|key| wanted.matches(key), &snapshot.state.pool)? {
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
        self.cursor = end;
        self.passed = snapshot.view.version.manifest.parts.iter().map(|meta| meta.id).collect();
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
            match self.select.store() {
                Some(store) => {
                    let state = store.state()?;
                    state.watching.wait(self.sighting, left)?;
                }
                // A snapshot never changes.
                None => std::thread::sleep(left),
            }
        }
    }

    /// Wakes a waker once the store has changed since the last poll; at once if it has. Then poll again: there may be new
    /// points, of this selection or of another. No thread waits meanwhile. A later call replaces an earlier waker. A
    /// follower of a snapshot never wakes one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::mpsc::{SyncSender, sync_channel};
    /// use std::task::{Wake, Waker};
    /// use std::time::Duration;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// struct Bell(SyncSender<()>);
    /// impl Wake for Bell {
    ///     fn wake(self: Arc<Self>) {
    ///         let _ = self.0.try_send(());
    ///     }
    /// }
    /// let (bell, rung) = sync_channel(1);
    /// let mut follow = store.select().follow_new()?;
    /// assert!(follow.poll()?.is_empty());
    /// follow.wake_on_change(&Waker::from(Arc::new(Bell(bell))))?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// rung.recv_timeout(Duration::from_secs(9)).unwrap();
    /// assert_eq!(follow.poll()?[0].num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if the store is gone; `Io` if no thread can be started.
    pub fn wake_on_change(&self, waker: &Waker) -> Result<()> {
        let Some(store) = self.select.store() else { return Ok(()) };
        let state = store.state()?;
        state.watching.wake(self.sighting, self.who, waker)
    }

    /// The tombstones of a series in a snapshot.
    fn tombstones_of(&self, snapshot: &Snapshot, key: &SeriesKey) -> Option<Arc<Tombstones>> {
        let record = snapshot.view.runs.get(&key.run)?;
        Tombstones::of(record, self.select.sees_hidden())?.of_series(&key.metric, &key.labels)
    }

    /// Whether a part may hold points that the cursor has not seen.
    fn may_be_new(&self, cursor: &Cursor, meta: &PartMeta) -> bool {
        let of_gone = |&(first, last, hi): &(u32, u32, u64)| cursor.has_seen_all(first, last, hi);
        let is_seen = meta.seq.iter().all(|&(writer, _, hi)| cursor.has_seen(writer, hi))
            && meta.seq_gone.iter().all(of_gone);
        !is_seen && !self.passed.contains(&meta.id)
    }

    /// Reports places that cannot be read and that hold something new.
    fn meet_losses(&self, snapshot: &Snapshot, seen: &Cursor) -> Result<()> {
        if snapshot.view.losses.is_empty() {
            return Ok(());
        }
        let is_new = |lost: &Lost| {
            let listed_before = lost.since != 0 && lost.since <= self.cursor.version();
            let passed = lost.frames.is_some_and(|(writer, _, end)| {
                seen.has_seen(writer, end.map_or(SEQ_ORDINAL_MAX, |end| end.saturating_sub(1)))
            });
            !listed_before && !passed
        };
        self.select.meet_new_losses(snapshot, "follow", &is_new)
    }

    /// The damage that the polls so far have left out, if the selection [reports damage](Selection::on_damage).
    ///
    /// ```
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let mut follow = store.select().on_damage(OnDamage::Report).follow()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// follow.poll()?;
    /// assert!(follow.damage().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn damage(&self) -> Vec<Finding> {
        self.select.damage()
    }

    /// Adds the points of parts that the cursor has not seen.
    fn gather_parts(
        &self,
        snapshot: &Snapshot,
        cursor: &Cursor,
        wanted: &SeriesFilter,
        found: &mut Found,
    ) -> Result<()> {
        for (meta, error) in snapshot.view.broken.iter().filter(|(meta, _)| self.may_be_new(cursor, meta)) {
            self.select.damage.meet(|| part_finding(meta, error), || part_error(error))?;
        }
        let parts = &snapshot.view.parts;
        for (p, part) in parts.iter().enumerate().filter(|(_, part)| self.may_be_new(cursor, part.meta())) {
            let (rows, keys) = self.unseen_rows(snapshot, (p, part), cursor, wanted)?;
            if rows.is_empty() {
                continue;
            }
            read_through(parts, &rows, ColumnSet::ALL, &self.select.damage, &mut |i, view| {
                let new = found.entry(keys[i].clone()).or_default();
                let is_new = |i: &usize| {
                    view.seqs[*i] >= cursor.of(Seq::from_i64(view.seqs[*i]).map_or(0, Seq::writer))
                };
                for i in (0..view.seqs.len()).filter(is_new) {
                    new.extend(view.slice(i..i + 1));
                }
            })?;
        }
        Ok(())
    }

    /// The rows of a part's series table that may hold points which the cursor has not seen, and their series.
    fn unseen_rows(
        &self,
        snapshot: &Snapshot,
        (p, part): (usize, &Part),
        cursor: &Cursor,
        wanted: &SeriesFilter,
    ) -> Result<(Vec<RowRef>, Vec<SeriesKey>)> {
        let table = part.series();
        let mut details = table.reader();
        let (mut rows, mut keys) = (Vec::new(), Vec::new());
        for (r, row) in table.entries().enumerate() {
            let key = table.key(&row);
            if !wanted.matches(&key) {
                continue;
            }
            let seqs = details.of(r)?.seqs();
            let writer = Seq::from_i64(seqs.1).map_or(0, Seq::writer);
            // The last frame decides for a row of one writer; a row of several has to be read.
            let one = Seq::from_i64(seqs.0).map_or(0, Seq::writer) == writer;
            // The points left of a thinned row keep their order of writing, so it has to be read too.
            let one = one && !part.meta().is_thinned();
            let seen = one && seqs.1 < cursor.of(writer);
            let tombstones = || self.tombstones_of(snapshot, &key);
            if !seen
                && tombstones()
                    .is_none_or(|h| h.coverage(row.steps(), seqs, Automatic::of(&row)) != Coverage::All)
            {
                rows.push(RowRef::new(p, r));
                keys.push(key);
            }
        }
        Ok((rows, keys))
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if let Some(state) = self.select.store().and_then(Store::state_here) {
            state.watching.forget(self.who);
        }
    }
}

/// The new points of each series, in no order.
type Found = BTreeMap<SeriesKey, Points>;

/// Sorts points by seq. Points of one batch have one seq and are sorted by step, since parts keep no other order of a
/// batch. Points of one batch and one step keep their order.
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

/// The cursor after everything in a snapshot, and after everything that `before` has seen.
fn end_of(snapshot: &Snapshot, before: &Cursor) -> Cursor {
    let view = &snapshot.view;
    let manifest = &view.version.manifest;
    let logs: Vec<TailEnd> = view.tails.iter().map(TailView::end).collect();
    before.after(manifest.version, manifest.writer_next, &logs)
}

/// The frames of a snapshot that a cursor has seen: those of the cursor, without what merges have brought since.
///
/// # Errors
/// Those of reading the writer table.
fn seen_of(snapshot: &Snapshot, cursor: &Cursor) -> Result<Cursor> {
    let state = &snapshot.state;
    let manifest = &snapshot.view.version.manifest;
    let brought = writer_table::brought_after(&*state.vfs, &state.paths, manifest, cursor.version())?;
    Ok(cursor.before_merges(&brought))
}
