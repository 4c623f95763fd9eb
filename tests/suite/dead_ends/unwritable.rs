//! A file that cannot be written any more, and limits of the process, are errors. The process lives on.

use crate::process::{Player, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tidalite::{ErrorKind, Options};

/// Logs until that fails, and says how.
pub(crate) fn writer(path: &Path) {
    let store = Options::new().threads(1).mapped_log(false).open(path).unwrap();
    let run = store.run("a").start().unwrap();
    let start = Instant::now();
    for step in 0.. {
        if let Err(e) = run.log(step, &[("x", 1.0)]) {
            say(format!("{:?} {step} {e}", e.kind()));
            return;
        }
        if step == 100 {
            say("logging");
        }
        assert!(start.elapsed() < Duration::from_secs(60), "rows are still accepted");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn first_segment(path: &Path) -> PathBuf {
    let folders = fs::read_dir(path.join("log")).unwrap().map(|entry| entry.unwrap().path());
    folders.map(|folder| folder.join("00000001.seg")).find(|file| file.exists()).unwrap()
}

#[test]
fn a_log_file_written_by_system_calls_that_is_made_immutable_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let writer = Player::start("unwritable writer", &path, "");
    assert_eq!(writer.line().as_deref(), Some("logging"));
    let segment = first_segment(&path);
    let chattr = |flag: &str| {
        Command::new("chattr").arg(flag).arg(&segment).output().is_ok_and(|done| done.status.success())
    };
    if !chattr("+i") {
        crate::note("an immutable log file was not tried: chattr is not permitted here");
        return;
    }
    let said = writer.end();
    assert!(chattr("-i"));
    assert!(said[0].starts_with("Io ") || said[0].starts_with("Poisoned "), "{said:?}");
    let rows: i64 = said[0].split(' ').nth(1).unwrap().parse().unwrap();
    let store = Options::new().read_only(true).open(&path).unwrap();
    let found = store.select().points().unwrap().collect().unwrap().num_rows() as i64;
    // The length of the last row may be what could not be written.
    assert!(found == rows || found + 1 == rows, "{found} of {rows}");
}

pub(super) fn limit(resource: libc::__rlimit_resource_t, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: `limit` lives until the call returns.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

/// Bytes of address space that this process has.
pub(super) fn address_space() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

/// Uses a store in every way while the process is limited, and says what fails.
pub(crate) fn limited(path: &Path, arg: &str) {
    let (what, bytes) = arg.split_once(' ').unwrap();
    let bytes: u64 = bytes.parse().unwrap();
    match what {
        "files" => limit(libc::RLIMIT_FSIZE, bytes),
        _ => limit(libc::RLIMIT_AS, address_space() + bytes),
    }
    let used = || -> tidalite::Result<()> {
        let store = Options::new().memory_bytes(16 << 20).threads(2).open(path)?;
        let run = store.run("a").start()?;
        for step in 0..200_000 {
            run.log(step, &[("x", (step as f64).sin()), ("y", (step as f64).cos())])?;
        }
        store.flush()?;
        store.compact()?;
        for batch in store.select().points()? {
            batch?;
        }
        store.backup(path.with_extension("copy"))?;
        store.close()
    };
    match used() {
        Ok(()) => say("ok"),
        Err(e) => say(format!("{:?} {e}", e.kind())),
    }
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error_that_names_it() {
    for bytes in [0, 1000, 100_000, 300_000, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let said =
            Player::start("limited writer", &dir.path().join("store"), &format!("files {bytes}")).end();
        assert!(said[0].starts_with("Full ") && said[0].contains("ulimit -f"), "{bytes}: {said:?}");
    }
}

/// Where memory ends, Rust's collections end the process: so this tries limits at which a store has what it asks for at least
/// once, and says what happened.
#[test]
fn a_limit_of_the_address_space_is_an_error_or_no_hindrance() {
    for mib in [192, 384, 1024] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let said = Player::start("limited writer", &path, &format!("memory {}", mib << 20)).end();
        crate::note(&format!("dead ends: {mib} MiB of address space: {said:?}"));
        let errors = [ErrorKind::Full, ErrorKind::Io].map(|kind| format!("{kind:?} "));
        assert!(said[0] == "ok" || errors.iter().any(|kind| said[0].starts_with(kind)), "{said:?}");
    }
}
