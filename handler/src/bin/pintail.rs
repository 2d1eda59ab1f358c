//! `pintail`, the command line.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use handler::cli::{self, Cli, World};
use handler::error::Error;
use handler::log;
use handler::settings::Settings;

fn main() -> ExitCode {
    let settings = match Settings::from_lookup(environment) {
        Ok(settings) => settings,
        Err(wrong) => return fail(&wrong.join("\n"), 2),
    };
    log::start(&settings);
    let cli = Cli::parse();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(settings.threads).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(&format!("start the runtime: {error}"), 2),
        };
    let mut out = std::io::stdout().lock();
    let mut world = World { settings, environment: &environment, out: &mut out };
    match runtime.block_on(cli::run(cli, &mut world)) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error @ Error::Usage(_)) => fail(&error.chain(), 2),
        Err(error) => fail(&error.chain(), 1),
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge of the process: everything below is handed what it needs")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn fail(message: &str, code: u8) -> ExitCode {
    let mut lines = message.lines();
    let mut out = std::io::stderr().lock();
    let first = writeln!(out, "error: {}", lines.next().unwrap_or_default());
    let rest = lines.try_for_each(|line| writeln!(out, "  {line}"));
    if first.and(rest).is_err() {
        return ExitCode::from(code.max(2));
    }
    ExitCode::from(code)
}
