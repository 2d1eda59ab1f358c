//! A change set: proposed, looked at, then carried out or thrown away.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::{Value as Tree, json};

use crate::{
    adopt::Left,
    aws::{member, until},
    diff::{Difference, States},
    error::Error,
    session::{Session, Template},
    stack::{Events, Stack, findings, hint},
};

const PATIENCE: Duration = Duration::from_mins(10);

/// What the stack shall become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// The stack as it is; none for a first deployment.
    pub(crate) stack: Option<&'a Stack>,
    pub(crate) template: &'a Template,
    /// Parameters that get a value; others keep theirs.
    pub(crate) parameters: &'a BTreeMap<String, String>,
    /// What is there and becomes part of the stack; then nothing else may change.
    pub(crate) imports: &'a [Left],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Create,
    Update,
    Import,
}

/// A change set that can be carried out.
#[derive(Debug)]
pub(crate) struct Proposal<'a> {
    session: &'a Session,
    id: String,
    kind: Kind,
    is_first: bool,
    pub(crate) difference: Difference,
}

impl<'a> Proposal<'a> {
    /// Asks AWS what the wish would change; none where it would change nothing.
    pub(crate) fn make(session: &'a Session, wish: Wish) -> Result<Option<Self>, Error> {
        let stack = session.stage.stack();
        let name = format!("pintail-{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());
        let kind = match wish.stack {
            _ if !wish.imports.is_empty() => Kind::Import,
            None => Kind::Create,
            Some(_) => Kind::Update,
        };
        let made =
            session.aws.request(&["cloudformation", "create-change-set"], &request(session, wish, (kind, &name)))?;
        let id = member(&made, "/Id", "aws cloudformation create-change-set")?.to_owned();
        let proposal = Self { session, id, kind, is_first: wish.stack.is_none(), difference: Difference::default() };
        let answer = until(PATIENCE, &format!("the change set of stack {stack}"), || proposal.look())?;
        if answer["Status"] == "FAILED" {
            return proposal.refused(answer["StatusReason"].as_str().unwrap_or_default()).map(|()| None);
        }
        let difference = proposal.difference(wish, &answer)?;
        Ok(Some(Self { difference, ..proposal }))
    }

    /// A change set that AWS could not make: no failure where there is nothing to change.
    fn refused(&self, reason: &str) -> Result<(), Error> {
        if reason.contains("didn't contain changes") || reason.contains("No updates are to be performed") {
            return self.throw_away();
        }
        // They go with the change set. AWS takes only its whole name here.
        let findings = findings(&self.session.aws, ["--change-set-name", &self.id]);
        self.throw_away()?;
        let hint = hint(&[&[reason.to_owned()], &findings[..]].concat());
        Err(Error::Change { stack: self.session.stage.stack().to_owned(), reason: reason.to_owned(), findings, hint })
    }

    fn ask(&self, command: &str, more: &[&str]) -> Result<Tree, Error> {
        let stack = self.session.stage.stack();
        let arguments = ["cloudformation", command, "--stack-name", stack, "--change-set-name", &self.id];
        self.session.aws.ask(&[&arguments, more].concat())
    }

    /// All pages of it (the CLI turns them), once it is made.
    fn look(&self) -> Result<Option<Tree>, Error> {
        let answer = self.ask("describe-change-set", &["--include-property-values"])?;
        let is_made = matches!(answer["Status"].as_str(), Some("CREATE_COMPLETE" | "FAILED"));
        Ok(is_made.then_some(answer))
    }

    fn difference(&self, wish: Wish, answer: &Tree) -> Result<Difference, Error> {
        let Some(stack) = wish.stack else {
            return Ok(Difference::of_new(wish.template, wish.imports, wish.parameters));
        };
        let before = stack.template(&self.session.aws)?;
        let states = States { before: &before, after: &wish.template.tree };
        let changes = answer["Changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut after = stack.parameters.clone();
        after.extend(wish.parameters.clone());
        Ok(Difference::of_changes(changes, states, [&stack.parameters, &after]))
    }

    /// Carries it out, and tells what happens until the end.
    pub(crate) fn carry_out(self) -> Result<(), Error> {
        let stack = self.session.stage.stack();
        let events = Events::from_now(&self.session.aws, stack)?;
        self.ask("execute-change-set", &[])?;
        let wanted = match self.kind {
            Kind::Create => "CREATE_COMPLETE",
            Kind::Update => "UPDATE_COMPLETE",
            Kind::Import => "IMPORT_COMPLETE",
        };
        events.watch(self.session.progress)?.wanted(stack, wanted)
    }

    /// Leaves nothing behind: a first proposal has made an empty stack.
    pub(crate) fn throw_away(&self) -> Result<(), Error> {
        self.ask("delete-change-set", &[])?;
        if self.is_first {
            self.session.aws.ask(&["cloudformation", "delete-stack", "--stack-name", self.session.stage.stack()])?;
        }
        Ok(())
    }
}

fn request(session: &Session, wish: Wish, (kind, name): (Kind, &str)) -> Tree {
    let value = |parameter: &str| wish.parameters.get(parameter);
    let kept = |parameter: &str| wish.stack.is_some_and(|stack| stack.parameters.contains_key(parameter));
    let parameters = wish.template.parameters().filter_map(|parameter| match value(parameter) {
        Some(value) => Some(json!({"ParameterKey": parameter, "ParameterValue": value})),
        None => kept(parameter).then(|| json!({"ParameterKey": parameter, "UsePreviousValue": true})),
    });
    let tags = session.stage.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
    let mut request = json!({
        "StackName": session.stage.stack(),
        "ChangeSetName": name,
        "ChangeSetType": kind,
        "TemplateBody": wish.template.text,
        "Parameters": parameters.collect::<Vec<_>>(),
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": tags.collect::<Vec<_>>(),
    });
    if kind == Kind::Import {
        request["ResourcesToImport"] = wish.imports.iter().map(Left::to_import).collect();
    }
    request
}
