//! Renews the figures in the documents. Each block between marks names the command that prints it.
//!
//! ```text
//! <!-- figures: benches/peers/log_calls.py -->
//! …what that printed…
//! <!-- end of figures -->
//! ```
//!
//! The commands are the project's Python scripts and `bench NAME`. They need an otherwise idle machine. The package is built
//! optimised and installed with its peers into a separate environment. Each command runs once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::chore::cargo;
use super::python;
use super::steps::StepOutcome;

const DOCUMENTS: [&str; 2] = ["README.md", "docs/performance.md"];
const BEGIN: &str = "<!-- figures: ";
const CLOSE: &str = " -->\n";
const END: &str = "<!-- end of figures -->";

/// Measures all figures, or those whose command contains `only`, and writes them into the documents.
pub(crate) fn renew(root: &Path, only: &str) -> StepOutcome {
    python::attempt(|| {
        let python = python::peers(root)?;
        let mut measured = BTreeMap::new();
        for document in DOCUMENTS {
            let path = root.join(document);
            let text =
                fs::read_to_string(&path).map_err(|e| failed(format!("cannot read {document}: {e}")))?;
            let renewed = replace(&text, |command| {
                if !command.contains(only) {
                    return Ok(None);
                }
                if !measured.contains_key(command) {
                    measured.insert(command.to_string(), measure(root, &python, command)?);
                }
                Ok(measured.get(command).cloned())
            })?;
            fs::write(&path, renewed).map_err(|e| failed(format!("cannot write {document}: {e}")))?;
        }
        Ok(())
    })
}

/// Replaces the content of each block by what `print` gives for its command. `None` leaves the block unchanged.
fn replace(
    text: &str,
    mut print: impl FnMut(&str) -> Result<Option<String>, StepOutcome>,
) -> Result<String, StepOutcome> {
    let mut renewed = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let (before, block) = rest.split_at(begin + BEGIN.len());
        let unfinished = || failed(format!("a block of figures has no `{END}` after it: {before}"));
        let (command, block) = block.split_once(CLOSE).ok_or_else(unfinished)?;
        let (old, after) = block.split_once(END).ok_or_else(unfinished)?;
        let new = print(command)?.map_or_else(|| old.to_string(), |p| format!("{}\n", p.trim_end()));
        renewed.extend([before, command, CLOSE, &new, END]);
        rest = after;
    }
    renewed.push_str(rest);
    Ok(renewed)
}

fn measure(root: &Path, python: &PathBuf, command: &str) -> Result<String, StepOutcome> {
    println!("   {command}");
    let mut words = command.split_whitespace();
    let mut process = match words.next() {
        Some("bench") => {
            let mut bench = cargo();
            bench.args(["bench", "--quiet", "--workspace", "--bench"]);
            bench
        }
        Some(script) => {
            let mut python = Command::new(python);
            python.arg(script);
            python
        }
        None => return Err(failed("a block of figures names no command".into())),
    };
    let done = process.args(words).current_dir(root).output();
    let done = done.map_err(|e| failed(format!("cannot start `{command}`: {e}")))?;
    print!("{}", String::from_utf8_lossy(&done.stdout));
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(failed(format!("`{command}` ended with {}: {said}", done.status)));
    }
    String::from_utf8(done.stdout).map_err(|_| failed(format!("`{command}` printed no UTF-8")))
}

fn failed(why: String) -> StepOutcome {
    StepOutcome::Failed(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- figures: x.py -->\nold\n<!-- end of figures -->\nb\n<!-- figures: bench y -->\n<!-- end of figures -->\n";

    #[test]
    fn a_block_gets_its_commands_output_and_everything_else_stays() {
        let renewed = replace(TEXT, |command| Ok((command == "x.py").then(|| "new\n\n".into())));
        assert_eq!(renewed, Ok(TEXT.replace("old", "new")));
        assert_eq!(replace(TEXT, |_| Ok(None)), Ok(TEXT.into()));
    }

    #[test]
    fn a_block_without_an_end_is_refused() {
        let cut = TEXT.split_at(TEXT.len() - 30).0;
        assert!(matches!(replace(cut, |_| Ok(None)), Err(StepOutcome::Failed(_))));
    }
}
