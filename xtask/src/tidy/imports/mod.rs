//! What files import from each other. Imports form no circle between files, and point down between folders and crates.
//!
//! ```text
//! syntax ─► modules (names, imports) ─► rust (edges between files) ─┐
//! import statements ─► python ──────────────────────────────────────┴► graph (circles), layers (order)
//! ```

mod graph;
mod layers;
mod modules;
mod python;
mod rust;

use super::sources::{RustFile, TextFile};
use graph::Graph;

/// Breaches of all rules about imports.
pub(super) fn check(texts: &[TextFile], files: &[RustFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for root in modules::roots(files) {
        let edges = rust::edges(files, root);
        breaches.extend(circles("import circle", &edges));
        breaches.extend(layers::folder_circles(&edges, root));
        breaches.extend(layers::check_order(&edges));
    }
    breaches.extend(circles("import circle", &python::edges(texts)));
    breaches.extend(layers::check_crates(texts));
    breaches
}

fn circles(what: &str, edges: &Graph) -> Vec<String> {
    let circles = edges.circles().into_iter();
    circles.map(|circle| format!("{}:1: {what} of {}", circle.start(), circle.describe())).collect()
}
