//! A stack as AWS has it: what it is made of, what happens to it, where it ended.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value as Tree, json};

use crate::{
    aws::{Aws, is_unknown, member, optional, until},
    error::Error,
    progress::Progress,
};

/// The longest that a change of the stack is watched.
const PATIENCE: Duration = Duration::from_hours(1);
/// The status of a stack that was deleted.
const GONE: &str = "DELETE_COMPLETE";

/// A stack that is there.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) name: String,
    /// Only by it can a stack be asked for once it is gone.
    id: String,
    pub(crate) status: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What can be done with a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its first deployment did not succeed: it can only be removed.
    Never,
    /// Somebody changes it.
    Busy,
    /// AWS refuses every change until this was done.
    Stuck(String),
    /// It can be changed.
    Stands,
}

impl Stack {
    /// Looks at the stack; none where there is none.
    pub(crate) fn look(aws: &Aws, name: &str) -> Result<Option<Self>, Error> {
        const COMMAND: &str = "aws cloudformation describe-stacks";
        let Some(answer) = optional(aws.ask(&["cloudformation", "describe-stacks", "--stack-name", name]))? else {
            return Ok(None);
        };
        let stack = &answer["Stacks"][0];
        let stack = Self {
            name: name.to_owned(),
            id: member(&answer, "/Stacks/0/StackId", COMMAND)?.to_owned(),
            status: member(&answer, "/Stacks/0/StackStatus", COMMAND)?.to_owned(),
            parameters: pairs(&stack["Parameters"], ("ParameterKey", "ParameterValue")),
            outputs: pairs(&stack["Outputs"], ("OutputKey", "OutputValue")),
            tags: pairs(&stack["Tags"], ("Key", "Value")),
        };
        Ok(Some(stack).filter(|stack| stack.status != GONE))
    }

    /// What its status means for the next change.
    pub(crate) fn standing(&self) -> Standing {
        match self.status.as_str() {
            "REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => Standing::Never,
            // A stack without outputs has never had more than what it tried to import.
            "IMPORT_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_FAILED" if self.outputs.is_empty() => Standing::Never,
            "UPDATE_ROLLBACK_FAILED" => {
                let command = format!("aws cloudformation continue-update-rollback --stack-name {}", self.name);
                Standing::Stuck(format!("first `{command}`"))
            }
            "DELETE_FAILED" => Standing::Stuck("first `destroy` it to the end".to_owned()),
            "IMPORT_ROLLBACK_FAILED" => Standing::Stuck("AWS changes it no more; its events say why".to_owned()),
            status if status.ends_with("_IN_PROGRESS") => Standing::Busy,
            _ => Standing::Stands,
        }
    }

    /// Whether an image can be pushed: the first half of its first deployment is through.
    pub(crate) fn has_repository(&self) -> bool {
        self.outputs.contains_key("RepositoryUri")
    }

    /// Deletes the stack, and tells what happens until it is gone.
    pub(crate) fn remove(&self, aws: &Aws, progress: Progress) -> Result<(), Error> {
        let events = Events::from_now(aws, &self.id)?;
        aws.ask(&["cloudformation", "delete-stack", "--stack-name", &self.name])?;
        events.watch(progress)?.wanted(&self.name, GONE)
    }

    /// The template that the stack was made of.
    pub(crate) fn template(&self, aws: &Aws) -> Result<Tree, Error> {
        let arguments = ["cloudformation", "get-template", "--stack-name", &self.name, "--template-stage", "Original"];
        let body = aws.ask(&arguments)?["TemplateBody"].clone();
        // The CLI gives a tree for JSON; a text is a template that somebody wrote in YAML, which is ours no more.
        Ok(if body.is_object() { body } else { json!({}) })
    }

    /// An output of the template.
    pub(crate) fn output(&self, name: &'static str) -> Result<&str, Error> {
        self.outputs.get(name).map(String::as_str).ok_or_else(|| Error::Answer {
            command: format!("aws cloudformation describe-stacks --stack-name {}", self.name),
            member: name,
            answer: format!("outputs {:?} of a stack that is {}", self.outputs, self.status),
        })
    }
}

fn pairs(list: &Tree, (key, value): (&str, &str)) -> BTreeMap<String, String> {
    let text = |tree: &Tree| tree.as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|one| (text(&one[key]), text(&one[value]))).collect()
}

