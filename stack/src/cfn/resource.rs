//! A resource on its way into a template: its properties, then its declaration (name, policies, order), then its handle.

use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value as Tree;

use super::{Condition, Kind, Value};

/// A struct of properties that CloudFormation makes a resource of.
pub trait Resource: Serialize + Sized {
    const KIND: Kind;

    /// Gives the resource its logical id.
    fn named(self, id: impl Into<String>) -> Declaration<Self> {
        Declaration { id: id.into(), properties: self, attributes: Attributes::default() }
    }
}

/// Declares what a resource type offers beside its properties. Attributes become methods of its handle.
macro_rules! resource {
    ($type:ty = $name:literal, stateful: $stateful:literal, create_only: [$($only:literal),*] $(, $attribute:ident: $of:ty = $cfn:literal)*) => {
        impl $crate::cfn::Resource for $type {
            const KIND: $crate::cfn::Kind = $crate::cfn::Kind {
                name: $name,
                attributes: &[$($cfn),*],
                create_only: &[$($only),*],
                stateful: $stateful,
            };
        }
        impl $crate::cfn::Handle<$type> {
            $(pub fn $attribute(&self) -> $crate::cfn::Value<$of> {
                $crate::cfn::Value::attribute(self.id(), $cfn)
            })*
        }
    };
}
pub(super) use resource;

/// A resource with its name, not yet in a template.
#[derive(Debug)]
pub struct Declaration<R> {
    pub(super) id: String,
    pub(super) properties: R,
    pub(super) attributes: Attributes,
}

/// What stands beside `Properties`.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) condition: Option<String>,
    pub(super) depends_on: Vec<String>,
    pub(super) deletion_policy: Option<Policy>,
    pub(super) update_replace_policy: Option<Policy>,
    pub(super) suppressions: Vec<Suppression>,
}

/// What becomes of a resource that leaves the stack.
#[derive(Debug, Clone, Copy, Serialize)]
pub enum Policy {
    Delete,
    Retain,
    /// Stays, unless the very deployment that made it failed.
    RetainExceptOnCreate,
}

/// A finding of a linter that is right in general and wrong here, with the reason.
#[derive(Debug, Clone)]
pub(super) struct Suppression {
    pub(super) finding: Finding,
    pub(super) reason: &'static str,
}

/// Whose finding.
#[derive(Debug, Clone, Copy)]
pub enum Finding {
    Checkov(&'static str),
    CfnLint(&'static str),
    Validate(&'static str),
    /// One of [`crate::rules`].
    Ours(&'static str),
}

impl<R> Declaration<R> {
    /// Stays when it leaves the stack or is replaced.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.attributes.deletion_policy = Some(Policy::RetainExceptOnCreate);
        self.attributes.update_replace_policy = Some(Policy::Retain);
        self
    }

    /// Goes with the stack, which is said because it holds something.
    #[must_use]
    pub fn deleted(mut self) -> Self {
        self.attributes.deletion_policy = Some(Policy::Delete);
        self.attributes.update_replace_policy = Some(Policy::Delete);
        self
    }

    /// Exists only where the condition holds.
    #[must_use]
    pub fn only_if(mut self, condition: &Condition) -> Self {
        self.attributes.condition = Some(condition.id().to_owned());
        self
    }

    /// Is made after `first` though it does not name it.
    #[must_use]
    pub fn after<Q>(mut self, first: &Handle<Q>) -> Self {
        self.attributes.depends_on.push(first.id.clone());
        self
    }

    /// Changes properties once more.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut R)) -> Self {
        change(&mut self.properties);
        self
    }

    /// Keeps a linter quiet here; the reason stands beside the resource.
    #[must_use]
    pub fn accepting(mut self, finding: Finding, reason: &'static str) -> Self {
        self.attributes.suppressions.push(Suppression { finding, reason });
        self
    }
}

/// A resource of a template, for others to name.
#[derive(Debug)]
pub struct Handle<R> {
    id: String,
    resource: PhantomData<R>,
}

impl<R> Handle<R> {
    pub(super) fn new(id: String) -> Self {
        Self { id, resource: PhantomData }
    }

    /// The logical id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What `Ref` gives: CloudFormation's reference says what that is for each type.
    pub fn name(&self) -> Value<String> {
        Value::reference(&self.id)
    }
}

/// The tree without members that are null: CloudFormation knows no null.
pub(super) fn without_nulls(tree: Tree) -> Tree {
    match tree {
        Tree::Object(members) => members
            .into_iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(key, member)| (key, without_nulls(member)))
            .collect(),
        Tree::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}
