//! What an earlier stack left behind comes back: buckets, their key and the repository that are there become part of the new stack.
//!
//! `CloudFormation` imports by itself only what has a literal name, and ours hold the account. So an import comes first, of a template with
//! nothing but what can never be changed; the update that follows gives them everything else.

use serde_json::{Map, Value as Tree, json};

use crate::{
    aws::optional,
    cfn::{Kind, Resource, ecr::Repository, kms::Key, s3::Bucket},
    change::{Proposal, Wish},
    error::Error,
    session::{Session, Template},
};

/// A resource of the template that is there without a stack.
#[derive(Debug)]
pub(crate) struct Left {
    /// The logical id.
    pub(crate) id: String,
    pub(crate) kind: &'static Kind,
    /// What AWS calls it.
    pub(crate) name: String,
    /// The property by which an import identifies it.
    identifier: &'static str,
    /// Without these as they are, the update after the import would make another resource.
    create_only: Map<String, Tree>,
}

impl Left {
    /// As `ResourcesToImport` has it.
    pub(crate) fn to_import(&self) -> Tree {
        let identifier = json!({self.identifier: self.name});
        json!({"ResourceType": self.kind.name, "LogicalResourceId": self.id, "ResourceIdentifier": identifier})
    }

    fn declaration(&self) -> (String, Tree) {
        let declaration = json!({
            "Type": self.kind.name,
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": self.create_only,
        });
        (self.id.clone(), declaration)
    }
}

/// The proposal to import what was left; none where nothing was.
pub(crate) fn adopt<'a>(session: &'a Session, left: &[Left]) -> Result<Option<Proposal<'a>>, Error> {
    if left.is_empty() {
        return Ok(None);
    }
    for Left { kind, name, .. } in left {
        session.progress.say(&format!("{} {name} is there already: it becomes part of the stack", kind.name));
    }
    let resources = left.iter().map(Left::declaration).collect::<Map<_, _>>();
    let tree = json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources});
    let template = Template { text: tree.to_string(), tree };
    Proposal::make(session, Wish { stack: None, template: &template, parameters: &[].into(), imports: left })
}

/// What is there of the template, though there is no stack.
pub(crate) fn left(session: &Session, template: &Template, account: &str) -> Result<Vec<Left>, Error> {
    let survey = Survey { session, template, account };
    let found = template.resources().map(|(id, resource)| survey.look(id, resource));
    found.filter_map(Result::transpose).collect()
}

/// A look for what the template names.
struct Survey<'a> {
    session: &'a Session,
    template: &'a Template,
    account: &'a str,
}

impl Survey<'_> {
    fn look(&self, id: &str, resource: &Tree) -> Result<Option<Left>, Error> {
        let (kind, identifier, name) = match resource["Type"].as_str() {
            Some(kind) if kind == Bucket::KIND.name => (&Bucket::KIND, "BucketName", self.bucket(resource)?),
            Some(kind) if kind == Repository::KIND.name => {
                (&Repository::KIND, "RepositoryName", self.repository(resource)?)
            }
            Some(kind) if kind == Key::KIND.name => (&Key::KIND, "KeyId", self.key(id)?),
            _ => return Ok(None),
        };
        let Some(name) = name else { return Ok(None) };
        let mut create_only = Map::new();
        for property in kind.create_only {
            if let Some(value) = self.text(&resource["Properties"][property])? {
                create_only.insert((*property).to_owned(), value.into());
            }
        }
        Ok(Some(Left { id: id.to_owned(), kind, name, identifier, create_only }))
    }

    fn bucket(&self, resource: &Tree) -> Result<Option<String>, Error> {
        let Some(name) = self.text(&resource["Properties"]["BucketName"])? else { return Ok(None) };
        let question = ["s3api", "head-bucket", "--bucket", &name, "--expected-bucket-owner", self.account];
        Ok(optional(self.session.aws.ask(&question))?.map(|_| name))
    }

    fn repository(&self, resource: &Tree) -> Result<Option<String>, Error> {
        let Some(name) = self.text(&resource["Properties"]["RepositoryName"])? else { return Ok(None) };
        let question = ["ecr", "describe-repositories", "--repository-names", &name];
        Ok(optional(self.session.aws.ask(&question))?.map(|_| name))
    }

    /// The key that a bucket is encrypted with which is there: what lies in it can be read with no other.
    fn key(&self, id: &str) -> Result<Option<String>, Error> {
        const USED: &str = "/Properties/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/KMSMasterKeyID/Fn::GetAtt/0";
        const FOUND: &str =
            "/ServerSideEncryptionConfiguration/Rules/0/ApplyServerSideEncryptionByDefault/KMSMasterKeyID";
        for (_, bucket) in self.template.resources().filter(|(_, it)| it.pointer(USED).is_some_and(|used| used == id)) {
            let Some(name) = self.text(&bucket["Properties"]["BucketName"])? else { continue };
            let question =
                ["s3api", "get-bucket-encryption", "--bucket", &name, "--expected-bucket-owner", self.account];
            let answer = optional(self.session.aws.ask(&question))?.unwrap_or_default();
            if let Some(key) = answer.pointer(FOUND).and_then(Tree::as_str) {
                return self.living(key);
            }
        }
        Ok(None)
    }

    /// The key's id, unless it is AWS's own or on its way out.
    fn living(&self, key: &str) -> Result<Option<String>, Error> {
        let answer = optional(self.session.aws.ask(&["kms", "describe-key", "--key-id", key]))?.unwrap_or_default();
        let key = &answer["KeyMetadata"];
        let lives = key["KeyManager"] == "CUSTOMER" && key["KeyState"] != "PendingDeletion";
        Ok(key["KeyId"].as_str().filter(|_| lives).map(str::to_owned))
    }

    /// What a literal or a text with account and region gives; none for what only `CloudFormation` can compute.
    fn text(&self, value: &Tree) -> Result<Option<String>, Error> {
        let Some(text) = value.as_str().or_else(|| value["Fn::Sub"].as_str()) else { return Ok(None) };
        let mut text = text.replace("${AWS::AccountId}", self.account);
        if text.contains("${AWS::Region}") {
            text = text.replace("${AWS::Region}", &self.session.region()?);
        }
        Ok((!text.contains("${")).then_some(text))
    }
}
