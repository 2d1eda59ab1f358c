//! Amazon S3: buckets and their policies.

use serde::Serialize;

use super::{
    Arn, Bounded, Value,
    iam::{Document, ResourceStatement},
    resource::resource,
};

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Bucket {
    pub bucket_name: Option<Value<String>>,
    pub bucket_namespace: Option<Namespace>,
    pub bucket_encryption: Option<BucketEncryption>,
    pub lifecycle_configuration: Option<LifecycleConfiguration>,
    pub notification_configuration: Option<Value<NotificationConfiguration>>,
    pub ownership_controls: Option<OwnershipControls>,
    pub public_access_block_configuration: Option<PublicAccessBlockConfiguration>,
    pub versioning_configuration: Option<VersioningConfiguration>,
}

resource!(Bucket = "AWS::S3::Bucket", stateful: true, create_only: ["BucketName", "BucketNamespace"], arn: Arn = "Arn");

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    Global,
    AccountRegional,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct BucketEncryption {
    pub server_side_encryption_configuration: Vec<ServerSideEncryptionRule>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct ServerSideEncryptionRule {
    pub bucket_key_enabled: Option<bool>,
    pub server_side_encryption_by_default: ServerSideEncryptionByDefault,
}

/// A key belongs to KMS only: with `AES256` there is no place to write one.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "SSEAlgorithm")]
pub enum ServerSideEncryptionByDefault {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms {
        #[serde(rename = "KMSMasterKeyID")]
        key: Value<Arn>,
    },
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleConfiguration {
    pub rules: Vec<LifecycleRule>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleRule {
    pub id: String,
    pub status: Status,
    pub abort_incomplete_multipart_upload: Option<AbortIncompleteMultipartUpload>,
    pub noncurrent_version_expiration: Option<NoncurrentVersionExpiration>,
    pub expired_object_delete_marker: Option<bool>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Status {
    Enabled,
}

/// A number of days that a rule of a bucket waits.
pub type Days = Bounded<1, 36_500>;

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct AbortIncompleteMultipartUpload {
    pub days_after_initiation: Days,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct NoncurrentVersionExpiration {
    pub noncurrent_days: Days,
}

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct NotificationConfiguration {
    pub event_bridge_configuration: Option<EventBridgeConfiguration>,
    pub lambda_configurations: Option<Vec<LambdaConfiguration>>,
    pub queue_configurations: Option<Vec<QueueConfiguration>>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct EventBridgeConfiguration {
    pub event_bridge_enabled: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Event {
    #[serde(rename = "s3:ObjectCreated:*")]
    ObjectCreated,
    #[serde(rename = "s3:ObjectRemoved:*")]
    ObjectRemoved,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LambdaConfiguration {
    pub event: Event,
    pub filter: Option<NotificationFilter>,
    pub function: Value<Arn>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct QueueConfiguration {
    pub event: Event,
    pub filter: Option<NotificationFilter>,
    pub queue: Value<Arn>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct NotificationFilter {
    pub s3_key: S3KeyFilter,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct S3KeyFilter {
    pub rules: Vec<FilterRule>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct FilterRule {
    pub name: FilterName,
    pub value: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FilterName {
    Prefix,
    Suffix,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipControls {
    pub rules: Vec<OwnershipControlsRule>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipControlsRule {
    pub object_ownership: ObjectOwnership,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ObjectOwnership {
    BucketOwnerEnforced,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "S3 has these four switches")]
pub struct PublicAccessBlockConfiguration {
    pub block_public_acls: bool,
    pub block_public_policy: bool,
    pub ignore_public_acls: bool,
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlockConfiguration {
    /// Nothing public, by no way.
    pub const ALL: Self = Self {
        block_public_acls: true,
        block_public_policy: true,
        ignore_public_acls: true,
        restrict_public_buckets: true,
    };
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct VersioningConfiguration {
    pub status: Status,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct BucketPolicy {
    pub bucket: Value<String>,
    pub policy_document: Document<ResourceStatement>,
}

resource!(BucketPolicy = "AWS::S3::BucketPolicy", stateful: false, create_only: ["Bucket"]);
