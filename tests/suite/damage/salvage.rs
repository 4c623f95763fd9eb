//! Salvage: whatever one damage does to a store, a new store has what is sound, and the list has the rest; the damaged store
//! stays as it was.

use super::change::{Change, Damage};
use super::judge::{grouped, kind_of, no_wrong_point};
use super::sample::{Golden, collect_files, golden, golden_without_table, options};
use crate::{factor, note};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite::{ErrorKind, Options, Repeats, Salvaged, Store, VerifyDepth};
use tidalite_testkit::{Question, Random, STORE, points, same, select};
use tidalite_vfs::SimVfs;

const NEW: &str = "/data/new";

fn on(disk: &SimVfs) -> Options {
    options().vfs(Arc::new(disk.clone()))
}

fn salvage(disk: &SimVfs) -> tidalite::Result<Salvaged> {
    on(disk).salvage(STORE, NEW, &|_, _| ControlFlow::Continue(()))
}

/// Damages a store and salvages it. Returns what happened, in a word.
fn check(golden: &Golden, damage: &Damage) -> Result<&'static str, String> {
    let disk = damage.apply(golden);
    let files = |disk: &SimVfs| {
        let mut files = BTreeMap::new();
        collect_files(disk, Path::new(STORE), &mut files);
        files
    };
    let before = files(&disk);
    let salvaged = salvage(&disk);
    if files(&disk) != before {
        return Err("the damaged store was changed".into());
    }
    let salvaged = match salvaged {
        Ok(salvaged) => salvaged,
        Err(e) if kind_of(&damage.path) == "manifest" && e.kind() == ErrorKind::Corrupt => {
            return Ok("refused");
        }
        Err(e) => return Err(format!("nothing was salvaged: {e}")),
    };
    let new = on(&disk).read_only(true).open(NEW).map_err(|e| e.to_string())?;
    let report = new.verify().map_err(|e| e.to_string())?;
    if !report.findings.is_empty() {
        return Err(format!("the new store is not sound: {:?}", report.findings));
    }
    let found = points(&select(new.select(), &Question::all(Repeats::All))).map_err(|e| e.to_string())?;
    no_wrong_point(golden, &found)?;
    if same(&golden.answer, &found).is_ok() {
        return Ok(if salvaged.missing.is_empty() {
            "whole"
        } else {
            "whole, and something else is missing"
        });
    }
    // What a torn tail held was never durable.
    let tail = salvaged.missing.is_empty()
        && kind_of(&damage.path) == "log"
        && !on(&disk)
            .read_only(true)
            .open(STORE)
            .unwrap()
            .recovery()
            .unwrap()
            .findings
            .iter()
            .any(|f| f.kind.is_damage());
    if tail {
        return Ok("torn");
    }
    let lost = golden.answer.iter().map(|(_, points)| points.len()).sum::<usize>() - found.len();
    let listed: u64 = salvaged.missing.iter().filter_map(|f| f.rows).sum();
    let known = salvaged.missing.iter().all(|f| f.rows.is_some());
    if salvaged.missing.is_empty() || (known && kind_of(&damage.path) == "parts" && (listed as usize) < lost)
    {
        return Err(format!("{lost} points are missing, and {listed} listed: {:?}", salvaged.missing));
    }
    let all = grouped(&found).len() <= golden.answer.len();
    if all { Ok("missing") } else { Err("there are series that never were".into()) }
}

#[test]
fn what_is_sound_is_salvaged_and_the_rest_is_listed_whatever_one_damage_did() {
    [golden(), golden_without_table()].iter().for_each(salvage_after_each_damage);
}

fn salvage_after_each_damage(golden: &Golden) {
    let mut random = Random::new(15);
    let mut damages = Vec::new();
    for (path, bytes) in &golden.files {
        let count = if bytes.len() < 64 { 2 } else { 16 * factor() };
        for _ in 0..count {
            let at = usize::try_from(random.below(bytes.len().max(1) as u64)).unwrap();
            if let Some(byte) = bytes.get(at) {
                let mut bad = bytes.clone();
                bad[at] = byte ^ (1 << random.below(8));
                damages.push(Damage::new(format!("byte {at} of"), path, Change::Bytes(bad)));
            }
            let mut bad = bytes.clone();
            let end = (at + 512).min(bytes.len());
            bad[at..end].fill(0);
            damages.push(Damage::new(format!("zeros at {at} of"), path, Change::Bytes(bad)));
            damages.push(Damage::new(format!("cut to {at}"), path, Change::Bytes(bytes[..at].to_vec())));
        }
        damages.push(Damage::new("gone", path, Change::Gone));
        damages.push(Damage::new("zeroed", path, Change::Bytes(vec![0; bytes.len()])));
    }
    let mut outcomes: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for damage in &damages {
        match check(golden, damage) {
            Ok(outcome) => *outcomes.entry((kind_of(&damage.path), outcome)).or_default() += 1,
            Err(e) => wrong.push(format!("{} {:?}: {e}", damage.what, damage.path)),
        }
        if wrong.len() > 9 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), damages.len(), wrong.join("\n"));
    note(&format!("salvaged: {} damages, {outcomes:?}", damages.len()));
}

