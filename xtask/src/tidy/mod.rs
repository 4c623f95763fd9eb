//! House rules that no other tool checks. Each breach is a line `file:line: what is wrong`.
//!
//! - each Rust file opens with `//!` and has at most 500 lines, each function at most 70;
//! - no file or folder is called `utils` or the like;
//! - files of a crate import each other in no circle, and folders and crates in one direction;
//! - each type has a name of its own in the workspace;
//! - each public function of the engine's main types has an example that runs and asserts;
//! - no plans left in the text, no words that only sell, no paths of one machine, no phrases that have to be decoded;
//! - each relative link in a Markdown file leads to a file, and to a heading in it;
//! - each test that the pages about promises name exists;
//! - each dependency has a licence that `deny.toml` allows.

mod examples;
mod imports;
pub(crate) mod licence;
mod links;
mod phrases;
mod shape;
mod sources;
mod test_names;
mod type_names;
mod words;

use std::path::Path;

use crate::steps::StepOutcome;

/// Checks all rules but the licences.
pub(crate) fn check(root: &Path) -> StepOutcome {
    let texts = match sources::read(root) {
        Ok(texts) => texts,
        Err(e) => return StepOutcome::Failed(format!("cannot read the sources: {e}")),
    };
    let (files, mut breaches) = sources::parse(&texts);
    breaches.extend(texts.iter().flat_map(shape::check_file));
    breaches.extend(files.iter().flat_map(shape::check_functions));
    breaches.extend(files.iter().flat_map(examples::check));
    breaches.extend(imports::check(&texts, &files));
    breaches.extend(type_names::check(&files));
    breaches.extend(texts.iter().flat_map(|f| words::check(&f.name, &f.text)));
    breaches.extend(texts.iter().flat_map(|f| phrases::check(&f.name, &f.text)));
    breaches.extend(links::check(&texts));
    breaches.extend(test_names::check(&texts, &files));
    breaches.sort();
    breaches.iter().for_each(|b| println!("   {b}"));
    match breaches.len() {
        0 => StepOutcome::Passed,
        n => StepOutcome::Failed(format!("breaches of house rules: {n}, in {} files", texts.len())),
    }
}
