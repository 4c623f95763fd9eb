//! What a reader sees of a damaged store, and whether that keeps the promise.

use super::change::{Change, Damage};
use super::sample::{Golden, options};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tidalite::{
    Error, ErrorKind, Finding, FindingKind, History, OnDamage, Point, Repeats, RunInfo, SeriesKey, Store,
};
use tidalite_testkit::{
    ExpectedPoints, Oracle, Question, STORE, bits, points, same, same_runs, select, summaries, survivors,
};
use tidalite_vfs::{SimVfs, Vfs};

/// What a reader that uses every way of reading sees.
#[derive(Default)]
pub(super) struct SeenStore {
    pub(super) errors: Vec<Error>,
    pub(super) findings: Vec<Finding>,
    /// What a reader sees for whom damage is an error.
    pub(super) strict: Option<Vec<(SeriesKey, Point)>>,
    /// What a reader sees to whom damage is reported, and the report.
    pub(super) left_out: Vec<Finding>,
    pub(super) points: Option<Vec<(SeriesKey, Point)>>,
    pub(super) runs: Option<Vec<RunInfo>>,
    /// A wrong number.
    pub(super) wrong: Option<String>,
}

pub(super) fn grouped(points: &[(SeriesKey, Point)]) -> ExpectedPoints {
    points
        .chunk_by(|a, b| a.0 == b.0)
        .map(|of| (of[0].0.clone(), of.iter().map(|(_, p)| *p).collect()))
        .collect()
}

pub(super) fn look(golden: &Golden, disk: &SimVfs, read_only: bool) -> (SeenStore, Option<Store>) {
    let mut seen = SeenStore::default();
    let opened = options().read_only(read_only).vfs(Arc::new(disk.clone())).open(STORE);
    let store = match opened {
        Ok(store) => store,
        Err(e) => {
            seen.errors.push(e);
            return (seen, None);
        }
    };
    match store.verify() {
        Ok(report) => seen.findings.extend(report.findings),
        Err(e) => seen.errors.push(e),
    }
    match store.snapshot() {
        Ok(snapshot) => {
            seen.findings.extend(snapshot.recovery().findings);
            let rest = snapshot.on_damage(OnDamage::Report);
            match rest.runs() {
                Ok(runs) => seen.runs = Some(runs),
                Err(e) => seen.errors.push(e),
            }
            let reporting = select(rest.select(), &Question::all(Repeats::All));
            match points(&reporting) {
                Ok(points) => seen.points = Some(points),
                Err(e) => seen.errors.push(e),
            }
            seen.left_out = reporting.damage();
            match points(&select(snapshot.select(), &Question::all(Repeats::All))) {
                Ok(points) => seen.strict = Some(points),
                Err(e) => seen.errors.push(e),
            }
            // Summaries agree with the points, or there is an error.
            let expected = seen.strict.as_ref().map_or_else(|| golden.answer.clone(), |p| grouped(p));
            match summaries(
                &snapshot.select().repeats(Repeats::All).history(History::Own),
                &expected,
                &BTreeSet::new(),
            ) {
                Ok(fits) => seen.wrong = fits.err(),
                Err(e) => seen.errors.push(e),
            }
            let lists = [snapshot.stats().map(drop), snapshot.metrics().map(drop), snapshot.runs().map(drop)];
            seen.errors.extend(lists.into_iter().filter_map(Result::err));
        }
        Err(e) => seen.errors.push(e),
    }
    (seen, Some(store))
}

/// The effect of one damage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum DamageOutcome {
    Refused,
    Reported,
    Harmless,
}

/// Judges what was seen.
///
/// # Errors
/// The broken promise, in words.
pub(super) fn judge(golden: &Golden, damage: &Damage, seen: &SeenStore) -> Result<DamageOutcome, String> {
    if let Some(wrong) = &seen.wrong {
        return Err(wrong.clone());
    }
    let name = damage.path.file_name().unwrap().to_str().unwrap();
    let named = |text: &str, path: Option<&Path>| text.contains(name) || path == Some(&damage.path);
    for e in &seen.errors {
        let of_a_kind = matches!(
            e.kind(),
            ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::Invalid
        );
        // A folder without its marker is not a store: the error names the folder.
        let by_folder = name == "TIDALITE" && e.path() == Some(Path::new(STORE));
        // A missing segment is named by its writer's folder. A damaged file may show in others of its folder.
        let beside = e.path().is_some_and(|path| path.parent() == damage.path.parent());
        let above = e.path().is_some() && e.path() == damage.path.parent();
        if !of_a_kind || !(named(&e.to_string(), e.path()) || by_folder || beside || above) {
            return Err(format!("the error does not name the file, or is of a wrong kind: {e:?}"));
        }
    }
    // A missing segment is reported by its writer's folder.
    let gone = matches!(damage.change, Change::Gone | Change::Renamed(_));
    let by_parent = |f: &Finding| {
        gone && f.kind == FindingKind::Missing && Some(f.path.as_path()) == damage.path.parent()
    };
    let reported = seen.findings.iter().any(|f| named(&f.message, Some(&f.path)) || by_parent(f));
    if let Some(strange) = seen.findings.iter().find(|f| !named(&f.message, Some(&f.path)) && !by_parent(f)) {
        // A damaged file may lead to findings in others: a part by its manifest, a segment by its neighbour.
        if strange.path.parent() != damage.path.parent() && kind_of(&damage.path) != "manifest" {
            return Err(format!("a report names another file: {strange:?}"));
        }
    }
    let exact_points = seen.points.as_ref().is_none_or(|p| same(&golden.answer, p).is_ok());
    let exact_runs = seen.runs.as_ref().is_none_or(|r| same_runs(&golden.runs, r).is_ok());
    if let Some(found) = &seen.points {
        no_wrong_point(golden, found)?;
        if !exact_points && kind_of(&damage.path) == "log" {
            bounded_loss(golden, damage, seen, found)?;
        }
    }
    // What a torn tail held was never durable.
    let damaged = seen.findings.iter().any(|f| f.kind.is_damage());
    if damaged && seen.strict.as_ref().is_some_and(|strict| same(&golden.answer, strict).is_err()) {
        return Err("an answer lacks what is damaged, and is no error".into());
    }
    if damaged && !exact_points && seen.left_out.is_empty() {
        return Err("an answer lacks what is damaged, and its report does not say so".into());
    }
    if let Some(strange) = seen.left_out.iter().find(|f| !named(&f.message, Some(&f.path)) && !by_parent(f)) {
        let above = Some(strange.path.as_path()) == damage.path.parent();
        if strange.path.parent() != damage.path.parent() && !above && kind_of(&damage.path) != "manifest" {
            return Err(format!("the report of an answer names another file: {strange:?}"));
        }
    }
    let complete = exact_points && exact_runs;
    if !complete && !reported && seen.errors.is_empty() {
        return Err("something is missing and not reported".into());
    }
    if !complete && !reported && seen.points.is_some() && !exact_points {
        return Err(format!(
            "points are missing, and only an error of another call says so: {:?}",
            seen.errors
        ));
    }
    Ok(match (seen.errors.is_empty(), reported) {
        (false, _) => DamageOutcome::Refused,
        (true, true) => DamageOutcome::Reported,
        (true, false) => DamageOutcome::Harmless,
    })
}

