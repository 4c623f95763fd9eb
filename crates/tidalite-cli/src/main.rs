//! The program `tidalite`: the command of the crate `tidalite_cli` with this process's arguments.

use std::process::ExitCode;
use tidalite_cli::Program;

fn main() -> ExitCode {
    ExitCode::from(tidalite_cli::run(&Program::this_executable(), std::env::args_os().skip(1)))
}
