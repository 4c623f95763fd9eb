//! Peak memory of each job over the idle process, for each shape of data and memory option. Each job runs in a process of its
//! own, so that peaks do not mix.
//!
//! `cargo bench -p tidalite-benches --bench memory` prints a table. `-- --check` exits with 1 where a job takes more than its
//! option and 32 MiB, or is refused; `-- --json FILE` writes the figures; `-- --options 64,256` measures these options;
//! `-- --only TEXT` measures the shapes whose names contain the text. `TIDALITE_BENCH_SHARE=10` makes a tenth of the data;
//! `TIDALITE_BENCH_GRID=100000` gives each series of the grid so many steps (10,000 if not set): a billion points.
#![allow(clippy::disallowed_methods, reason = "a bench prepares its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::array::{DictionaryArray, types::Int32Type};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;
use tidalite::{
    Aggregate, AlignOn, By, FileFormat, Fill, Import, Options, Percent, Result, Selection, Store, Thin, XAxis,
};

/// What a store holds.
const SHAPES: [&str; 7] =
    ["700 batches", "ranks, rewound", "one series", "two series", "many runs", "grid", "one large batch"];
const OPTIONS_MIB: [u64; 4] = [32, 64, 256, 1024];
/// The least option whose bound is checked.
const BOUNDED_MIB: u64 = 64;
/// What a job may take beyond its option.
const SLACK_MIB: u64 = 32;

