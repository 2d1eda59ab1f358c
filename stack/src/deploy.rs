//! Deploying: identity, template, image, change set, approval, events, refresh. And what a deployment would change.

use std::{
    collections::BTreeMap,
    fmt,
    io::{IsTerminal, Write, stdin},
};

use serde::Serialize;
use serde_json::Value as Tree;

use crate::{
    adopt::adopt,
    change::{Proposal, Wish},
    cli::{Approval, Change, Deploy},
    diff::Difference,
    error::Error,
    function::Function,
    image::{self, Image},
    session::{Session, Template},
    stack::{Events, Stack},
};

/// What a deployment came to.
#[derive(Debug, Serialize)]
pub struct Deployed {
    stack: String,
    changed: bool,
    image: String,
    generation: u64,
    /// What the function said of the refresh of gold.
    refresh: Tree,
    outputs: BTreeMap<String, String>,
}

impl Deployed {
    /// The end of every deployment: gold that is stale under the new image is refreshed.
    fn refreshing(
        session: &Session,
        (stack, function): (Stack, &Function<'_>),
        (changed, image): (bool, Image),
    ) -> Result<Self, Error> {
        let refresh = session.progress.step("refresh gold", || function.refresh())?;
        let (image, generation) = (image.uri, function.generation());
        Ok(Self { stack: stack.name, changed, image, generation, refresh, outputs: stack.outputs })
    }
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = if self.changed { "deployed" } else { "no changes" };
        write!(f, "stack {}: {changed}, generation {}", self.stack, self.generation)?;
        write!(f, "\n  image: {}\n  refresh: {}", self.image, self.refresh)?;
        self.outputs.iter().try_for_each(|(name, value)| write!(f, "\n  {name}: {value}"))
    }
}

/// Deploys the stage.
///
/// # Errors
/// Whatever keeps it from its end; the stack is then as it was, or says what it is.
pub fn deploy(session: &Session, wanted: &Deploy) -> Result<Deployed, Error> {
    let account = session.guard()?;
    let template = session.template(wanted.change.template.as_deref())?;
    let (stack, is_new) = match ready(session)? {
        Some(stack) if stack.outputs.contains_key("RepositoryUri") => (stack, false),
        unfinished => (begin(session, (&template, unfinished), (wanted, &account))?, true),
    };
    let image = image::publish(session, &stack, &wanted.change.image)?;
    let mut plan = Plan::make(session, &stack, &wanted.change, &image)?;
    let approval = if is_new { Approval::Never } else { wanted.require_approval };
    let changed = plan.carry_out(&template, approval)?;
    let stack = ready(session)?.ok_or_else(|| Error::Refused(format!("stack {} is gone", stack.name)))?;
    let function = function(session, &stack)?;
    let function = function.ok_or_else(|| Error::Refused(format!("stack {} has no function", stack.name)))?;
    Deployed::refreshing(session, (stack, &function), (changed, image))
}

/// What deploying would change. Leaves nothing behind.
///
/// # Errors
/// When AWS refuses to say.
pub fn diff(session: &Session, wanted: &Change) -> Result<Difference, Error> {
    session.guard()?;
    let template = session.template(wanted.template.as_deref())?;
    let mut parameters = wanted.parameters.iter().cloned().collect::<BTreeMap<_, _>>();
    let Some(stack) =
        Stack::look(&session.aws, session.stage.stack())?.filter(|stack| stack.status != "REVIEW_IN_PROGRESS")
    else {
        return Ok(Difference::of_new(&template.tree, &parameters));
    };
    parameters.insert("ImageUri".to_owned(), image::name(session, &stack, &wanted.image)?.uri);
    let wish = Wish { stack: Some(&stack), template: &template, parameters: &parameters, imports: &[] };
    let Some(proposal) = Proposal::make(session, wish)? else { return Ok(Difference::default()) };
    proposal.throw_away()?;
    Ok(proposal.difference)
}

/// Puts only a new image into the function. The next deployment settles the stack.
///
/// # Errors
/// In production, and when there is no function yet.
pub fn hotswap(session: &Session, made: &crate::cli::Image) -> Result<Deployed, Error> {
    session.refuse_in_production("hotswap")?;
    session.guard()?;
    let stack = ready(session)?.ok_or_else(|| Error::Refused("there is no stack yet: deploy first".to_owned()))?;
    let mut function = function(session, &stack)?
        .ok_or_else(|| Error::Refused("there is no function yet: deploy first".to_owned()))?;
    let image = image::publish(session, &stack, made)?;
    let changed = function.image != image.uri;
    if changed {
        session.progress.step("swap the image", || function.swap(&image))?;
    }
    Deployed::refreshing(session, (stack, &function), (changed, image))
}

/// The stack, if it can be changed. What an earlier first deployment left without ever standing is removed.
fn ready(session: &Session) -> Result<Option<Stack>, Error> {
    let name = session.stage.stack();
    let Some(stack) = Stack::look(&session.aws, name)? else { return Ok(None) };
    match stack.status.as_str() {
        "REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => {
            session.progress.say(&format!("stack {name} never stood ({}): it is removed first", stack.status));
            remove(session)?;
            Ok(None)
        }
        "DELETE_COMPLETE" => Ok(None),
        "UPDATE_ROLLBACK_FAILED" => Err(Error::Refused(format!(
            "stack {name} is UPDATE_ROLLBACK_FAILED: first `aws cloudformation continue-update-rollback --stack-name {name}`"
        ))),
        status if status.ends_with("_IN_PROGRESS") => {
            Err(Error::Refused(format!("stack {name} is {status}: somebody else changes it")))
        }
        _ => Ok(Some(stack)),
    }
}

