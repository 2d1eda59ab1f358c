//! Where data lies: the zones' buckets, the key, the repository.

use super::{Lake, Zone, trigger::Arrival};
use crate::{
    cfn::{
        Handle, Resource, Template, Value,
        ecr::{ImageScanningConfiguration, ImageTagMutability, LifecyclePolicy, Repository},
        iam::{Action, Document, Operator, Principal, ResourceStatement, Service},
        kms::Key,
        pseudo,
        resource::Finding,
        s3::{
            AbortIncompleteMultipartUpload, Bucket, BucketEncryption, BucketPolicy, Days, LifecycleConfiguration,
            LifecycleRule, Namespace, NoncurrentVersionExpiration, ObjectOwnership, OwnershipControls,
            OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryptionByDefault,
            ServerSideEncryptionRule, Status, VersioningConfiguration,
        },
    },
    options::Encryption,
    sub,
};

/// The key that objects are encrypted with, where that is chosen.
pub(super) fn key(template: &mut Template, lake: &Lake) -> Option<Handle<Key>> {
    if lake.options.encryption == Encryption::Aes256 {
        return None;
    }
    let root = sub!["arn:", pseudo::partition(), ":iam::", pseudo::account(), ":root"];
    let owner = ResourceStatement::allow(Principal::Account(root), [Action::KmsAll], [sub!["*"]]);
    let alarms = [Action::KmsDecrypt, Action::KmsGenerateDataKey];
    let alarms = ResourceStatement::allow(Principal::Service(Service::CloudWatch), alarms, [sub!["*"]]).when(
        Operator::StringEquals,
        "aws:SourceAccount",
        pseudo::account(),
    );
    let key = Key {
        description: Some("Objects and alarms of the lake".to_owned()),
        enable_key_rotation: Some(true),
        key_policy: Some(Document::of(vec![owner, alarms])),
    };
    let key = key
        .named("LakeKey")
        .retained()
        .accepting(Finding::Ours("iam-actions"), "the account's own policies say who of it uses the key, and how")
        .accepting(Finding::Ours("iam-resources"), "`*` in a key's policy is the key itself");
    Some(template.add(key))
}

/// The repository that the function's image is pushed to.
pub(super) fn repository(template: &mut Template, lake: &Lake) {
    let pull = ResourceStatement::allow(
        Principal::Service(Service::Lambda),
        [Action::EcrBatchGetImage, Action::EcrGetDownloadUrlForLayer],
        [],
    )
    // As Lambda's manual has it. The ARN holds the account; that Lambda says it a second time is nowhere promised.
    .when(Operator::StringLike, "aws:SourceArn", functions());
    let repository = Repository {
        image_scanning_configuration: Some(ImageScanningConfiguration { scan_on_push: true }),
        image_tag_mutability: Some(ImageTagMutability::Immutable),
        lifecycle_policy: Some(LifecyclePolicy::keep_newest(lake.options.images.number())),
        repository_name: Some(format!("{}lambda_duckdb", lake.options.prefix.as_str())),
        repository_policy_text: Some(Document::of(vec![pull])),
    };
    let repository = repository.named("Repository").retained().accepting(
        Finding::Checkov("CKV_AWS_136"),
        "the image holds the program and the project, no data and no secret",
    );
    let repository = template.add(repository);
    template.output("RepositoryName", "Where images are pushed", repository.name());
    template.output("RepositoryUri", "The repository's address", repository.uri());
}

/// Every function of the account in the region.
fn functions() -> Value<String> {
    sub!["arn:", pseudo::partition(), ":lambda:", pseudo::region(), ":", pseudo::account(), ":function:*"]
}

/// The three buckets. Uploads to raw take the way of `arrival`.
pub(super) fn zones(template: &mut Template, lake: &Lake, (key, arrival): (Option<&Handle<Key>>, Arrival)) {
    let mut arrival = Some(arrival);
    for zone in Zone::ALL {
        let id = match zone {
            Zone::Raw => "RawBucket",
            Zone::Silver => "SilverBucket",
            Zone::Gold => "GoldBucket",
        };
        let mut declaration = bucket(lake, zone, key).named(id).retained().accepting(
            Finding::Checkov("CKV_AWS_18"),
            "an access log needs a bucket of the account's owner; CloudTrail data events serve the same",
        );
        if zone == Zone::Raw
            && let Some(arrival) = arrival.take()
        {
            declaration = arrival.onto(declaration);
        }
        let bucket = template.add(declaration);
        let statement = ResourceStatement::deny_without_tls(Action::S3All, [bucket.arn(), sub![bucket.arn(), "/*"]]);
        let policy = BucketPolicy { bucket: bucket.name(), policy_document: Document::of(vec![statement]) };
        template.add(policy.named(format!("{id}Policy")));
        template.output(&format!("{id}Name"), &format!("The {} zone", zone.word()), bucket.name());
    }
}

fn bucket(lake: &Lake, zone: Zone, key: Option<&Handle<Key>>) -> Bucket {
    let encryption = match key {
        None => ServerSideEncryptionByDefault::Aes256,
        Some(key) => ServerSideEncryptionByDefault::Kms { key: key.arn() },
    };
    Bucket {
        bucket_name: Some(lake.bucket_name(zone)),
        bucket_namespace: lake.options.account_regional_names.then_some(Namespace::AccountRegional),
        bucket_encryption: Some(BucketEncryption {
            server_side_encryption_configuration: vec![ServerSideEncryptionRule {
                bucket_key_enabled: key.map(|_| true),
                server_side_encryption_by_default: encryption,
            }],
        }),
        lifecycle_configuration: Some(LifecycleConfiguration { rules: lifecycle(lake) }),
        notification_configuration: None,
        ownership_controls: Some(OwnershipControls {
            rules: vec![OwnershipControlsRule { object_ownership: ObjectOwnership::BucketOwnerEnforced }],
        }),
        public_access_block_configuration: Some(PublicAccessBlockConfiguration::ALL),
        versioning_configuration: Some(VersioningConfiguration { status: Status::Enabled }),
    }
}

fn lifecycle(lake: &Lake) -> Vec<LifecycleRule> {
    let rule = |id: &str| LifecycleRule {
        id: id.to_owned(),
        status: Status::Enabled,
        abort_incomplete_multipart_upload: None,
        noncurrent_version_expiration: None,
        expired_object_delete_marker: None,
    };
    vec![
        LifecycleRule {
            noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
                noncurrent_days: lake.options.noncurrent_days,
            }),
            expired_object_delete_marker: Some(true),
            ..rule("noncurrent")
        },
        LifecycleRule {
            abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload {
                days_after_initiation: Days::of::<7>(),
            }),
            ..rule("multipart")
        },
    ]
}
