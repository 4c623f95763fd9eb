//! The table: areas, their files, and how many of their lines and branches were reached.
//!
//! Invariant: a line of a test counts nowhere. Files of tests are left out by name, test modules by their lines.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use syn::spanned::Spanned;

use super::super::steps::StepOutcome;

/// At least this many of 100 branches of all areas together.
const BRANCHES_MIN_PERCENT: usize = 95;

/// What is looked at: a name, and where its files are (a file, or a folder with all in it).
const AREAS: [(&str, &[&str]); 4] = [
    ("log", &["crates/tidalite-log/src/"]),
    (
        "manifest",
        &[
            "crates/tidalite/src/files/manifest.rs",
            "crates/tidalite/src/files/marker.rs",
            "crates/tidalite/src/files/paths.rs",
            "crates/tidalite/src/files/run_table.rs",
            "crates/tidalite/src/files/writer_table.rs",
            "crates/tidalite/src/upkeep/publish.rs",
        ],
    ),
    (
        "recovery",
        &[
            "crates/tidalite/src/engine/log_tail.rs",
            "crates/tidalite/src/engine/tail.rs",
            "crates/tidalite/src/upkeep/collect.rs",
            "crates/tidalite/src/upkeep/evidence.rs",
            "crates/tidalite/src/upkeep/flush.rs",
            "crates/tidalite/src/upkeep/flush_batch.rs",
            "crates/tidalite/src/upkeep/reopen.rs",
            "crates/tidalite/src/upkeep/writers.rs",
        ],
    ),
    ("two copies", &["crates/tidalite/src/files/two_copies.rs"]),
];

/// How many there are, and how many of them were reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reached {
    of: usize,
    reached: usize,
}

impl Reached {
    fn add(&mut self, other: Self) {
        self.of += other.of;
        self.reached += other.reached;
    }

    fn count(counts: impl Iterator<Item = u64>) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            of: sum.of + 1,
            reached: sum.reached + usize::from(count > 0),
        })
    }

    /// In words, with the share in percent; rounded down, so that 100 % means all.
    fn text(self) -> String {
        if self.of == 0 {
            return "–".into();
        }
        let tenths = self.reached * 1000 / self.of;
        format!("{}.{} % of {}", tenths / 10, tenths % 10, self.of)
    }
}

/// What was counted in a file.
#[derive(Debug, Default)]
struct CountedFile {
    /// By line.
    lines: BTreeMap<usize, u64>,
    /// By line, condition in it, and way out of the condition.
    branches: BTreeMap<(usize, String), u64>,
}

/// Prints the table, and the missed branches of files whose names contain `detail`.
pub(super) fn print(root: &Path, lcov: &str, detail: Option<&str>) -> Result<StepOutcome, String> {
    let (mut lines, mut branches) = (Reached::default(), Reached::default());
    let mut files = read(root, lcov);
    println!("\n   | area | file | lines | branches |\n   |---|---|---|---|");
    for (area, places) in AREAS {
        let (mut area_lines, mut area_branches, mut rows) =
            (Reached::default(), Reached::default(), Vec::new());
        for (name, file) in &mut files {
            if !places.iter().any(|place| name.starts_with(place)) || is_test(name) {
                continue;
            }
            drop_tests(root, name, file)?;
            let found = (
                Reached::count(file.lines.values().copied()),
                Reached::count(file.branches.values().copied()),
            );
            area_lines.add(found.0);
            area_branches.add(found.1);
            rows.push((name.clone(), found));
        }
        println!("   | **{area}** | | {} | {} |", area_lines.text(), area_branches.text());
        for (name, (lines, branches)) in rows {
            let name = name.strip_prefix("crates/").unwrap_or(&name).replace("/src/", ": ");
            println!("   | | `{name}` | {} | {} |", lines.text(), branches.text());
        }
        lines.add(area_lines);
        branches.add(area_branches);
    }
    println!("   | **together** | | {} | {} |\n", lines.text(), branches.text());
    for (name, file) in files.iter().filter(|(name, _)| detail.is_some_and(|part| name.contains(part))) {
        print_missed(name, file);
    }
    Ok(if branches.reached * 100 >= branches.of * BRANCHES_MIN_PERCENT {
        StepOutcome::Passed
    } else {
        StepOutcome::Failed(format!("less than {BRANCHES_MIN_PERCENT} % of the branches are reached"))
    })
}

