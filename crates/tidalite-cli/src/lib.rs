//! The command `tidalite`, as a library: the program `tidalite` and the Python package run it. It uses only the public API
//! of the crate `tidalite`.
//!
//! `args` parses the command line, `values` validates each value, `commands` runs the command. Answers go to standard
//! output, everything else to standard error. `error` defines the exit codes.

#![deny(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the command reads and writes the user's files")]

pub mod answer_text;
mod args;
mod commands;
mod context;
mod demo;
mod draw;
mod error;
mod interrupt;
mod output;
mod program;
mod selection;
mod table;
mod targets;
mod text;
mod values;

pub use program::Program;

use clap::Parser;
use error::{CliError, CliResult};
use std::ffi::OsString;
use std::io::Write;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The exit code after a panic.
const PANICKED: u8 = 1;

/// Runs the command with these arguments, without the program's name before them, and returns its exit code.
///
/// It never exits the process. It writes to the process's standard output and standard error, handles Ctrl-C from the
/// first long work on, and replaces the panic hook until it returns. So a process runs one command at a time, and does
/// little else.
pub fn run(program: &Program, args: impl IntoIterator<Item = OsString>) -> u8 {
    let args = std::iter::once(OsString::from("tidalite")).chain(args);
    let code = match args::Cli::try_parse_from(args) {
        Ok(cli) => reported(|| commands::run(program, cli)),
        Err(refusal) => {
            // Also the way of `--help` and `--version`. A reader that has gone needs no answer.
            let _ = refusal.print();
            u8::try_from(refusal.exit_code()).unwrap_or(CliError::USAGE)
        }
    };
    // A library has no end of the program at which the rest would be written. Errors of answers are reported by now.
    let _ = std::io::stdout().flush();
    code
}

/// Runs `work`, says on standard error what went wrong, and returns the exit code.
fn reported(work: impl FnOnce() -> CliResult + panic::UnwindSafe) -> u8 {
    let panicked = Arc::new(Mutex::new(None));
    let previous = panic::take_hook();
    panic::set_hook(Box::new(panic_hook(panicked.clone())));
    let done = panic::catch_unwind(work);
    panic::set_hook(previous);
    match done {
        Ok(Ok(())) => 0,
        Ok(Err(failure)) => {
            if let Some(message) = failure.message() {
                say(&format!("error: {}", text::printable_lines(&message)));
            }
            if let CliError::Usage(_) = failure {
                say("For more information, try '--help'.");
            }
            failure.code()
        }
        Err(_) => {
            if let Some(text) = panicked.lock().unwrap_or_else(PoisonError::into_inner).take() {
                say(&text);
            }
            PANICKED
        }
    }
}

/// A hook that reports a panic as one line, like any other error. On this thread the report waits until the panic has
/// reached [`reported`]: an import catches the panics of third-party decoders and reports a damaged file instead.
fn panic_hook(panicked: Arc<Mutex<Option<String>>>) -> impl Fn(&panic::PanicHookInfo<'_>) {
    let caller = thread::current().id();
    move |panic| {
        let place = panic.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("no reason given");
        let text = format!("error: this is a bug in tidalite: {reason}{place}; please report it");
        if thread::current().id() == caller {
            *panicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        } else {
            say(&text);
        }
    }
}

/// Prints a line on standard error. A failure to do so is ignored: it cannot be reported anywhere.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_panic_is_an_exit_code_and_the_hook_of_the_process_comes_back() {
        static HEARD: AtomicBool = AtomicBool::new(false);
        panic::set_hook(Box::new(|_| HEARD.store(true, Ordering::SeqCst)));
        assert_eq!(reported(|| panic!("planted")), PANICKED);
        assert_eq!(reported(|| Err(CliError::Damage)), 4);
        assert_eq!(reported(|| Ok(())), 0);
        assert!(!HEARD.load(Ordering::SeqCst), "the panic is the command's");
        assert!(panic::catch_unwind(|| panic!("planted")).is_err());
        assert!(HEARD.load(Ordering::SeqCst));
        let _ = panic::take_hook();
    }

    #[test]
    fn usage_and_help_are_exit_codes() {
        let program = Program::this_executable();
        assert_eq!(run(&program, ["no-such-command".into()]), CliError::USAGE);
        assert_eq!(run(&program, ["--version".into()]), 0);
    }
}
