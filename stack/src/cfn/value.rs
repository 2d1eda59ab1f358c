//! What a property can hold: a literal of its type, or what CloudFormation computes while it deploys.

use serde::{Serialize, Serializer};
use serde_json::{Value as Tree, json};

/// A literal `T`, or a reference, attribute, text with references, or choice that stands for a `T`.
///
/// The computed ones are made by handles, parameters, conditions, [`pseudo`] and [`sub!`](crate::sub) only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<T> {
    Literal(T),
    Computed(Computed),
}

/// An intrinsic function of CloudFormation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Computed(Tree);

/// The name of a thing in AWS, for all of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Arn(String);

/// Text that is JSON inside: the body of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Json(String);

/// What is text in the template, so that it can be composed of parts.
pub trait Textual: Sized {
    fn from_text(text: String) -> Self;
}

impl Textual for String {
    fn from_text(text: String) -> Self {
        text
    }
}

impl Textual for Arn {
    fn from_text(text: String) -> Self {
        Self(text)
    }
}

impl<T> Value<T> {
    pub(super) fn reference(id: &str) -> Self {
        Self::Computed(Computed(json!({"Ref": id})))
    }

    pub(super) fn attribute(id: &str, attribute: &str) -> Self {
        Self::Computed(Computed(json!({"Fn::GetAtt": [id, attribute]})))
    }

    pub(super) fn either(condition: &str, then: &impl Serialize, otherwise: &impl Serialize) -> Self {
        Self::Computed(Computed(json!({"Fn::If": [condition, then, otherwise]})))
    }

    /// The same value, which CloudFormation computes only when `first` exists.
    /// It orders resources where `DependsOn` cannot: inside of a condition.
    #[must_use]
    pub fn once<U: Serialize>(&self, first: &Value<U>) -> Self
    where
        T: Serialize,
    {
        Self::Computed(Computed(json!({"Fn::Select": [0, [self, first]]})))
    }
}

impl<T: Textual> Value<T> {
    /// The parts one after the other. A literal when all parts are literal.
    pub fn concat(parts: impl IntoIterator<Item = Part>) -> Self {
        let parts = parts.into_iter().map(|Part(tree)| tree).collect::<Vec<_>>();
        if let Some(texts) = parts.iter().map(Tree::as_str).collect::<Option<Vec<_>>>() {
            return Self::Literal(T::from_text(texts.concat()));
        }
        Self::Computed(Computed(match parts.iter().map(in_sub).collect::<Option<String>>() {
            Some(text) => json!({"Fn::Sub": text}),
            None => json!({"Fn::Join": ["", parts]}),
        }))
    }
}

impl Value<Json> {
    /// The text of a JSON tree in which other values stand.
    ///
    /// # Errors
    /// When the tree is not JSON, or a choice stands in it (a text cannot hold one).
    pub fn text_of(tree: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut text = String::new();
        write_text(&serde_json::to_value(tree)?, &mut text)?;
        Ok(Self::Computed(Computed(json!({"Fn::Sub": text}))))
    }
}

fn write_text(tree: &Tree, text: &mut String) -> Result<(), serde_json::Error> {
    match tree {
        Tree::Object(members) if members.keys().any(|key| key == "Ref" || key.starts_with("Fn::")) => {
            let part = in_sub(tree).ok_or_else(|| serde::ser::Error::custom(format!("{tree} inside of a text")))?;
            // Only what is literal in it changes: no name between `${` and `}` has a character that JSON escapes.
            text.push_str(&Tree::from(part).to_string());
        }
        Tree::Object(members) => write_sequence(members.iter(), ('{', '}'), text, |(key, value), text| {
            text.extend([&escaped(&Tree::from(key.as_str()).to_string()), ":"]);
            write_text(value, text)
        })?,
        Tree::Array(items) => write_sequence(items.iter(), ('[', ']'), text, write_text)?,
        scalar => text.push_str(&escaped(&scalar.to_string())),
    }
    Ok(())
}

fn write_sequence<I>(
    items: impl Iterator<Item = I>,
    (open, close): (char, char),
    text: &mut String,
    write: impl Fn(I, &mut String) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    text.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(item, text)?;
    }
    text.push(close);
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace("${", "${!")
}

