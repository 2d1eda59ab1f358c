//! Event: what an invocation carries becomes what it asks for. An event is only a hint to look: nothing is taken from
//! it but keys.
//!
//! S3 notifications and EventBridge events come directly or as messages of a queue; a person, the deployer and
//! `pintail reconcile` write [`ByHand`].

use std::collections::BTreeSet;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::{S3Event, S3EventRecord};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::lake::{Place, form_decoded, is_ignored};

/// What an invocation brings.
#[derive(Debug)]
pub enum Invocation {
    /// Messages of a queue, each answered on its own.
    Queue(Vec<Message>),
    /// One request, answered as a whole.
    Direct(Asked),
}

/// A message of a queue.
#[derive(Debug)]
pub struct Message {
    /// What the answer calls it.
    pub id: String,
    /// How often it came, this time included: more than once is, it was not acknowledged before.
    pub receives: u64,
    /// What it asks for, or why nobody can tell.
    pub asked: Result<Asked>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A look at these keys; none: the event is not for us.
    Keys(BTreeSet<String>),
    /// A look at every object whose key begins so.
    Prefix(String),
    /// Nothing but gold that is up to date.
    Refresh,
}

/// A request that is written by hand: `{"keys": ["a/b.csv"]}`, `{"prefix": "a/"}` or `{"refresh": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ByHand {
    /// Keys below the raw zone, as they are.
    Keys(BTreeSet<String>),
    /// What the keys begin with.
    Prefix(String),
    /// Only gold; `true`.
    Refresh(bool),
}

/// The part of an EventBridge event of S3 that matters.
#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    bucket: DetailBucket,
    object: DetailObject,
}

#[derive(Debug, Serialize, Deserialize)]
struct DetailBucket {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct DetailObject {
    key: String,
}

impl Invocation {
    /// Takes an invocation's payload apart. `raw` is the zone whose objects are ours.
    ///
    /// # Errors
    /// [`Error::Event`] for a payload that no type fits; a message of that kind fails on its own.
    pub fn read(payload: &Value, raw: &Place) -> Result<Self> {
        if source_of_records(payload) == Some("aws:sqs") {
            let event: SqsEvent = parsed(payload, "a batch of SQS messages")?;
            return Ok(Self::Queue(event.records.into_iter().map(|message| Message::read(message, raw)).collect()));
        }
        Asked::read(payload, raw).map(Self::Direct)
    }
}

impl Message {
    fn read(message: SqsMessage, raw: &Place) -> Self {
        let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse::<u64>().ok());
        Self {
            id: message.message_id.unwrap_or_default(),
            receives: receives.unwrap_or(1),
            asked: Asked::of_body(message.body.as_deref().unwrap_or_default(), raw),
        }
    }
}

impl Asked {
    /// What the body of a message asks for.
    ///
    /// # Errors
    /// [`Error::Event`] for a body that no type fits.
    pub fn of_body(body: &str, raw: &Place) -> Result<Self> {
        let payload: Value = serde_json::from_str(body).map_err(|error| unknown(format!("it is no JSON: {error}")))?;
        Self::read(&payload, raw)
    }

    /// What it asks for, as a person reads it.
    pub fn told(self) -> Vec<String> {
        match self {
            Self::Keys(keys) => keys.into_iter().collect(),
            Self::Prefix(prefix) => vec![format!("{prefix}*")],
            Self::Refresh => vec!["gold".to_owned()],
        }
    }

    fn read(payload: &Value, raw: &Place) -> Result<Self> {
        if let Some(source) = source_of_records(payload) {
            return match source {
                "" | "aws:s3" => Self::of_notification(&parsed(payload, "an S3 notification")?, raw),
                other => Err(unknown(format!("its records come from {other:?}"))),
            };
        }
        if payload.get("Event").is_some_and(|event| event == "s3:TestEvent") {
            return Ok(Self::Keys(BTreeSet::new()));
        }
        if payload.get("detail-type").is_some() {
            let event: EventBridgeEvent<Detail> = parsed(payload, "an event of S3 from EventBridge")?;
            return Ok(Self::Keys(ours(raw, &event.detail.bucket.name, event.detail.object.key).into_iter().collect()));
        }
        parsed::<ByHand>(payload, "an S3 notification, an event of EventBridge or a request by hand")
            .and_then(Self::of_hand)
    }

    fn of_notification(event: &S3Event, raw: &Place) -> Result<Self> {
        let mut keys = BTreeSet::new();
        for S3EventRecord { s3, .. } in &event.records {
            let bucket = s3.bucket.name.as_deref().ok_or_else(|| unknown("a record names no bucket".to_owned()))?;
            let key = s3.object.key.as_deref().ok_or_else(|| unknown("a record names no key".to_owned()))?;
            let key = form_decoded(key).ok_or_else(|| unknown(format!("key {key:?} is no UTF-8")))?;
            keys.extend(ours(raw, bucket, key));
        }
        Ok(Self::Keys(keys))
    }

    fn of_hand(request: ByHand) -> Result<Self> {
        match request {
            ByHand::Keys(keys) => Ok(Self::Keys(keys)),
            ByHand::Prefix(prefix) => Ok(Self::Prefix(prefix)),
            ByHand::Refresh(true) => Ok(Self::Refresh),
            ByHand::Refresh(false) => Err(unknown("refresh is true, or not there".to_owned())),
        }
    }
}

/// Where the records of a payload come from; empty where there is no record. `None`: it has no list of records.
fn source_of_records(payload: &Value) -> Option<&str> {
    let records = payload.get("Records")?.as_array()?;
    let Some(first) = records.first() else { return Some("") };
    Some(first.get("eventSource").and_then(Value::as_str).unwrap_or("somewhere that they do not name"))
}

/// The key below the raw zone, if the object is one of ours: not of another bucket or prefix, no marker of a folder,
/// no name that is ignored. A folder has no bucket's name: there any bucket is ours.
fn ours(raw: &Place, bucket: &str, key: String) -> Option<String> {
    let key = match raw {
        Place::Folder(_) => key,
        Place::Bucket { bucket: own, prefix } if own == bucket => key.strip_prefix(prefix.as_str())?.to_owned(),
        Place::Bucket { .. } => return None,
    };
    (!key.is_empty() && !key.ends_with('/') && !is_ignored(&key)).then_some(key)
}

fn parsed<T: DeserializeOwned>(payload: &Value, what: &str) -> Result<T> {
    T::deserialize(payload).map_err(|error| unknown(format!("it is not {what}: {error}")))
}

fn unknown(reason: String) -> Error {
    Error::Event { reason }
}

#[cfg(test)]
mod tests;