/// What happens to a stack, from a point in time on.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    aws: &'a Aws,
    /// Its name, or its id: only by that a deleted stack can be asked for.
    stack: String,
    last: Option<String>,
    failures: Vec<String>,
}

impl<'a> Events<'a> {
    /// From now on.
    pub(crate) fn from_now(aws: &'a Aws, stack: &str) -> Result<Self, Error> {
        let mut events = Self { aws, stack: stack.to_owned(), last: None, failures: Vec::new() };
        events.news()?;
        events.failures.clear();
        Ok(events)
    }

    /// The events since the last look, oldest first.
    fn news(&mut self) -> Result<Vec<Tree>, Error> {
        let arguments = ["cloudformation", "describe-stack-events", "--stack-name", &self.stack, "--max-items", "200"];
        let answer = optional(self.aws.ask(&arguments))?.unwrap_or_default();
        let newest_first = answer["StackEvents"].as_array().into_iter().flatten().cloned();
        let is_new = |event: &Tree| event["EventId"].as_str() != self.last.as_deref();
        let mut news = newest_first.take_while(is_new).collect::<Vec<_>>();
        if let Some(newest) = news.first().and_then(|event| event["EventId"].as_str()) {
            self.last = Some(newest.to_owned());
        }
        news.reverse();
        self.failures.extend(news.iter().filter_map(failure));
        Ok(news)
    }

    /// Tells the events since the last look; whether there were any.
    fn tell(&mut self, progress: Progress) -> Result<bool, Error> {
        let news = self.news()?;
        for event in &news {
            progress.say(&told(event));
        }
        Ok(!news.is_empty())
    }

    /// Tells the events until the stack has come to an end: its last status.
    pub(crate) fn watch(mut self, progress: Progress) -> Result<End, Error> {
        let waiting = format!("stack {} to come to an end", self.stack);
        let mut has_begun = false;
        let status = until(PATIENCE, &waiting, || {
            has_begun |= self.tell(progress)?;
            let status = self.status()?;
            // Before the first event the status may still be the one that the stack had before.
            let is_over = status == GONE || (has_begun && !status.ends_with("_IN_PROGRESS"));
            Ok(is_over.then_some(status))
        })?;
        self.tell(progress)?;
        if self.failures.iter().any(|failure| failure.contains("DescribeEvents")) {
            self.failures.extend(findings(self.aws, ["--stack-name", &self.stack]));
        }
        Ok(End { status, failures: self.failures })
    }

    fn status(&self) -> Result<String, Error> {
        let answer = optional(self.aws.ask(&["cloudformation", "describe-stacks", "--stack-name", &self.stack]))?;
        let status = |answer: &Tree| answer["Stacks"][0]["StackStatus"].as_str().unwrap_or_default().to_owned();
        Ok(answer.as_ref().map_or_else(|| GONE.to_owned(), status))
    }
}

/// What AWS found before it began, of a stack or of a change set; their own reasons only say that there is something.
pub(crate) fn findings(aws: &Aws, of: [&str; 2]) -> Vec<String> {
    let question = ["cloudformation", "describe-events", of[0], of[1], "--filters", "FailedEvents=true"];
    let answer = match aws.ask(&question) {
        Ok(answer) => answer,
        Err(error) if is_unknown(&error) => return vec![],
        // It must not hide the failure that it should explain.
        Err(error) => return vec![error.to_string()],
    };
    let finding = |event: &Tree| {
        let reason = ["ValidationStatusReason", "HookStatusReason"].iter().find_map(|name| event[name].as_str())?;
        Some(format!("{}: {reason}", event["LogicalResourceId"].as_str().unwrap_or_default()))
    };
    answer["OperationEvents"].as_array().into_iter().flatten().filter_map(finding).collect()
}

/// Where a change of the stack ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: String,
    failures: Vec<String>,
}

impl End {
    /// The status that was wanted, or an error that says what was in the way.
    pub(crate) fn wanted(self, stack: &str, wanted: &str) -> Result<(), Error> {
        if self.status == wanted {
            return Ok(());
        }
        let hint = hint(&self.failures);
        Err(Error::Deployment { stack: stack.to_owned(), status: self.status, reasons: self.failures, hint })
    }
}

