//! Amazon ECR: where images lie.

use serde::Serialize;

use super::{
    Arn,
    iam::{Document, ResourceStatement},
    resource::resource,
};

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Repository {
    pub image_scanning_configuration: Option<ImageScanningConfiguration>,
    pub image_tag_mutability: Option<ImageTagMutability>,
    pub lifecycle_policy: Option<LifecyclePolicy>,
    pub repository_name: Option<String>,
    pub repository_policy_text: Option<Document<ResourceStatement>>,
}

resource!(Repository = "AWS::ECR::Repository", stateful: true, create_only: ["RepositoryName"],
    arn: Arn = "Arn", uri: String = "RepositoryUri");

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct ImageScanningConfiguration {
    pub scan_on_push: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageTagMutability {
    Immutable,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LifecyclePolicy {
    lifecycle_policy_text: String,
}

impl LifecyclePolicy {
    /// Keeps the newest images. By count and never by age: an age would expire the image that runs.
    pub fn keep_newest(count: u32) -> Self {
        let rule = serde_json::json!({"rules": [{
            "rulePriority": 1,
            "description": format!("keep the newest {count}"),
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
            "action": {"type": "expire"},
        }]});
        Self { lifecycle_policy_text: rule.to_string() }
    }
}
