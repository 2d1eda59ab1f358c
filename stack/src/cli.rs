//! The words of the command line.
#![expect(missing_docs, reason = "the doc comments are the help texts")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Pintail's AWS stack: its template, and what it takes to deploy it. Without a command: `synth`.
#[derive(Debug, Parser)]
#[command(name = "stack", version)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The stage of the stages file; without it, the defaults, for any account
    #[arg(long, global = true)]
    pub stage: Option<String>,
    /// The stages file
    #[arg(long, global = true, default_value = "stack.toml")]
    pub stages: PathBuf,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// The aws CLI
    #[arg(long, global = true, default_value = "aws")]
    pub aws: PathBuf,
    /// The registry to push to, where it is not the host of the repository's URI (emulators)
    #[arg(long, global = true)]
    pub registry: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the template
    Synth(Synth),
    /// Show what a deployment would change, the dangerous first
    Diff(Change),
    /// Build and push the image, change the stack, refresh gold
    Deploy(Deploy),
    /// Delete the stack; what is retained stays unless told otherwise
    Destroy(Destroy),
    /// Only put a new image into the function (not in production)
    Hotswap(Image),
    /// Print the function's log lines
    Logs(Logs),
    /// Show where resources differ from the stack
    Drift,
    /// Check what the other commands need
    Doctor,
}

#[derive(Debug, Default, Args)]
pub struct Synth {
    /// Fail when the file differs from what the code says, and print the difference
    #[arg(long)]
    pub check: bool,
    /// The file [default: template.out.json, or template.STAGE.out.json]
    #[arg(long)]
    pub output: Option<PathBuf>,
}

/// What a deployment is made of.
#[derive(Debug, Default, Args)]
pub struct Change {
    #[command(flatten)]
    pub image: Image,
    /// Deploy this template instead of the code's (not in production)
    #[arg(long)]
    pub template: Option<PathBuf>,
    /// A parameter of the template, as NAME=VALUE; others keep their values
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,
}

/// What the image is made of.
#[derive(Debug, Default, Args)]
pub struct Image {
    /// The folder that the image is built from
    #[arg(long, default_value = ".")]
    pub context: PathBuf,
    /// The Dockerfile, below the context
    #[arg(long, default_value = "Dockerfile")]
    pub dockerfile: PathBuf,
    /// A program that is built already, below the context; without it the image builds it from source
    #[arg(long)]
    pub bootstrap: Option<PathBuf>,
    /// The image that ours is based on, where it is not the Dockerfile's own
    #[arg(long)]
    pub base: Option<String>,
}

#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub change: Change,
    /// When to ask before changing the stack
    #[arg(long, value_enum, default_value_t = Approval::Broadening)]
    pub require_approval: Approval,
}

/// When a person has to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Approval {
    /// Never
    Never,
    /// Before any change
    Any,
    /// Before rights are broadened, or what holds data is replaced or removed
    Broadening,
}

#[derive(Debug, Args)]
pub struct Destroy {
    /// Also empty and delete the buckets and the repository, with all versions
    #[arg(long)]
    pub delete_data: bool,
    /// The stack's name, instead of being asked for it
    #[arg(long, value_name = "STACK")]
    pub confirm: Option<String>,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// How far back, in minutes
    #[arg(long, default_value_t = 10)]
    pub minutes: u64,
    /// Only lines that match this filter pattern (in `CloudWatch`'s words)
    #[arg(long)]
    pub filter: Option<String>,
    /// Go on with new lines until interrupted
    #[arg(long)]
    pub follow: bool,
}

impl Synth {
    /// The file that is written or compared.
    pub fn path(&self, stage: Option<&str>) -> PathBuf {
        match (&self.output, stage) {
            (Some(path), _) => path.clone(),
            (None, Some(stage)) => PathBuf::from(format!("template.{stage}.out.json")),
            (None, None) => PathBuf::from("template.out.json"),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
