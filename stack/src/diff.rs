//! What a deployment would change, the dangerous first: data that would go, rights that would be broader, then the rest.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value as Tree;

use crate::{
    adopt::Left,
    cfn::{Resource, kind, kms::Key},
    grants::{broadened, text},
    session::Template,
};

/// Everything that a deployment would change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Resources, the dangerous first.
    pub resources: Vec<Change>,
    /// Rights that the stack does not give now.
    pub broadened: Vec<String>,
    /// Parameters: name, value now, value then.
    pub parameters: Vec<(String, String, String)>,
}

/// What would become of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happens, in the order of danger.
    pub action: Action,
    /// The logical id.
    pub id: String,
    /// The type.
    pub kind: String,
    /// Properties: path, value now, value then.
    pub values: Vec<(String, String, String)>,
}

/// What happens to a resource, in the order of danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It holds data, and another one takes its place.
    ReplaceData,
    /// It holds data, and is removed.
    RemoveData,
    /// It is the key of data that stays, and leaves the stack: nobody in it can read that data any more.
    LoseKey,
    /// Another one takes its place.
    Replace,
    /// It is removed.
    Remove,
    /// It leaves the stack and stays in the account.
    Retain,
    /// It is changed in its place.
    Modify,
    /// It is made.
    Add,
    /// It is there and becomes part of the stack.
    Import,
}

impl Action {
    /// Whether data would go, or could be read no more.
    fn is_dangerous(self) -> bool {
        self <= Self::LoseKey
    }

    fn words(self) -> &'static str {
        match self {
            Self::ReplaceData => "REPLACE, with its data",
            Self::RemoveData => "REMOVE, with its data",
            Self::LoseKey => "LEAVE BEHIND, the key of data",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Retain => "leave behind",
            Self::Modify => "change",
            Self::Add => "add",
            Self::Import => "import",
        }
    }
}

/// The two states that are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct States<'a> {
    pub(crate) before: &'a Tree,
    pub(crate) after: &'a Tree,
}

impl Difference {
    /// From the changes of a change set (all its pages).
    pub(crate) fn of_changes(changes: &[Tree], states: States, parameters: [&BTreeMap<String, String>; 2]) -> Self {
        let resources = changes.iter().filter_map(|change| Change::of(&change["ResourceChange"], states));
        Self::new(resources.collect(), states, parameters)
    }

    /// Of a stack that is not there yet: everything is added, but what an earlier one left behind.
    pub(crate) fn of_new(template: &Template, left: &[Left], parameters: &BTreeMap<String, String>) -> Self {
        let is_left = |id: &str| left.iter().any(|left| left.id == id);
        let change = |(id, resource): (&str, &Tree)| Change {
            action: if is_left(id) { Action::Import } else { Action::Add },
            id: id.to_owned(),
            kind: text(&resource["Type"]),
            values: vec![],
        };
        let states = States { before: &Tree::Null, after: &template.tree };
        Self::new(template.resources().map(change).collect(), states, [&BTreeMap::new(), parameters])
    }

    fn new(mut resources: Vec<Change>, states: States, [before, after]: [&BTreeMap<String, String>; 2]) -> Self {
        resources.sort_by(|one, other| (one.action, &one.id).cmp(&(other.action, &other.id)));
        let now = |name: &String| before.get(name).cloned().unwrap_or_default();
        let parameters = after.iter().map(|(name, then)| (name.clone(), now(name), then.clone()));
        Self {
            resources,
            broadened: broadened(states.before, states.after),
            parameters: parameters.filter(|(_, now, then)| now != then).collect(),
        }
    }

    /// Whether a person should agree: data would go, or rights would be broader.
    pub fn is_dangerous(&self) -> bool {
        !self.broadened.is_empty() || self.resources.iter().any(|change| change.action.is_dangerous())
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.broadened.is_empty() && self.parameters.is_empty()
    }
}

