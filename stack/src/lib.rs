//! Pintail's AWS stack, from options to a deployed stack.
//!
//! [`options`] (`stack.toml`) → [`lakehouse`] (our stack, written with [`cfn`], which knows only CloudFormation) → [`rules`] →
//! [`synth`] (the template's file), or [`deploy`] by way of [`image`] and [`diff`]. [`aws`] and [`image`] are the only doors to other programs.

pub mod cfn;
pub mod cli;
pub mod error;
pub mod lakehouse;
pub mod options;
pub mod rules;
pub mod synth;

use std::fmt::Display;

use serde::Serialize;

use cli::{Cli, Command};
use error::Error;
use options::Stages;

/// Does what the command line says. The result is text for a person, or JSON.
///
/// # Errors
/// Whatever kept the command from its end.
pub fn run(cli: &Cli) -> Result<String, Error> {
    let global = &cli.global;
    let stages = Stages::read(&global.stages)?;
    let stage = stages.stage(global.stage.as_deref(), &global.stages)?;
    let synth = cli::Synth::default();
    match cli.command.as_ref().unwrap_or(&Command::Synth(synth)) {
        Command::Synth(synth) => {
            let text = synth::text(&stage, &stages.tables)?;
            let path = synth.path(global.stage.as_deref());
            told(global.json, &if synth.check { synth::check(&path, &text)? } else { synth::write(&path, &text)? })
        }
    }
}

fn told(json: bool, result: &(impl Display + Serialize)) -> Result<String, Error> {
    if !json {
        return Ok(result.to_string());
    }
    serde_json::to_string_pretty(result).map_err(|source| Error::Json { what: "the result".to_owned(), source })
}
