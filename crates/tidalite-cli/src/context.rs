//! The global flags in effect: how to open a store, how to write the answer, what to show during long work.

use crate::args::{ColorWhen, Format, GlobalArgs};
use crate::error::{CliError, CliResult};
use crate::interrupt::AwaitInterrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use tidalite::{Error, Options, Snapshot, Store};

/// The global flags, resolved for the terminal and the environment.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// As given on the command line; see [`format`](Self::format).
    asked: Option<Format>,
    color: bool,
    quiet: bool,
    memory_bytes: u64,
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
        Context { asked: global.format, color, quiet: global.quiet, memory_bytes: global.memory }
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

    /// A snapshot for a listing, which shows what can be read. `complete` then says what it lacks.
    pub(crate) fn readable(&self, store: &Store) -> CliResult<(Snapshot, Vec<Error>)> {
        let snapshot = store.snapshot()?;
        let unreadable = snapshot.unreadable_parts();
        Ok((if unreadable.is_empty() { snapshot } else { snapshot.without_unreadable_parts() }, unreadable))
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

    fn options(&self) -> Options {
        Options::new().memory_bytes(self.memory_bytes)
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
            ProgressUnit::Points => "{msg} {bar:32} {human_pos} of {human_len} points, {eta} left",
            ProgressUnit::PointsSoFar => "{msg} {human_pos} points",
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("the template is fixed and sound").progress_chars("━╸ "));
        bar.set_message(doing);
        CommandProgress { bar, interrupt: AwaitInterrupt::new() }
    }
}

/// The result of a listing that was printed without these parts.
///
/// # Errors
/// `Incomplete` if there are any.
pub(crate) fn complete(unreadable: Vec<Error>) -> CliResult {
    if unreadable.is_empty() { Ok(()) } else { Err(CliError::Incomplete(unreadable)) }
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProgressUnit {
    /// Bytes.
    Bytes,
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
