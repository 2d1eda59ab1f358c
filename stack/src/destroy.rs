//! Taking the stack away: what will be lost is named first, and has to be confirmed by the stack's name.

use std::fmt;

use serde::Serialize;
use serde_json::{Value as Tree, json};

use crate::{
    adopt::{Left, left},
    approval::confirm,
    aws::optional,
    cfn::{Resource as _, kms::Key},
    cli::Destroy,
    error::Error,
    session::Session,
    stack::{Stack, Standing},
};

/// What became of the stack.
#[derive(Debug, Serialize)]
pub struct Destroyed {
    stack: String,
    existed: bool,
    deleted: Vec<Resource>,
    kept: Vec<Resource>,
}

/// Something that holds what cannot be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Resource {
    kind: String,
    name: String,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl From<Left> for Resource {
    fn from(left: Left) -> Self {
        Self { kind: left.kind.name.to_owned(), name: left.name }
    }
}

impl fmt::Display for Destroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.existed && self.deleted.is_empty() {
            return write!(f, "stack {}: there is none", self.stack);
        }
        write!(f, "stack {}: destroyed", self.stack)?;
        self.deleted.iter().try_for_each(|resource| write!(f, "\n  deleted: {resource}"))?;
        self.kept.iter().try_for_each(|resource| write!(f, "\n  kept: {resource}"))
    }
}

/// Deletes the stack, and with `--delete-data` what it retains.
///
/// # Errors
/// When it is not confirmed, or AWS does not delete something.
pub fn destroy(session: &Session, wanted: &Destroy) -> Result<Destroyed, Error> {
    let account = session.guard()?;
    let name = session.stage.stack();
    let stack = Stack::look(&session.aws, name)?;
    let holdings = match &stack {
        Some(stack) if stack.standing() != Standing::Never => Holdings::of(session, stack)?,
        // An earlier run may have come no further than to here, or a later deployment no further than to its beginning.
        _ if wanted.delete_data => Holdings::left_behind(session, &account)?,
        _ => Holdings::default(),
    };
    let existed = stack.is_some();
    if existed || !holdings.retained.is_empty() {
        let what = if existed { "will be deleted" } else { "is gone, but not all that it kept" };
        session.progress.say(&format!("stack {name} in account {account} {what}"));
        holdings.tell(session, wanted.delete_data);
        confirm(name, wanted.confirm.as_deref())?;
    }
    if let Some(stack) = stack {
        stack.remove(&session.aws, session.progress)?;
    }
    let Holdings { retained, lost } = holdings;
    if !wanted.delete_data {
        return Ok(Destroyed { stack: name.to_owned(), existed, deleted: lost, kept: retained });
    }
    for resource in &retained {
        session.progress.step(&format!("delete {resource}"), || delete(session, resource))?;
    }
    Ok(Destroyed { stack: name.to_owned(), existed, deleted: [lost, retained].concat(), kept: vec![] })
}

/// What holds data.
#[derive(Debug, Default)]
struct Holdings {
    /// Stays when the stack is deleted.
    retained: Vec<Resource>,
    /// Is deleted with it.
    lost: Vec<Resource>,
}

impl Holdings {
    fn of(session: &Session, stack: &Stack) -> Result<Self, Error> {
        let template = stack.template(&session.aws)?;
        let answer = session.aws.ask(&["cloudformation", "list-stack-resources", "--stack-name", &stack.name])?;
        let text = |tree: &Tree| tree.as_str().unwrap_or_default().to_owned();
        let mut holdings = Self::default();
        for found in answer["StackResourceSummaries"].as_array().into_iter().flatten() {
            let resource = Resource { kind: text(&found["ResourceType"]), name: text(&found["PhysicalResourceId"]) };
            if crate::cfn::kind(&resource.kind).is_none_or(|kind| !kind.stateful) || resource.name.is_empty() {
                continue;
            }
            let policy = text(&template["Resources"][text(&found["LogicalResourceId"])]["DeletionPolicy"]);
            let list = if policy.starts_with("Retain") { &mut holdings.retained } else { &mut holdings.lost };
            list.push(resource);
        }
        Ok(holdings.key_first())
    }

