//! Compares every struct of this module with AWS's own schemas (`stack/schemas.py` says where they come from).

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value as Tree;

use super::{
    KINDS, Kind, Resource, cloudwatch, ec2, ecr, events, glue,
    iam::{self, Action},
    kms, lambda, logs, s3, sns, sqs,
};

fn fixture() -> Tree {
    serde_json::from_str(include_str!("../../tests/fixtures/schemas.json")).unwrap()
}

/// What serde writes for a struct, as a schema.
fn ours() -> BTreeMap<&'static str, Tree> {
    fn of<R: Resource + JsonSchema>() -> (&'static str, Tree) {
        (R::KIND.name, serde_json::to_value(SchemaGenerator::default().into_root_schema_for::<R>()).unwrap())
    }
    BTreeMap::from([
        of::<cloudwatch::Alarm>(),
        of::<cloudwatch::Dashboard>(),
        of::<ec2::RouteTable>(),
        of::<ec2::SecurityGroup>(),
        of::<ec2::Subnet>(),
        of::<ec2::SubnetRouteTableAssociation>(),
        of::<ec2::Vpc>(),
        of::<ec2::VpcEndpoint>(),
        of::<ecr::Repository>(),
        of::<events::Rule>(),
        of::<glue::Database>(),
        of::<glue::Table>(),
        of::<iam::Role>(),
        of::<kms::Key>(),
        of::<lambda::EventInvokeConfig>(),
        of::<lambda::EventSourceMapping>(),
        of::<lambda::Function>(),
        of::<lambda::Permission>(),
        of::<logs::LogGroup>(),
        of::<s3::Bucket>(),
        of::<s3::BucketPolicy>(),
        of::<sns::Subscription>(),
        of::<sns::Topic>(),
        of::<sns::TopicPolicy>(),
        of::<sqs::Queue>(),
        of::<sqs::QueuePolicy>(),
    ])
}

/// One schema and the root that its references lead into.
#[derive(Clone, Copy)]
struct Schema<'a> {
    tree: &'a Tree,
    root: &'a Tree,
}

impl<'a> Schema<'a> {
    fn at(tree: &'a Tree, root: &'a Tree) -> Self {
        match tree["$ref"].as_str() {
            Some(reference) => Self::at(root.pointer(reference.trim_start_matches('#')).unwrap(), root),
            // An option: the type, or null, which is never written.
            None => match tree["anyOf"].as_array() {
                Some(any) if any.len() == 2 && any[1]["type"] == "null" => Self::at(&any[0], root),
                _ => Self { tree, root },
            },
        }
    }

    fn property(self, name: &str) -> Option<Self> {
        Some(Self::at(self.tree["properties"].get(name)?, self.root))
    }

    fn types(self) -> BTreeSet<&'a str> {
        match &self.tree["type"] {
            Tree::String(one) => BTreeSet::from([one.as_str()]),
            Tree::Array(several) => several.iter().filter_map(Tree::as_str).filter(|name| *name != "null").collect(),
            _ => BTreeSet::new(),
        }
    }

    fn names(self, key: &str) -> BTreeSet<&'a str> {
        self.tree[key].as_array().into_iter().flatten().filter_map(Tree::as_str).collect()
    }

    /// The choices: `enum`, or one constant for each documented variant.
    fn choices(self) -> Option<Vec<&'a Tree>> {
        if let Some(constant) = self.tree.get("const") {
            return Some(vec![constant]);
        }
        if let Some(choices) = self.tree["enum"].as_array() {
            return Some(choices.iter().collect());
        }
        let variants = self.tree["oneOf"].as_array()?;
        Some(variants.iter().filter_map(|variant| Self::at(variant, self.root).choices()).flatten().collect())
    }
}

/// Everything in which `ours` could write what `theirs` does not take.
fn differences(ours: Schema, theirs: Schema, path: &str, found: &mut Vec<String>) {
    if let Some(variants) = ours.tree["oneOf"].as_array().filter(|variants| variants[0].get("properties").is_some()) {
        for variant in variants {
            differences(Schema::at(variant, ours.root), theirs, path, found);
        }
        return;
    }
    let (our_types, their_types) = (ours.types(), theirs.types());
    let fits = |name: &&str| their_types.contains(name) || (*name == "integer" && their_types.contains("number"));
    if !their_types.is_empty() && ours.choices().is_none() && (our_types.is_empty() || !our_types.iter().all(fits)) {
        found.push(format!("{path}: we write {our_types:?}, AWS takes {their_types:?}"));
    }
    choices(ours, theirs, path, found);
    range(ours, theirs, path, found);
    properties(ours, theirs, path, found);
    if let (Some(our_items), Some(their_items)) = (ours.tree.get("items"), theirs.tree.get("items")) {
        let (our_items, their_items) = (Schema::at(our_items, ours.root), Schema::at(their_items, theirs.root));
        differences(our_items, their_items, &format!("{path}[]"), found);
    }
}

