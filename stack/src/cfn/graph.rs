//! What the parts of a template name each other by: whether that leads somewhere, exists where it is named, and comes to an end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value as Tree;

use super::template::{Document, Error};

/// Everything that is wrong with the names of a template.
pub(super) fn check(document: &Document) -> Vec<Error> {
    let mut errors = Vec::new();
    for part in parts(document) {
        errors.extend(part.mentions().iter().filter_map(|mention| wrong(document, &part, mention)));
    }
    errors.extend(cycle(&edges(document)).map(|path| Error::Cycle { path }));
    errors
}

/// A part of the template that can name others.
struct Part<'a> {
    section: &'static str,
    id: &'a str,
    tree: &'a Tree,
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.section, self.id)
    }
}

/// A name, and the conditions that hold where it stands.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mention<'a> {
    target: &'a str,
    under: Vec<&'a str>,
}

fn parts(document: &Document) -> impl Iterator<Item = Part<'_>> {
    let sections =
        [("condition", &document.conditions), ("resource", &document.resources), ("output", &document.outputs)];
    sections.into_iter().flat_map(|(section, trees)| trees.iter().map(move |(id, tree)| Part { section, id, tree }))
}

fn wrong(document: &Document, part: &Part, mention: &Mention) -> Option<Error> {
    let (from, target) = (part.to_string(), mention.target.to_owned());
    if !is_known(document, mention.target) {
        return Some(Error::Dangling { from, target });
    }
    let condition = document.resources.get(mention.target)?["Condition"].as_str()?;
    (!mention.under.contains(&condition)).then(|| Error::Conditional { from, target, condition: condition.to_owned() })
}

fn is_known(document: &Document, target: &str) -> bool {
    target.starts_with("AWS::")
        || [&document.parameters, &document.conditions, &document.resources]
            .iter()
            .any(|section| section.contains_key(target))
}

impl<'a> Part<'a> {
    fn mentions(&self) -> BTreeSet<Mention<'a>> {
        let condition = self.tree["Condition"].as_str();
        let mut under = Vec::from_iter(condition);
        let named = condition.into_iter().chain(depends_on(self.tree));
        let mut mentions = named.map(|target| Mention { target, under: under.clone() }).collect();
        collect(self.tree, &mut under, &mut mentions);
        mentions
    }
}

fn depends_on(resource: &Tree) -> impl Iterator<Item = &str> {
    resource["DependsOn"].as_array().into_iter().flatten().filter_map(Tree::as_str)
}

/// Adds every name that a tree mentions.
fn collect<'a>(tree: &'a Tree, under: &mut Vec<&'a str>, mentions: &mut BTreeSet<Mention<'a>>) {
    match tree {
        Tree::Object(members) => members.iter().for_each(|(key, member)| match (key.as_str(), member) {
            ("Fn::If", Tree::Array(choice)) => collect_choice(choice, under, mentions),
            (function, argument) => match named(function, argument) {
                Some(names) => {
                    mentions.extend(names.into_iter().map(|target| Mention { target, under: under.clone() }));
                }
                None => collect(argument, under, mentions),
            },
        }),
        Tree::Array(items) => items.iter().for_each(|item| collect(item, under, mentions)),
        _ => {}
    }
}

fn collect_choice<'a>(choice: &'a [Tree], under: &mut Vec<&'a str>, mentions: &mut BTreeSet<Mention<'a>>) {
    let [Tree::String(condition), then, otherwise] = choice else { return };
    mentions.insert(Mention { target: condition, under: under.clone() });
    under.push(condition);
    collect(then, under, mentions);
    under.pop();
    collect(otherwise, under, mentions);
}

/// The names in the argument of a function that names something; none for whatever else a member is.
fn named<'a>(function: &str, argument: &'a Tree) -> Option<Vec<&'a str>> {
    match (function, argument) {
        ("Ref", Tree::String(id)) => Some(vec![id]),
        ("Fn::GetAtt", Tree::Array(path)) => Some(path.iter().take(1).filter_map(Tree::as_str).collect()),
        ("Fn::Sub", Tree::String(text)) => Some(in_text(text).collect()),
        _ => None,
    }
}

/// The names in `${Name}` and `${Name.Attribute}`.
fn in_text(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter(|rest| !rest.starts_with('!')).filter_map(|rest| {
        let name = rest.split_once('}')?.0;
        name.split('.').next()
    })
}

/// Which resource waits for which.
fn edges<'a>(document: &'a Document) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let targets = |part: Part<'a>| part.mentions().into_iter().map(|mention| mention.target).collect();
    document.resources.iter().map(|(id, tree)| (id.as_str(), targets(Part { section: "resource", id, tree }))).collect()
}

/// The first path that comes back to where it began.
fn cycle(edges: &BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    edges.keys().find_map(|id| walk(id, edges, &mut done, &mut Vec::new()))
}

fn walk<'a>(
    id: &'a str,
    edges: &BTreeMap<&'a str, BTreeSet<&'a str>>,
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
