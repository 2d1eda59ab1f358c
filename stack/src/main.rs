//! `stack`: a command line in, a result or an error out.

use std::{error::Error as _, process::ExitCode};

use clap::Parser;
use stack::{cli::Cli, error::Error};

#[expect(clippy::print_stderr, reason = "the one place that tells errors")]
fn main() -> ExitCode {
    match stack::run(&Cli::parse(), &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", told(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

fn told(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let causes = causes.map(|cause| format!("\ncaused by: {cause}"));
    std::iter::once(format!("error: {error}")).chain(causes).collect()
}
