//! The modules of a crate: which file each is in, what it defines, what it imports, and which paths it mentions.
//!
//! Modules are found from the crate's root by their declarations. Those that only tests compile are left out, and so are
//! attributes and visibilities. Paths inside macro calls are read from their tokens.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

use super::super::sources::{RustFile, is_test_only};

/// The path of a module from the crate's root.
pub(super) type ModulePath = Vec<String>;

#[derive(Default)]
pub(super) struct Module {
    pub(super) file: String,
    /// Names of types, functions, constants and macros.
    pub(super) defined: BTreeSet<String>,
    pub(super) imports: Vec<ImportedName>,
    /// Paths of more than one segment in the code, besides imports.
    pub(super) mentions: BTreeSet<Vec<String>>,
}

/// One name of a `use`.
pub(super) struct ImportedName {
    /// The name in this module; `*` for all names of a module.
    pub(super) binding: String,
    pub(super) path: Vec<String>,
}

pub(super) type Modules = BTreeMap<ModulePath, Module>;

/// Names of the files from which crates are compiled.
pub(super) fn roots(files: &[RustFile]) -> impl Iterator<Item = &str> {
    let names = files.iter().map(|f| f.name.as_str());
    names.filter(|name| matches!(name.rsplit('/').next(), Some("lib.rs" | "main.rs")))
}

/// All modules of the crate with this root.
pub(super) fn of_crate(files: &[RustFile], root: &str) -> Modules {
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut modules = Modules::new();
    let by_name: BTreeMap<&str, &syn::File> = files.iter().map(|f| (f.name.as_str(), &f.syntax)).collect();
    if let Some(syntax) = by_name.get(root) {
        add(&mut modules, &by_name, folder, root, &[], &syntax.items);
    }
    modules
}

/// Adds the module `path`, which is in `file`, and its children. Files of children are below `folder`.
fn add(
    modules: &mut Modules,
    files: &BTreeMap<&str, &syn::File>,
    folder: &str,
    file: &str,
    path: &[String],
    items: &[syn::Item],
) {
    let mut module = Module { file: file.into(), ..Module::default() };
    for item in items {
        let syn::Item::Mod(child) = item else {
            module.read(item);
            continue;
        };
        if is_test_only(&child.attrs) {
            continue;
        }
        let name = child.ident.to_string();
        let child_path = [path, std::slice::from_ref(&name)].concat();
        let below = format!("{folder}/{name}");
        if let Some((_, items)) = &child.content {
            add(modules, files, &below, file, &child_path, items);
            continue;
        }
        for candidate in [format!("{below}.rs"), format!("{below}/mod.rs")] {
            if let Some(syntax) = files.get(candidate.as_str()) {
                add(modules, files, &below, &candidate, &child_path, &syntax.items);
            }
        }
    }
    modules.insert(path.to_vec(), module);
}

impl Module {
    fn read(&mut self, item: &syn::Item) {
        let (attributes, name) = match item {
            syn::Item::Struct(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Enum(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Union(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Trait(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Type(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Fn(i) => (&i.attrs, Some(&i.sig.ident)),
            syn::Item::Const(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Static(i) => (&i.attrs, Some(&i.ident)),
            syn::Item::Macro(i) => (&i.attrs, i.ident.as_ref()),
            syn::Item::Impl(i) => (&i.attrs, None),
            syn::Item::Use(i) => (&i.attrs, None),
            _ => return,
        };
        if is_test_only(attributes) {
            return;
        }
        self.defined.extend(name.map(ToString::to_string));
        self.visit_item(item);
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let binding = prefix.last().cloned().unwrap_or_default();
                self.imports.push(ImportedName { binding, path: prefix.to_vec() });
            }
            syn::UseTree::Name(name) => {
                self.imports.push(ImportedName { binding: name.ident.to_string(), path: with(&name.ident) });
            }
            syn::UseTree::Rename(name) => {
                self.imports.push(ImportedName { binding: name.rename.to_string(), path: with(&name.ident) });
            }
            syn::UseTree::Glob(_) => {
                self.imports.push(ImportedName { binding: "*".into(), path: prefix.to_vec() });
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, prefix)),
        }
    }

    /// Paths in the tokens of a macro call: identifiers with `::` between them.
    fn read_tokens(&mut self, tokens: &TokenStream) {
        let (mut path, mut colons): (Vec<String>, usize) = (Vec::new(), 0);
        for token in tokens.clone() {
            match token {
                TokenTree::Punct(p) if p.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Ident(name) if colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.mention(std::mem::take(&mut path));
                    colons = 0;
                    match other {
                        TokenTree::Ident(name) => path.push(name.to_string()),
                        TokenTree::Group(group) => self.read_tokens(&group.stream()),
                        _ => {}
                    }
                }
            }
        }
        self.mention(path);
    }

    fn mention(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.mentions.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.mention(path.segments.iter().map(|s| s.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.read_tokens(&call.tokens);
        visit::visit_macro(self, call);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test_only(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}