    /// What is there under the template's names, and belongs to no other stack.
    fn left_behind(session: &Session, account: &str) -> Result<Self, Error> {
        let left = left(session, &session.template(None)?, account)?;
        let retained = left.into_iter().map(Resource::from).collect::<Vec<_>>();
        for resource in &retained {
            refuse_held(session, resource)?;
        }
        Ok(Self { retained, lost: vec![] }.key_first())
    }

    /// A key is found by its buckets: were it the last, a run that ends before it would leave it behind for good.
    fn key_first(mut self) -> Self {
        self.retained.sort_by_key(|resource| resource.kind != Key::KIND.name);
        self
    }

    fn tell(&self, session: &Session, delete_data: bool) {
        let verdict = if delete_data { "will be deleted, with all versions" } else { "will be kept" };
        let retained = self.retained.iter().map(|resource| (resource, verdict));
        for (resource, verdict) in retained.chain(self.lost.iter().map(|resource| (resource, "will be deleted"))) {
            session.progress.say(&format!("  {resource}: {verdict}"));
        }
    }
}

/// By its name alone it could be another stack's.
fn refuse_held(session: &Session, resource: &Resource) -> Result<(), Error> {
    let question = ["cloudformation", "describe-stack-resources", "--physical-resource-id", &resource.name];
    let answer = optional(session.aws.ask(&question))?.unwrap_or_default();
    match answer["StackResources"][0]["StackName"].as_str() {
        Some(stack) if stack != session.stage.stack() => {
            Err(Error::Refused(format!("nothing was deleted: {resource} belongs to stack {stack}")))
        }
        _ => Ok(()),
    }
}

fn delete(session: &Session, resource: &Resource) -> Result<(), Error> {
    let name = resource.name.as_str();
    match resource.kind.as_str() {
        "AWS::S3::Bucket" => {
            empty(session, name)?;
            session.aws.ask(&["s3api", "delete-bucket", "--bucket", name]).map(drop)
        }
        "AWS::ECR::Repository" => {
            session.aws.ask(&["ecr", "delete-repository", "--force", "--repository-name", name]).map(drop)
        }
        // AWS deletes keys only after a while, so that a mistake can be undone.
        "AWS::KMS::Key" => session
            .aws
            .ask(&["kms", "schedule-key-deletion", "--pending-window-in-days", "30", "--key-id", name])
            .map(drop),
        kind => Err(Error::Refused(format!("{name} is kept: how to delete {kind} is not known here"))),
    }
}

/// Deletes every version and every delete marker, a page at a time, and what was never completed.
fn empty(session: &Session, bucket: &str) -> Result<(), Error> {
    loop {
        let page = session.aws.ask(&[
            "s3api",
            "list-object-versions",
            "--bucket",
            bucket,
            "--no-paginate",
            "--max-keys",
            "500",
        ])?;
        let objects =
            ["Versions", "DeleteMarkers"].into_iter().flat_map(|list| page[list].as_array().into_iter().flatten());
        let objects =
            objects.map(|object| json!({"Key": object["Key"], "VersionId": object["VersionId"]})).collect::<Vec<_>>();
        if objects.is_empty() {
            break;
        }
        let request = json!({"Bucket": bucket, "Delete": {"Objects": objects, "Quiet": true}});
        let answer = session.aws.request(&["s3api", "delete-objects"], &request)?;
        if let Some(error) = answer["Errors"].as_array().and_then(|errors| errors.first()) {
            return Err(Error::Refused(format!("bucket {bucket} is not empty: {error}")));
        }
    }
    let uploads = session.aws.ask(&["s3api", "list-multipart-uploads", "--bucket", bucket])?;
    for upload in uploads["Uploads"].as_array().into_iter().flatten() {
        let request = json!({"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]});
        session.aws.request(&["s3api", "abort-multipart-upload"], &request)?;
    }
    Ok(())
}
