//! The log: lines on stderr, for a person or one JSON object each, with the fields of the invocation they belong to.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Settings};

/// Whether a filter can be read as a whole; what cannot would be left out.
///
/// # Errors
/// A few words that say what is wrong with it.
pub fn check(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(|_| ()).map_err(|error| error.to_string())
}

/// Starts the log of this process; also for panics, which are bugs.
pub fn start(settings: &Settings) {
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&settings.log)).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_span_list(false).init();
            std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a bug of Pintail")));
        }
    }
}
