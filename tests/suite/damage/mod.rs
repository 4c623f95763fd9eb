//! Damage is an error that names the file, a report that does, or harmless: never a silently wrong number (T4).
//!
//! Method: a small store is made once. Then each file is damaged in one place at a time: a flipped bit, a zeroed block, a
//! cut, junk after its end, the file gone, doubled or renamed. Each damaged store is opened, read in every way and verified.
//! An allocator watches that no damage makes the engine ask for much memory.

mod answers;
mod change;
mod gone_logs;
mod hostile;
mod judge;
mod salvage;
mod sample;
#[cfg(target_os = "linux")]
pub(crate) mod sparse;
#[cfg(unix)]
mod strangers;
mod swapped;
mod unreadable;

use crate::allocation;
use crate::{factor, note, threads};
use change::{Change, Damage};
use judge::{DamageOutcome, change_nothing_unsaid, judge, kind_of, look};
use sample::{Golden, golden, golden_without_table, options};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidalite_testkit::{Random, STORE};

/// No damage may cause a larger allocation.
const ALLOCATION_MAX: usize = 64 << 20;

/// Applies and judges each damage, on all threads; counts the outcomes by kind of file.
fn inflict(golden: &Golden, damages: &[Damage]) -> BTreeMap<(String, DamageOutcome), usize> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(damage) = damages.get(next.fetch_add(1, Ordering::Relaxed)) {
            let at = next.load(Ordering::Relaxed);
            let one = || {
                let disk = damage.apply(golden);
                let (seen, _store) = look(golden, &disk, at % 2 == 0);
                let outcome = judge(golden, damage, &seen)?;
                if at.is_multiple_of(7) {
                    change_nothing_unsaid(golden, damage, disk, &seen)?;
                }
                Ok::<_, String>(outcome)
            };
            match catch_unwind(AssertUnwindSafe(one)) {
                Ok(Ok(outcome)) => {
                    *outcomes.lock().unwrap().entry((kind_of(&damage.path), outcome)).or_default() += 1
                }
                Ok(Err(what)) => {
                    wrong.lock().unwrap().push(format!("{} {:?}: {what}", damage.what, damage.path))
                }
                Err(_) => wrong.lock().unwrap().push(format!("{} {:?}: panic", damage.what, damage.path)),
            }
            if wrong.lock().unwrap().len() > 20 {
                return;
            }
        }
    };
    std::thread::scope(|s| {
        (1..threads()).for_each(|_| drop(s.spawn(work)));
        work();
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), damages.len(), wrong.join("\n"));
    let largest = allocation::largest();
    assert!(largest <= ALLOCATION_MAX, "{largest} bytes were allocated at once");
    outcomes.into_inner().unwrap()
}

#[test]
fn a_flipped_bit_anywhere_is_found_or_harmless() {
    [golden(), golden_without_table()].iter().for_each(flip_bits);
}

fn flip_bits(golden: &Golden) {
    let mut random = Random::new(11);
    let mut damages = Vec::new();
    for (path, bytes) in &golden.files {
        let stride = if bytes.len() <= 2048 || factor() > 1 { 1 } else { 7 };
        let mut at = usize::try_from(random.below(stride)).unwrap();
        while at < bytes.len() {
            let bit = random.below(8);
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let mut damage = Damage::new(format!("bit {bit} of byte {at} of"), path, Change::Bytes(bad));
            damage.one_bit = true;
            damages.push(damage);
            at += usize::try_from(if stride == 1 { 1 } else { 3 + random.below(5) }).unwrap();
        }
    }
    let outcomes = inflict(golden, &damages);
    note(&format!("bit flips: {} in {} files, {outcomes:?}", damages.len(), golden.files.len()));
    assert!(damages.len() > 3000);
}

#[test]
fn a_flipped_bit_in_a_part_is_found_by_verify_wherever_it_is() {
    [golden(), golden_without_table()].iter().for_each(flip_bits_of_parts);
}