impl Change {
    /// None for a change that only follows another one, and comes to nothing when that one keeps its name.
    fn of(change: &Tree, states: States) -> Option<Self> {
        let id = change["LogicalResourceId"].as_str()?.to_owned();
        let kind = text(&change["ResourceType"]);
        let values = values(change, (&states.before["Resources"][&id], &states.after["Resources"][&id]));
        let action = action(change, &kind, states.before["Resources"][&id]["DeletionPolicy"].as_str());
        let details = change["Details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let follows = |detail: &Tree| {
            matches!(detail["ChangeSource"].as_str(), Some("ResourceAttribute" | "ResourceReference"))
                && detail["Evaluation"] == "Dynamic"
        };
        let only_follows =
            action == Action::Modify && values.is_empty() && !details.is_empty() && details.iter().all(follows);
        (!only_follows).then_some(Self { action, id, kind, values })
    }
}

fn action(change: &Tree, of: &str, deletion_policy: Option<&str>) -> Action {
    let holds_data = kind(of).is_some_and(|kind| kind.stateful);
    let is_retained = deletion_policy.is_some_and(|policy| policy.starts_with("Retain"));
    match change["Action"].as_str() {
        Some("Add") => Action::Add,
        Some("Import") => Action::Import,
        Some("Remove") if is_retained && of == Key::KIND.name => Action::LoseKey,
        Some("Remove") if is_retained => Action::Retain,
        Some("Remove") if holds_data => Action::RemoveData,
        Some("Remove") => Action::Remove,
        _ if replaces(change, of) && holds_data => Action::ReplaceData,
        _ if replaces(change, of) => Action::Replace,
        _ => Action::Modify,
    }
}

/// Where AWS says "conditional", a change of a create-only property decides.
fn replaces(change: &Tree, of: &str) -> bool {
    let create_only = kind(of).map(|kind| kind.create_only).unwrap_or_default();
    let targets = change["Details"].as_array().into_iter().flatten().map(|detail| &detail["Target"]);
    match change["Replacement"].as_str() {
        Some("True") => true,
        Some("Conditional") => targets
            .filter(|target| target["Attribute"] == "Properties")
            .filter_map(|target| target["Name"].as_str())
            .any(|name| create_only.iter().any(|only| only.split('.').next() == Some(name))),
        _ => false,
    }
}

/// The values as AWS tells them; what it does not tell, as the templates do.
fn values(change: &Tree, (before, after): (&Tree, &Tree)) -> Vec<(String, String, String)> {
    let mut values = BTreeMap::new();
    leaves(&before["Properties"], &after["Properties"], String::new(), &mut values);
    let targets = change["Details"].as_array().into_iter().flatten().map(|detail| &detail["Target"]);
    for target in targets.filter(|target| target["BeforeValue"].is_string() || target["AfterValue"].is_string()) {
        let path = target["Path"]
            .as_str()
            .map_or_else(|| text(&target["Name"]), |path| path.trim_start_matches("/Properties/").replace('/', "."));
        let told = |name: &str| target[name].as_str().unwrap_or("-").to_owned();
        values.insert(path, (told("BeforeValue"), told("AfterValue")));
    }
    if before.is_null() || after.is_null() {
        return vec![];
    }
    values.into_iter().map(|(path, (now, then))| (path, now, then)).collect()
}

/// Every place in which two trees differ, by its path.
fn leaves(before: &Tree, after: &Tree, path: String, found: &mut BTreeMap<String, (String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (same, other) if same == other => {}
        (Tree::Object(one), Tree::Object(other)) => {
            for name in one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))) {
                leaves(&before[name], &after[name], below(name), found);
            }
        }
        (Tree::Array(one), Tree::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                leaves(one, other, below(&index.to_string()), found);
            }
        }
        _ => {
            let told = |tree: &Tree| if tree.is_null() { "-".to_owned() } else { text(tree) };
            found.insert(path, (told(before), told(after)));
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no changes");
        }
        let dangerous = |change: &&Change| change.action.is_dangerous();
        let mut lines = vec![];
        lines.extend(self.resources.iter().filter(dangerous).flat_map(change_lines));
        lines.extend(self.broadened.iter().map(|right| format!("broader right  {right}")));
        lines.extend(self.resources.iter().filter(|change| !dangerous(change)).flat_map(change_lines));
        lines.extend(self.parameters.iter().map(|(name, now, then)| format!("parameter  {name}: {now:?} -> {then:?}")));
        f.write_str(&lines.join("\n"))
    }
}

