//! AWS Identity and Access Management: who may do what with which.
//!
//! A statement of a role says what the role may do, never who: it has no principal. A statement of a resource says who.
//! They are two types, and do not mix:
//!
//! ```compile_fail,E0308
//! use stack::cfn::iam::{Action, Document, IdentityStatement, Principal, ResourceStatement, Service};
//! let statement = ResourceStatement::allow(Principal::Service(Service::S3), [Action::SqsSendMessage], []);
//! let role_policy: Document<IdentityStatement> = Document::of(vec![statement]);
//! ```

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Arn, Value, resource::resource};

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    pub assume_role_policy_document: Document<ResourceStatement>,
    pub policies: Option<Vec<Policy>>,
}

resource!(Role = "AWS::IAM::Role", stateful: false, create_only: [], arn: Arn = "Arn");

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    pub policy_name: String,
    pub policy_document: Document<IdentityStatement>,
}

/// A policy's text.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document<S> {
    version: &'static str,
    statement: Vec<S>,
}

impl<S> Document<S> {
    pub fn of(statement: Vec<S>) -> Self {
        Self { version: "2012-10-17", statement }
    }
}

#[cfg(test)]
impl<S> schemars::JsonSchema for Document<S> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PolicyDocument".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object"})
    }
}

/// What the owner of the policy may do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdentityStatement {
    sid: &'static str,
    effect: Effect,
    action: Vec<Action>,
    resource: Vec<Value<Arn>>,
    condition: Option<Conditions>,
}

impl IdentityStatement {
    pub fn allow(
        sid: &'static str,
        action: impl IntoIterator<Item = Action>,
        resource: impl IntoIterator<Item = Value<Arn>>,
    ) -> Self {
        let (action, resource) = (action.into_iter().collect(), resource.into_iter().collect());
        Self { sid, effect: Effect::Allow, action, resource, condition: None }
    }

    /// An action that AWS offers for no single resource.
    pub fn allow_everywhere(sid: &'static str, action: impl IntoIterator<Item = Action>) -> Self {
        Self::allow(sid, action, [crate::sub!["*"]])
    }

    #[must_use]
    pub fn when(mut self, operator: Operator, key: &'static str, value: Value<String>) -> Self {
        self.condition.get_or_insert_default().add(operator, key, value);
        self
    }
}

/// What others may do with the owner of the policy.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceStatement {
    effect: Effect,
    principal: Principal,
    action: Vec<Action>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<Value<Arn>>,
    condition: Option<Conditions>,
}

impl ResourceStatement {
    pub fn allow(
        principal: Principal,
        action: impl IntoIterator<Item = Action>,
        resource: impl IntoIterator<Item = Value<Arn>>,
    ) -> Self {
        let (action, resource) = (action.into_iter().collect(), resource.into_iter().collect());
        Self { effect: Effect::Allow, principal, action, resource, condition: None }
    }

    /// Nobody may do anything of the service without TLS.
    pub fn deny_without_tls(service: Action, resource: impl IntoIterator<Item = Value<Arn>>) -> Self {
        let resource = resource.into_iter().collect();
        let statement = Self {
            effect: Effect::Deny,
            principal: Principal::Everybody,
            action: vec![service],
            resource,
            condition: None,
        };
        statement.when(Operator::Bool, "aws:SecureTransport", "false".into())
    }

