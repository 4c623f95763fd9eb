//! What a change adds to the public API and removes from it, compared with the last landed commit: a report, not a gate.
//!
//! The API is a list of lines made from the sources: each name that `tidalite` exports, with its public methods, fields and
//! variants, wherever in the workspace they are defined. That needs no build and no tool; what macros make is not
//! listed, and neither are implementations of traits.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use syn::visit::{self, Visit};

use super::steps::StepOutcome;

/// Where the last landed commit is looked for.
const LANDED: [&str; 2] = ["origin/main", "main"];
const FACE: &str = "crates/tidalite/src/lib.rs";

/// File names and texts.
type Sources = BTreeMap<String, String>;

/// Prints the difference.
pub(crate) fn report(root: &Path) -> StepOutcome {
    match compare(root) {
        Ok((landed, removed, added)) => {
            removed.iter().for_each(|line| println!("   - {line}"));
            added.iter().for_each(|line| println!("   + {line}"));
            println!("   {} removed, {} added since {landed}", removed.len(), added.len());
            StepOutcome::Passed
        }
        Err(why) => StepOutcome::Skipped(why),
    }
}

fn compare(root: &Path) -> Result<(String, Vec<String>, Vec<String>), String> {
    let exists = |name: &&&str| git(root, &["rev-parse", "--verify", "--quiet", name], "").is_ok();
    let landed = LANDED.iter().find(exists).ok_or("there is no branch `main` to compare with")?;
    let (before, now) = (api(&landed_sources(root, landed)?), api(&sources(root)?));
    let removed = before.difference(&now).cloned().collect();
    Ok(((*landed).into(), removed, now.difference(&before).cloned().collect()))
}

fn git(root: &Path, arguments: &[&str], input: &str) -> Result<Vec<u8>, String> {
    let command = format!("`git {}`", arguments.join(" "));
    let failed = |e: std::io::Error| format!("cannot run {command}: {e}");
    let mut git = Command::new("git");
    git.current_dir(root).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = git.spawn().map_err(failed)?;
    let mut stdin = child.stdin.take().ok_or("git has no input")?;
    let input = input.to_string();
    // On a thread of its own: git answers while it still reads.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let done = child.wait_with_output().map_err(failed)?;
    let _ = writer.join();
    if done.status.success() { Ok(done.stdout) } else { Err(format!("{command} ended with {}", done.status)) }
}

fn is_source(name: &str) -> bool {
    name.starts_with("crates/") && name.contains("/src/") && name.ends_with(".rs")
}

/// The sources in the working tree.
fn sources(root: &Path) -> Result<Sources, String> {
    let names = git(root, &["ls-files", "--cached", "--others", "--exclude-standard", "crates"], "")?;
    let names = String::from_utf8_lossy(&names).into_owned();
    let read = |name: &str| Some((name.to_string(), std::fs::read_to_string(root.join(name)).ok()?));
    Ok(names.lines().filter(|name| is_source(name)).filter_map(read).collect())
}

/// The sources of a commit.
fn landed_sources(root: &Path, commit: &str) -> Result<Sources, String> {
    let names = git(root, &["ls-tree", "-r", "--name-only", commit, "crates"], "")?;
    let names = String::from_utf8_lossy(&names).into_owned();
    let names: Vec<&str> = names.lines().filter(|name| is_source(name)).collect();
    let asked: String = names.iter().map(|name| format!("{commit}:{name}\n")).collect();
    let answer = git(root, &["cat-file", "--batch"], &asked)?;
    // Of each file a line `hash blob length`, its bytes, and a line feed.
    let (mut sources, mut rest) = (Sources::new(), &answer[..]);
    for name in names {
        let cut = || format!("git's answer for {name} is cut");
        let end = rest.iter().position(|b| *b == b'\n').ok_or_else(cut)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let length: usize = head.rsplit(' ').next().and_then(|n| n.parse().ok()).ok_or_else(cut)?;
        let text = rest.get(end + 1..end + 1 + length).ok_or_else(cut)?;
        sources.insert(name.into(), String::from_utf8_lossy(text).into_owned());
        rest = rest.get(end + length + 2..).unwrap_or_default();
    }
    Ok(sources)
}

