//! The help shows examples of every command and the exit codes, and the reference documents every flag.

use crate::sample::{CommandAnswer, tidalite};

/// The commands that the help lists.
const NAMES: [&str; 22] = [
    "demo", "info", "runs", "diff", "metrics", "labels", "query", "chart", "follow", "top", "import",
    "export", "flush", "compact", "files", "thin", "edit", "delete", "verify", "salvage", "backup", "merge",
];

#[test]
fn the_help_of_every_command_has_examples() {
    let top = CommandAnswer::of(tidalite().arg("--help"));
    assert!(top.ok().contains("Exit codes:") && top.ok().contains("4    damage: `verify`"));
    assert!(!top.ok().contains("demo-train"), "hidden commands are not listed");
    for name in NAMES {
        assert!(top.ok().contains(&format!("\n  {name} ")), "{name}");
        for flag in ["--help", "-h"] {
            let help = CommandAnswer::of(tidalite().args([name, flag]));
            assert!(
                help.ok().contains(&format!("Examples:\n  tidalite {name}")),
                "{name} {flag}: {}",
                help.text()
            );
        }
    }
}

#[test]
fn the_reference_documents_every_flag() {
    let reference = include_str!("../../../../docs/command.md");
    for name in NAMES {
        assert!(reference.contains(&format!("## `{name}")), "{name}");
        let help = CommandAnswer::of(tidalite().args([name, "--help"]));
        let words = help.ok().split(|c: char| c.is_whitespace() || ",()".contains(c));
        for flag in words.filter(|w| w.starts_with("--") && w.len() > 2) {
            assert!(reference.contains(&format!("`{flag}")), "{name} {flag}");
        }
    }
}