/// How a part stands inside of `Fn::Sub`; what cannot, is none.
fn in_sub(part: &Tree) -> Option<String> {
    match part {
        Tree::String(text) => Some(escaped(text)),
        Tree::Object(members) => {
            let (function, argument) = members.iter().next()?;
            match (function.as_str(), argument) {
                ("Ref", Tree::String(id)) => Some(format!("${{{id}}}")),
                ("Fn::Sub", Tree::String(text)) => Some(text.clone()),
                ("Fn::GetAtt", Tree::Array(path)) => {
                    Some(format!("${{{}.{}}}", path.first()?.as_str()?, path.get(1)?.as_str()?))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// One part of a composed text.
#[derive(Debug, Clone)]
pub struct Part(Tree);

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self(Tree::from(text))
    }
}

impl From<&String> for Part {
    fn from(text: &String) -> Self {
        Self(Tree::from(text.as_str()))
    }
}

impl From<u32> for Part {
    fn from(number: u32) -> Self {
        Self(Tree::from(number.to_string()))
    }
}

impl From<&Value<String>> for Part {
    fn from(value: &Value<String>) -> Self {
        match value {
            Value::Literal(text) => text.into(),
            Value::Computed(Computed(tree)) => Self(tree.clone()),
        }
    }
}

impl From<Value<String>> for Part {
    fn from(value: Value<String>) -> Self {
        Self::from(&value)
    }
}

impl From<&Value<Arn>> for Part {
    fn from(value: &Value<Arn>) -> Self {
        match value {
            Value::Literal(Arn(text)) => text.into(),
            Value::Computed(Computed(tree)) => Self(tree.clone()),
        }
    }
}

impl From<Value<Arn>> for Part {
    fn from(value: Value<Arn>) -> Self {
        Self::from(&value)
    }
}

/// A text (or ARN) composed of literals and values: `sub!["raw-", pseudo::account()]`.
#[macro_export]
macro_rules! sub {
    ($($part:expr),+ $(,)?) => { $crate::cfn::Value::concat([$($crate::cfn::Part::from($part)),+]) };
}

impl<T> From<T> for Value<T> {
    fn from(literal: T) -> Self {
        Self::Literal(literal)
    }
}

impl From<&str> for Value<String> {
    fn from(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }
}

impl<T: Serialize> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(literal) => literal.serialize(serializer),
            Self::Computed(computed) => computed.serialize(serializer),
        }
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Value<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<T>()
    }
}

/// What every template knows without declaring it.
pub mod pseudo {
    use super::Value;

    pub fn account() -> Value<String> {
        Value::reference("AWS::AccountId")
    }

    pub fn region() -> Value<String> {
        Value::reference("AWS::Region")
    }

    pub fn partition() -> Value<String> {
        Value::reference("AWS::Partition")
    }

    pub fn stack_name() -> Value<String> {
        Value::reference("AWS::StackName")
    }

    /// The region's availability zone of that number, from 0.
    pub fn availability_zone(number: u32) -> Value<String> {
        Value::Computed(super::Computed(serde_json::json!({"Fn::Select": [number, {"Fn::GetAZs": ""}]})))
    }

    /// Takes the property away.
    pub fn no_value<T>() -> Value<T> {
        Value::reference("AWS::NoValue")
    }
}

#[cfg(test)]
mod tests {
    use super::{Arn, Json, Value, pseudo};
    use serde_json::json;

    fn tree<T: serde::Serialize>(value: &Value<T>) -> serde_json::Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn literals_compose_to_a_literal() {
        let text: Value<String> = sub!["raw-", "bucket"];
        assert_eq!(text, Value::Literal("raw-bucket".to_owned()));
    }

    #[test]
    fn references_and_attributes_compose_to_a_sub_and_text_is_escaped() {
        let arn: Value<Arn> = Value::attribute("Queue", "Arn");
        let text: Value<String> = sub!["${x} ", pseudo::account(), "/", arn];
        assert_eq!(tree(&text), json!({"Fn::Sub": "${!x} ${AWS::AccountId}/${Queue.Arn}"}));
    }

    #[test]
    fn a_sub_inside_of_a_sub_is_one_sub() {
        let inner: Value<String> = sub!["raw-", pseudo::account()];
        let outer: Value<Arn> = sub!["arn:aws:s3:::", inner, "/*"];
        assert_eq!(tree(&outer), json!({"Fn::Sub": "arn:aws:s3:::raw-${AWS::AccountId}/*"}));
    }

    #[test]
    fn a_choice_composes_to_a_join() {
        let choice: Value<String> = Value::either("Yes", &"a", &"b");
        let text: Value<String> = sub!["x", choice];
        assert_eq!(tree(&text), json!({"Fn::Join": ["", ["x", {"Fn::If": ["Yes", "a", "b"]}]]}));
    }

    #[test]
    fn a_tree_with_values_becomes_one_text() {
        let text = Value::<Json>::text_of(&json!({"region": pseudo::region(), "list": [1, "\"${q}\""]})).unwrap();
        assert_eq!(tree(&text), json!({"Fn::Sub": r#"{"list":[1,"\"${!q}\""],"region":"${AWS::Region}"}"#}));
    }

    #[test]
    fn quotes_beside_a_reference_are_quotes_inside_of_the_text() {
        let expression: Value<String> = sub!["Function=\"", pseudo::region(), "\" ${x}"];
        let text = Value::<Json>::text_of(&json!({"${y}": expression})).unwrap();
        assert_eq!(tree(&text), json!({"Fn::Sub": r#"{"${!y}":"Function=\"${AWS::Region}\" ${!x}"}"#}));
    }

    #[test]
    fn a_choice_inside_of_a_text_is_refused() {
        let error = Value::<Json>::text_of(&json!([Value::<String>::either("Yes", &1, &2)])).unwrap_err();
        assert_eq!(error.to_string(), r#"{"Fn::If":["Yes",1,2]} inside of a text"#);
    }
}
