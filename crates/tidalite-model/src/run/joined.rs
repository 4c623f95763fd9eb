//! Joining the records of one run in two stores.
//!
//! Invariants: writes are named alike in both records ([`RunRecord::moved`] does that). What one store has seen and no
//! longer holds, it has dropped, so the other's copy is dropped too. Joining again changes nothing.

use super::change::Parent;
use super::participant::Participants;
use super::record::{Latest, LatestField, Rewind, RunRecord};
use crate::{Moment, Seq, WriteOrder};
use std::collections::BTreeMap;

/// What changes where a record moves to another store.
pub trait Moving {
    /// The place there of a write.
    fn seq(&self, seq: Seq) -> Seq;
    /// The moment there.
    fn moment(&self, moment: &Moment) -> Moment;
    /// The id there of a run.
    fn run(&self, id: &str) -> String;
}

impl RunRecord {
    /// The same record in another store.
    #[must_use]
    pub fn moved(&self, to: &impl Moving) -> RunRecord {
        let order = |o: WriteOrder| WriteOrder::new(o.clock_us, to.seq(o.seq));
        fn field<T: Clone>(f: &LatestField<T>, order: impl Fn(WriteOrder) -> WriteOrder) -> LatestField<T> {
            f.as_ref().map(|f| Box::new(Latest { value: f.value.clone(), order: order(f.order) }))
        }
        let parent = |p: &Parent| Parent { run: to.run(&p.run), step: p.step };
        let participants = self.participants.iter().map(|(o, p)| {
            let mut moved = p.clone();
            moved.gone = to.moment(&p.gone);
            (order(*o), moved)
        });
        let rewinds = self.rewinds.iter().map(|(seq, rewind)| {
            let before = to.moment(&rewind.before);
            (to.seq(*seq), Rewind { before, ..rewind.clone() })
        });
        RunRecord {
            params: moved_map(&self.params, order),
            tags: moved_map(&self.tags, order),
            name: field(&self.name, order),
            notes: field(&self.notes, order),
            group: field(&self.group, order),
            environment: field(&self.environment, order),
            parent: self
                .parent
                .as_ref()
                .map(|f| Box::new(Latest { value: f.value.as_ref().map(parent), order: order(f.order) })),
            status: field(&self.status, order),
            started_us: field(&self.started_us, order),
            ended_us: field(&self.ended_us, order),
            participants: participants.collect(),
            rewinds: rewinds.collect(),
            deleted: self.deleted.as_ref().map(|m| to.moment(m)),
        }
    }

    /// Adds what another store's record of this run says. `seen_here` says which writes this record's store has seen, and
    /// `dropped_there` which starts the other store has seen and taken back.
    pub fn join(
        &mut self,
        other: &RunRecord,
        seen_here: impl Fn(Seq) -> bool,
        dropped_there: impl Fn(WriteOrder) -> bool,
    ) {
        if let Some(before) = &other.deleted {
            self.delete(before);
        }
        let mut other = other.clone();
        if let Some(before) = &self.deleted {
            other.delete(before);
        }
        join_map(&mut self.params, other.params);
        join_map(&mut self.tags, other.tags);
        join_field(&mut self.name, other.name);
        join_field(&mut self.notes, other.notes);
        join_field(&mut self.group, other.group);
        join_field(&mut self.environment, other.environment);
        join_field(&mut self.parent, other.parent);
        join_field(&mut self.status, other.status);
        join_field(&mut self.started_us, other.started_us);
        join_field(&mut self.ended_us, other.ended_us);
        self.join_participants(other.participants, seen_here, dropped_there);
        for (seq, rewind) in other.rewinds {
            self.rewinds.entry(seq).or_insert(rewind);
        }
    }

    fn join_participants(
        &mut self,
        others: Participants,
        seen_here: impl Fn(Seq) -> bool,
        dropped_there: impl Fn(WriteOrder) -> bool,
    ) {
        self.participants.retain(|order, _| others.contains_key(order) || !dropped_there(*order));
        for (order, other) in others {
            match self.participants.get_mut(&order) {
                Some(own) if own.ended.is_none() => own.ended = other.ended,
                Some(_) => {}
                None if seen_here(order.seq) => {}
                None => {
                    self.participants.insert(order, other);
                }
            }
        }
    }

    /// The same record with other moments.
    pub fn change_moments(&mut self, change: impl Fn(&mut Moment)) {
        self.participants.values_mut().for_each(|p| change(&mut p.gone));
        self.rewinds.values_mut().for_each(|r| change(&mut r.before));
        self.deleted.iter_mut().for_each(change);
    }

    /// The places of all writes that it holds something of.
    pub fn seqs(&self) -> impl Iterator<Item = Seq> {
        let texts = [&self.name, &self.notes, &self.group].into_iter().flatten().map(|f| f.order.seq);
        let times = [&self.started_us, &self.ended_us].into_iter().flatten().map(|f| f.order.seq);
        let environment = self.environment.iter().map(|f| f.order.seq);
        let parent = self.parent.iter().map(|f| f.order.seq).chain(environment);
        let status = self.status.iter().map(|f| f.order.seq);
        let params = self.params.values().map(|p| p.order.seq);
        let tags = self.tags.values().map(|t| t.order.seq);
        let starts = self.participants.keys().map(|o| o.seq);
        let rewinds = self.rewinds.keys().copied();
        texts.chain(times).chain(parent).chain(status).chain(params).chain(tags).chain(starts).chain(rewinds)
    }
}

fn moved_map<T: Clone>(
    map: &BTreeMap<String, Latest<T>>,
    order: impl Fn(WriteOrder) -> WriteOrder,
) -> BTreeMap<String, Latest<T>> {
    let moved = |(key, held): (&String, &Latest<T>)| {
        (key.clone(), Latest { value: held.value.clone(), order: order(held.order) })
    };
    map.iter().map(moved).collect()
}

fn join_map<T>(own: &mut BTreeMap<String, Latest<T>>, others: BTreeMap<String, Latest<T>>) {
    for (key, other) in others {
        if own.get(&key).is_none_or(|held| held.order < other.order) {
            own.insert(key, other);
        }
    }
}

fn join_field<T>(own: &mut LatestField<T>, other: LatestField<T>) {
    if let Some(other) = other
        && own.as_ref().is_none_or(|held| held.order < other.order)
    {
        *own = Some(other);
    }
}
