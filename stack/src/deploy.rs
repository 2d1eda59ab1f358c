//! Deploying: identity, template, image, change set, approval, events, refresh. And what a deployment would change.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value as Tree;

use crate::{
    adopt::{adopt, left},
    approval::approve,
    change::{Proposal, Wish},
    cli::{self, Approval, Change, Deploy},
    diff::Difference,
    error::Error,
    function::{Function, generation_after, is_superseded},
    image::{self, Image},
    session::{Session, Template},
    stack::{Stack, Standing},
};

const GENERATION: &str = "Generation";

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
    let template = &session.template(wanted.change.template.as_deref())?;
    let (stack, approval) = FirstHalf { session, template, wanted, account }.stack()?;
    let image = image::publish(session, &stack, &wanted.change.image)?;
    let live = function(session, &stack)?;
    let mut parameters = wanted.change.parameters.iter().cloned().collect::<BTreeMap<_, _>>();
    // Said anew each time, so that no deployment loses the image.
    parameters.insert("ImageUri".to_owned(), image.uri.clone());
    SecondHalf { session, template, approval, stack, image, live, parameters, changed: false }.deploy()
}

/// What deploying would change. Leaves nothing behind.
///
/// # Errors
/// When AWS refuses to say.
pub fn diff(session: &Session, wanted: &Change) -> Result<Difference, Error> {
    let account = session.guard()?;
    let template = session.template(wanted.template.as_deref())?;
    let mut parameters = wanted.parameters.iter().cloned().collect::<BTreeMap<_, _>>();
    let stack = Stack::look(&session.aws, session.stage.stack())?;
    let Some(stack) = stack.filter(|stack| stack.standing() != Standing::Never) else {
        return Ok(Difference::of_new(&template, &left(session, &template, &account)?, &parameters));
    };
    if stack.has_repository() {
        parameters.insert("ImageUri".to_owned(), image::name(session, &stack, &wanted.image)?.uri);
    }
    let wish = Wish { stack: Some(&stack), template: &template, parameters: &parameters, imports: &[] };
    let Some(proposal) = Proposal::make(session, wish)? else { return Ok(Difference::default()) };
    proposal.throw_away()?;
    Ok(proposal.difference)
}

/// Puts only a new image into the function. The next deployment settles the stack.
///
/// # Errors
/// In production, and when there is no function yet.
pub fn hotswap(session: &Session, made: &cli::Image) -> Result<Deployed, Error> {
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
    let (refresh, generation) = (function.refresh()?, function.generation());
    Ok(Deployed { stack: stack.name, changed, image: image.uri, generation, refresh, outputs: stack.outputs })
}

/// The stack, if it can be changed. What an earlier first deployment left without ever standing is removed.
fn ready(session: &Session) -> Result<Option<Stack>, Error> {
    let Some(stack) = Stack::look(&session.aws, session.stage.stack())? else { return Ok(None) };
    let now = format!("stack {} is {}", stack.name, stack.status);
    match stack.standing() {
        Standing::Never => {
            session.progress.say(&format!("{now} and never stood: it is removed first"));
            stack.remove(&session.aws, session.progress)?;
            Ok(None)
        }
        Standing::Busy => Err(Error::Refused(format!("{now}: somebody else changes it"))),
        Standing::Stuck(first) => Err(Error::Refused(format!("{now}: {first}"))),
        Standing::Stands => Ok(Some(stack)),
    }
}

fn function<'a>(session: &'a Session, stack: &Stack) -> Result<Option<Function<'a>>, Error> {
    stack.outputs.get("FunctionName").map_or(Ok(None), |name| Function::look(session, name))
}

/// The first half of a first deployment: everything but the function, so that there is a repository to push to.
struct FirstHalf<'a> {
    session: &'a Session,
    template: &'a Template,
    wanted: &'a Deploy,
    account: String,
}

