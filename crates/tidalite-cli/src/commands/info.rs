//! `info`: counts, sizes and health of a store.

use crate::args::{Format, InfoArgs, SpaceBy};
use crate::context::{Context, complete};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print, print_one, print_text};
use crate::table::{Align, TextTable, terminal_width};
use crate::text::{human_bytes, human_count};
use tidalite::{PartEncodings, Report, RunInfo, Stats, Status};

/// Runs the command.
pub(crate) fn run(context: &Context, args: &InfoArgs) -> CliResult {
    let format = context.format()?;
    let store = context.read(&args.store)?;
    let (snapshot, damage) = context.readable(&store)?;
    if args.encodings {
        print(&PartEncodings::table(&snapshot.encodings()?), format, None)?;
        return complete(damage);
    }
    if let Some(taker) = args.by {
        let (name, takers) = match taker {
            SpaceBy::Run => ("run", largest(snapshot.bytes_by_run()?)),
            SpaceBy::Metric => ("metric", largest(snapshot.bytes_by_metric()?)),
        };
        let batch = AnswerColumns::default()
            .text(name, takers.iter().map(|(name, _)| Some(name)))
            .count("bytes", takers.iter().map(|(_, bytes)| *bytes))
            .finish();
        print(&batch, format, None)?;
        return complete(damage);
    }
    let (stats, runs, recovery) = (snapshot.stats()?, snapshot.runs()?, snapshot.recovery());
    if format == Format::Table {
        let takers = [largest(snapshot.bytes_by_run()?), largest(snapshot.bytes_by_metric()?)];
        print_text(&for_people(
            &args.store.display().to_string(),
            &store.id().to_string(),
            &stats,
            &runs,
            &recovery,
            &takers,
        ))?;
        return complete(damage);
    }
    let with = |status: Status| [count_of(&runs, status)];
    let batch = AnswerColumns::default()
        .text("path", [Some(store.path().to_string_lossy())])
        .text("id", [Some(store.id().to_string())])
        .count("version", [stats.version])
        .count("runs", [stats.runs])
        .count("runs_running", with(Status::Running))
        .count("runs_finished", with(Status::Finished))
        .count("runs_failed", with(Status::Failed))
        .count("runs_lost", with(Status::Lost))
        .count("series", [stats.series])
        .count("points", [stats.points])
        .count("thinned_points", [stats.thinned_points])
        .count("log_points", [stats.log_points])
        .count("hidden_points", [stats.hidden_points])
        .count("parts", [stats.parts])
        .count("writers_alive", [stats.writers_alive])
        .count("bytes", [stats.bytes()])
        .count("parts_bytes", [stats.parts_bytes])
        .count("hidden_bytes", [stats.hidden_bytes])
        .count("series_bytes", [stats.series_bytes])
        .count("replaced_bytes", [stats.replaced_bytes])
        .count("log_bytes", [stats.log_bytes])
        .count("other_bytes", [stats.other_bytes])
        .text("file_system", [Some(&stats.file_system)])
        .count("free_bytes", [stats.free_bytes])
        .count("findings", [recovery.findings.len() as u64])
        .finish();
    print_one(&batch, format)?;
    complete(damage)
}

/// Sorts by bytes, largest first.
fn largest(mut takers: Vec<(String, u64)>) -> Vec<(String, u64)> {
    takers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    takers
}

/// How many of the largest runs and metrics are named.
const NAMED: usize = 3;

/// The first few with their bytes, and the number of the others.
fn named(takers: &[(String, u64)]) -> String {
    let mut named: Vec<String> =
        takers.iter().take(NAMED).map(|(name, bytes)| format!("{name} {}", human_bytes(*bytes))).collect();
    if takers.len() > NAMED {
        named.push(format!("{} more", takers.len() - NAMED));
    }
    if named.is_empty() { "none in parts yet".to_owned() } else { named.join(", ") }
}

fn count_of(runs: &[RunInfo], status: Status) -> u64 {
    runs.iter().filter(|r| r.status == status).count() as u64
}

fn for_people(
    path: &str,
    id: &str,
    stats: &Stats,
    runs: &[RunInfo],
    recovery: &Report,
    [by_run, by_metric]: &[Vec<(String, u64)>; 2],
) -> String {
    let mut statuses = Vec::new();
    for status in [Status::Running, Status::Finished, Status::Failed, Status::Lost] {
        match count_of(runs, status) {
            0 => {}
            n => statuses.push(format!("{n} {}", status.as_str())),
        }
    }
    let statuses = if statuses.is_empty() { String::new() } else { format!(" ({})", statuses.join(", ")) };
    let flushed = stats.points.saturating_sub(stats.log_points + stats.hidden_points);
    let each = match flushed {
        0 => String::new(),
        n => format!(", {:.2} bytes per point", stats.parts_bytes as f64 / n as f64),
    };
    let network = if stats.network { ", a network file system: some guarantees do not hold" } else { "" };
    let damaged = recovery.findings.iter().filter(|f| f.kind.is_damage()).count();
    let found = match (recovery.findings.len(), damaged) {
        (0, _) => "no problems found on opening".to_owned(),
        (n, 0) => format!("{n} torn by a crash, nothing damaged; `tidalite verify` lists them"),
        (_, n) => format!("{n} DAMAGED; `tidalite verify` lists them"),
    };
    let mut table = TextTable::new(&[("store", Align::Left), (path, Align::Left)]);
    let thinned = match stats.thinned_points {
        0 => String::new(),
        n => format!(", {} more thinned to summaries", human_count(n)),
    };
    let hidden = match stats.hidden_points {
        0 => String::new(),
        n => format!(", and {} with {n} hidden points", human_bytes(stats.hidden_bytes)),
    };
    let replaced = match stats.replaced_bytes {
        0 => "nothing waits for deletion".to_owned(),
        n => format!("{}, deleted after the grace time and when no reader pins it", human_bytes(n)),
    };
    let rows = [
        ("id", id.to_owned()),
        ("runs", format!("{}{statuses}", stats.runs)),
        ("series", stats.series.to_string()),
        (
            "points",
            format!(
                "{} ({}), {} of them in logs{thinned}",
                stats.points,
                human_count(stats.points),
                stats.log_points
            ),
        ),
        ("parts", format!("{}, {}{each}{hidden}", stats.parts, human_bytes(stats.parts_bytes))),
        ("side tables", human_bytes(stats.series_bytes)),
        ("replaced", replaced),
        ("logs", format!("{}, {} writers alive", human_bytes(stats.log_bytes), stats.writers_alive)),
        ("all files", human_bytes(stats.bytes())),
        ("by run", named(by_run)),
        ("by metric", named(by_metric)),
        ("version", stats.version.to_string()),
        ("disk", format!("{}, {} free{network}", stats.file_system, human_bytes(stats.free_bytes))),
        ("health", found),
    ];
    for (name, text) in rows {
        table.row([name.to_owned(), text]);
    }
    table.render(terminal_width())
}