fn print_missed(name: &str, file: &CountedFile) {
    for ((line, way), _) in file.branches.iter().filter(|(_, count)| **count == 0) {
        println!("   {name}:{line}: branch {way} is never taken");
    }
    for (line, _) in file.lines.iter().filter(|(_, count)| **count == 0) {
        println!("   {name}:{line}: never reached");
    }
}

/// The files of the areas in the output of llvm-cov. A line `SF:` begins a file, `DA:` has a line and its count, `BRDA:` a
/// line, the two numbers of a way out of a condition in it, and its count, or `-` where the condition was never reached.
fn read(root: &Path, lcov: &str) -> BTreeMap<String, CountedFile> {
    let mut files: BTreeMap<String, CountedFile> = BTreeMap::new();
    let mut current = None;
    for entry in lcov.lines() {
        let (kind, rest) = entry.split_once(':').unwrap_or((entry, ""));
        if kind == "SF" {
            let below =
                Path::new(rest).strip_prefix(root).ok().map(|path| path.to_string_lossy().into_owned());
            let name =
                below.filter(|name| AREAS.iter().any(|(_, at)| at.iter().any(|at| name.starts_with(at))));
            current = name.map(|name| files.entry(name).or_default());
            continue;
        }
        let Some(file) = &mut current else { continue };
        let fields: Vec<&str> = rest.split(',').collect();
        match (kind, &fields[..]) {
            ("DA", [line, count, ..]) => {
                let line = line.parse().unwrap_or(0);
                *file.lines.entry(line).or_default() += count.parse().unwrap_or(0);
            }
            ("BRDA", [line, condition, way, count]) => {
                let key = (line.parse().unwrap_or(0), format!("{condition}.{way}"));
                *file.branches.entry(key).or_default() += count.parse().unwrap_or(0);
            }
            _ => {}
        }
    }
    files
}

/// Whether the name is that of a file of tests, or of what only tests use.
fn is_test(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    name.contains("/tests/") || base.ends_with("tests.rs") || base == "testing.rs"
}

/// Takes out the lines of test modules.
fn drop_tests(root: &Path, name: &str, file: &mut CountedFile) -> Result<(), String> {
    let text = fs::read_to_string(root.join(name)).map_err(|e| format!("cannot read {name}: {e}"))?;
    for lines in test_modules(&text).map_err(|e| format!("cannot parse {name}: {e}"))? {
        file.lines.retain(|line, _| !lines.contains(line));
        file.branches.retain(|(line, _), _| !lines.contains(line));
    }
    Ok(())
}

/// The lines of the modules that exist in tests only.
fn test_modules(text: &str) -> syn::Result<Vec<RangeInclusive<usize>>> {
    let for_tests = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.clone().into_iter().any(|token| {
                token.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
            })
        }
        _ => false,
    };
    let items = syn::parse_file(text)?.items;
    Ok(items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Mod(module) if module.attrs.iter().any(for_tests) => {
                Some(module.span().start().line..=module.span().end().line)
            }
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_branches_of_an_area_are_counted_and_those_of_other_files_are_not() {
        let lcov = "SF:/w/crates/tidalite-log/src/a.rs\nDA:1,5\nDA:2,0\nBRDA:1,0,0,5\nBRDA:1,0,1,-\nend_of_record\n\
                    SF:/w/crates/tidalite-parts/src/a.rs\nDA:1,5\nend_of_record\n";
        let files = read(Path::new("/w"), lcov);
        assert_eq!(files.len(), 1);
        let file = &files["crates/tidalite-log/src/a.rs"];
        assert_eq!(Reached::count(file.lines.values().copied()), Reached { of: 2, reached: 1 });
        assert_eq!(Reached::count(file.branches.values().copied()), Reached { of: 2, reached: 1 });
    }

    #[test]
    fn test_modules_and_files_of_tests_are_left_out() {
        let text = "fn a() {}\n\n#[cfg(all(test, unix))]\nmod tests {\n    fn b() {}\n}\n\nmod other {\n}\n";
        assert_eq!(test_modules(text).unwrap(), [3..=6]);
        assert!(is_test("crates/a/src/writer/tests.rs") && is_test("a/src/clock_tests.rs"));
        assert!(!is_test("crates/a/src/attests/b.rs"));
    }

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!(Reached { of: 1000, reached: 999 }.text(), "99.9 % of 1000");
        assert_eq!(Reached { of: 2001, reached: 2000 }.text(), "99.9 % of 2001");
        assert_eq!(Reached::default().text(), "–");
    }
}
