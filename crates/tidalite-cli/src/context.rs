//! The global flags in effect: how to open a store, how to write the answer, what to show during long work.

use crate::args::{ColorWhen, Format, GlobalArgs};
use crate::error::{CliError, CliResult};
use crate::interrupt::AwaitInterrupt;
use crate::text::printable_lines;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use tidalite::{Finding, OnDamage, Options, Selection, Snapshot, Store};

/// The global flags, resolved for the terminal and the environment.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// As given on the command line; see [`format`](Self::format).
    asked: Option<Format>,
    color: bool,
    quiet: bool,
    memory_bytes: u64,
    on_damage: OnDamage,
}

impl Context {
    /// Resolves the global flags.
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let color = match global.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
        };
        Context {
            asked: global.format,
            color,
            quiet: global.quiet,
            memory_bytes: global.memory,
            on_damage: global.on_damage,
        }
    }

    /// The format of the answer; a table by default.
    ///
    /// # Errors
    /// `Usage` for Parquet, which only `export` writes, and for an Arrow stream to a terminal.
    pub(crate) fn format(&self) -> CliResult<Format> {
        match self.asked.unwrap_or(Format::Table) {
            Format::Parquet => Err(CliError::Usage(
                "an answer is a table, json, csv or arrow; `tidalite export` writes Parquet".into(),
            )),
            Format::Arrow if io::stdout().is_terminal() => {
                Err(CliError::Usage("an Arrow stream is binary; redirect it to a file or a pipe".into()))
            }
            format => Ok(format),
        }
    }

    /// The format as given. `export` applies it to a file.
    pub(crate) fn format_asked(&self) -> Option<Format> {
        self.asked
    }

    /// Whether to use colour.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Opens a store read-only.
    pub(crate) fn read(&self, path: &Path) -> CliResult<Store> {
        Ok(self.options().read_only(true).open(path)?)
    }

    /// What answers do about damage.
    pub(crate) fn on_damage(&self) -> OnDamage {
        self.on_damage
    }

    /// A snapshot whose answers do about damage as the flag says.
    pub(crate) fn snapshot(&self, store: &Store) -> CliResult<Snapshot> {
        Ok(store.snapshot()?.on_damage(self.on_damage))
    }

    /// A snapshot for a listing, which shows what can be read. `complete` then says what it lacks.
    pub(crate) fn readable(&self, store: &Store) -> CliResult<(Snapshot, Vec<Finding>)> {
        let snapshot = store.snapshot()?.on_damage(OnDamage::Report);
        let damage = snapshot.damage();
        Ok((snapshot, damage))
    }

    /// Opens an existing store for writing. A mistyped path must not create a store.
    pub(crate) fn write(&self, path: &Path) -> CliResult<Store> {
        self.read(path)?;
        self.create(path)
    }

    /// Opens a store for writing; creates it if absent.
    pub(crate) fn create(&self, path: &Path) -> CliResult<Store> {
        Ok(self.options().open(path)?)
    }

    /// Options of a store.
    pub(crate) fn options(&self) -> Options {
        Options::new().memory_bytes(self.memory_bytes)
    }

    /// Prints a line on standard error.
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", printable_lines(text));
    }

    /// Prints a remark on standard error, unless `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            // If standard error is closed, nobody reads remarks.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Starts a progress bar on standard error; hidden with `--quiet` and if standard error is not a terminal.
    pub(crate) fn progress(&self, doing: &'static str, unit: ProgressUnit) -> CommandProgress {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = match unit {
            ProgressUnit::Bytes => "{msg} {bar:32} {decimal_bytes} of {decimal_total_bytes}, {eta} left",
            ProgressUnit::BytesAtRate => {
                "{msg} {bar:32} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"
            }
            ProgressUnit::BytesSoFar => "{msg} {decimal_bytes}, {decimal_bytes_per_sec}",
            ProgressUnit::Points => "{msg} {bar:32} {human_pos} of {human_len} points, {eta} left",
            ProgressUnit::PointsSoFar => "{msg} {human_pos} points",
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("the template is fixed and sound").progress_chars("━╸ "));
        bar.set_message(doing);
        CommandProgress { bar, interrupt: AwaitInterrupt::new() }
    }
}

/// The result of an answer that was printed without these places.
///
/// # Errors
/// `Incomplete` if there are any.
pub(crate) fn complete(left_out: Vec<Finding>) -> CliResult {
    if left_out.is_empty() { Ok(()) } else { Err(CliError::Incomplete(left_out)) }
}

/// The result of a listing: what the snapshot cannot read, and what the selection left out of its answers besides.
///
/// # Errors
/// `Incomplete` if there is any.
pub(crate) fn complete_listing(mut damage: Vec<Finding>, select: &Selection) -> CliResult {
    add_left_out(&mut damage, select);
    complete(damage)
}

/// Adds what a selection left out of its answers.
pub(crate) fn add_left_out(damage: &mut Vec<Finding>, select: &Selection) {
    for finding in select.damage() {
        if !damage.contains(&finding) {
            damage.push(finding);
        }
    }
}

/// The result of an answer of a selection. That nothing was found, or an answer was printed, may be due to damage.
///
/// # Errors
/// `Incomplete` if something was left out; that of the answer.
pub(crate) fn complete_answer(select: &Selection, answer: CliResult) -> CliResult {
    match answer {
        Ok(()) | Err(CliError::Nothing(_)) if !select.damage().is_empty() => complete(select.damage()),
        other => other,
    }
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProgressUnit {
    /// Bytes.
    Bytes,
    /// Bytes, and how many a second.
    BytesAtRate,
    /// Bytes and how many a second, of a total that is not known.
    BytesSoFar,
    /// Points.
    Points,
    /// Points, of a total that is not known.
    PointsSoFar,
}

/// A progress bar. Dropping it clears it from the terminal. While it lives, Ctrl-C ends the work in an orderly way.
#[derive(Debug)]
pub(crate) struct CommandProgress {
    bar: ProgressBar,
    interrupt: AwaitInterrupt,
}

impl CommandProgress {
    /// Reports that `done` of `total` is done, and lets the work go on unless Ctrl-C came.
    pub(crate) fn set(&self, done: u64, total: u64) -> ControlFlow<()> {
        self.bar.set_length(total.max(done));
        self.count(done)
    }

    /// Reports that `done` is done, of a total that is not known, and lets the work go on unless Ctrl-C came.
    pub(crate) fn count(&self, done: u64) -> ControlFlow<()> {
        self.bar.set_position(done);
        if self.interrupt.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for CommandProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
