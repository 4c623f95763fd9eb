//! The licence of every dependency, against the list in `deny.toml`: the same rule that cargo-deny applies, checked
//! without it, so that it is checked always.
//!
//! A licence expression is SPDX: names, `AND`, `OR` (or the old `/`), `WITH` an exception, parentheses. It passes if
//! some choice of its alternatives uses allowed names only.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::chore::cargo;
use crate::steps::StepOutcome;

/// Checks what the workspace is built from, on every platform.
pub(crate) fn check(root: &Path) -> StepOutcome {
    let allowed = match fs::read_to_string(root.join("deny.toml")) {
        Ok(text) => allowed(&text),
        Err(e) => return StepOutcome::Failed(format!("cannot read deny.toml: {e}")),
    };
    let edges = "normal,build,dev";
    let tree =
        ["tree", "--workspace", "--target=all", "--prefix=none", "--format={p}\t{l}", "--edges", edges];
    let packages = match cargo().args(tree).output() {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).into_owned(),
        Ok(out) => return StepOutcome::Failed(String::from_utf8_lossy(&out.stderr).into_owned()),
        Err(e) => return StepOutcome::Failed(format!("cannot start cargo: {e}")),
    };
    let refused = refused(&packages, &allowed);
    refused.iter().for_each(|line| println!("   {line}"));
    match refused.len() {
        0 => StepOutcome::Passed,
        n => StepOutcome::Failed(format!("{n} dependencies have no licence that deny.toml allows")),
    }
}

/// Packages, in lines of `name version<TAB>licence`, that are not allowed.
fn refused(packages: &str, allowed: &[String]) -> BTreeSet<String> {
    let lines = packages.lines().map(|l| l.trim_end_matches(" (*)")).filter(|l| !l.is_empty());
    let packages = lines.map(|l| l.split_once('\t').unwrap_or((l, "")));
    let refuse = |(package, licence): (&str, &str)| {
        (!passes(licence, allowed)).then(|| match licence {
            "" => format!("{package}: names no licence"),
            _ => format!("{package}: {licence}"),
        })
    };
    packages.filter_map(refuse).collect()
}

/// The names in the `allow` list of `deny.toml`'s `[licenses]`.
fn allowed(deny: &str) -> Vec<String> {
    let section = deny.split("[licenses]").nth(1).and_then(|s| s.split("\n[").next()).unwrap_or_default();
    let list = section.split("allow = [").nth(1).and_then(|s| s.split(']').next()).unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether some choice of a licence expression's alternatives uses allowed names only.
fn passes(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    either(&mut rest, allowed) && rest.is_empty()
}

/// Alternatives. All are parsed, even after one that passes.
fn either(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut any = both(rest, allowed);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        any |= both(rest, allowed);
    }
    any
}

fn both(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut all = one(rest, allowed);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        all &= one(rest, allowed);
    }
    all
}

fn one(rest: &mut &[&str], allowed: &[String]) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let inner = either(rest, allowed);
            let [")", after @ ..] = *rest else { return false };
            *rest = after;
            inner
        }
        // An exception only adds to what the licence grants.
        [name, "WITH", _, after @ ..] | [name, after @ ..] => {
            *rest = after;
            allowed.iter().any(|a| a == name)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<String> {
        ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).to_vec()
    }

    #[test]
    fn an_expression_passes_if_some_choice_of_it_is_allowed() {
        for allowed in [
            "MIT",
            "MIT/Apache-2.0",
            "LGPL-2.1-or-later OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(passes(allowed, &list()), "{allowed}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND ISC", "(MIT", "MIT MIT", "OR"] {
            assert!(!passes(bad, &list()), "{bad}");
        }
    }

    #[test]
    fn a_dependency_without_an_allowed_licence_is_named_once() {
        let tree = "a v1.0.0\tMIT\n\nb v2.0.0\tGPL-3.0\nb v2.0.0\tGPL-3.0 (*)\nc v3.0.0\t\n";
        let expected = ["b v2.0.0: GPL-3.0", "c v3.0.0: names no licence"];
        assert_eq!(refused(tree, &list()).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_list_is_read_from_the_right_section() {
        let deny = "[bans]\nallow = [\"x\"]\n[licenses]\nallow = [\n  \"MIT\", # short\n  \"ISC\",\n]\n[sources]\nallow = []\n";
        assert_eq!(allowed(deny), ["MIT", "ISC"]);
    }
}
