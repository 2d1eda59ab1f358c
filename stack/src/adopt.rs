//! What an earlier stack left behind comes back: buckets and repository that are there under our names become part of the new stack.
//!
//! `CloudFormation` imports by itself only what has a literal name, and ours hold the account. So an import comes first, of a template with
//! nothing but their names; the update that follows gives them everything else.

use serde_json::{Value as Tree, json};

use crate::{
    aws::optional,
    change::{Proposal, Wish},
    error::Error,
    session::{Session, Template},
    stack::Stack,
};

/// Types that are left behind, with the property that names them, which is also how an import identifies them.
const NAMED: [(&str, &str); 2] = [("AWS::S3::Bucket", "BucketName"), ("AWS::ECR::Repository", "RepositoryName")];

/// The proposal to import what is there; none where nothing is.
pub(crate) fn adopt<'a>(
    session: &'a Session,
    template: &Template,
    account: &str,
) -> Result<Option<Proposal<'a>>, Error> {
    let mut resources = serde_json::Map::new();
    let mut imports = vec![];
    for (id, resource) in template.tree["Resources"].as_object().into_iter().flatten() {
        let Some((kind, property)) = NAMED.iter().find(|(kind, _)| resource["Type"] == *kind) else { continue };
        let Some(name) = name(session, &resource["Properties"][property], account)? else { continue };
        if !exists(session, (kind, &name), account)? {
            continue;
        }
        session.progress.say(&format!("{kind} {name} is there already: it becomes part of the stack"));
        imports.push(json!({"ResourceType": kind, "LogicalResourceId": id, "ResourceIdentifier": {*property: name}}));
        let entry = json!({"Type": kind, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": {*property: name}});
        resources.insert(id.clone(), entry);
    }
    if imports.is_empty() {
        return Ok(None);
    }
    let tree = json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources});
    let template = Template { text: tree.to_string(), tree };
    Proposal::make(
        session,
        Wish { stack: None::<&Stack>, template: &template, parameters: &[].into(), imports: &imports },
    )
}

/// The name that a literal or a text with account and region gives; none for what only `CloudFormation` can compute.
fn name(session: &Session, value: &Tree, account: &str) -> Result<Option<String>, Error> {
    let Some(text) = value.as_str().or_else(|| value["Fn::Sub"].as_str()) else { return Ok(None) };
    let mut name = text.replace("${AWS::AccountId}", account);
    if name.contains("${AWS::Region}") {
        name = name.replace("${AWS::Region}", &session.region()?);
    }
    Ok((!name.contains("${")).then_some(name))
}

fn exists(session: &Session, (kind, name): (&str, &str), account: &str) -> Result<bool, Error> {
    let arguments = match kind {
        "AWS::S3::Bucket" => vec!["s3api", "head-bucket", "--bucket", name, "--expected-bucket-owner", account],
        _ => vec!["ecr", "describe-repositories", "--repository-names", name],
    };
    Ok(optional(session.aws.ask(&arguments))?.is_some())
}
