//! A shift: the work of one invocation, under one deadline and, where there is something to do, in one run.

use std::collections::BTreeSet;
use std::time::Instant;

use aws_lambda_events::sqs::SqsBatchResponse;
use serde_json::Value;

use super::group::{Part, Wanted, groups};
use super::told::{Lines, tell};
use super::{Answer, Failure, Function, Report};
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::event::{Asked, Invocation, Message};
use crate::gold;
use crate::ingest::{Request, Summary, ingest};
use crate::metrics::Metrics;
use crate::receipt::GoldStatus;
use crate::run::Run;

/// The work of one invocation.
pub(super) struct Shift<'a> {
    function: &'a Function<'a>,
    began: Instant,
    budget: Budget,
    metrics: Metrics,
    run: Option<Run>,
}

impl<'a> Shift<'a> {
    /// Nothing is done yet.
    pub(super) fn new(function: &'a Function<'a>, budget: Budget) -> Self {
        Self { function, began: Instant::now(), budget, metrics: Metrics::default(), run: None }
    }

    /// Does what a payload asks for.
    pub(super) async fn work(mut self, payload: &Value) -> (Result<Answer, Failure>, Metrics) {
        let answer = match Invocation::read(payload, &self.function.address.raw) {
            Ok(Invocation::Queue(messages)) => Ok(Answer::Batch(self.batch(messages).await)),
            Ok(Invocation::Direct(asked)) => self.direct(asked).await.map(Answer::Report),
            Err(error) => Err(Failure::from(error)),
        };
        if let Some(run) = self.run.take() {
            self.function.keep(run);
        }
        self.metrics.step("total", self.began.elapsed());
        (answer, self.metrics)
    }

    /// Serves the messages; those that may not be acknowledged go back, each with its reason in the log.
    async fn batch(&mut self, messages: Vec<Message>) -> SqsBatchResponse {
        let (groups, mut failed) = groups(messages);
        self.metrics.unreadable(failed.len());
        let last = groups.len().saturating_sub(1);
        for (place, group) in groups.into_iter().enumerate() {
            match self.serve(&group, place < last).await {
                Ok((_, verdicts)) => {
                    let parts = group.into_iter().zip(verdicts);
                    failed.extend(parts.filter_map(|(part, failure)| Some((part.id, failure?))));
                }
                Err(failure) => failed.extend(group.into_iter().map(|part| (part.id, failure.clone()))),
            }
        }
        let mut response = SqsBatchResponse::default();
        for (id, failure) in failed {
            tracing::error!(
                messageId = id,
                errorType = failure.error_type(),
                error = failure.reason,
                "the message goes back"
            );
            response.add_failure(id);
        }
        response
    }

    async fn direct(&mut self, asked: Asked) -> Result<Report, Failure> {
        let part = Part { id: String::new(), asked };
        let (summary, verdicts) = self.serve(&[part], false).await?;
        match Failure::of_all(&verdicts.into_iter().flatten().collect::<Vec<_>>()) {
            Some(failure) => Err(failure),
            None => Ok(Report::of(&summary)),
        }
    }

    /// Does what a group asks for in one ingest; tells for each request why it failed, if it did. After a failure of
    /// ours nothing of the run is used again. `others_wait`: for the time that it leaves.
    async fn serve(&mut self, group: &[Part], others_wait: bool) -> Result<(Summary, Vec<Option<Failure>>), Failure> {
        if group.iter().all(|part| part.asked == Asked::Keys(BTreeSet::new())) {
            return Ok((Summary::default(), vec![None; group.len()]));
        }
        // Where time is over, even to begin takes longer than there is.
        if self.budget.is_over() {
            let asked = group.iter().flat_map(|part| part.asked.clone().told());
            return Err(Error::OutOfTime { key: asked.collect::<Vec<_>>().join(", ") }.into());
        }
        let run = match self.run.take() {
            Some(run) => run,
            None => self.function.begin(self.budget)?,
        };
        let (wanted, summary) = look(&run, group, others_wait).await?;
        tell(&summary);
        self.metrics.add(&summary);
        let verdicts: Vec<Option<Failure>> = wanted.iter().map(|wanted| wanted.failure(&summary)).collect();
        if summary.troubles.is_empty() && !summary.gold.iter().any(|entry| entry.status == GoldStatus::Failed) {
            self.run = Some(run);
        }
        Ok((summary, verdicts))
    }
}

async fn look(run: &Run, group: &[Part], others_wait: bool) -> Result<(Vec<Wanted>, Summary)> {
    let wanted: Vec<Wanted> = group.iter().map(|part| Wanted::of(&part.asked, &run.lake)).collect::<Result<_>>()?;
    let keys: BTreeSet<&String> = wanted.iter().flat_map(|wanted| &wanted.keys).collect();
    if keys.is_empty() {
        return Ok((wanted, Summary { gold: gold::refresh(run, None, (&[], false)).await?, ..Summary::default() }));
    }
    let keys = keys.into_iter().cloned().collect();
    let work_waits = others_wait && !wanted.iter().any(|wanted| wanted.refresh);
    let request = Request { keys, arriving: true, work_waits, ..Request::default() };
    let summary = ingest(run, &request, &Lines).await?;
    Ok((wanted, summary))
}
