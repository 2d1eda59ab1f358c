//! A stack as AWS has it: what it is made of, what happens to it, where it ended.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value as Tree, json};

use crate::{
    aws::{Aws, member, optional, until},
    error::Error,
    progress::Progress,
};

/// The longest that a change of the stack is watched.
const PATIENCE: Duration = Duration::from_hours(1);

/// A stack that is there.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Stack {
    /// Looks at the stack; none where there is none.
    pub(crate) fn look(aws: &Aws, name: &str) -> Result<Option<Self>, Error> {
        let Some(answer) = optional(aws.ask(&["cloudformation", "describe-stacks", "--stack-name", name]))? else {
            return Ok(None);
        };
        let stack = &answer["Stacks"][0];
        Ok(Some(Self {
            name: name.to_owned(),
            status: member(&answer, "/Stacks/0/StackStatus", "aws cloudformation describe-stacks")?.to_owned(),
            parameters: pairs(&stack["Parameters"], ("ParameterKey", "ParameterValue")),
            outputs: pairs(&stack["Outputs"], ("OutputKey", "OutputValue")),
            tags: pairs(&stack["Tags"], ("Key", "Value")),
        }))
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

    /// Tells the events until the stack has come to an end: its last status.
    pub(crate) fn watch(mut self, progress: Progress) -> Result<End, Error> {
        let waiting = format!("stack {} to come to an end", self.stack);
        let status = until(PATIENCE, &waiting, || {
            let answer = optional(self.aws.ask(&["cloudformation", "describe-stacks", "--stack-name", &self.stack]))?;
            for event in self.news()? {
                progress.say(&told(&event));
            }
            let status = answer
                .as_ref()
                .map_or("DELETE_COMPLETE", |answer| answer["Stacks"][0]["StackStatus"].as_str().unwrap_or_default());
            Ok((!status.ends_with("_IN_PROGRESS")).then(|| status.to_owned()))
        })?;
        if self.failures.iter().any(|failure| failure.contains("DescribeEvents")) {
            self.failures.extend(self.validation()?);
        }
        Ok(End { status, failures: self.failures })
    }

    /// What AWS found before it began; the events only say that there is something.
    fn validation(&self) -> Result<Vec<String>, Error> {
        let arguments =
            ["cloudformation", "describe-events", "--stack-name", &self.stack, "--filters", "FailedEvents=true"];
        let answer = self.aws.ask(&arguments)?;
        let reason = |event: &Tree| {
            let reason = event["ValidationStatusReason"].as_str()?;
            Some(format!("{}: {reason}", event["LogicalResourceId"].as_str().unwrap_or_default()))
        };
        Ok(answer["OperationEvents"].as_array().into_iter().flatten().filter_map(reason).collect())
    }
}

/// Where a change of the stack ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: String,
    failures: Vec<String>,
}

impl End {
    /// The status that was wanted, or an error that says what was in the way.
    pub(crate) fn wanted(self, stack: &str, wanted: &[&str]) -> Result<(), Error> {
        if wanted.contains(&self.status.as_str()) {
            return Ok(());
        }
        let hint = self.failures.iter().find_map(|reason| hint(reason)).map(str::to_owned);
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

fn hint(reason: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 5] = [
        ("already exists", "something of that name is there and belongs to somebody else: choose another `prefix`"),
        ("not authorized", "the deploying identity lacks the right that is named above"),
        ("AccessDenied", "the deploying identity lacks the right that is named above"),
        (
            "ReservedConcurrentExecutions",
            "the account has too little concurrency left: lower `reserved-concurrency` or leave it out",
        ),
        ("image", "see whether the image is in the repository: `aws ecr describe-images`"),
    ];
    HINTS.iter().find(|(words, _)| reason.contains(words)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{End, failure};

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
            end.wanted("pintail", &["CREATE_COMPLETE"]).unwrap_err().to_string(),
            "stack pintail is ROLLBACK_COMPLETE\n  CREATE_FAILED RawBucket: raw-1 already exists\n  hint: something of that name is there and belongs to somebody else: choose another `prefix`"
        );
    }
}