#[test]
fn sound_pages_of_a_damaged_part_are_kept_and_a_lost_part_is_listed_by_run_and_series() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = Options::new().background(false).open(&path).unwrap();
    for id in ["a", "b"] {
        let run = store.run(id).param("lr", 0.1).start().unwrap();
        for step in 0..20_000 {
            run.log(step, &[("x", step as f64 * 1.7), ("y", 1.0)]).unwrap();
        }
        run.finish().unwrap();
    }
    store.flush().unwrap();
    let part = store.snapshot().unwrap().parquet_files().unwrap().pop().unwrap();
    store.close().unwrap();
    let good = std::fs::read(&part).unwrap();
    let mut bad = good.clone();
    bad[good.len() * 9 / 10] ^= 1;
    std::fs::write(&part, &bad).unwrap();
    let (pages, footer) = (dir.path().join("pages"), dir.path().join("footer"));
    let salvaged = Store::salvage(&path, &pages).unwrap();
    let lost: u64 = salvaged.missing.iter().map(|f| f.rows.unwrap()).sum();
    assert!(lost > 0 && salvaged.points > 40_000 && salvaged.points + lost == 80_000, "{salvaged:?}");
    let new = Options::new().read_only(true).open(&pages).unwrap();
    assert!(new.verify().unwrap().findings.is_empty() && new.snapshot().unwrap().damage().is_empty());
    assert_eq!(new.select().points().unwrap().collect().unwrap().num_rows() as u64, salvaged.points);
    assert_eq!(new.runs().unwrap()[0].params["lr"].as_f64(), Some(0.1));
    // Without its footer, the series table still says what it held.
    std::fs::write(&part, &good[..good.len() - 9]).unwrap();
    let salvaged = Store::salvage(&path, &footer).unwrap();
    let listed: Vec<_> =
        salvaged.missing.iter().map(|f| (f.run.as_deref(), f.series.len(), f.steps, f.rows)).collect();
    let of = |run| (Some(run), 2, Some((0, 19_999)), Some(40_000));
    assert_eq!(listed, [of("a"), of("b")]);
    assert_eq!((salvaged.runs, salvaged.points), (2, 0));
    // Nothing is made in the damaged store.
    let e = Store::salvage(&path, path.join("new")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
}

#[test]
fn a_verification_reads_every_file_or_says_which_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = Options::new().background(false).open(&path).unwrap();
    let run = store.run("a").start().unwrap();
    for step in 0..20_000 {
        run.log(step, &[("x", step as f64)]).unwrap();
    }
    store.flush().unwrap();
    // The older version and its part stay as long as this is held.
    let held = store.snapshot().unwrap();
    let old: PathBuf = held.parquet_files().unwrap().pop().unwrap();
    run.log(0, &[("x", 2.0)]).unwrap();
    store.compact().unwrap();
    run.log(1, &[("x", 2.0)]).unwrap();
    std::fs::write(path.join("parts/stranger"), [0; 7]).unwrap();
    let report = store.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let read: u64 = report.unread.iter().map(|file| file.bytes).sum();
    let strangers: Vec<_> = report.unread.iter().filter(|f| !f.path.starts_with(path.join("log"))).collect();
    assert!(strangers.iter().any(|f| f.path == path.join("parts/stranger") && f.bytes == 7), "{strangers:?}");
    assert!(report.unread.iter().all(|f| !f.why.is_empty()) && read > 7);
    assert!(old.exists());
    let bytes = std::fs::read(&old).unwrap();
    let mut bad = bytes.clone();
    bad[bytes.len() / 2] ^= 1;
    std::fs::write(&old, &bad).unwrap();
    let full = store.verify().unwrap();
    assert!(full.findings.iter().any(|f| f.path == old), "{:?}", full.findings);
    let go = |_, _| ControlFlow::Continue(());
    let quick = store.verify_with(VerifyDepth::Quick, &go).unwrap();
    assert!(quick.is_sound() && quick.bytes < full.bytes, "{:?}", quick.findings);
    std::fs::write(&old, &bytes[..bytes.len() - 9]).unwrap();
    let quick = store.verify_with(VerifyDepth::Quick, &go).unwrap();
    assert!(quick.findings.iter().any(|f| f.path == old) && quick.unread.iter().any(|f| f.path == old));
}
