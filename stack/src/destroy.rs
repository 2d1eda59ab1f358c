//! Taking the stack away: what will be lost is named first, and has to be confirmed by the stack's name.

use std::{
    fmt,
    io::{IsTerminal, stdin},
};

use serde::Serialize;
use serde_json::{Value as Tree, json};

use crate::{
    cli::Destroy,
    deploy::{asked, remove},
    error::Error,
    session::Session,
    stack::Stack,
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

impl fmt::Display for Destroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.existed {
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
    let Some(stack) = Stack::look(&session.aws, name)? else {
        return Ok(Destroyed { stack: name.to_owned(), existed: false, deleted: vec![], kept: vec![] });
    };
    let (retained, lost) = holdings(session, &stack)?;
    let verdict = if wanted.delete_data { "will be deleted, with all versions" } else { "will be kept" };
    session.progress.say(&format!("stack {name} in account {account} will be deleted"));
    for (resource, verdict) in
        retained.iter().map(|it| (it, verdict)).chain(lost.iter().map(|it| (it, "will be deleted")))
    {
        session.progress.say(&format!("  {resource}: {verdict}"));
    }
    confirm(name, wanted.confirm.as_deref())?;
    remove(session)?;
    if !wanted.delete_data {
        return Ok(Destroyed { stack: stack.name, existed: true, deleted: lost, kept: retained });
    }
    for resource in &retained {
        session.progress.step(&format!("delete {resource}"), || delete(session, resource))?;
    }
    Ok(Destroyed { stack: stack.name, existed: true, deleted: [lost, retained].concat(), kept: vec![] })
}

fn confirm(name: &str, confirmed: Option<&str>) -> Result<(), Error> {
    let answer = match confirmed {
        Some(confirmed) => confirmed.to_owned(),
        None if stdin().is_terminal() => asked(&format!("Type the stack's name to go on ({name}): "))?,
        None => return Err(Error::Refused(format!("there is no terminal to confirm on: --confirm {name}"))),
    };
    if answer == name {
        Ok(())
    } else {
        Err(Error::Refused(format!("nothing was deleted: {answer:?} is not {name:?}")))
    }
}

/// What holds data: retained by the stack, and deleted with it.
fn holdings(session: &Session, stack: &Stack) -> Result<(Vec<Resource>, Vec<Resource>), Error> {
    let template = stack.template(&session.aws)?;
    let answer = session.aws.ask(&["cloudformation", "list-stack-resources", "--stack-name", &stack.name])?;
    let text = |tree: &Tree| tree.as_str().unwrap_or_default().to_owned();
    let (mut retained, mut lost) = (vec![], vec![]);
    for found in answer["StackResourceSummaries"].as_array().into_iter().flatten() {
        let resource = Resource { kind: text(&found["ResourceType"]), name: text(&found["PhysicalResourceId"]) };
        if crate::cfn::kind(&resource.kind).is_none_or(|kind| !kind.stateful) || resource.name.is_empty() {
            continue;
        }
        let policy = text(&template["Resources"][text(&found["LogicalResourceId"])]["DeletionPolicy"]);
        if policy.starts_with("Retain") { retained.push(resource) } else { lost.push(resource) }
    }
    Ok((retained, lost))
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
