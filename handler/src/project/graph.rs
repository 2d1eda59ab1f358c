//! The order of the models: each after those it reads, and after those that its tests read where that is possible.

use std::collections::{BTreeMap, BTreeSet};

/// What must come before what.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// For each node what it needs.
    needs: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// A node with what it needs; names that are no nodes are not looked at.
    pub(super) fn add(&mut self, node: &str, needs: impl Iterator<Item = String>) {
        self.needs.entry(node.to_owned()).or_default().extend(needs);
    }

    /// A wish: `node` after `earlier`, unless `earlier` needs `node` itself.
    pub(super) fn prefer(&mut self, node: &str, earlier: &str) {
        if node != earlier && !self.reaches(earlier, node) {
            self.add(node, std::iter::once(earlier.to_owned()));
        }
    }

    /// Whether `from` needs `to`, directly or not.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            if seen.insert(node) {
                open.extend(self.needs.get(node).into_iter().flatten().map(String::as_str));
            }
        }
        false
    }

    /// A path that comes back to its beginning: `a, b, a`.
    pub(super) fn cycle(&self) -> Option<Vec<String>> {
        let (mut done, mut path) = (BTreeSet::new(), Vec::new());
        self.needs.keys().find_map(|node| self.walk(node, &mut done, &mut path))
    }

    fn walk<'a>(&'a self, node: &'a str, done: &mut BTreeSet<&'a str>, path: &mut Vec<&'a str>) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|known| *known == node) {
            let cycle = path[start..].iter().chain([&node]);
            return Some(cycle.map(|name| (*name).to_owned()).collect());
        }
        if done.contains(node) {
            return None;
        }
        path.push(node);
        let needs = self.needs.get(node).into_iter().flatten();
        let found = needs.filter(|name| self.needs.contains_key(*name)).find_map(|name| self.walk(name, done, path));
        path.pop();
        done.insert(node);
        found
    }

    /// All nodes, each after what it needs; among those that are free the smallest first. Nodes of a cycle are missing.
    pub(super) fn order(&self) -> Vec<String> {
        let (mut order, mut placed) = (Vec::new(), BTreeSet::new());
        let is_free = |name: &str, placed: &BTreeSet<&str>| {
            let mut needs = self.needs.get(name).into_iter().flatten();
            needs.all(|need| placed.contains(need.as_str()) || !self.needs.contains_key(need))
        };
        while let Some(next) = self.needs.keys().find(|name| !placed.contains(name.as_str()) && is_free(name, &placed))
        {
            placed.insert(next.as_str());
            order.push(next.clone());
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::default();
        for (node, needs) in edges {
            graph.add(node, needs.iter().map(|need| (*need).to_owned()));
        }
        graph
    }

    #[test]
    fn each_comes_after_what_it_needs() {
        let graph = graph(&[("a", &["c"]), ("b", &[]), ("c", &["b", "source"])]);
        assert_eq!(graph.order(), ["b", "c", "a"]);
        assert_eq!(graph.cycle(), None);
    }

    #[test]
    fn a_cycle_is_shown_as_a_path() {
        let graph = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]);
        assert_eq!(graph.cycle().unwrap(), ["b", "c", "b"]);
    }

    #[test]
    fn a_wish_never_makes_a_cycle() {
        let mut graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
        graph.prefer("a", "b");
        graph.prefer("a", "c");
        assert_eq!(graph.order(), ["c", "a", "b"]);
    }
}