fn flip_bits_of_parts(golden: &Golden) {
    let mut random = Random::new(12);
    let mut tried = 0;
    for (path, bytes) in &golden.files {
        if path.extension().is_none_or(|e| e != "parquet") {
            continue;
        }
        for _ in 0..150 * factor() {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            let mut bad = bytes.clone();
            bad[at] ^= 1 << random.below(8);
            let disk = Damage::new("", path, Change::Bytes(bad)).apply(golden);
            let store = options().read_only(true).vfs(Arc::new(disk)).open(STORE).unwrap();
            let report = store.verify().unwrap();
            assert!(
                !report.is_sound() && report.findings.iter().any(|f| f.path == *path),
                "byte {at} of {path:?}"
            );
            tried += 1;
        }
    }
    note(&format!("bit flips in parts, each found by verify: {tried}"));
}

#[test]
fn zeroed_blocks_cuts_and_junk_are_found_or_harmless() {
    [golden(), golden_without_table()].iter().for_each(zero_cut_and_lengthen);
}

fn zero_cut_and_lengthen(golden: &Golden) {
    let mut random = Random::new(13);
    let mut damages = Vec::new();
    for (path, bytes) in &golden.files {
        for start in (0..bytes.len()).step_by(512) {
            let mut bad = bytes.clone();
            let end = bad.len().min(start + 512);
            bad[start..end].fill(0);
            damages.push(Damage::new(format!("zeroed block at {start} of"), path, Change::Bytes(bad)));
        }
        let stride = (bytes.len() / 40).max(1);
        for len in (0..bytes.len()).step_by(stride) {
            damages.push(Damage::new(format!("cut to {len} of"), path, Change::Bytes(bytes[..len].to_vec())));
        }
        for len in [1, 8, 511, 4096] {
            let mut bad = bytes.clone();
            bad.extend((0..len).map(|_| random.next_u64().to_le_bytes()[0]));
            damages.push(Damage::new(format!("{len} bytes of junk after"), path, Change::Bytes(bad)));
        }
        // Eight bytes of ones, where lengths may be stored.
        for start in (0..bytes.len().saturating_sub(8)).step_by((bytes.len() / 60).max(1)) {
            let mut bad = bytes.clone();
            bad[start..start + 8].fill(0xff);
            damages.push(Damage::new(format!("ones at {start} of"), path, Change::Bytes(bad)));
        }
    }
    let outcomes = inflict(golden, &damages);
    note(&format!("zeroed, cut, lengthened: {} damages, {outcomes:?}", damages.len()));
}

/// The last segment of the dead writer whose log is not flushed.
fn last_segment(golden: &Golden) -> PathBuf {
    golden.files.keys().rfind(|p| p.extension().is_some_and(|e| e == "seg")).unwrap().clone()
}

#[test]
fn files_that_are_gone_doubled_or_renamed_are_found_or_harmless() {
    [golden(), golden_without_table()].iter().for_each(remove_double_and_rename);
}

fn remove_double_and_rename(golden: &Golden) {
    let mut damages = Vec::new();
    for path in golden.files.keys().filter(|p| **p != last_segment(golden)) {
        damages.push(Damage::new("gone", path, Change::Gone));
        let name = path.file_name().unwrap().to_str().unwrap();
        let other = match name.split_once('.') {
            Some((stem, ext)) if stem.bytes().all(|b| b.is_ascii_digit()) => {
                let next = stem.parse::<u64>().unwrap() + 7;
                format!("{next:0width$}.{ext}", width = stem.len())
            }
            Some((stem, ext)) => format!("{}.{ext}", stem.chars().rev().collect::<String>()),
            None => format!("{name}2"),
        };
        let other = path.with_file_name(other);
        damages.push(Damage::new("doubled", path, Change::Doubled(other.clone())));
        damages.push(Damage::new("renamed", path, Change::Renamed(other)));
    }
    damages.push(Damage::new(
        "doubled",
        &last_segment(golden),
        Change::Doubled(last_segment(golden).with_file_name("00000009.seg")),
    ));
    // A file replaced by another of its kind.
    for kind in ["/parts/", "/series/", "/manifest/", ".seg"] {
        let of_kind: Vec<&PathBuf> =
            golden.files.keys().filter(|p| p.to_str().unwrap().contains(kind)).collect();
        for pair in of_kind.windows(2) {
            for (path, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                damages.push(Damage::new(
                    "another's bytes in",
                    path,
                    Change::Bytes(golden.files[other].clone()),
                ));
            }
        }
    }
    let outcomes = inflict(golden, &damages);
    note(&format!("gone, doubled, renamed: {} damages, {outcomes:?}", damages.len()));
}
