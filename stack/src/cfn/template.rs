//! The template: parameters, conditions, resources and outputs by name, checked as a whole and written in one order.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::Serialize;
use serde_json::{Value as Tree, json};

use super::{
    graph,
    resource::{Attributes, Declaration, Finding, Handle, Resource, Suppression, without_nulls},
    value::Value,
};

/// The largest template that `CloudFormation` takes without a bucket, in bytes.
pub const LARGEST: usize = 51_200;

/// A template under construction. What is wrong with it is told by [`Template::build`], all at once.
#[derive(Debug)]
pub struct Template {
    document: Document,
    errors: Vec<Error>,
}

/// A template that is whole: names are unique and lead somewhere, and nothing waits for itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    #[serde(rename = "AWSTemplateFormatVersion")]
    version: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parameters: BTreeMap<String, Tree>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) conditions: BTreeMap<String, Tree>,
    pub(super) resources: BTreeMap<String, Tree>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) outputs: BTreeMap<String, Tree>,
}

/// What keeps a template from being whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{section} {id} is declared twice")]
    Duplicate { section: &'static str, id: String },
    #[error("{id:?} is no logical id: letters and digits only")]
    Id { id: String },
    #[error("{from} names {target}, which this template does not have")]
    Dangling { from: String, target: String },
    #[error("{from} names {target}, which exists only under condition {condition}")]
    Conditional { from: String, target: String, condition: String },
    #[error("resources wait for each other: {}", path.join(" -> "))]
    Cycle { path: Vec<String> },
    #[error("write {id} as JSON")]
    Json { id: String, source: serde_json::Error },
}

/// A parameter of a template: `T` is what its value stands for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter<T> {
    r#type: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_pattern: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_value: Option<u32>,
    #[serde(skip)]
    of: PhantomData<T>,
}

impl<T> Parameter<T> {
    fn of_type(r#type: &'static str, description: &'static str) -> Self {
        Self { r#type, description, default: None, allowed_pattern: None, min_value: None, of: PhantomData }
    }

    #[must_use]
    pub fn default(mut self, default: impl Into<String>) -> Self {
        self.default = Some(default.into());
        self
    }

    #[must_use]
    pub fn pattern(mut self, pattern: &'static str) -> Self {
        self.allowed_pattern = Some(pattern);
        self
    }

    #[must_use]
    pub fn at_least(mut self, least: u32) -> Self {
        self.min_value = Some(least);
        self
    }
}

impl Parameter<String> {
    pub fn text(description: &'static str) -> Self {
        Self::of_type("String", description)
    }

    pub fn number(description: &'static str) -> Self {
        Self::of_type("Number", description)
    }

    pub fn vpc(description: &'static str) -> Self {
        Self::of_type("AWS::EC2::VPC::Id", description)
    }
}

impl Parameter<Vec<Value<String>>> {
    pub fn subnets(description: &'static str) -> Self {
        Self::of_type("List<AWS::EC2::Subnet::Id>", description)
    }

    pub fn security_groups(description: &'static str) -> Self {
        Self::of_type("List<AWS::EC2::SecurityGroup::Id>", description)
    }
}

/// A condition of a template, for resources and values that depend on it.
#[derive(Debug, Clone)]
pub struct Condition {
    id: String,
}

impl Condition {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// `then` where the condition holds, else `otherwise`.
    pub fn choose<T: Serialize>(&self, then: &Value<T>, otherwise: &Value<T>) -> Value<T> {
        Value::either(&self.id, then, otherwise)
    }

    /// `then` where the condition holds, else as if the property were not there.
    pub fn then<T: Serialize>(&self, then: &Value<T>) -> Value<T> {
        self.choose(then, &super::pseudo::no_value())
    }
}

impl Template {
    pub fn new(description: &'static str) -> Self {
        Self {
            document: Document {
                version: "2010-09-09",
                description,
                parameters: BTreeMap::new(),
                conditions: BTreeMap::new(),
                resources: BTreeMap::new(),
                outputs: BTreeMap::new(),
            },
            errors: Vec::new(),
        }
    }

    pub fn parameter<T>(&mut self, id: &str, parameter: &Parameter<T>) -> Value<T> {
        let json = serde_json::to_value(parameter);
        put(&mut self.document.parameters, &mut self.errors, ("parameter", id), json);
        Value::reference(id)
    }

    /// A condition that holds when the text is not empty.
    pub fn condition_set(&mut self, id: &str, text: &Value<String>) -> Condition {
        let json = Ok(json!({"Fn::Not": [{"Fn::Equals": [text, ""]}]}));
        put(&mut self.document.conditions, &mut self.errors, ("condition", id), json);
        Condition { id: id.to_owned() }
    }

    pub fn add<R: Resource>(&mut self, declaration: Declaration<R>) -> Handle<R> {
        let Declaration { id, properties, attributes } = declaration;
        let json = serde_json::to_value(properties).map(|properties| entry(R::KIND.name, properties, &attributes));
        put(&mut self.document.resources, &mut self.errors, ("resource", &id), json);
        Handle::new(id)
    }

