//! The command `tidalite`: an honest user of the public crate, and nothing more.
//!
//! Flags ([`args`]) → validated values ([`values`]) → one match that runs ([`commands::run`]). Answers go to standard
//! output, everything else to standard error; exit codes are in [`failure`].

#![deny(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the command reads and writes the user's files")]

mod args;
mod columns;
mod commands;
mod context;
mod demo;
mod draw;
mod failure;
mod output;
mod selection;
mod table;
mod values;

use clap::Parser;
use failure::Failure;
use std::io::Write;
use std::panic;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What the last panic of the main thread said.
static FAULT: Mutex<Option<String>> = Mutex::new(None);

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    // A fault of ours is one line like any other error, not a backtrace. On this thread it waits until it is known that
    // nobody caught it: an import does where the decoder of another project panics, and then says what is wrong itself.
    panic::set_hook(Box::new(|fault| {
        let place = fault.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let what = fault.payload_as_str().unwrap_or("no reason given");
        let text = format!("error: this is a fault in tidalite itself: {what}{place}; please report it");
        match thread::current().name() {
            Some("main") => *FAULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(text),
            _ => say(&text),
        }
    }));
    match panic::catch_unwind(move || commands::run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            if let Some(message) = failure.message() {
                say(&format!("error: {}", table::printable_lines(&message)));
            }
            if let Failure::Usage(_) = failure {
                say("For more information, try '--help'.");
            }
            ExitCode::from(failure.code())
        }
        Err(_) => {
            if let Some(text) = FAULT.lock().unwrap_or_else(PoisonError::into_inner).take() {
                say(&text);
            }
            ExitCode::FAILURE
        }
    }
}

/// A line on standard error. Where even that cannot be written there is nobody to tell.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
