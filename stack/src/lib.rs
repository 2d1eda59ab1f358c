//! Pintail's AWS stack, from options to a deployed stack.
//!
//! [`options`] (`stack.toml`) → [`lakehouse`] (our stack, written with [`cfn`], which knows only `CloudFormation`) → [`rules`] → [`synth`]
//! (the template's file), or [`deploy`]: image, change set ([`diff`]), events, refresh. `aws.rs` and `image.rs` are the only doors to
//! other programs.

mod adopt;
mod approval;
mod aws;
pub mod cfn;
mod change;
pub mod cli;
mod context;
pub mod deploy;
pub mod destroy;
pub mod diff;
pub mod error;
mod function;
mod grants;
mod image;
pub mod lakehouse;
pub mod look;
pub mod options;
mod process;
mod progress;
pub mod rules;
pub mod session;
mod stack;
pub mod synth;

use std::{fmt::Display, io::Write};

use serde::Serialize;

use cli::{Cli, Command};
use error::Error;
use options::Stages;
use session::Session;

/// Does what the command line says, and writes the result to `out`: text for a person, or JSON.
///
/// # Errors
/// Whatever kept the command from its end.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<(), Error> {
    let global = &cli.global;
    let stages = Stages::read(&global.stages)?;
    let stage = stages.stage(global.stage.as_deref(), &global.stages)?;
    let mut tell = Tell { json: global.json, out };
    let default = Command::Synth(cli::Synth::default());
    let command = cli.command.as_ref().unwrap_or(&default);
    if let Command::Synth(wanted) = command {
        let text = synth::text(&stage, &stages.tables)?;
        let path = wanted.path(global.stage.as_deref());
        return tell.result(&if wanted.check { synth::check(&path, &text)? } else { synth::write(&path, &text)? });
    }
    let session = Session::new(global, stage, stages.tables);
    match command {
        Command::Synth(_) => Ok(()),
        Command::Diff(wanted) => tell.result(&deploy::diff(&session, wanted)?),
        Command::Deploy(wanted) => tell.result(&deploy::deploy(&session, wanted)?),
        Command::Destroy(wanted) => tell.result(&destroy::destroy(&session, wanted)?),
        Command::Hotswap(wanted) => tell.result(&deploy::hotswap(&session, wanted)?),
        Command::Logs(wanted) => look::logs(&session, wanted, &mut |line| tell.result(line)),
        Command::Drift => tell.result(&look::drift(&session)?),
        Command::Doctor => {
            let health = look::doctor(&session);
            tell.result(&health)?;
            health.verdict()
        }
    }
}

/// Where results go, and in which words.
struct Tell<'a> {
    json: bool,
    out: &'a mut dyn Write,
}

impl Tell<'_> {
    fn result(&mut self, result: &(impl Display + Serialize)) -> Result<(), Error> {
        let text = if self.json {
            serde_json::to_string_pretty(result)
                .map_err(|source| Error::Json { what: "the result".to_owned(), source })?
        } else {
            result.to_string()
        };
        writeln!(self.out, "{text}").map_err(|source| Error::File {
            action: "write to",
            path: "the output".into(),
            source,
        })
    }
}
