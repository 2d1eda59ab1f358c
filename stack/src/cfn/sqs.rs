//! Amazon SQS: queues and their policies.

use serde::Serialize;

use super::{
    Arn, Bounded, Value,
    iam::{Document, ResourceStatement},
    resource::resource,
};

/// How long a message that was received stays hidden, in seconds.
pub type VisibilityTimeout = Bounded<0, 43_200>;
/// How long a message is kept, in seconds.
pub type MessageRetention = Bounded<60, 1_209_600>;
/// How often a message is received before it is put aside.
pub type MaxReceiveCount = Bounded<1, 1_000>;

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Queue {
    pub message_retention_period: Option<MessageRetention>,
    pub queue_name: Option<Value<String>>,
    pub redrive_policy: Option<RedrivePolicy>,
    pub sqs_managed_sse_enabled: Option<bool>,
    pub visibility_timeout: Option<VisibilityTimeout>,
}

resource!(Queue = "AWS::SQS::Queue", stateful: true, create_only: ["QueueName"],
    arn: Arn = "Arn", queue_name: String = "QueueName");

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    pub dead_letter_target_arn: Value<Arn>,
    pub max_receive_count: MaxReceiveCount,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct QueuePolicy {
    pub policy_document: Document<ResourceStatement>,
    pub queues: Vec<Value<String>>,
}

resource!(QueuePolicy = "AWS::SQS::QueuePolicy", stateful: false, create_only: []);
