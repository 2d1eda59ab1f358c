//! What resources name each other by, and whether that leads somewhere and comes to an end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Tree;

use super::template::{Document, Error};

/// Everything that is wrong with the names of a template.
pub(super) fn check(document: &Document) -> Vec<Error> {
    let edges = edges(&document.resources);
    let known = |target: &str| {
        document.resources.contains_key(target)
            || document.tree()["Parameters"].get(target).is_some()
            || target.starts_with("AWS::")
    };
    let mut errors = Vec::new();
    for (id, targets) in &edges {
        errors.extend(
            targets
                .iter()
                .filter(|target| !known(target))
                .map(|target| Error::Dangling { id: (*id).to_owned(), target: target.clone() }),
        );
    }
    errors.extend(conditional_orders(&document.resources));
    errors.extend(cycle(&edges).map(|path| Error::Cycle { path }));
    errors
}

fn edges(resources: &BTreeMap<String, Tree>) -> BTreeMap<&str, BTreeSet<String>> {
    resources
        .iter()
        .map(|(id, resource)| {
            let mut targets = BTreeSet::new();
            targets.extend(depends_on(resource).map(str::to_owned));
            collect(resource, &mut targets);
            (id.as_str(), targets)
        })
        .collect()
}

fn depends_on(resource: &Tree) -> impl Iterator<Item = &str> {
    resource["DependsOn"].as_array().into_iter().flatten().filter_map(Tree::as_str)
}

/// Adds every name that a tree mentions.
fn collect(tree: &Tree, targets: &mut BTreeSet<String>) {
    match tree {
        Tree::Object(members) => {
            for (key, member) in members {
                match (key.as_str(), member) {
                    ("Ref", Tree::String(id)) => {
                        targets.insert(id.clone());
                    }
                    ("Fn::GetAtt", Tree::Array(path)) => {
                        targets.extend(path.first().and_then(Tree::as_str).map(str::to_owned));
                    }
                    ("Fn::Sub", Tree::String(text)) => targets.extend(in_text(text)),
                    _ => collect(member, targets),
                }
            }
        }
        Tree::Array(items) => items.iter().for_each(|item| collect(item, targets)),
        _ => {}
    }
}

/// The names in `${Name}` and `${Name.Attribute}`.
fn in_text(text: &str) -> impl Iterator<Item = String> {
    text.split("${").skip(1).filter(|rest| !rest.starts_with('!')).filter_map(|rest| {
        let name = rest.split_once('}')?.0;
        Some(name.split('.').next()?.to_owned())
    })
}

fn conditional_orders(resources: &BTreeMap<String, Tree>) -> Vec<Error> {
    let mut errors = Vec::new();
    for (id, resource) in resources {
        for target in depends_on(resource) {
            let condition = resources.get(target).and_then(|target| target.get("Condition"));
            if let Some(condition) = condition
                && resource.get("Condition") != Some(condition)
            {
                let condition = condition.as_str().unwrap_or_default().to_owned();
                errors.push(Error::Conditional { id: id.clone(), target: target.to_owned(), condition });
            }
        }
    }
    errors
}

/// The first path that comes back to where it began.
fn cycle(edges: &BTreeMap<&str, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    edges.keys().find_map(|id| walk(id, edges, &mut done, &mut Vec::new()))
}

fn walk<'a>(
    id: &'a str,
    edges: &'a BTreeMap<&str, BTreeSet<String>>,
    done: &mut BTreeSet<&'a str>,
    path: &mut Vec<&'a str>,
) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|visited| *visited == id) {
        return Some(path[start..].iter().chain([&id]).map(ToString::to_string).collect());
    }
    if done.contains(id) {
        return None;
    }
    path.push(id);
    let found = edges.get(id).into_iter().flatten().find_map(|target| walk(target, edges, done, path));
    path.pop();
    done.insert(id);
    found
}
