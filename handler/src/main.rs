//! `bootstrap`, the Lambda function: settings, project and lake once, then one invocation after the other.

use std::process::ExitCode;

use handler::error::Error;
use handler::function::Function;
use handler::log;
use handler::settings::Settings;
use lambda_runtime::service_fn;

fn main() -> ExitCode {
    let (settings, address) = match Settings::of_function(environment) {
        Ok(settings) => settings,
        Err(wrong) => {
            log::start(&Settings::of_size(None));
            return fail(&wrong);
        }
    };
    log::start(&settings);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(settings.threads).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(&[format!("start the runtime: {error}")]),
        };
    runtime.block_on(async {
        let function = match Function::start(settings, address, &environment) {
            Ok(function) => function,
            Err(Error::Project(errors)) => {
                return fail(&errors.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
            }
            Err(error) => return fail(&[error.chain()]),
        };
        let service = service_fn(|event| async { function.answer(event, &mut std::io::stdout()).await });
        match lambda_runtime::Runtime::new(service).run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&[format!("the runtime API: {error}")]),
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "the edge of the process: everything below is handed what it needs")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// An error of the initialisation: each message is a line of the log, and Lambda sees the process end.
fn fail(messages: &[String]) -> ExitCode {
    for error in messages {
        tracing::error!(error, "the function cannot start");
    }
    ExitCode::FAILURE
}
