//! Replay: what lies in a dead-letter queue is shown, and goes through again.
//!
//! There lie messages of the source queue as they were, and Lambda's envelopes around events that came directly. Who
//! cannot be read stays where it is: it would only come back.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::event::Asked;
use crate::lake::Place;
use crate::queue::{Queue, Received};

/// How long nobody else sees what is looked at, in seconds.
const IN_HAND: i32 = 120;

/// A message of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The message's id.
    pub id: String,
    /// When it was sent there.
    pub sent: DateTime<Utc>,
    /// What it asks for: keys, a prefix, a refresh.
    pub asks: Vec<String>,
    /// What Lambda's envelope says of the failure; messages of a queue say nothing, the log does.
    pub failure: Option<String>,
    /// Why it cannot go through again.
    pub unreadable: Option<String>,
    /// What is sent.
    #[serde(skip)]
    body: String,
}

/// What a replay found and did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// What lies in the queue.
    pub letters: Vec<Letter>,
    /// How many were sent again.
    pub sent: usize,
}

/// Looks at up to `most` messages of `dead` and sends those that can be read to `source`; none: they are only shown.
///
/// # Errors
/// [`crate::error::Error::Queue`]. A message is deleted only after it was sent: at worst it goes through twice.
pub async fn replay(dead: &Queue, source: Option<&Queue>, most: usize) -> Result<Replayed> {
    let (mut replayed, mut stay, mut known) = (Replayed::default(), Vec::new(), BTreeSet::new());
    while replayed.letters.len() < most {
        let received = dead.receive(IN_HAND).await?;
        let (mut messages, again): (Vec<_>, Vec<_>) =
            received.into_iter().partition(|message| known.insert(message.id.clone()));
        stay.extend(again);
        // Nothing that was not seen before: the queue was seen as a whole.
        if messages.is_empty() {
            break;
        }
        stay.extend(messages.split_off(messages.len().min(most - replayed.letters.len())));
        let letters: Vec<Letter> = messages.iter().map(Letter::open).collect();
        let goes = |letter: &Letter| source.is_some() && letter.unreadable.is_none();
        let (going, staying): (Vec<_>, Vec<_>) =
            messages.into_iter().zip(&letters).partition(|(_, letter)| goes(letter));
        stay.extend(staying.into_iter().map(|(message, _)| message));
        if let (Some(source), false) = (source, going.is_empty()) {
            let bodies: Vec<String> = going.iter().map(|(_, letter)| letter.body.clone()).collect();
            source.send(&bodies).await?;
            replayed.sent += bodies.len();
            dead.delete(&going.into_iter().map(|(message, _)| message).collect::<Vec<_>>()).await?;
        }
        replayed.letters.extend(letters);
    }
    for messages in stay.chunks(crate::queue::BATCH) {
        // They come back by themselves, too, and those that were received long ago are back already.
        if let Err(error) = dead.release(messages).await {
            tracing::debug!(error = error.chain(), "some letters stay hidden for a while");
        }
    }
    Ok(replayed)
}

impl Letter {
    fn open(message: &Received) -> Self {
        let (body, failure) = opened(&message.body);
        let asked = Asked::of_body(&body, &Place::Folder(".".into()));
        let (asks, unreadable) = match asked {
            Ok(asked) => (asked.told(), None),
            Err(error) => (Vec::new(), Some(error.chain())),
        };
        let sent = DateTime::from_timestamp_millis(message.sent_ms).unwrap_or_default();
        Self { id: message.id.clone(), sent, asks, failure, unreadable, body }
    }
}

/// The event in Lambda's envelope for failed invocations and what it says of the failure, or the body as it is.
fn opened(body: &str) -> (String, Option<String>) {
    let envelope: Option<Value> = serde_json::from_str(body).ok();
    let Some((envelope, payload)) = envelope.as_ref().and_then(|value| Some((value, value.get("requestPayload")?)))
    else {
        return (body.to_owned(), None);
    };
    let text = |path: &str| envelope.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (kind, message) = (text("/responsePayload/errorType"), text("/responsePayload/errorMessage"));
    let condition = text("/requestContext/condition");
    let failure = if kind.is_empty() { condition.to_owned() } else { format!("{kind}: {message}") };
    (payload.to_string(), Some(failure))
}

impl fmt::Display for Replayed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in &self.letters {
            writeln!(formatter, "{letter}")?;
        }
        let (found, sent) = (self.letters.len(), self.sent);
        let unreadable = self.letters.iter().filter(|letter| letter.unreadable.is_some()).count();
        write!(formatter, "{found} messages, {sent} sent again, {unreadable} that cannot be read")
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.sent.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(formatter, "{sent}  {}  {}", self.id, self.asks.join(", "))?;
        for reason in self.failure.iter().chain(&self.unreadable) {
            write!(formatter, "  {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = include_str!("event/fixtures/s3.json");

    #[test]
    fn an_envelope_gives_its_event_and_the_failure() {
        let event: Value = serde_json::from_str(EVENT).unwrap();
        let envelope = serde_json::json!({
            "version": "1.0",
            "timestamp": "2026-11-25T10:00:00.000Z",
            "requestContext": {
                "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
                "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:pintail:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": "Retryable.S3", "errorMessage": "read s3://shop-raw/orders/new.csv: time-out"},
        });
        let (body, failure) = opened(&envelope.to_string());
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), event);
        assert_eq!(failure.as_deref(), Some("Retryable.S3: read s3://shop-raw/orders/new.csv: time-out"));
    }

    #[test]
    fn a_message_of_the_source_queue_stays_as_it_is() {
        assert_eq!(opened(EVENT), (EVENT.to_owned(), None));
        assert_eq!(opened("no event"), ("no event".to_owned(), None));
    }
}
