//! Amazon `EventBridge`: rules.

use serde::Serialize;
use serde_json::{Map, Value as Tree};

use super::{Arn, Value, resource::resource};

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Rule {
    pub description: Option<String>,
    pub event_pattern: Map<String, Tree>,
    pub targets: Vec<Target>,
}

resource!(Rule = "AWS::Events::Rule", stateful: false, create_only: [], arn: Arn = "Arn");

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    pub arn: Value<Arn>,
    pub id: String,
}
