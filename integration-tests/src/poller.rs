//! What Lambda does between a queue and a function, for a cloud that does not do it: receive a batch, invoke, delete what
//! succeeded. What failed comes back when its visibility ends, and is a dead letter when it came too often: the queue's part.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName},
};
use serde_json::{Value, json};

use crate::{Error, Function};

/// Messages that SQS gives at once; a batch of the function is gathered out of several.
const AT_ONCE: i32 = 10;

/// An event source mapping at work, in a thread with a runtime of its own: stories that share a lake come and go.
#[derive(Debug)]
pub struct Poller {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A queue, its function, and how many messages one invocation takes.
pub(crate) struct Mapping {
    pub(crate) queue: String,
    pub(crate) function: Arc<Function>,
    pub(crate) batch: usize,
}

impl Poller {
    /// Begins to poll, with a client that nobody has used yet.
    pub(crate) fn start(mapping: Mapping, client: Client) -> Result<Self, Error> {
        let stopped = Arc::new(AtomicBool::new(false));
        let start = |source| Error::Start { command: "the poller".to_owned(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start)?;
        let seen = stopped.clone();
        let work = move || runtime.block_on(mapping.work(&client, &seen)).unwrap_or_else(|error| report(&error));
        let thread = thread::Builder::new().name("poller".to_owned()).spawn(work).map_err(start)?;
        Ok(Self { stopped, thread: Some(thread) })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // A panic has told itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[expect(clippy::print_stderr, reason = "a thread has no other way to tell; the story fails because nothing is done")]
fn report(error: &Error) {
    eprintln!("the poller ends: {error:?}");
}

impl Mapping {
    async fn work(&self, client: &Client, stopped: &AtomicBool) -> Result<(), Error> {
        while !stopped.load(Ordering::Relaxed) {
            let batch = self.gather(client).await?;
            if batch.is_empty() {
                continue;
            }
            // A function that died says nothing: all of the batch comes back.
            let answer = self.function.invoke(&event(&self.queue, &batch)).await.unwrap_or_default();
            for succeeded in succeeded(&batch, &answer).chunks(10) {
                let entry = |(index, message): (usize, &&Message)| {
                    DeleteMessageBatchRequestEntry::builder()
                        .id(index.to_string())
                        .set_receipt_handle(message.receipt_handle.clone())
                        .build()
                };
                let entries = succeeded.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
                let entries = entries.map_err(Error::aws("delete messages"))?;
                let request = client.delete_message_batch().queue_url(&self.queue).set_entries(Some(entries));
                request.send().await.map_err(Error::aws("delete messages"))?;
            }
        }
        Ok(())
    }

    /// What is there, up to a batch; waits a second for the first message.
    async fn gather(&self, client: &Client) -> Result<Vec<Message>, Error> {
        let mut batch = vec![];
        loop {
            let request = client.receive_message().queue_url(&self.queue).max_number_of_messages(AT_ONCE);
            let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
            let request = request.wait_time_seconds(i32::from(batch.is_empty()));
            let received = request.send().await.map_err(Error::aws("receive messages"))?.messages.unwrap_or_default();
            let is_all = received.is_empty();
            batch.extend(received);
            if is_all || batch.len() + usize::try_from(AT_ONCE).unwrap_or_default() > self.batch {
                return Ok(batch);
            }
        }
    }
}

/// The messages as Lambda hands them on.
fn event(queue: &str, batch: &[Message]) -> Value {
    let record = |message: &Message| {
        let attributes = message.attributes.iter().flatten().map(|(name, value)| (name.to_string(), json!(value)));
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "md5OfBody": message.md5_of_body,
            "attributes": attributes.collect::<serde_json::Map<_, _>>(),
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:{}", queue.rsplit('/').next().unwrap_or_default()),
            "awsRegion": "eu-central-1",
        })
    };
    json!({"Records": batch.iter().map(record).collect::<Vec<_>>()})
}

/// The messages that the answer does not give back. An answer that is none gives back all of them.
fn succeeded<'m>(batch: &'m [Message], answer: &Value) -> Vec<&'m Message> {
    let Some(failures) = answer["batchItemFailures"].as_array() else { return vec![] };
    let failed = |message: &&Message| {
        failures.iter().any(|failure| failure["itemIdentifier"].as_str() == message.message_id.as_deref())
    };
    batch.iter().filter(|message| !failed(message)).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::Message;
    use serde_json::{Value, json};

    use super::{event, succeeded};

    fn batch() -> Vec<Message> {
        ["one", "two"].map(|id| Message::builder().message_id(id).body(format!("body of {id}")).build()).to_vec()
    }

    fn deleted(answer: &Value) -> Vec<String> {
        succeeded(&batch(), answer).into_iter().filter_map(|message| message.message_id.clone()).collect()
    }

    #[test]
    fn only_what_the_answer_does_not_give_back_is_deleted() {
        assert_eq!(deleted(&json!({"batchItemFailures": []})), ["one", "two"]);
        assert_eq!(deleted(&json!({"batchItemFailures": [{"itemIdentifier": "one"}]})), ["two"]);
    }

    #[test]
    fn nothing_is_deleted_after_an_error_or_a_death() {
        assert_eq!(deleted(&json!({"errorType": "Permanent.Project", "errorMessage": "no"})), [""; 0]);
        assert_eq!(deleted(&Value::Null), [""; 0]);
    }

    #[test]
    fn the_function_sees_bodies_as_they_were_sent() {
        let event = event("http://cloud/000000000000/arrivals", &batch());
        assert_eq!(event["Records"][1]["body"], "body of two");
        assert_eq!(event["Records"][1]["eventSource"], "aws:sqs");
    }
}
