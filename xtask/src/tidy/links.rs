//! Relative links in Markdown: each must lead to a file or folder, and, after a `#`, to a heading in it. Links to other
//! hosts are not followed, since a check must not depend on the network.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::sources::TextFile;

/// A line for each link that leads nowhere.
pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let documents: Vec<&TextFile> = files.iter().filter(|f| f.name.ends_with(".md")).collect();
    let mut breaches = Vec::new();
    for file in &documents {
        for (line, target) in links(&file.text) {
            if let Some(wrong) = resolve(file, &target) {
                breaches.push(format!("{}:{line}: link `{target}` {wrong}", file.name));
            }
        }
    }
    breaches
}

/// What is wrong with a link, if anything.
fn resolve(from: &TextFile, target: &str) -> Option<String> {
    let other_host = target.contains("://") || target.starts_with("mailto:");
    if other_host || target.is_empty() {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(p, a)| (p, Some(a)));
    let folder = from.path.parent().unwrap_or(Path::new(""));
    let (place, text) = if path.is_empty() {
        (from.path.clone(), Some(from.text.clone()))
    } else {
        let place = folder.join(path);
        if !place.exists() {
            return Some("leads to no file".into());
        }
        (place.clone(), fs::read_to_string(&place).ok())
    };
    let anchor = anchor?;
    // Anchors into sources (#L12) and other kinds of file are the viewer's business.
    if place.extension().is_none_or(|e| e != "md") {
        return None;
    }
    let known = anchors(&text.unwrap_or_default());
    (!known.iter().any(|a| a == anchor)).then(|| "leads to no heading of that file".into())
}

/// Targets of `[text](target)` and `[name]: target`, with their line; code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let clean = without_code(line);
        let mut rest = clean.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let end = rest.find(')').unwrap_or(rest.len());
            found.push((number, target(&rest[..end])));
            rest = &rest[end..];
        }
        if clean.starts_with('[')
            && let Some((_, after)) = clean.split_once("]: ")
        {
            found.push((number, target(after)));
        }
    }
    found
}

/// A link's target, without a title or angle brackets.
fn target(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    first.trim_start_matches('<').trim_end_matches('>').into()
}

/// The names by which headings are linked, as GitHub and rustdoc make them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = prose(text).filter(|(_, l)| l.starts_with('#'));
    let name = |(_, line): (usize, &str)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let keep = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let slug: String = title.chars().filter(keep).map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = seen.entry(slug.clone()).or_default();
        *times += 1;
        if *times > 1 { format!("{slug}-{}", *times - 1) } else { slug }
    };
    headings.map(name).collect()
}

/// Lines outside fenced code, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((i + 1, line))
    })
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code_only() {
        let text = "[a](x.md) and [b](<y.md#z> \"title\")\n```\n[c](no.md)\n```\n`[d](no.md)` [e](f.md)\n[g]: h.md\n";
        let expected = [(1, "x.md"), (1, "y.md#z"), (5, "f.md"), (6, "h.md")];
        assert_eq!(links(text), expected.map(|(n, t)| (n, t.to_string())));
    }

    #[test]
    fn headings_have_the_names_that_links_use() {
        let text = "# The log: `frames` & marks\n## Words\n## Words\n```\n# no heading\n```\n";
        assert_eq!(anchors(text), ["the-log-frames--marks", "words", "words-1"]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text =
            "# Here\n[a](Cargo.toml) [b](none.md) [c](#here) [d](#there) [e](https://example.org/none)";
        let file = TextFile { name: "a.md".into(), path: root.join("a.md"), text: text.into() };
        let found = check(&[file]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("none.md") && found[1].contains("#there"));
    }
}
