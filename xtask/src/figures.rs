//! The figures in the documents, measured anew: each block between marks names the command that prints it.
//!
//! ```text
//! <!-- figures: benches/peers/log_calls.py -->
//! …what that printed…
//! <!-- end of figures -->
//! ```
//!
//! The commands are Python scripts of the project's and `bench NAME`s, run in turn on an otherwise idle machine, with the package
//! built optimised and installed beside its peers in an environment of its own. Blocks of one command are measured once.

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

/// Measures all figures, or those whose command contains a text, and writes them where they stand.
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

/// The text with what `print` gives for each block's command in its block; a block stays where that gives nothing.
fn replace(
    text: &str,
    mut print: impl FnMut(&str) -> Result<Option<String>, StepOutcome>,
) -> Result<String, StepOutcome> {
    let mut renewed = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let (before, block) = rest.split_at(begin + BEGIN.len());
        let unfinished = || failed(format!("a block of figures has no `{END}` behind it: {before}"));
        let (command, block) = block.split_once(CLOSE).ok_or_else(unfinished)?;
        let (old, behind) = block.split_once(END).ok_or_else(unfinished)?;
        let new = print(command)?.map_or_else(|| old.to_string(), |p| format!("{}\n", p.trim_end()));
        renewed.extend([before, command, CLOSE, &new, END]);
        rest = behind;
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
    fn a_block_gets_what_its_command_prints_and_all_else_stays() {
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
