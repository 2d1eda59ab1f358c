//! Looking without changing: the function's log, the stack's drift, the machine's fitness.

use std::{
    collections::BTreeSet,
    fmt,
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::Value as Tree;

use crate::{
    aws::{member, until},
    cli,
    error::Error,
    image,
    session::Session,
    stack::Stack,
};

/// A line of the function's log.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Milliseconds since 1970.
    timestamp: u64,
    message: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Tells the function's log lines, and goes on doing so where that is wanted.
///
/// # Errors
/// When there is no stack, or the lines cannot be told.
pub fn logs(
    session: &Session,
    wanted: &cli::Logs,
    tell: &mut dyn FnMut(&Line) -> Result<(), Error>,
) -> Result<(), Error> {
    session.guard()?;
    let name = session.stage.stack();
    let stack = Stack::look(&session.aws, name)?.ok_or_else(|| Error::Refused(format!("there is no stack {name}")))?;
    let group = stack.output("FunctionLogName")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut since = now.saturating_sub(Duration::from_mins(wanted.minutes)).as_millis();
    let mut seen = BTreeSet::new();
    loop {
        let start = since.to_string();
        let mut arguments = vec!["logs", "filter-log-events", "--log-group-name", group, "--start-time", &start];
        arguments.extend(wanted.filter.iter().flat_map(|filter| ["--filter-pattern", filter]));
        let answer = session.aws.ask(&arguments)?;
        for event in answer["events"].as_array().into_iter().flatten() {
            let timestamp = event["timestamp"].as_u64().unwrap_or_default();
            if seen.insert(event["eventId"].to_string()) {
                let message = event["message"].as_str().unwrap_or_default().trim_end().to_owned();
                tell(&Line { timestamp, message })?;
            }
            since = since.max(timestamp.into());
        }
        if !wanted.follow {
            return Ok(());
        }
        sleep(Duration::from_secs(2));
    }
}

/// Where resources are not what the stack says.
#[derive(Debug, Serialize)]
pub struct Drift {
    stack: String,
    resources: Vec<Drifted>,
}

#[derive(Debug, Serialize)]
struct Drifted {
    id: String,
    status: String,
    properties: Vec<(String, String, String)>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.resources.is_empty() {
            return write!(f, "stack {}: no drift", self.stack);
        }
        write!(f, "stack {}: drifted", self.stack)?;
        for resource in &self.resources {
            write!(f, "\n  {} {}", resource.id, resource.status)?;
            for (path, wanted, found) in &resource.properties {
                write!(f, "\n    {path}: {wanted} in the stack, {found} in reality")?;
            }
        }
        Ok(())
    }
}

/// Asks AWS to compare every resource with the stack.
///
/// # Errors
/// When there is no stack, or AWS cannot compare.
pub fn drift(session: &Session) -> Result<Drift, Error> {
    session.guard()?;
    let name = session.stage.stack();
    let started = session.aws.ask(&["cloudformation", "detect-stack-drift", "--stack-name", name])?;
    let id = member(&started, "/StackDriftDetectionId", "aws cloudformation detect-stack-drift")?;
    let arguments = ["cloudformation", "describe-stack-drift-detection-status", "--stack-drift-detection-id", id];
    until(Duration::from_mins(10), "the detection of drift", || {
        let answer = session.aws.ask(&arguments)?;
        match answer["DetectionStatus"].as_str() {
            Some("DETECTION_IN_PROGRESS") => Ok(None),
            Some("DETECTION_FAILED") => {
                Err(Error::Refused(format!("AWS could not compare stack {name}: {}", answer["DetectionStatusReason"])))
            }
            _ => Ok(Some(())),
        }
    })?;
    let filters = ["--stack-resource-drift-status-filters", "MODIFIED", "DELETED"];
    let drifts = session
        .aws
        .ask(&[&["cloudformation", "describe-stack-resource-drifts", "--stack-name", name], &filters[..]].concat())?;
    let resources = drifts["StackResourceDrifts"].as_array().into_iter().flatten().map(drifted).collect();
    Ok(Drift { stack: name.to_owned(), resources })
}

fn drifted(drift: &Tree) -> Drifted {
    let text = |tree: &Tree| tree.as_str().unwrap_or_default().to_owned();
    let properties = drift["PropertyDifferences"].as_array().into_iter().flatten();
    let property = |one: &Tree| (text(&one["PropertyPath"]), text(&one["ExpectedValue"]), text(&one["ActualValue"]));
    Drifted {
        id: text(&drift["LogicalResourceId"]),
        status: text(&drift["StackResourceDriftStatus"]),
        properties: properties.map(property).collect(),
    }
}

/// Whether this machine and these credentials can deploy.
#[derive(Debug, Serialize)]
pub struct Health {
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    fit: bool,
    found: String,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |check: &Check| format!("{:<5}{:<12} {}", if check.fit { "ok" } else { "NOT" }, check.what, check.found);
        f.write_str(&self.checks.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

impl Health {
    /// # Errors
    /// When something is not fit.
    pub fn verdict(&self) -> Result<(), Error> {
        if self.checks.iter().all(|check| check.fit) {
            return Ok(());
        }
        Err(Error::Refused("this machine cannot deploy".to_owned()))
    }
}

/// Checks what the other commands need.
pub fn doctor(session: &Session) -> Health {
    let template = session.template(None);
    let template = template.map(|template| format!("{} bytes, keeps our rules", template.text.len()));
    Health {
        checks: vec![
            check("docker", image::engine()),
            check("builder", Ok(image::builder())),
            check("aws CLI", session.aws.text(&["--version"])),
            check("region", session.region()),
            check("account", session.guard()),
            check("template", template),
        ],
    }
}

fn check(what: &'static str, found: Result<String, Error>) -> Check {
    match found {
        Ok(found) => Check { what, fit: true, found: found.trim().to_owned() },
        Err(error) => Check { what, fit: false, found: error.to_string() },
    }
}
