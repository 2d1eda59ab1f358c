//! CloudFormation as Rust types: what a template can say, and nothing of what Pintail says with it.
//!
//! Adding a resource to a [`Template`] gives back a [`Handle`]; a handle has methods only for the attributes that the resource
//! has; and a [`Value`] that is computed can only be made of handles, parameters, conditions and pseudo parameters. So a name that
//! dangles cannot be written, and one of another template, or of what may not exist, is refused by [`Template::build`]:
//!
//! ```
//! use stack::cfn::{Resource, Template, s3::Bucket};
//! let mut template = Template::new("one bucket");
//! let bucket = template.add(Bucket::default().named("RawBucket"));
//! template.output("RawArn", "where files go", bucket.arn());
//! # assert!(template.build().is_ok());
//! ```
//!
//! A bucket has no URI:
//!
//! ```compile_fail,E0599
//! use stack::cfn::{Resource, Template, s3::Bucket};
//! let mut template = Template::new("one bucket");
//! let bucket = template.add(Bucket::default().named("RawBucket"));
//! template.output("RawUri", "where files go", bucket.uri());
//! ```
//!
//! A name is not an ARN:
//!
//! ```compile_fail,E0308
//! use stack::cfn::{Arn, Resource, Template, Value, s3::Bucket};
//! let mut template = Template::new("one bucket");
//! let bucket = template.add(Bucket::default().named("RawBucket"));
//! let arn: Value<Arn> = bucket.name();
//! ```
//!
//! A number outside its range, where it is a literal:
//!
//! ```compile_fail,E0080
//! use stack::cfn::lambda::MemorySize;
//! let memory = MemorySize::of::<100>();
//! ```

#![expect(missing_docs, reason = "types and properties have CloudFormation's names; its reference describes them")]

pub mod bounded;
pub mod cloudwatch;
pub mod ec2;
pub mod ecr;
pub mod events;
pub mod glue;
mod graph;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
#[cfg(test)]
mod oracle;
pub mod resource;
pub mod s3;
pub mod sns;
pub mod sqs;
pub mod template;
pub mod value;

pub use bounded::Bounded;
pub use resource::{Declaration, Handle, Resource};
pub use template::{Condition, Document, Parameter, Template};
pub use value::{Arn, Json, Part, Value, pseudo};

/// A resource type, as the oracle and the diff see it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// `AWS::S3::Bucket`.
    pub name: &'static str,
    /// What `Fn::GetAtt` may ask of it, as far as handles offer it.
    pub attributes: &'static [&'static str],
    /// Properties whose change makes CloudFormation replace the resource.
    pub create_only: &'static [&'static str],
    /// Whether it holds what cannot be made again by deploying.
    pub stateful: bool,
}

/// Every resource type that can be written with this crate.
pub const KINDS: &[Kind] = &[
    cloudwatch::Alarm::KIND,
    cloudwatch::Dashboard::KIND,
    ec2::RouteTable::KIND,
    ec2::SecurityGroup::KIND,
    ec2::Subnet::KIND,
    ec2::SubnetRouteTableAssociation::KIND,
    ec2::Vpc::KIND,
    ec2::VpcEndpoint::KIND,
    ecr::Repository::KIND,
    events::Rule::KIND,
    glue::Database::KIND,
    glue::Table::KIND,
    iam::Role::KIND,
    kms::Key::KIND,
    lambda::EventInvokeConfig::KIND,
    lambda::EventSourceMapping::KIND,
    lambda::Function::KIND,
    lambda::Permission::KIND,
    logs::LogGroup::KIND,
    s3::Bucket::KIND,
    s3::BucketPolicy::KIND,
    sns::Subscription::KIND,
    sns::Topic::KIND,
    sns::TopicPolicy::KIND,
    sqs::Queue::KIND,
    sqs::QueuePolicy::KIND,
];

/// What is known of a resource type by its CloudFormation name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