fn told(event: &Tree) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let reason =
        Some(text("ResourceStatusReason")).filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}"));
    let (status, id, kind) = (text("ResourceStatus"), text("LogicalResourceId"), text("ResourceType"));
    format!("{status:<28} {id} ({kind}){}", reason.unwrap_or_default())
}

/// A failure that is a cause: what was cancelled because something else failed is none.
fn failure(event: &Tree) -> Option<String> {
    let reason = event["ResourceStatusReason"].as_str().unwrap_or_default();
    let is_failure = event["ResourceStatus"].as_str().is_some_and(|status| status.ends_with("_FAILED"));
    (is_failure && !reason.contains("cancelled")).then(|| told(event))
}

/// What may help against the first reason that is a known one.
pub(crate) fn hint(reasons: &[String]) -> Option<&'static str> {
    const THERE: &str =
        "something of that name is there and no part of this stack: delete it, or choose another `prefix`";
    const RIGHT: &str = "the deploying identity lacks the right that is named above";
    const IMAGE: &str = "see whether the image is in the repository: `aws ecr describe-images`";
    const CONCURRENCY: &str =
        "the account has too little concurrency left: lower `reserved-concurrency` or leave it out";
    const HINTS: [(&str, &str); 6] = [
        ("already exists", THERE),
        ("not authorized", RIGHT),
        ("AccessDenied", RIGHT),
        ("ReservedConcurrentExecutions", CONCURRENCY),
        ("Source image", IMAGE),
        ("source image", IMAGE),
    ];
    let known = |reason: &String| HINTS.iter().find(|(words, _)| reason.contains(words));
    reasons.iter().find_map(known).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{End, Stack, Standing, failure, hint};

    fn standing(status: &str, outputs: &[(&str, &str)]) -> Standing {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let stack = Stack {
            name: "pintail".to_owned(),
            id: "arn".to_owned(),
            status: status.to_owned(),
            parameters: [].into(),
            outputs: outputs.iter().map(owned).collect(),
            tags: [].into(),
        };
        stack.standing()
    }

    #[test]
    fn an_import_that_failed_ends_only_a_stack_that_held_nothing_before() {
        let outputs = [("RepositoryUri", "host/x")];
        assert_eq!(standing("IMPORT_ROLLBACK_COMPLETE", &[]), Standing::Never);
        assert_eq!(standing("IMPORT_ROLLBACK_FAILED", &[]), Standing::Never);
        assert_eq!(standing("IMPORT_ROLLBACK_COMPLETE", &outputs), Standing::Stands);
    }

    #[test]
    fn a_hint_is_of_the_reason_and_not_of_a_word_in_it() {
        let hint = |reason: &str| hint(&[reason.to_owned()]);
        let missing =
            "Source image 1.dkr.ecr.eu-central-1.amazonaws.com/x:1 does not exist. Provide a valid source image.";
        assert!(hint(missing).unwrap().contains("describe-images"));
        assert_eq!(hint("Properties validation failed: ImageScanningConfiguration, image-immutable"), None);
    }

    #[test]
    fn what_was_cancelled_is_no_cause() {
        let event = |reason: &str| json!({"ResourceStatus": "CREATE_FAILED", "LogicalResourceId": "RawBucket", "ResourceType": "AWS::S3::Bucket", "ResourceStatusReason": reason});
        assert_eq!(failure(&event("Resource creation cancelled")), None);
        assert_eq!(
            failure(&event("raw-1 already exists")).unwrap(),
            "CREATE_FAILED                RawBucket (AWS::S3::Bucket): raw-1 already exists"
        );
    }

    #[test]
    fn a_failed_deployment_ends_with_its_causes_and_a_hint() {
        let end = End {
            status: "ROLLBACK_COMPLETE".to_owned(),
            failures: vec!["CREATE_FAILED RawBucket: raw-1 already exists".to_owned()],
        };
        assert_eq!(
            end.wanted("pintail", "CREATE_COMPLETE").unwrap_err().to_string(),
            "stack pintail is ROLLBACK_COMPLETE\n  CREATE_FAILED RawBucket: raw-1 already exists\n  hint: something of that name is there and no part of this stack: delete it, or choose another `prefix`"
        );
    }
}