/// A job, and what it does with a store of a shape. In this order: a job finds what those before it left.
type MemoryJob = (&'static str, fn(&Case, &Store) -> Result<()>);
const JOBS: [MemoryJob; 27] = [
    ("load", load),
    ("info", info),
    ("rewind, params", rewind_and_params),
    ("latest", |_, store| store.select().run("run-1").latest().map(drop)),
    ("backup", |case, store| store.backup(case.path.with_extension("copy"))),
    ("flush", |_, store| store.flush().map(drop)),
    ("compact", |_, store| store.compact().map(drop)),
    ("compact again", compact_again),
    ("verify", |_, store| store.verify().map(|report| assert!(report.is_sound()))),
    ("mean", |_, store| aggregate(store.select(), Aggregate::Mean)),
    ("percentile", |case, store| aggregate(case.few_points(store), Aggregate::Percentile(percent()))),
    ("sketch", |_, store| aggregate(store.select(), Aggregate::Approximate(percent()))),
    ("chart", |case, store| case.some_series(store).chart_batch(500).map(drop)),
    ("chart, time", |case, store| case.some_series(store).over(XAxis::Time).chart(500).map(drop)),
    ("band, time", |case, store| {
        case.some_series(store).over(XAxis::Time).band(500, &[By::Metric]).map(drop)
    }),
    ("m4", |case, store| case.some_series(store).m4(200).map(drop)),
    ("m4, elapsed", |case, store| case.some_series(store).over(XAxis::Elapsed).m4(200).map(drop)),
    ("lttb", |case, store| case.some_series(store).lttb(200).map(drop)),
    ("points", points),
    ("points, elapsed", |case, store| case.few_points(store).over(XAxis::Elapsed).points().map(drop)),
    ("align", |case, store| case.few_points(store).align(AlignOn::Step, Fill::None).map(drop)),
    ("export", |case, store| case.one_run(store).export(case.file("parquet"), FileFormat::Parquet).map(drop)),
    ("export, CSV", |case, store| case.few_points(store).export(case.file("csv"), FileFormat::Csv).map(drop)),
    ("import", |case, store| store.import(case.file("parquet"), &Import::new()).map(drop)),
    ("import, CSV", |case, store| store.import(case.file("csv"), &Import::new()).map(drop)),
    ("delete, compact", |_, store| {
        store.delete_run("run-1")?;
        store.compact().map(drop)
    }),
    ("thin", |_, store| store.thin(&Thin::new().matching("*").buckets(100)).map(drop)),
];

/// The store of one shape.
struct Case {
    shape: String,
    path: PathBuf,
    /// The data are divided by this.
    share: usize,
}

fn main() -> ExitCode {
    let told = |name: &str| std::env::var(name).ok();
    let share = told("TIDALITE_BENCH_SHARE").and_then(|n| n.parse().ok()).unwrap_or(1);
    if let Some((shape, path)) = told("TIDALITE_BENCH_SHAPE").zip(told("TIDALITE_BENCH_STORE")) {
        let case = Case { shape, path: path.into(), share };
        let job = told("TIDALITE_BENCH_JOB").and_then(|job| job.parse().ok()).unwrap();
        run(&case, job, told("TIDALITE_BENCH_MIB").unwrap().parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).map(|at| arguments[at + 1].as_str());
    let options: Vec<u64> = match after("--options") {
        Some(list) => list.split(',').map(|mib| mib.parse().unwrap()).collect(),
        None => OPTIONS_MIB.to_vec(),
    };
    let only = after("--only").unwrap_or("");
    println!("MiB over the idle process; bound: the memory option and {SLACK_MIB} MiB");
    let mut figures = Vec::new();
    for shape in SHAPES.into_iter().filter(|shape| shape.contains(only)) {
        let table = measured(shape, &options);
        print_table(shape, &options, &table);
        figures.push((shape, table));
    }
    if let Some(file) = after("--json") {
        std::fs::write(file, json(&figures, &options)).unwrap();
    }
    let over = figures.iter().flat_map(|(_, table)| table.iter().flatten().zip(options.iter().cycle()));
    let over = over.filter(|(figure, mib)| figure.is_over(**mib)).count();
    println!("{over} over");
    if over > 0 && arguments.iter().any(|a| a == "--check") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What a job took.
struct Figure {
    /// MiB, or why the job failed.
    peak: std::result::Result<u64, String>,
    seconds: f64,
}

impl Figure {
    /// Whether the job failed, or took more than it may. Below [`BOUNDED_MIB`] it may take more, but must not fail.
    fn is_over(&self, mib: u64) -> bool {
        self.peak.as_ref().map_or(true, |peak| mib >= BOUNDED_MIB && *peak > mib + SLACK_MIB)
    }
}

/// The figures of each job, at each option.
fn measured(shape: &str, options: &[u64]) -> Vec<Vec<Figure>> {
    let mut table: Vec<Vec<Figure>> = JOBS.iter().map(|_| Vec::new()).collect();
    for mib in options {
        let dir = tempfile::tempdir().unwrap();
        for (job, figures) in table.iter_mut().enumerate() {
            let start = Instant::now();
            let done = Command::new(std::env::current_exe().unwrap())
                .env("TIDALITE_BENCH_JOB", job.to_string())
                .env("TIDALITE_BENCH_SHAPE", shape)
                .env("TIDALITE_BENCH_MIB", mib.to_string())
                .env("TIDALITE_BENCH_STORE", dir.path().join("m"))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&done.stdout).trim().to_string();
            let failure = |_| text.clone() + &String::from_utf8_lossy(&done.stderr);
            let figure =
                Figure { peak: text.parse().map_err(failure), seconds: start.elapsed().as_secs_f64() };
            if figure.is_over(*mib) {
                println!("over: {shape}, {mib} MiB, {}: {:?}", JOBS[job].0, figure.peak);
            }
            figures.push(figure);
        }
    }
    table
}

fn print_table(shape: &str, options: &[u64], table: &[Vec<Figure>]) {
    println!(
        "\n| {shape} | {} | seconds |",
        options.iter().map(|o| format!("{o} MiB")).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}---|", "---|".repeat(options.len()));
    for ((name, _), figures) in JOBS.iter().zip(table) {
        let peak = |(figure, mib): (&Figure, &u64)| match &figure.peak {
            Ok(peak) if figure.is_over(*mib) => format!("**{peak}**"),
            Ok(peak) => peak.to_string(),
            Err(_) => "**failed**".to_string(),
        };
        let peaks: Vec<String> = figures.iter().zip(options).map(peak).collect();
        let slowest = figures.iter().map(|f| f.seconds).fold(0.0, f64::max);
        println!("| {name} | {} | {slowest:.1} |", peaks.join(" | "));
    }
    println!();
}

fn json(figures: &[(&str, Vec<Vec<Figure>>)], options: &[u64]) -> String {
    let mut lines = Vec::new();
    for (shape, table) in figures {
        for ((job, _), of_job) in JOBS.iter().zip(table) {
            for (figure, mib) in of_job.iter().zip(options) {
                let peak = figure.peak.as_ref().map_or("null".into(), u64::to_string);
                lines.push(format!(
                    r#"{{"shape":"{shape}","option_mib":{mib},"job":"{job}","peak_mib":{peak},"seconds":{:.1}}}"#,
                    figure.seconds
                ));
            }
        }
    }
    format!("[{}]\n", lines.join(",\n"))
}

/// Runs one job, and prints its peak over the idle process in MiB, or why it failed.
fn run(case: &Case, job: usize, mib: u64) {
    let (name, work) = JOBS[job];
    let path = if name.starts_with("import") { case.path.with_extension(name) } else { case.path.clone() };
    let store = Options::new().background(false).memory_bytes(mib << 20).open(path).unwrap();
    let idle = start_peak();
    let done = work(case, &store);
    // The load has set the peak anew where it had prepared data.
    let idle = IDLE.get().copied().unwrap_or(idle);
    let done = done.and_then(|()| store.close());
    match done {
        Ok(()) => println!("{}", peak_kib().saturating_sub(idle) >> 10),
        Err(e) => println!("{}", e.to_string().replace('\n', " ")),
    }
}

impl Case {
    /// A selection of many points, but few series.
    fn some_series(&self, store: &Store) -> Selection {
        match self.shape.as_str() {
            "many runs" => store.select().runs("run-1*").metric("m1"),
            "grid" => store.select().runs("run-1*").metrics("m1*"),
            "ranks, rewound" => store.select().metrics("m1?"),
            _ => store.select(),
        }
    }

    /// A selection of 200,000 points or so.
    fn few_points(&self, store: &Store) -> Selection {
        let select = self.some_series(store);
        match self.shape.as_str() {
            "700 batches" => select.metric("m1").steps(..10_000),
            "one series" | "two series" | "one large batch" => select.steps(..200_000),
            "grid" => store.select().run("run-1").metrics("m1*"),
            // A table has at most 10,000 columns.
            "many runs" => store.select().runs("run-1[0-4]*").metric("m1"),
            _ => select,
        }
    }

    fn one_run(&self, store: &Store) -> Selection {
        match self.shape.as_str() {
            "many runs" => store.select().runs("run-1*"),
            _ => store.select().run("run-1"),
        }
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.path.with_extension(extension)
    }
}

fn percent() -> Percent {
    Percent::new(99.0).unwrap()
}

fn aggregate(select: Selection, what: Aggregate) -> Result<()> {
    select.aggregate(&[what], &[By::Metric]).map(|table| assert!(table.num_rows() > 0))
}

fn points(_: &Case, store: &Store) -> Result<()> {
    let mut rows = 0;
    for batch in store.select().points()? {
        rows += batch?.num_rows();
    }
    assert!(rows > 0);
    Ok(())
}

fn info(_: &Case, store: &Store) -> Result<()> {
    assert!(store.stats()?.points > 0);
    store.runs().map(drop)
}

fn rewind_and_params(_: &Case, store: &Store) -> Result<()> {
    let run = store.run("run-1").param("lr", 0.1).start()?;
    run.rewind(1_000_000_000)?;
    run.finish()
}

/// After a rewind that reaches into large parts. It leaves half of long series.
fn compact_again(case: &Case, store: &Store) -> Result<()> {
    let run = store.run("run-1").start()?;
    let last = match case.shape.as_str() {
        "one series" => 25_000_000 / case.share as i64,
        "one large batch" => 250_000 / case.share as i64,
        _ => 5,
    };
    run.rewind(last)?;
    for step in last + 1..last + 95 {
        run.log(step, &[("m1", 1.0)])?;
    }
    run.finish()?;
    store.compact().map(drop)
}

fn load(case: &Case, store: &Store) -> Result<()> {
    let share = case.share;
    match case.shape.as_str() {
        "700 batches" => {
            for i in 0..700 / share {
                append(store, "run-1", &format!("m{}", i % 22), &(i / 22).to_string(), 0..60_000)?;
            }
        }
        "one series" => {
            let points = 50_000_000 / share;
            for from in (0..points).step_by(1_000_000) {
                append(store, "run-1", "m1", "0", from..(from + 1_000_000).min(points))?;
            }
        }
        "two series" => {
            // Of two runs, the second of which is rewound later.
            let points = 10_000_000 / share;
            for from in (0..points).step_by(1_000_000) {
                let steps = || from..(from + 1_000_000).min(points);
                append(store, "run-0", "m1", "0", steps())?;
                append(store, "run-1", "m1", "0", steps())?;
            }
        }
        "one large batch" => {
            // Twenty series, row by row.
            let batch = batch_of(10_000_000 / share, 20, "run-1", |i| (i / 20, format!("m{}", i % 20)));
            let idle = start_peak();
            IDLE.set(idle).unwrap();
            store.append(&batch)?;
        }
        "grid" => {
            // The runs of a sweep, one batch each.
            for run in 0..100 / share.min(10) {
                let steps = std::env::var("TIDALITE_BENCH_GRID").map_or(10_000, |n| n.parse().unwrap());
                let steps: usize = steps / share.div_ceil(10);
                store.append(&batch_of(100 * steps, 100, &format!("run-{run}"), |i| {
                    (i % steps, format!("m{}", i / steps))
                }))?;
            }
        }
        "many runs" => log_runs(store, share)?,
        _ => log_ranks(store, 2965 / share)?,
    }
    store.sync()
}

/// A thousand runs with a record, and many without, which take less time to make; ten points each.
fn log_runs(store: &Store, share: usize) -> Result<()> {
    for r in 0..1_000 / share {
        let run = store.run(format!("run-{r}")).start()?;
        for step in 0..10 {
            run.log(step, &[("m1", step as f64)])?;
        }
        run.finish()?;
    }
    let runs = 99_000 / share;
    let names = StringArray::from_iter_values((0..runs).map(|r| format!("run-{}", 1_000 + r)));
    let code = |i: usize| i32::try_from(i / 10).unwrap();
    let rows = 10 * runs;
    let columns = [
        ("run", coded(Int32Array::from_iter_values((0..rows).map(code)), names)),
        ("metric", coded(Int32Array::from(vec![0; rows]), StringArray::from(vec!["m1"]))),
    ];
    let columns = columns.into_iter().chain(numbers(rows, |i| i % 10));
    store.append(&RecordBatch::try_from_iter(columns).unwrap()).map(drop)
}

/// 32 ranks, which were started again and rewound seven times.
fn log_ranks(store: &Store, metrics: usize) -> Result<()> {
    let names: Vec<String> = (0..metrics).map(|m| format!("m{m}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (run, attempt) in (0..2).flat_map(|r| (0..8).map(move |a| (r, a))) {
        for rank in 0..32 {
            let rank = rank.to_string();
            let run = store.run(format!("run-{run}")).label("rank", rank).start()?;
            let first = 7 * attempt;
            run.rewind(first - 1)?;
            let columns = run.columns(&names)?;
            for step in first..first + 12 {
                columns.log(step, &vec![step as f64; names.len()])?;
            }
            run.finish()?;
        }
        store.flush()?;
    }
    Ok(())
}

fn append(store: &Store, run: &str, metric: &str, rank: &str, steps: std::ops::Range<usize>) -> Result<()> {
    let first = steps.start;
    let text = |t: &str| Arc::new(StringArray::from_iter_values(steps.clone().map(|_| t))) as ArrayRef;
    let labels = text(&format!("rank={rank}"));
    let numbers = numbers(steps.len(), |i| first + i);
    let columns = [("run", text(run)), ("metric", text(metric)), ("labels", labels)];
    let batch = RecordBatch::try_from_iter(columns.into_iter().chain(numbers)).unwrap();
    store.append(&batch).map(drop)
}

/// A column of names.
fn coded(codes: Int32Array, texts: StringArray) -> ArrayRef {
    Arc::new(DictionaryArray::<Int32Type>::new(codes, Arc::new(texts)))
}

/// A batch of a run, with names coded. `of` gives the step and the metric of a row.
fn batch_of(rows: usize, metrics: usize, run: &str, of: impl Fn(usize) -> (usize, String)) -> RecordBatch {
    let names = StringArray::from_iter_values((0..metrics).map(|m| format!("m{m}")));
    let code = |i: usize| of(i).1[1..].parse::<i32>().unwrap();
    let columns = [
        ("run", coded(Int32Array::from(vec![0; rows]), StringArray::from(vec![run]))),
        ("metric", coded(Int32Array::from_iter_values((0..rows).map(code)), names)),
    ];
    RecordBatch::try_from_iter(columns.into_iter().chain(numbers(rows, |i| of(i).0))).unwrap()
}

/// Steps, times and values.
fn numbers(rows: usize, step: impl Fn(usize) -> usize) -> [(&'static str, ArrayRef); 3] {
    let step = |i: usize| i64::try_from(step(i)).unwrap();
    let values = Float64Array::from_iter_values((0..rows).map(|i| (i as f64).sin()));
    let times = Int64Array::from_iter_values((0..rows).map(|i| 1_000_000 * step(i)));
    let steps = Int64Array::from_iter_values((0..rows).map(step));
    [("step", Arc::new(steps)), ("time", Arc::new(times)), ("value", Arc::new(values))]
}

/// What the process took when its data were prepared, in KiB.
static IDLE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();

/// Sets the peak of this process to what it takes now, and returns that.
fn start_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    status_kib("VmHWM:")
}

fn peak_kib() -> u64 {
    status_kib("VmHWM:")
}

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |l: &str| l.strip_prefix(field)?.trim().strip_suffix(" kB")?.trim().parse().ok();
    status.lines().find_map(of).unwrap_or(0)
}