fn choices(ours: Schema, theirs: Schema, path: &str, found: &mut Vec<String>) {
    let Some(their_choices) = theirs.choices() else { return };
    match ours.choices() {
        None => found.push(format!("{path}: AWS takes choices only")),
        Some(our_choices) => found.extend(
            our_choices
                .iter()
                .filter(|choice| !their_choices.contains(choice))
                .map(|choice| format!("{path}: AWS has no choice {choice}")),
        ),
    }
}

fn range(ours: Schema, theirs: Schema, path: &str, found: &mut Vec<String>) {
    let bound = |schema: Schema, key: &str| schema.tree[key].as_f64();
    for (key, outside) in [("minimum", f64::lt as fn(&f64, &f64) -> bool), ("maximum", f64::gt)] {
        if let Some(theirs) = bound(theirs, key)
            && bound(ours, key).is_none_or(|ours| outside(&ours, &theirs))
            && ours.choices().is_none()
        {
            found.push(format!("{path}: {key} is {theirs} at AWS, {:?} here", bound(ours, key)));
        }
    }
}

fn properties(ours: Schema, theirs: Schema, path: &str, found: &mut Vec<String>) {
    // Free-form objects (policies, patterns) have no properties that could be compared.
    let Some(their_properties) = theirs.tree["properties"].as_object() else { return };
    let Some(our_properties) = ours.tree["properties"].as_object() else {
        found.push(format!("{path}: AWS has the properties {:?}", their_properties.keys().collect::<Vec<_>>()));
        return;
    };
    for name in our_properties.keys() {
        match theirs.property(name) {
            None => found.push(format!("{path}.{name}: AWS does not have it")),
            Some(their_property) => {
                let our_property = ours.property(name).unwrap();
                differences(our_property, their_property, &format!("{path}.{name}"), found);
            }
        }
    }
    let optional = theirs.names("required").into_iter().filter(|name| !ours.names("required").contains(name));
    found.extend(optional.map(|name| format!("{path}.{name}: AWS requires it")));
}

fn beside_the_properties(kind: &Kind, theirs: &Tree, ours: &Tree, found: &mut Vec<String>) {
    for attribute in kind.attributes {
        if !theirs["attributes"].as_array().unwrap().iter().any(|known| known == attribute) {
            found.push(format!("{}: AWS has no attribute {attribute}", kind.name));
        }
    }
    let at_aws = theirs["createOnlyProperties"].as_array().unwrap().iter().map(|path| {
        let path = path.as_str().unwrap().trim_start_matches("/properties/");
        (path.split('/').next().unwrap().to_owned(), path.replace('/', "."))
    });
    let at_aws = at_aws.filter(|(property, _)| ours["properties"].get(property).is_some()).map(|(_, path)| path);
    let (at_aws, here) = (at_aws.collect::<BTreeSet<_>>(), kind.create_only.iter().map(ToString::to_string).collect());
    if at_aws != here {
        found.push(format!("{}: a change of {at_aws:?} replaces it, {here:?} here", kind.name));
    }
}

#[test]
fn every_struct_is_what_aws_takes() {
    let fixture = fixture();
    let ours = ours();
    let mut found = Vec::new();
    for kind in KINDS {
        let (ours, theirs) = (&ours[kind.name], &fixture["resources"][kind.name]);
        differences(Schema::at(ours, ours), Schema::at(theirs, theirs), kind.name, &mut found);
        beside_the_properties(kind, theirs, ours, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_action_exists() {
    let known = fixture()["actions"].clone();
    let exists = |action: &&&str| {
        let (service, name) = action.split_once(':').unwrap();
        name == "*" || known[service].as_array().unwrap().iter().any(|known| *known == name.to_lowercase())
    };
    assert_eq!(Action::ALL.iter().filter(|action| !exists(action)).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// The oracle itself: what it has to find, in a struct that is wrong in every way.
#[test]
fn a_wrong_struct_is_found_out() {
    #[derive(JsonSchema)]
    #[serde(rename_all = "PascalCase")]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Wrong {
        queue_names: String,
        sqs_managed_sse_enabled: String,
        visibility_timeout: super::Bounded<0, 50_000>,
        redrive_policy: Option<Vec<String>>,
    }
    let ours = serde_json::to_value(SchemaGenerator::default().into_root_schema_for::<Wrong>()).unwrap();
    let mut theirs = fixture()["resources"]["AWS::SQS::Queue"].clone();
    theirs["required"] = serde_json::json!(["QueueName"]);
    let mut found = Vec::new();
    differences(Schema::at(&ours, &ours), Schema::at(&theirs, &theirs), "Queue", &mut found);
    insta::assert_snapshot!(found.join("\n"));
}
