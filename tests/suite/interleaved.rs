//! Two writers, an editor, a housekeeper and a reader take turns at each access of the disk: what is seen is a consistent
//! cut, and the later write wins.
//!
//! Method: on a simulated disk that asks a scheduler before each access. One actor runs at a time; the scheduler draws
//! who goes on, from a seed. A counter gives each call the interval in which it ran. Two calls whose intervals do not
//! overlap have an order, and every answer must respect it.

use crate::{factor, note};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use tidalite::{Options, Param, Repeats, RowAt, Store};
use tidalite_testkit::{Question, Random, points, select};
use tidalite_vfs::{SimVfs, Vfs};

const STORE: &str = "/data/store";
const STEPS: u64 = 6;

thread_local! {
    /// The actor that this thread plays. Other threads, such as those of a store, are not scheduled.
    static ACTOR: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Who may go on.
struct Scheduler {
    turn: Mutex<Turn>,
    changed: Condvar,
}

struct Turn {
    random: Random,
    actor: usize,
    left: Vec<bool>,
    /// Counts the moves from one access to the next.
    moves: u64,
}

impl Scheduler {
    fn new(seed: u64, actors: usize) -> Self {
        let turn = Turn { random: Random::new(seed), actor: 0, left: vec![false; actors], moves: 0 };
        Scheduler { turn: Mutex::new(turn), changed: Condvar::new() }
    }

    /// Lets an actor go on, often another one, and waits until it is this one's turn again.
    fn pass(&self) {
        let Some(me) = ACTOR.get() else { return };
        let mut turn = self.turn.lock().unwrap();
        turn.moves += 1;
        if turn.random.below(3) == 0 {
            turn.draw();
            self.changed.notify_all();
        }
        drop(self.changed.wait_while(turn, |turn| turn.actor != me).unwrap());
    }

    fn play(&self, me: usize, act: impl FnOnce()) {
        ACTOR.set(Some(me));
        drop(self.changed.wait_while(self.turn.lock().unwrap(), |turn| turn.actor != me).unwrap());
        // Others must go on also after a failed check.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        let mut turn = self.turn.lock().unwrap();
        turn.left[me] = true;
        turn.draw();
        self.changed.notify_all();
        drop(turn);
        ACTOR.set(None);
        if let Err(failed) = done {
            std::panic::resume_unwind(failed);
        }
    }

    /// A moment: later ones are greater.
    fn now(&self) -> u64 {
        let mut turn = self.turn.lock().unwrap();
        turn.moves += 1;
        turn.moves
    }
}

impl Turn {
    fn draw(&mut self) {
        let there: Vec<usize> = (0..self.left.len()).filter(|a| !self.left[*a]).collect();
        if let Some(last) = there.len().checked_sub(1) {
            self.actor = there[self.random.below(last as u64 + 1) as usize];
        }
    }
}

/// The moments between which a call ran.
#[derive(Debug, Clone, Copy)]
struct Interval {
    begin: u64,
    end: u64,
}

impl Interval {
    fn is_before(self, other: Interval) -> bool {
        self.end < other.begin
    }
}

/// The calls that wrote something, by the number that they wrote.
#[derive(Default)]
struct WriteHistory {
    rows: BTreeMap<u64, (u64, Interval)>,
    edits: BTreeMap<u64, Interval>,
}

/// What every actor shares.
struct Play {
    scheduler: Arc<Scheduler>,
    disk: SimVfs,
    history: Mutex<WriteHistory>,
}

impl Play {
    fn open(&self) -> Store {
        let options = Options::new().background(false).threads(1).segment_bytes(4096, 8192);
        options.vfs(Arc::new(self.disk.clone())).open(STORE).unwrap()
    }

    fn during<T>(&self, call: impl FnOnce() -> T) -> (T, Interval) {
        let begin = self.scheduler.now();
        let done = call();
        (done, Interval { begin, end: self.scheduler.now() })
    }

    fn write(&self, me: u64, rows: u64) {
        let store = self.open();
        let run = store.run("r").start().unwrap();
        for i in 0..rows {
            let (number, step) = (1 + me + 2 * i, (i + me) % STEPS);
            let ((), interval) = self.during(|| {
                run.log_at(&RowAt::step(step as i64), &[("x", number as f64)]).unwrap();
            });
            self.history.lock().unwrap().rows.insert(number, (step, interval));
        }
        run.finish().unwrap();
    }

    fn edit(&self, edits: u64) {
        for number in 0..edits {
            let store = self.open();
            let (done, interval) = self.during(|| store.edit("r").param("n", number as i64).apply());
            // The first writer may not have begun the run.
            if done.is_ok() {
                self.history.lock().unwrap().edits.insert(number, interval);
            }
        }
    }

    fn keep_house(&self, rounds: u64) {
        let store = self.open();
        for _ in 0..rounds {
            store.flush().unwrap();
            store.compact().unwrap();
        }
    }

    /// Looks at the store, and checks what is seen.
    fn look(&self, store: &Store) {
        let (snapshot, look) = self.during(|| store.snapshot().unwrap());
        let ask = |repeats| points(&select(snapshot.select(), &Question::all(repeats))).unwrap();
        let seen: Vec<u64> = ask(Repeats::All).iter().map(|(_, p)| p.value as u64).collect();
        let last: BTreeMap<u64, u64> =
            ask(Repeats::Last).iter().map(|(_, p)| (p.step as u64, p.value as u64)).collect();
        let param = snapshot.run("r").ok().and_then(|run| match run.params.get("n") {
            Some(Param::Int(n)) => Some(*n as u64),
            _ => None,
        });
        let history = self.history.lock().unwrap();
        for (number, (step, row)) in &history.rows {
            if row.is_before(look) {
                assert!(seen.contains(number), "row {number} was logged before the look, and is missing");
            }
            for (other, (other_step, later)) in &history.rows {
                if row.is_before(*later) && seen.contains(other) {
                    assert!(seen.contains(number), "row {other} is seen without {number}, which is earlier");
                    let replaced = step != other_step || last.get(step) != Some(number);
                    assert!(replaced, "step {step} shows {number}, and {other} is later");
                }
            }
        }
        for (number, edit) in &history.edits {
            if edit.is_before(look) {
                let shown = param.expect("an edit is seen");
                let by_later = history.edits.get(&shown).is_none_or(|e| !e.is_before(*edit));
                assert!(by_later, "edit {shown} is shown, and {number} is later");
            }
        }
    }
}

fn play(seed: u64) -> u64 {
    let scheduler = Arc::new(Scheduler::new(seed, 5));
    let passes = scheduler.clone();
    let disk = SimVfs::scheduled(seed, move || passes.pass());
    disk.create_dir(Path::new("/data")).unwrap();
    let play = Play { scheduler: scheduler.clone(), disk, history: Mutex::default() };
    drop(play.open());
    std::thread::scope(|s| {
        let (scheduler, play) = (&scheduler, &play);
        s.spawn(move || scheduler.play(0, || play.write(0, 12)));
        s.spawn(move || scheduler.play(1, || play.write(1, 12)));
        s.spawn(move || scheduler.play(2, || play.edit(4)));
        s.spawn(move || scheduler.play(3, || play.keep_house(3)));
        s.spawn(move || {
            scheduler.play(4, || {
                let store = play.open();
                (0..8).for_each(|_| play.look(&store));
            });
        });
    });
    // All calls are over: the same holds, in the log and when all is in parts.
    let store = play.open();
    play.look(&store);
    store.compact().unwrap();
    play.look(&store);
    assert_eq!(play.history.lock().unwrap().rows.len(), 24);
    scheduler.now()
}

#[test]
fn two_writers_an_editor_a_housekeeper_and_a_reader_see_one_order() {
    let seeds = 200 * factor() as u64;
    let moves: u64 = (0..seeds).map(play).sum();
    note(&format!("{seeds} interleavings of five actors, {moves} accesses of the disk"));
}
