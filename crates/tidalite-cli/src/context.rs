//! What every command needs beside its own flags: how to open a store, where to write, what to show on the way.

use crate::args::{ColorWhen, Format, GlobalArgs};
use crate::error::{CliError, CliResult};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use tidalite::{Options, Store};

/// The flags that every command takes, checked against where the answer goes.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// As given; see [`format`](Self::format).
    asked: Option<Format>,
    color: bool,
    quiet: bool,
    memory_bytes: u64,
}

impl Context {
    /// From the flags.
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

    /// How the answer is to be written: a table unless said otherwise.
    ///
    /// # Errors
    /// `Usage` for a format of files, and for binary on a terminal.
    pub(crate) fn format(&self) -> CliResult<Format> {
        match self.asked.unwrap_or(Format::Table) {
            Format::Parquet => Err(CliError::Usage(
                "an answer is written as table, json, csv or arrow; `tidalite export` writes Parquet".into(),
            )),
            Format::Arrow if io::stdout().is_terminal() => Err(CliError::Usage(
                "an Arrow stream is binary and this is a terminal; send it to a file or a pipe".into(),
            )),
            format => Ok(format),
        }
    }

    /// The format as given, for `export`, whose answer is a file.
    pub(crate) fn format_asked(&self) -> Option<Format> {
        self.asked
    }

    /// Whether to colour.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Opens a store to read it; nothing in it is changed.
    pub(crate) fn read(&self, path: &Path) -> CliResult<Store> {
        Ok(self.options().read_only(true).open(path)?)
    }

    /// Opens a store to write to it, if it exists: a mistyped path must not make a new one.
    pub(crate) fn write(&self, path: &Path) -> CliResult<Store> {
        self.read(path)?;
        self.make(path)
    }

    /// Opens a store to write to it; made if absent.
    pub(crate) fn make(&self, path: &Path) -> CliResult<Store> {
        Ok(self.options().open(path)?)
    }

    fn options(&self) -> Options {
        Options::new().memory_bytes(self.memory_bytes)
    }

    /// A remark for people, on standard error; not with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            // Where standard error is closed nobody reads remarks.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// A bar for long work, on standard error; hidden where that is no terminal, and with `--quiet`. Set its length
    /// when it is known; it is cleared when it is dropped.
    pub(crate) fn progress(&self, doing: &'static str, unit: ProgressUnit) -> CommandProgress {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let amounts = match unit {
            ProgressUnit::Bytes => "{decimal_bytes} of {decimal_total_bytes}",
            ProgressUnit::Points => "{human_pos} of {human_len} points",
        };
        let style = ProgressStyle::with_template(&format!("{{msg}} {{bar:32}} {amounts}, {{eta}} left"));
        bar.set_style(style.expect("the template is fixed and sound").progress_chars("━╸ "));
        bar.set_message(doing);
        CommandProgress { bar }
    }
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProgressUnit {
    /// Bytes.
    Bytes,
    /// Points.
    Points,
}

/// A progress bar that goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct CommandProgress {
    bar: ProgressBar,
}

impl CommandProgress {
    /// So much is done of so much.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total.max(done));
        self.bar.set_position(done);
    }
}

impl Drop for CommandProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