impl FirstHalf<'_> {
    /// The stack with its repository, and when to ask about the second half.
    fn stack(&self) -> Result<(Stack, Approval), Error> {
        let unfinished = match ready(self.session)? {
            Some(stack) if stack.has_repository() => return Ok((stack, self.wanted.require_approval)),
            None => self.take_back()?,
            unfinished => unfinished,
        };
        // Who agreed to this half has seen the function in it.
        Ok((self.make(unfinished.as_ref())?, Approval::Never))
    }

    /// A stack of nothing but what an earlier one left behind, if it did.
    fn take_back(&self) -> Result<Option<Stack>, Error> {
        let left = left(self.session, self.template, &self.account)?;
        let Some(import) = adopt(self.session, &left)? else { return Ok(None) };
        approve(self.session, &import, self.wanted.require_approval)?;
        import.carry_out()?;
        ready(self.session)
    }

    fn make(&self, unfinished: Option<&Stack>) -> Result<Stack, Error> {
        let parameters = self.wanted.change.parameters.iter().cloned().collect();
        let wish = Wish { stack: unfinished, template: self.template, parameters: &parameters, imports: &[] };
        if let Some(proposal) = Proposal::make(self.session, wish)? {
            approve(self.session, &proposal, self.wanted.require_approval)?;
            proposal.carry_out()?;
        }
        let name = self.session.stage.stack();
        ready(self.session)?.ok_or_else(|| Error::Refused(format!("stack {name} was not made")))
    }
}

/// The second half of a first deployment, and the whole of every later one: the image in the stack, and gold under it.
struct SecondHalf<'a> {
    session: &'a Session,
    template: &'a Template,
    approval: Approval,
    stack: Stack,
    image: Image,
    live: Option<Function<'a>>,
    parameters: BTreeMap<String, String>,
    changed: bool,
}

impl SecondHalf<'_> {
    fn deploy(mut self) -> Result<Deployed, Error> {
        if !self.is_reality()? {
            self.change()?;
        }
        self.settle_image()?;
        let refresh = self.refresh()?;
        let (generation, outputs) = (self.function()?.generation(), self.stack.outputs);
        Ok(Deployed {
            stack: self.stack.name,
            changed: self.changed,
            image: self.image.uri,
            generation,
            refresh,
            outputs,
        })
    }

    /// Whether the stack is what it shall become; then there is no reason to raise the generation.
    fn is_reality(&self) -> Result<bool, Error> {
        let holds = |(name, value): (&String, &String)| self.stack.parameters.get(name) == Some(value);
        let same = self.stack.tags == self.session.stage.tags && self.parameters.iter().all(holds);
        Ok(same && self.live.is_some() && self.stack.template(&self.session.aws)? == self.template.tree)
    }

    /// Changes the stack, under a new generation unless the command line names one.
    fn change(&mut self) -> Result<(), Error> {
        let stacks = self.stack.parameters.get(GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0);
        let running = self.live.as_ref().map_or(0, Function::generation);
        let next = || generation_after(running.max(stacks)).to_string();
        self.parameters.entry(GENERATION.to_owned()).or_insert_with(next);
        let wish =
            Wish { stack: Some(&self.stack), template: self.template, parameters: &self.parameters, imports: &[] };
        let Some(proposal) = Proposal::make(self.session, wish)? else { return Ok(()) };
        approve(self.session, &proposal, self.approval)?;
        proposal.carry_out()?;
        self.changed = true;
        let gone = || Error::Refused(format!("stack {} is gone", self.stack.name));
        self.stack = ready(self.session)?.ok_or_else(gone)?;
        self.live = function(self.session, &self.stack)?;
        Ok(())
    }

    /// `CloudFormation` does not see what `hotswap` did, and so leaves it where only other properties change.
    fn settle_image(&mut self) -> Result<(), Error> {
        match &mut self.live {
            Some(live) if live.image != self.image.uri => {
                live.swap(&self.image)?;
                self.changed = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Gold that is stale under the new image is refreshed. Where the lake knows a newer generation (of a change that was rolled back, or by
    /// another machine's clock), the function would give back all its messages: the stack's is raised above it first.
    fn refresh(&mut self) -> Result<Tree, Error> {
        match self.function()?.refresh() {
            Err(error) if is_superseded(&error) => {
                self.session.progress.say("the lake knows a newer generation: the stack's is raised");
                self.parameters.remove(GENERATION);
                self.change()?;
                self.function()?.refresh()
            }
            refreshed => refreshed,
        }
    }

    fn function(&self) -> Result<&Function<'_>, Error> {
        self.live.as_ref().ok_or_else(|| Error::Refused(format!("stack {} has no function", self.stack.name)))
    }
}