    pub fn output<T: Serialize>(&mut self, id: &str, description: &str, value: Value<T>) {
        let json = serde_json::to_value(value).map(|value| json!({"Description": description, "Value": value}));
        put(&mut self.document.outputs, &mut self.errors, ("output", id), json);
    }

    /// An output that exists only where the condition holds.
    pub fn output_if<T: Serialize>(&mut self, condition: &Condition, (id, description): (&str, &str), value: Value<T>) {
        self.output(id, description, value);
        if let Some(Tree::Object(output)) = self.document.outputs.get_mut(id) {
            output.insert("Condition".to_owned(), Tree::from(condition.id()));
        }
    }

    /// Notes what could not be made, for [`Template::build`] to tell.
    pub fn fail(&mut self, id: &str, source: serde_json::Error) {
        self.errors.push(Error::Json { id: id.to_owned(), source });
    }

    /// The whole template.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn build(mut self) -> Result<Document, Errors> {
        self.errors.extend(graph::check(&self.document));
        if self.errors.is_empty() { Ok(self.document) } else { Err(Errors(self.errors)) }
    }
}

/// Everything that is wrong with a template.
#[derive(Debug)]
pub struct Errors(pub Vec<Error>);

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        f.write_str(&texts.join("; "))
    }
}

impl Document {
    /// The template's file: sorted, the same bytes for the same template, in every build. One space of indentation, for the size.
    pub fn text(&self) -> String {
        let mut tree = self.tree();
        tree.sort_all_objects();
        let text = format!("{tree:#}\n");
        let shallower = |line: &str| line[(line.len() - line.trim_start().len()) / 2..].to_owned() + "\n";
        text.lines().map(shallower).collect()
    }

    /// The template as JSON.
    pub fn tree(&self) -> Tree {
        json!(self)
    }
}

fn put(
    section: &mut BTreeMap<String, Tree>,
    errors: &mut Vec<Error>,
    (name, id): (&'static str, &str),
    json: Result<Tree, serde_json::Error>,
) {
    if !id.chars().all(|char| char.is_ascii_alphanumeric()) || id.is_empty() {
        errors.push(Error::Id { id: id.to_owned() });
    }
    match json {
        Ok(json) => {
            if section.insert(id.to_owned(), without_nulls(json)).is_some() {
                errors.push(Error::Duplicate { section: name, id: id.to_owned() });
            }
        }
        Err(source) => errors.push(Error::Json { id: id.to_owned(), source }),
    }
}

fn entry(kind: &str, properties: Tree, attributes: &Attributes) -> Tree {
    let mut entry = serde_json::Map::from_iter([("Type".to_owned(), kind.into())]);
    let mut set = |key: &str, value: Tree| entry.insert(key.to_owned(), value);
    if properties.as_object().is_none_or(|members| members.values().any(|member| !member.is_null())) {
        set("Properties", properties);
    }
    if let Some(condition) = &attributes.condition {
        set("Condition", json!(condition));
    }
    if !attributes.depends_on.is_empty() {
        set("DependsOn", json!(attributes.depends_on));
    }
    if let Some(policy) = attributes.deletion_policy {
        set("DeletionPolicy", json!(policy));
    }
    if let Some(policy) = attributes.update_replace_policy {
        set("UpdateReplacePolicy", json!(policy));
    }
    if !attributes.suppressions.is_empty() {
        set("Metadata", metadata(&attributes.suppressions));
    }
    Tree::Object(entry)
}

/// Each linter's own words, and for those that take no reason, the reason beside them.
fn metadata(suppressions: &[Suppression]) -> Tree {
    let of = |pick: fn(&Finding) -> Option<&'static str>| {
        suppressions.iter().filter_map(move |one| Some((pick(&one.finding)?, one.reason))).collect::<Vec<_>>()
    };
    let checkov = of(|finding| if let Finding::Checkov(id) = finding { Some(id) } else { None });
    let cfn_lint = of(|finding| if let Finding::CfnLint(id) = finding { Some(id) } else { None });
    let ours = of(|finding| if let Finding::Ours(id) | Finding::Validate(id) = finding { Some(id) } else { None });
    let mut metadata = serde_json::Map::new();
    if !checkov.is_empty() {
        let skip = checkov.iter().map(|(id, reason)| json!({"id": id, "comment": reason})).collect::<Vec<_>>();
        metadata.insert("checkov".to_owned(), json!({"skip": skip}));
    }
    if !cfn_lint.is_empty() {
        let ignore = cfn_lint.iter().map(|(id, _)| id).collect::<Vec<_>>();
        metadata.insert("cfn-lint".to_owned(), json!({"config": {"ignore_checks": ignore}}));
    }
    let reasons = cfn_lint.into_iter().chain(ours).collect::<BTreeMap<_, _>>();
    if !reasons.is_empty() {
        metadata.insert("Accepted".to_owned(), json!(reasons));
    }
    Tree::Object(metadata)
}

