//! A directed graph whose nodes are files or folders, and whose edges carry the names that tie them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// At most this many names are shown for an edge.
const NAMES_SHOWN: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Graph {
    edges: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

/// Nodes of which each reaches each other, and the shortest circle among them.
pub(super) struct Circle {
    size: usize,
    /// The first node is the last as well. Each node but the first has the names that tie it to the one before.
    path: Vec<(String, String)>,
}

impl Graph {
    /// Notes that `from` uses `name` of `to`.
    pub(super) fn tie(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let targets = self.edges.entry(from.into()).or_default();
            targets.entry(to.into()).or_default().insert(name.into());
        }
    }

    /// Each edge with its names.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.edges.iter().flat_map(|(from, targets)| {
            targets.iter().map(move |(to, names)| (from.as_str(), to.as_str(), names))
        })
    }

    /// The circles, one for each strongly connected component.
    pub(super) fn circles(&self) -> Vec<Circle> {
        let mut circles = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for start in self.edges.keys() {
            if done.contains(start.as_str()) {
                continue;
            }
            let component: BTreeSet<&str> = self
                .reached(start)
                .into_iter()
                .filter(|node| self.reached(node).contains(start.as_str()))
                .collect();
            if component.is_empty() {
                continue;
            }
            let shortest = component.iter().filter_map(|node| self.shortest(node)).min_by_key(Vec::len);
            circles.extend(shortest.map(|path| Circle { size: component.len(), path: self.named(&path) }));
            done.extend(component);
        }
        circles
    }

    fn targets(&self, node: &str) -> impl Iterator<Item = &str> {
        self.edges.get(node).into_iter().flat_map(|targets| targets.keys().map(String::as_str))
    }

    /// All nodes that a path of at least one edge leads to.
    fn reached(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&str> = self.targets(start).collect();
        while let Some(node) = left.pop() {
            if reached.insert(node) {
                left.extend(self.targets(node));
            }
        }
        reached
    }

    /// The shortest path from a node back to itself.
    fn shortest(&self, start: &str) -> Option<Vec<String>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut left = VecDeque::from([start]);
        while let Some(node) = left.pop_front() {
            for next in self.targets(node) {
                if next == start {
                    let mut path = vec![start.to_string(), node.to_string()];
                    while let Some(earlier) = before.get(path[path.len() - 1].as_str()) {
                        path.push((*earlier).to_string());
                    }
                    path.reverse();
                    return Some(path);
                }
                if !before.contains_key(next) {
                    before.insert(next, node);
                    left.push_back(next);
                }
            }
        }
        None
    }

    fn named(&self, path: &[String]) -> Vec<(String, String)> {
        let mut named = vec![(path[0].clone(), String::new())];
        for pair in path.windows(2) {
            let names = &self.edges[&pair[0]][&pair[1]];
            let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
            let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
            named.push((pair[1].clone(), format!("{}{more}", shown.join(", "))));
        }
        named
    }
}

impl Circle {
    pub(super) fn start(&self) -> &str {
        &self.path[0].0
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(|(node, _)| node.as_str())
    }

    /// `3: a → b (X) → a (Y)`, where 3 nodes are tied together.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{}: {}", self.size, self.start());
        for (node, names) in &self.path[1..] {
            text.push_str(&format!(" → {node} ({names})"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_circle_is_described_by_its_shortest_path() {
        let mut graph = Graph::default();
        for (from, to, name) in
            [("a", "b", "X"), ("b", "c", "Y"), ("c", "a", "Z"), ("b", "a", "W"), ("d", "a", "V")]
        {
            graph.tie(from, to, name);
        }
        graph.tie("d", "d", "itself");
        let circles = graph.circles();
        assert_eq!(circles.len(), 1);
        assert_eq!(circles[0].describe(), "3: a → b (X) → a (W)");
    }
}
