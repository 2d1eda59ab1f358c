//! The words of the command line.

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
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the template
    Synth(Synth),
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