fn change_lines(change: &Change) -> Vec<String> {
    let first = format!("{}  {} ({})", change.action.words(), change.id, change.kind);
    let values = change.values.iter().map(|(path, now, then)| {
        let [now, then] = excerpts(now, then);
        format!("    {path}: {now} -> {then}")
    });
    std::iter::once(first).chain(values).collect()
}

/// Of two long texts the part in which they differ, with a bit of what stands around it.
fn excerpts<'a>(now: &'a str, then: &'a str) -> [Cow<'a, str>; 2] {
    const LONG: usize = 80;
    const AROUND: usize = 20;
    if now.len().max(then.len()) <= LONG {
        return [now.into(), then.into()];
    }
    let same = |(one, other): &(char, char)| one == other;
    let before = now.chars().zip(then.chars()).take_while(same).count();
    let shorter = now.chars().count().min(then.chars().count());
    let after = now.chars().rev().zip(then.chars().rev()).take(shorter - before).take_while(same).count();
    let (skip, keep_after) = (before.saturating_sub(AROUND), after.min(AROUND));
    [now, then].map(|text| {
        let length = text.chars().count() - skip - (after - keep_after);
        let middle = text.chars().skip(skip).take(length).collect::<String>();
        let dots = |left_out: bool| if left_out { "…" } else { "" };
        format!("{}{middle}{}", dots(skip > 0), dots(after > keep_after)).into()
    })
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeMap};

    use serde_json::{Value as Tree, json};

    use super::{Difference, States, excerpts};

    fn fixture(name: &str) -> Tree {
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn difference(changes: &Tree) -> Difference {
        let [before, after] = ["before", "after"].map(|name| fixture(&format!("diff/{name}.json")));
        let parameters = |generation: &str| BTreeMap::from([("Generation".to_owned(), generation.to_owned())]);
        let states = States { before: &before, after: &after };
        Difference::of_changes(changes.as_array().unwrap(), states, [&parameters("1"), &parameters("2")])
    }

    #[test]
    fn data_that_would_go_comes_first_then_rights_then_the_rest() {
        let difference = difference(&fixture("diff/changes.json"));
        assert!(difference.is_dangerous());
        insta::assert_snapshot!(difference);
    }

    #[test]
    fn what_only_follows_another_change_is_not_told() {
        let changes = fixture("diff/follows.json");
        assert_eq!(difference(&changes).resources, vec![]);
    }

    #[test]
    fn a_key_that_leaves_the_stack_takes_the_way_to_the_data_with_it() {
        let key = json!({"Type": "AWS::KMS::Key", "DeletionPolicy": "RetainExceptOnCreate"});
        let before = json!({"Resources": {"LakeKey": key}});
        let change = json!([{"ResourceChange": {"Action": "Remove", "LogicalResourceId": "LakeKey", "ResourceType": "AWS::KMS::Key"}}]);
        let states = States { before: &before, after: &json!({}) };
        let none = BTreeMap::new();
        let difference = Difference::of_changes(change.as_array().unwrap(), states, [&none, &none]);
        assert!(difference.is_dangerous());
        assert_eq!(difference.to_string(), "LEAVE BEHIND, the key of data  LakeKey (AWS::KMS::Key)");
    }

    #[test]
    fn of_long_values_only_the_differing_part_is_told() {
        let value = |middle: &str| format!("{}{middle}{}", "a".repeat(100), "z".repeat(100));
        let [now, then] = excerpts(&value("1"), &value("22")).map(Cow::into_owned);
        assert_eq!(now, "…aaaaaaaaaaaaaaaaaaaa1zzzzzzzzzzzzzzzzzzzz…");
        assert_eq!(then, "…aaaaaaaaaaaaaaaaaaaa22zzzzzzzzzzzzzzzzzzzz…");
    }

    #[test]
    fn a_difference_is_json_too() {
        let value = serde_json::to_value(difference(&json!([]))).unwrap();
        assert_eq!(value["parameters"], json!([["Generation", "1", "2"]]));
    }
}