    #[must_use]
    pub fn when(mut self, operator: Operator, key: &'static str, value: Value<String>) -> Self {
        self.condition.get_or_insert_default().add(operator, key, value);
        self
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
enum Effect {
    Allow,
    Deny,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    ArnEquals,
    ArnLike,
    Bool,
    StringEquals,
    StringLike,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
struct Conditions(BTreeMap<Operator, BTreeMap<&'static str, Value<String>>>);

impl Conditions {
    fn add(&mut self, operator: Operator, key: &'static str, value: Value<String>) {
        self.0.entry(operator).or_default().insert(key, value);
    }
}

/// Who.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Anybody: only to deny.
    Everybody,
    Service(Service),
    /// The account, whose own policies then say who of it.
    Account(Value<Arn>),
}

/// An AWS service that acts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Service {
    #[serde(rename = "cloudwatch.amazonaws.com")]
    CloudWatch,
    #[serde(rename = "events.amazonaws.com")]
    Events,
    #[serde(rename = "lambda.amazonaws.com")]
    Lambda,
    #[serde(rename = "s3.amazonaws.com")]
    S3,
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Everybody = self {
            return serializer.serialize_str("*");
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Service(service) => map.serialize_entry("Service", service)?,
            Self::Account(arn) => map.serialize_entry("AWS", arn)?,
            Self::Everybody => {}
        }
        map.end()
    }
}

/// Declares the actions by service, so that one that AWS does not have is found by the oracle.
macro_rules! actions {
    ($($name:ident = $action:literal)*) => {
        /// What can be allowed or denied.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Action {
            $(#[serde(rename = $action)] $name,)*
        }

        impl Action {
            /// Every action that can be written with this crate.
            pub const ALL: &[&str] = &[$($action),*];

            /// As a policy writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $action,)* }
            }
        }
    };
}

actions! {
    Ec2AssignPrivateIpAddresses = "ec2:AssignPrivateIpAddresses"
    Ec2CreateNetworkInterface = "ec2:CreateNetworkInterface"
    Ec2DeleteNetworkInterface = "ec2:DeleteNetworkInterface"
    Ec2DescribeNetworkInterfaces = "ec2:DescribeNetworkInterfaces"
    Ec2DescribeSubnets = "ec2:DescribeSubnets"
    Ec2UnassignPrivateIpAddresses = "ec2:UnassignPrivateIpAddresses"
    EcrBatchGetImage = "ecr:BatchGetImage"
    EcrGetDownloadUrlForLayer = "ecr:GetDownloadUrlForLayer"
    KmsAll = "kms:*"
    KmsDecrypt = "kms:Decrypt"
    KmsGenerateDataKey = "kms:GenerateDataKey"
    LogsCreateLogStream = "logs:CreateLogStream"
    LogsPutLogEvents = "logs:PutLogEvents"
    S3AbortMultipartUpload = "s3:AbortMultipartUpload"
    S3All = "s3:*"
    S3DeleteObject = "s3:DeleteObject"
    S3GetObject = "s3:GetObject"
    S3GetObjectVersion = "s3:GetObjectVersion"
    S3ListBucket = "s3:ListBucket"
    S3PutObject = "s3:PutObject"
    SnsPublish = "sns:Publish"
    SqsAll = "sqs:*"
    SqsDeleteMessage = "sqs:DeleteMessage"
    SqsGetQueueAttributes = "sqs:GetQueueAttributes"
    SqsReceiveMessage = "sqs:ReceiveMessage"
    SqsSendMessage = "sqs:SendMessage"
    StatesStartExecution = "states:StartExecution"
    StsAssumeRole = "sts:AssumeRole"
    XrayPutTelemetryRecords = "xray:PutTelemetryRecords"
    XrayPutTraceSegments = "xray:PutTraceSegments"
}

/// What is allowed on every resource or not at all: traces and descriptions have none, and of network interfaces, which
/// have no name before they are made, Lambda asks it.
pub const EVERYWHERE: [Action; 8] = [
    Action::Ec2AssignPrivateIpAddresses,
    Action::Ec2CreateNetworkInterface,
    Action::Ec2DeleteNetworkInterface,
    Action::Ec2DescribeNetworkInterfaces,
    Action::Ec2DescribeSubnets,
    Action::Ec2UnassignPrivateIpAddresses,
    Action::XrayPutTelemetryRecords,
    Action::XrayPutTraceSegments,
];