/// Every point found is one that was written, as often as it was written.
pub(super) fn no_wrong_point(golden: &Golden, found: &[(SeriesKey, Point)]) -> Result<(), String> {
    let mut left: BTreeMap<_, usize> = BTreeMap::new();
    golden
        .answer
        .iter()
        .flat_map(|(k, ps)| ps.iter().map(move |p| bits(k, p)))
        .for_each(|b| *left.entry(b).or_default() += 1);
    for (key, p) in found {
        match left.get_mut(&bits(key, p)) {
            Some(n) if *n > 0 => *n -= 1,
            _ => return Err(format!("a point that was never written, or twice one that was: {key:?} {p:?}")),
        }
    }
    Ok(())
}

/// One flipped bit costs one frame where the log was durable. Elsewhere it costs the end of the log.
pub(super) fn bounded_loss(
    golden: &Golden,
    damage: &Damage,
    seen: &SeenStore,
    found: &[(SeriesKey, Point)],
) -> Result<(), String> {
    if !damage.one_bit {
        return Ok(());
    }
    let times = |points: &mut dyn Iterator<Item = i64>| points.collect::<BTreeSet<i64>>();
    let there = times(&mut found.iter().map(|(_, p)| p.time_us));
    let all = times(&mut golden.answer.iter().flat_map(|(_, ps)| ps.iter().map(|p| p.time_us)));
    let lost: Vec<i64> = all.difference(&there).copied().collect();
    let damaged = seen.findings.iter().any(|f| f.kind.is_damage());
    if damaged && lost.len() > 1 {
        return Err(format!("one bit cost {} units: {lost:?}", lost.len()));
    }
    if !damaged {
        // A torn tail is a prefix of what was not durable.
        let mut bare = Oracle::new();
        for unit in golden.oracle.units() {
            bare.accept(unit.seq, unit.content.clone());
        }
        survivors(&bare, found, seen.runs.as_deref().unwrap_or_default())
            .map_err(|e| format!("no prefix: {e}"))?;
    }
    Ok(())
}

/// The kind of a file: the top folder that holds it.
pub(super) fn kind_of(path: &Path) -> String {
    let below = path.strip_prefix(STORE).unwrap();
    below.components().next().unwrap().as_os_str().to_str().unwrap().to_string()
}

/// Flushing and compacting a damaged store gives an error, or loses no more than reading it did. What was reported of a log
/// before is reported after.
pub(super) fn change_nothing_unsaid(
    golden: &Golden,
    damage: &Damage,
    disk: SimVfs,
    before: &SeenStore,
) -> Result<(), String> {
    let Ok(store) = options().vfs(Arc::new(disk.clone())).open(STORE) else { return Ok(()) };
    let changed = store.flush().map(|_| ()).and_then(|()| store.compact().map(|_| ()));
    drop(store);
    let (after, _store) = look(golden, &disk, true);
    if let (Some(was), Some(is)) = (&before.points, &after.points) {
        let all = |p: &[(SeriesKey, Point)]| {
            let mut all: Vec<_> = p.iter().map(|(k, p)| bits(k, p)).collect();
            all.sort();
            all
        };
        if all(was) != all(is) {
            return Err(format!(
                "{} points before a flush are {} after it ({changed:?})",
                was.len(),
                is.len()
            ));
        }
    }
    let log_damage = |seen: &SeenStore| {
        seen.findings.iter().any(|f| f.kind.is_damage() && f.path.starts_with(Path::new(STORE).join("log")))
    };
    if log_damage(before) && !log_damage(&after) && damage.path.extension().is_some_and(|e| e == "seg") {
        let evidence = disk.stat(&damage.path).unwrap().is_some()
            || matches!(damage.change, Change::Gone | Change::Renamed(_));
        if !evidence {
            return Err("the damaged log is deleted".into());
        }
    }
    let segment = damage.path.extension().is_some_and(|e| e == "seg");
    if segment && !before.left_out.is_empty() && after.left_out.is_empty() && after.errors.is_empty() {
        return Err("what was lost is forgotten after a flush".into());
    }
    no_wrong_point(golden, after.points.as_deref().unwrap_or_default())
}
