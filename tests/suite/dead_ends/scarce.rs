//! A process with little address space. Threads that cannot be started, and files that cannot be mapped, are errors or no
//! hindrance. Where an allocation of a collection fails, Rust ends the process: that happens only below a bound which
//! `docs/durability.md` names. Accepted rows are there afterwards in any case.

use super::unwritable::{address_space, limit};
use crate::process::{Player, say};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use tidalite::{ErrorKind, Options, Run, Store};

const MEMORY_BYTES: u64 = 16 << 20;
/// A store that may use [`MEMORY_BYTES`] does not end its process if so much is left.
const ENOUGH_MIB: u64 = 64;
const ROWS: i64 = 60_000;

fn log(run: &Run, from: i64) -> tidalite::Result<()> {
    for step in from..from + ROWS {
        run.log(step, &[("x", (step as f64).sin()), ("y", (step as f64).cos())])?;
        if step % 1000 == 999 {
            say(format!("rows {}", step + 1));
        }
    }
    Ok(())
}

/// Uses a store while there is little address space. Says how many rows were accepted, and how it ended.
pub(crate) fn writer(path: &Path, mib: &str) {
    limit(libc::RLIMIT_AS, address_space() + (mib.parse::<u64>().unwrap() << 20));
    let used = || -> tidalite::Result<()> {
        let store = Options::new().memory_bytes(MEMORY_BYTES).threads(2).open(path)?;
        let run = store.run("a").start()?;
        log(&run, 0)?;
        store.flush()?;
        log(&run, ROWS)?;
        store.compact()?;
        for batch in store.select().points()? {
            batch?;
        }
        store.select().chart(50)?;
        store.verify()?;
        store.close()
    };
    match used() {
        Ok(()) => say("ok"),
        Err(e) => say(format!("{:?} {e}", e.kind())),
    }
}

fn rows(store: &Store) -> i64 {
    store.select().metric("x").points().unwrap().map(|batch| batch.unwrap().num_rows() as i64).sum()
}

#[test]
fn with_little_address_space_nothing_accepted_is_lost_and_nothing_panics() {
    let errors = [ErrorKind::Full, ErrorKind::Io, ErrorKind::Poisoned].map(|kind| format!("{kind:?} "));
    let mut ends = Vec::new();
    for mib in [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, ENOUGH_MIB, 128] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let (said, status) = Player::start("scarce writer", &path, &mib.to_string()).last_words();
        let accepted = said.iter().filter_map(|line| line.strip_prefix("rows ")?.parse().ok()).max();
        let accepted: i64 = accepted.unwrap_or(0);
        let end = said.iter().rfind(|line| !line.starts_with("rows ")).map_or("", String::as_str);
        if status.success() {
            assert!(end == "ok" || errors.iter().any(|kind| end.starts_with(kind)), "{mib} MiB: {said:?}");
        } else {
            // Never a panic, which would end the test that plays the role with an exit code.
            assert_eq!(status.signal(), Some(libc::SIGABRT), "{mib} MiB: {status}, {:?}", said.last());
            assert!(mib < ENOUGH_MIB, "{mib} MiB are not enough");
        }
        if path.join("TIDALITE").exists() {
            let store = Options::new().background(false).open(&path).unwrap();
            assert!(store.verify().unwrap().is_sound(), "{mib} MiB");
            let found = rows(&store);
            assert!(found >= accepted, "{mib} MiB: {found} of {accepted} rows are left");
            store.compact().unwrap();
            assert_eq!(rows(&store), found);
        } else {
            assert_eq!(accepted, 0);
        }
        let end = if status.success() { end.split(' ').next().unwrap_or("") } else { "ended by Rust" };
        ends.push(format!("{mib} MiB: {end}"));
    }
    crate::note(&format!("little address space: {}", ends.join(", ")));
}