/// Deletes the stack, and tells what happens until it is gone.
pub(crate) fn remove(session: &Session) -> Result<(), Error> {
    let name = session.stage.stack();
    let stack = session.aws.ask(&["cloudformation", "describe-stacks", "--stack-name", name])?;
    // Only by its id can a stack be asked for once it is gone.
    let events = Events::from_now(&session.aws, stack["Stacks"][0]["StackId"].as_str().unwrap_or(name))?;
    session.aws.ask(&["cloudformation", "delete-stack", "--stack-name", name])?;
    events.watch(session.progress)?.wanted(name, &["DELETE_COMPLETE"])
}

/// The first half of a first deployment: everything but the function, so that there is a repository to push to.
fn begin(
    session: &Session,
    (template, mut stack): (&Template, Option<Stack>),
    (wanted, account): (&Deploy, &str),
) -> Result<Stack, Error> {
    if stack.is_none()
        && let Some(import) = adopt(session, template, account)?
    {
        approve(session, &import, wanted.require_approval)?;
        import.carry_out()?;
        stack = ready(session)?;
    }
    let parameters = wanted.change.parameters.iter().cloned().collect();
    let wish = Wish { stack: stack.as_ref(), template, parameters: &parameters, imports: &[] };
    if let Some(proposal) = Proposal::make(session, wish)? {
        approve(session, &proposal, wanted.require_approval)?;
        proposal.carry_out()?;
    }
    ready(session)?.ok_or_else(|| Error::Refused(format!("stack {} was not made", session.stage.stack())))
}

fn function<'a>(session: &'a Session, stack: &Stack) -> Result<Option<Function<'a>>, Error> {
    stack.outputs.get("FunctionName").map_or(Ok(None), |name| Function::look(session, name))
}

/// What the stack shall become.
struct Plan<'a> {
    session: &'a Session,
    stack: &'a Stack,
    live: Option<Function<'a>>,
    image: &'a Image,
    parameters: BTreeMap<String, String>,
}

impl<'a> Plan<'a> {
    fn make(session: &'a Session, stack: &'a Stack, wanted: &Change, image: &'a Image) -> Result<Self, Error> {
        let mut parameters = wanted.parameters.iter().cloned().collect::<BTreeMap<_, _>>();
        // Said anew each time, so that no deployment loses the image.
        parameters.insert("ImageUri".to_owned(), image.uri.clone());
        Ok(Self { session, stack, live: function(session, stack)?, image, parameters })
    }

    /// Whether the stack is what it shall become; then there is no reason to raise the generation.
    fn is_reality(&self, template: &Template) -> Result<bool, Error> {
        let holds = |(name, value): (&String, &String)| self.stack.parameters.get(name) == Some(value);
        let same = self.stack.tags == self.session.stage.tags && self.parameters.iter().all(holds);
        Ok(same && self.live.is_some() && self.stack.template(&self.session.aws)? == template.tree)
    }

    /// Whether anything was changed.
    fn carry_out(&mut self, template: &Template, approval: Approval) -> Result<bool, Error> {
        if self.is_reality(template)? {
            return self.undo_hotswap();
        }
        let now = self.stack.parameters.get("Generation").and_then(|text| text.parse().ok()).unwrap_or(0);
        let running = self.live.as_ref().map_or(0, Function::generation);
        let is_first = self.live.is_none();
        let generation = if is_first { now.max(1) } else { now.max(running) + 1 };
        self.parameters.insert("Generation".to_owned(), generation.to_string());
        let wish = Wish { stack: Some(self.stack), template, parameters: &self.parameters, imports: &[] };
        let Some(proposal) = Proposal::make(self.session, wish)? else { return Ok(false) };
        approve(self.session, &proposal, approval)?;
        proposal.carry_out()?;
        self.live = function(self.session, self.stack)?;
        self.undo_hotswap()?;
        Ok(true)
    }

    /// `CloudFormation` does not see what `hotswap` did, and so leaves it where only other properties change.
    fn undo_hotswap(&mut self) -> Result<bool, Error> {
        match &mut self.live {
            Some(live) if live.image != self.image.uri => live.swap(self.image).map(|()| true),
            _ => Ok(false),
        }
    }
}

/// Shows the change; goes on where it needs no approval or gets it.
fn approve(session: &Session, proposal: &Proposal, approval: Approval) -> Result<(), Error> {
    session.progress.say(&proposal.difference.to_string());
    let asks = match approval {
        Approval::Never => false,
        Approval::Any => true,
        Approval::Broadening => proposal.difference.is_dangerous(),
    };
    if !asks || agreed()? {
        return Ok(());
    }
    proposal.throw_away()?;
    let why = if stdin().is_terminal() {
        "not approved"
    } else {
        "there is no terminal to approve it on: see --require-approval"
    };
    Err(Error::Refused(format!("nothing was changed: {why}")))
}

fn agreed() -> Result<bool, Error> {
    Ok(stdin().is_terminal() && asked("Change the stack so? [y/N] ")? == "y")
}

/// The answer of the person at the terminal.
pub(crate) fn asked(question: &str) -> Result<String, Error> {
    let failed = |source| Error::File { action: "ask on", path: "the terminal".into(), source };
    let mut answer = String::new();
    std::io::stderr().write_all(question.as_bytes()).map_err(failed)?;
    stdin().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().to_owned())
}