/// The lines of the API.
fn api(sources: &Sources) -> BTreeSet<String> {
    let mut items = PublicItems::default();
    let mut exported = BTreeSet::new();
    for (name, text) in sources {
        let Ok(syntax) = syn::parse_file(text) else { continue };
        items.text = text.clone();
        items.visit_file(&syntax);
        if name == FACE {
            for item in &syntax.items {
                if let syn::Item::Use(item) = item
                    && matches!(item.vis, syn::Visibility::Public(_))
                {
                    names(&item.tree, &mut exported);
                }
            }
        }
    }
    exported.iter().filter_map(|name| items.by_name.get(name)).flatten().cloned().collect()
}

fn names(tree: &syn::UseTree, found: &mut BTreeSet<String>) {
    match tree {
        syn::UseTree::Path(path) => names(&path.tree, found),
        syn::UseTree::Name(name) => drop(found.insert(name.ident.to_string())),
        syn::UseTree::Rename(name) => drop(found.insert(name.rename.to_string())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, found)),
        syn::UseTree::Glob(_) => {}
    }
}

/// Public items of all files, by the name that is exported.
#[derive(Default)]
struct PublicItems {
    text: String,
    by_name: BTreeMap<String, BTreeSet<String>>,
}

impl PublicItems {
    fn add(&mut self, name: &syn::Ident, line: String) {
        self.by_name.entry(name.to_string()).or_default().insert(line);
    }

    /// The text of a signature, on one line.
    fn signature(&self, signature: &syn::Signature, block: &syn::Block) -> String {
        let start = signature.fn_token.span.byte_range().start;
        let end = block.brace_token.span.open().byte_range().start;
        let text = self.text.get(start..end).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn fields(&mut self, name: &syn::Ident, fields: &syn::Fields) {
        for field in fields.iter().filter(|f| matches!(f.vis, syn::Visibility::Public(_))) {
            if let Some(field) = &field.ident {
                self.add(name, format!("{name}.{field}"));
            }
        }
    }
}

impl<'ast> Visit<'ast> for PublicItems {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Struct(item) if is_public(&item.vis) => {
                self.add(&item.ident, format!("struct {}", item.ident));
                self.fields(&item.ident, &item.fields);
            }
            syn::Item::Enum(item) if is_public(&item.vis) => {
                self.add(&item.ident, format!("enum {}", item.ident));
                for variant in &item.variants {
                    self.add(&item.ident, format!("{}::{}", item.ident, variant.ident));
                }
            }
            syn::Item::Trait(item) if is_public(&item.vis) => {
                self.add(&item.ident, format!("trait {}", item.ident));
            }
            syn::Item::Type(item) if is_public(&item.vis) => {
                self.add(&item.ident, format!("type {}", item.ident))
            }
            syn::Item::Const(item) if is_public(&item.vis) => {
                self.add(&item.ident, format!("const {}", item.ident))
            }
            syn::Item::Fn(item) if is_public(&item.vis) => {
                let line = self.signature(&item.sig, &item.block);
                self.add(&item.sig.ident, line);
            }
            syn::Item::Impl(item) if item.trait_.is_none() => self.methods(item),
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

impl PublicItems {
    fn methods(&mut self, item: &syn::ItemImpl) {
        let syn::Type::Path(path) = &*item.self_ty else { return };
        let Some(name) = path.path.segments.last().map(|s| s.ident.clone()) else { return };
        for inner in &item.items {
            match inner {
                syn::ImplItem::Fn(method) if is_public(&method.vis) => {
                    let line = self.signature(&method.sig, &method.block);
                    self.add(&name, format!("{name}: {line}"));
                }
                syn::ImplItem::Const(constant) if is_public(&constant.vis) => {
                    self.add(&name, format!("{name}::{}", constant.ident));
                }
                _ => {}
            }
        }
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_listed_with_its_public_parts() {
        let text = "// ü\npub struct Store { pub path: u8, id: u8 }\nimpl Store {\n pub fn open(\n  at: u8) -> Self { todo!() }\n fn hidden() {} }\npub struct Inner;\npub enum Kind { A }";
        let sources = Sources::from([
            (FACE.to_string(), "mod store; pub use store::Store; pub use other::{Kind as Kind};".to_string()),
            ("crates/other/src/store.rs".to_string(), text.to_string()),
        ]);
        let expected =
            ["Kind::A", "Store.path", "Store: fn open( at: u8) -> Self", "enum Kind", "struct Store"];
        assert_eq!(api(&sources).into_iter().collect::<Vec<_>>(), expected);
    }
}
