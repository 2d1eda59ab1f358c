//! What is going on, on the error output: a moving line on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Tells a person what is going on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress;

impl Progress {
    /// Does a piece of work that takes a while.
    pub(crate) fn step<T, E>(self, what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let begin = Instant::now();
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        if bar.is_hidden() {
            self.say(&format!("{what} ..."));
        }
        let done = work();
        bar.finish_and_clear();
        let end = if done.is_ok() { "done" } else { "failed" };
        self.say(&format!("{what}: {end} after {:.1} s", begin.elapsed().as_secs_f64()));
        done
    }

    /// Says one line.
    #[expect(clippy::print_stderr, clippy::unused_self, reason = "the one place that tells what is going on")]
    pub(crate) fn say(self, line: &str) {
        eprintln!("{line}");
    }
}
