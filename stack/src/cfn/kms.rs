//! AWS KMS: keys.

use serde::Serialize;

use super::{
    Arn,
    iam::{Document, ResourceStatement},
    resource::resource,
};

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Key {
    pub description: Option<String>,
    pub enable_key_rotation: Option<bool>,
    pub key_policy: Option<Document<ResourceStatement>>,
}

resource!(Key = "AWS::KMS::Key", stateful: true, create_only: [], arn: Arn = "Arn");
