//! Amazon SNS: topics, their policies and subscriptions.

use serde::Serialize;

use super::{
    Arn, Value,
    iam::{Document, ResourceStatement},
    resource::resource,
};

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Topic {
    pub kms_master_key_id: Option<Value<Arn>>,
}

resource!(Topic = "AWS::SNS::Topic", stateful: false, create_only: [], arn: Arn = "TopicArn");

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct TopicPolicy {
    pub policy_document: Document<ResourceStatement>,
    pub topics: Vec<Value<Arn>>,
}

resource!(TopicPolicy = "AWS::SNS::TopicPolicy", stateful: false, create_only: []);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Subscription {
    pub endpoint: Value<String>,
    pub protocol: Protocol,
    pub topic_arn: Value<Arn>,
}

resource!(Subscription = "AWS::SNS::Subscription", stateful: false, create_only: ["Endpoint", "Protocol", "TopicArn"]);

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Email,
}
