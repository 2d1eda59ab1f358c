//! One run of the deployer: which stage, which account, through which CLI.

use std::{fs, path::Path};

use serde_json::Value as Tree;

use crate::{
    aws::{Aws, member},
    cli::Global,
    error::Error,
    options::{Stage, Tables},
    progress::Progress,
    rules, synth,
};

/// What every command that talks to AWS needs.
#[derive(Debug)]
pub struct Session {
    pub(crate) aws: Aws,
    pub(crate) stage: Stage,
    pub(crate) tables: Tables,
    pub(crate) registry: Option<String>,
    pub(crate) progress: Progress,
}

impl Session {
    /// A run for the stage, with what the command line says.
    pub fn new(global: &Global, stage: Stage, tables: Tables) -> Self {
        Self { aws: Aws::at(&global.aws), stage, tables, registry: global.registry.clone(), progress: Progress }
    }

    /// Refuses every account but the stage's own, and gives the account's id.
    pub(crate) fn guard(&self) -> Result<String, Error> {
        let identity = self.aws.ask(&["sts", "get-caller-identity"])?;
        let account = member(&identity, "/Account", "aws sts get-caller-identity")?.to_owned();
        match &self.stage.account {
            Some(wanted) if *wanted != account => Err(Error::Refused(format!(
                "stack {} belongs to account {wanted}; these credentials are of account {account}",
                self.stage.stack()
            ))),
            None if self.stage.production => Err(Error::Refused(format!(
                "stack {} is production and has no account in the stages file: name the only one it may be deployed to",
                self.stage.stack()
            ))),
            _ => Ok(account),
        }
    }

    /// The region as the CLI finds it: environment or configuration.
    pub(crate) fn region(&self) -> Result<String, Error> {
        let list = self.aws.text(&["configure", "list"])?;
        let line = list.lines().find(|line| line.trim_start().starts_with("region")).unwrap_or_default();
        let is_region =
            |word: &&str| word.matches('-').count() >= 2 && word.starts_with(|char: char| char.is_ascii_lowercase());
        let missing = || Error::Refused("no region: set AWS_DEFAULT_REGION, or `aws configure`".to_owned());
        line.split_whitespace().find(is_region).map(str::to_owned).ok_or_else(missing)
    }

    /// Refuses short cuts in production.
    pub(crate) fn refuse_in_production(&self, what: &str) -> Result<(), Error> {
        if self.stage.production {
            return Err(Error::Refused(format!("{what} is refused: stack {} is production", self.stage.stack())));
        }
        Ok(())
    }

    /// The template to deploy: the code's, or an edited one. Both keep our rules.
    pub(crate) fn template(&self, edited: Option<&Path>) -> Result<Template, Error> {
        let text = match edited {
            None => synth::text(&self.stage, &self.tables)?,
            Some(path) => {
                self.refuse_in_production("--template")?;
                fs::read_to_string(path).map_err(|source| Error::File {
                    action: "read",
                    path: path.to_owned(),
                    source,
                })?
            }
        };
        let tree =
            serde_json::from_str(&text).map_err(|source| Error::Json { what: "the template".to_owned(), source })?;
        let findings = rules::check(&tree, &text);
        if findings.is_empty() { Ok(Template { text, tree }) } else { Err(Error::Rules { findings }) }
    }
}

/// A template on its way to AWS.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) text: String,
    pub(crate) tree: Tree,
}

impl Template {
    /// The names of its parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.tree["Parameters"].as_object().into_iter().flat_map(|parameters| parameters.keys()).map(String::as_str)
    }
    /// Its resources, by their logical ids.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &Tree)> {
        let resources = self.tree["Resources"].as_object().into_iter().flatten();
        resources.map(|(id, resource)| (id.as_str(), resource))
    }
}
