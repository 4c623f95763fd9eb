//! The command `tidalite`. It uses only the public API of the crate `tidalite`.
//!
//! [`args`] parses the command line, [`values`] validates each value, [`commands::run`] runs the command. Answers go to
//! standard output, everything else to standard error. [`error`] defines the exit codes.

#![deny(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the command reads and writes the user's files")]

mod args;
mod commands;
mod context;
mod demo;
mod draw;
mod error;
mod interrupt;
mod output;
mod selection;
mod table;
mod targets;
mod text;
mod values;

use clap::Parser;
use error::CliError;
use std::io::Write;
use std::panic;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The message of the last panic on the main thread.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    // A panic is reported as one line, like any other error. On the main thread the report waits until the panic has
    // reached this function: an import catches the panics of third-party decoders and reports a damaged file instead.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("no reason given");
        let text = format!("error: this is a bug in tidalite: {reason}{place}; please report it");
        match thread::current().name() {
            Some("main") => *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(text),
            _ => say(&text),
        }
    }));
    match panic::catch_unwind(move || commands::run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            if let Some(message) = failure.message() {
                say(&format!("error: {}", text::printable_lines(&message)));
            }
            if let CliError::Usage(_) = failure {
                say("For more information, try '--help'.");
            }
            ExitCode::from(failure.code())
        }
        Err(_) => {
            if let Some(text) = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take() {
                say(&text);
            }
            ExitCode::FAILURE
        }
    }
}

/// Prints a line on standard error. A failure to do so is ignored: it cannot be reported anywhere.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
