//! The function: one Lambda instance. It answers invocations one after the other, and keeps between them what is slow to
//! have and quick to check.
//!
//! ```text
//! payload ─► Invocation ─► groups ─► Summary ─► Answer
//!            event.rs      group.rs  ingest.rs  answer.rs
//! ```
//! Nothing is kept warm after a failure of ours: the next invocation begins with a fresh state.

mod answer;
mod group;
mod shift;
mod told;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::Value;
use tracing::Instrument;

pub use answer::{Answer, Failure, Report};

use crate::budget::Budget;
use crate::deployed::Deployed;
use crate::error::Result;
use crate::lake::{Address, Lake, stop_at};
use crate::metrics::Told;
use crate::run::{Run, Warm};
use crate::settings::Settings;
use crate::workplace::Workplace;
use shift::Shift;

/// What is kept of an invocation's time for its end, at most.
const MARGIN: Duration = Duration::from_secs(10);

/// One instance of the function.
pub struct Function<'a> {
    settings: Settings,
    address: Address,
    deployed: Deployed<'a>,
    warm: RefCell<Option<Warm>>,
    cold: Cell<bool>,
    // The last to go: all others write into it.
    _workplace: Workplace,
}

impl<'a> Function<'a> {
    /// Starts an instance: reads the project and opens the lake. `environment` answers the project's `env_var`.
    ///
    /// # Errors
    /// All errors of the project; what keeps the lake from being opened.
    pub fn start(
        settings: Settings,
        address: Address,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let workplace = Workplace::take(&settings.temp)?;
        let settings = Settings { temp: workplace.path(), ..settings };
        let deployed = Deployed::new(settings.project.clone(), &settings.temp, environment);
        let (warm, cold) = (RefCell::default(), Cell::new(true));
        let function = Self { settings, address, deployed, warm, cold, _workplace: workplace };
        let warm = function.start_anew(Utc::now())?;
        function.warm.replace(Some(warm));
        Ok(function)
    }

    /// Answers an invocation: messages of a queue each on its own, anything else as a whole. Metrics go to `out`.
    ///
    /// # Errors
    /// `Retryable.X` or `Permanent.X` with the whole chain, for an invocation that is no batch of messages.
    pub async fn answer(&self, event: LambdaEvent<Value>, out: &mut dyn Write) -> Result<Answer, Diagnostic> {
        let (payload, context) = event.into_parts();
        let (request, trace) = (&context.request_id, &context.xray_trace_id);
        // At the level that every filter lets through: the lines of a request are found by it.
        let span = tracing::error_span!("invocation", requestId = request, xrayTraceId = trace);
        let shift = Shift::new(self, budget(&context));
        stop_at(Some(last_request(&context)));
        let work = async {
            let (answer, metrics) = shift.work(&payload).await;
            let function = &context.env_config.function_name;
            let written = metrics.write(out, &Told { function, request, cold: self.cold.take() }, Utc::now());
            let answer = answer.and_then(|answer| written.map(|()| answer).map_err(Failure::from));
            answer.inspect_err(|failure| tracing::error!(errorType = failure.error_type(), error = failure.reason))
        };
        work.instrument(span).await.map_err(Diagnostic::from)
    }

    /// Begins a run, warm where what was kept still holds.
    fn begin(&self, budget: Budget) -> Result<Run> {
        let now = Utc::now();
        let warm = match self.warm.take() {
            Some(warm) if self.deployed.is_current()? && !warm.project.tells_time() => warm,
            _ => self.start_anew(now)?,
        };
        warm.begin(now, budget)
    }

    fn start_anew(&self, now: DateTime<Utc>) -> Result<Warm> {
        let project = self.deployed.load(now)?;
        let lake = Lake::open(&self.address, &self.settings.scratch(), self.settings.fault)?;
        Ok(Warm::new(Arc::new(lake), project, self.settings.clone()).with_engine_ahead())
    }

    fn keep(&self, run: Run) {
        self.warm.replace(Some(run.rest()));
    }
}

/// The time for the work: a tenth of what is left, at most [`MARGIN`], is for its end.
fn budget(context: &Context) -> Budget {
    let left = left(context);
    Budget::until(Instant::now() + left.saturating_sub(margin(left)))
}

/// When S3 is asked no more and waited for no longer: half of the margin is for the receipts of what is done then.
fn last_request(context: &Context) -> Instant {
    let left = left(context);
    Instant::now() + left.saturating_sub(margin(left) / 2)
}

fn left(context: &Context) -> Duration {
    context.deadline().duration_since(SystemTime::now()).unwrap_or_default()
}

fn margin(left: Duration) -> Duration {
    MARGIN.min(left / 10)
}
