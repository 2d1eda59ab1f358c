//! The function as it runs: its image, its generation, and the refresh that a deployment ends with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Tree, json};

use crate::{
    aws::{member, optional, until},
    error::Error,
    image::Image,
    session::Session,
};

const GENERATION: &str = "PINTAIL_GENERATION";
const PATIENCE: Duration = Duration::from_mins(5);

/// A generation after the known ones, and after all that other machines and former stacks gave: the lake outlives the stack, so that
/// counting on from the stack's own could begin below the lake's.
pub(crate) fn generation_after(known: u64) -> u64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    seconds.max(known.saturating_add(1))
}

/// Whether the function said that the lake knows a newer generation than its own.
pub(crate) fn is_superseded(error: &Error) -> bool {
    let Error::Refresh { answer } = error else { return false };
    serde_json::from_str::<Tree>(answer).is_ok_and(|answer| answer["errorType"] == "Retryable.Superseded")
}

/// The function as Lambda has it.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    session: &'a Session,
    name: String,
    pub(crate) image: String,
    variables: Tree,
}

impl<'a> Function<'a> {
    /// Looks at the function; none where there is none.
    pub(crate) fn look(session: &'a Session, name: &str) -> Result<Option<Self>, Error> {
        let Some(answer) = optional(session.aws.ask(&["lambda", "get-function", "--function-name", name]))? else {
            return Ok(None);
        };
        let image = member(&answer, "/Code/ImageUri", "aws lambda get-function")?.to_owned();
        let variables = answer["Configuration"]["Environment"]["Variables"].clone();
        Ok(Some(Self { session, name: name.to_owned(), image, variables }))
    }

    /// The generation that it runs with.
    pub(crate) fn generation(&self) -> u64 {
        self.variables[GENERATION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Puts another image into it, and raises the generation: the project in the image is another one.
    pub(crate) fn swap(&mut self, image: &Image) -> Result<(), Error> {
        self.session.aws.ask(&[
            "lambda",
            "update-function-code",
            "--function-name",
            &self.name,
            "--image-uri",
            &image.uri,
        ])?;
        self.settle()?;
        self.variables[GENERATION] = json!(generation_after(self.generation()).to_string());
        let request = json!({"FunctionName": self.name, "Environment": {"Variables": self.variables}});
        self.session.aws.request(&["lambda", "update-function-configuration"], &request)?;
        self.settle()?;
        self.image.clone_from(&image.uri);
        Ok(())
    }

    /// Waits until the last update is through.
    fn settle(&self) -> Result<(), Error> {
        until(PATIENCE, &format!("the update of function {}", self.name), || {
            let answer =
                self.session.aws.ask(&["lambda", "get-function-configuration", "--function-name", &self.name])?;
            match answer["LastUpdateStatus"].as_str() {
                Some("InProgress") => Ok(None),
                Some("Failed") => Err(Error::Refused(format!(
                    "the update of function {} failed: {}",
                    self.name, answer["LastUpdateStatusReason"]
                ))),
                _ => Ok(Some(())),
            }
        })
    }

    /// Brings stale gold tables up to date: the function's own summary.
    pub(crate) fn refresh(&self) -> Result<Tree, Error> {
        self.session.progress.step("refresh gold", || self.invoke())
    }

    fn invoke(&self) -> Result<Tree, Error> {
        let file = |action| move |source| Error::File { action, path: std::env::temp_dir(), source };
        let folder = tempfile::tempdir().map_err(file("make a folder in"))?;
        let (payload, answer) = (folder.path().join("payload.json"), folder.path().join("answer.json"));
        // From a file, which both versions of the CLI take as it is.
        std::fs::write(&payload, r#"{"refresh":true}"#).map_err(file("write the payload into"))?;
        let (payload, written) = (format!("fileb://{}", payload.display()), answer.to_string_lossy());
        // Longer than the longest run of a function, so that the CLI does not begin a second one.
        let invoke = ["lambda", "invoke", "--function-name", &self.name, "--cli-read-timeout", "960"];
        let status = self.session.aws.ask(&[&invoke[..], &["--payload", &payload, &written]].concat())?;
        let answer = std::fs::read_to_string(&answer).map_err(file("read the answer in"))?;
        if status["FunctionError"].is_string() {
            return Err(Error::Refresh { answer });
        }
        serde_json::from_str(&answer)
            .map_err(|source| Error::Json { what: format!("the answer of function {}", self.name), source })
    }
}