#[cfg(test)]
mod tests {
    use super::super::{Template, Value, pseudo, s3::Bucket, sqs::Queue};
    use super::{Condition, Finding, Resource};

    #[test]
    fn a_second_resource_of_the_same_id_is_named() {
        let mut template = Template::new("twice");
        template.add(Bucket::default().named("Raw"));
        template.add(Queue::default().named("Raw"));
        assert_eq!(template.build().unwrap_err().to_string(), "resource Raw is declared twice");
    }

    #[test]
    fn an_id_with_a_hyphen_is_refused() {
        let mut template = Template::new("hyphen");
        template.add(Bucket::default().named("raw-bucket"));
        assert_eq!(
            template.build().unwrap_err().to_string(),
            "\"raw-bucket\" is no logical id: letters and digits only"
        );
    }

    #[test]
    fn a_cycle_is_told_as_its_path() {
        let mut template = Template::new("cycle");
        let mut other = Template::new("only for its handle");
        let queue = other.add(Queue::default().named("Queue"));
        let bucket = template.add(
            Bucket { bucket_name: Some(crate::sub!["raw-", queue.queue_name()]), ..Bucket::default() }.named("Raw"),
        );
        template.add(Queue { queue_name: Some(bucket.name()), ..Queue::default() }.named("Queue"));
        assert_eq!(template.build().unwrap_err().to_string(), "resources wait for each other: Queue -> Raw -> Queue");
    }

    #[test]
    fn a_handle_of_another_template_is_refused() {
        let mut other = Template::new("another");
        let queue = other.add(Queue::default().named("Queue"));
        let mut template = Template::new("one");
        template.add(Bucket { bucket_name: Some(queue.queue_name()), ..Bucket::default() }.named("Raw"));
        assert_eq!(
            template.build().unwrap_err().to_string(),
            "resource Raw names Queue, which this template does not have"
        );
    }

    #[test]
    fn an_output_and_a_condition_of_another_template_are_refused() {
        let mut other = Template::new("another");
        let queue = other.add(Queue::default().named("Queue"));
        let condition = other.condition_set("Yes", &pseudo::region());
        let mut template = Template::new("one");
        template.output_if(&condition, ("Url", "where messages wait"), queue.name());
        assert_eq!(
            template.build().unwrap_err().to_string(),
            "output Url names Queue, which this template does not have; \
             output Url names Yes, which this template does not have"
        );
    }

    #[test]
    fn what_may_not_exist_is_named_only_where_its_condition_holds() {
        let named = |name: fn(&Condition, Value<String>) -> Value<String>| {
            let mut template = Template::new("names");
            let condition = template.condition_set("Yes", &pseudo::region());
            let queue = template.add(Queue::default().named("Queue").only_if(&condition));
            let name = name(&condition, queue.queue_name());
            template.add(Bucket { bucket_name: Some(name.clone()), ..Bucket::default() }.named("Raw"));
            template.output("Name", "the name", name);
            template.build().map(|_| ()).map_err(|errors| errors.to_string())
        };
        let refused = "resource Raw names Queue, which exists only under condition Yes; \
                       output Name names Queue, which exists only under condition Yes";
        assert_eq!(named(|_, name| name), Err(refused.to_owned()));
        assert_eq!(named(|yes, name| yes.choose(&"no".into(), &name)), Err(refused.to_owned()));
        assert_eq!(named(|yes, name| yes.then(&name)), Ok(()));
    }

    #[test]
    fn an_order_that_needs_what_may_not_exist_is_refused() {
        let mut template = Template::new("order");
        let condition = template.condition_set("Yes", &pseudo::region());
        let queue = template.add(Queue::default().named("Queue").only_if(&condition));
        template.add(Bucket::default().named("Raw").after(&queue));
        assert_eq!(
            template.build().unwrap_err().to_string(),
            "resource Raw names Queue, which exists only under condition Yes"
        );
    }

    #[test]
    fn a_template_is_written_in_one_order_whatever_the_order_of_its_making() {
        let make = |ids: [&'static str; 2]| {
            let mut template = Template::new("order");
            for id in ids {
                template.add(Bucket { bucket_name: Some(Value::from(id)), ..Bucket::default() }.named(id));
            }
            template.build().unwrap().text()
        };
        assert_eq!(make(["A", "B"]), make(["B", "A"]));
    }

    #[test]
    fn everything_beside_the_properties_is_written() {
        let mut template = Template::new("all");
        let first = template.add(Queue::default().named("First"));
        let condition = template.condition_set("Yes", &pseudo::region());
        let bucket = Bucket::default()
            .named("Raw")
            .retained()
            .after(&first)
            .only_if(&condition)
            .accepting(Finding::Checkov("CKV_1"), "one")
            .accepting(Finding::CfnLint("W1"), "two")
            .accepting(Finding::Ours("rule"), "three");
        template.add(bucket);
        insta::assert_snapshot!(template.build().unwrap().text());
    }
}
