//! Queues: the only file that names SQS.

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, SendMessageBatchRequestEntry,
};

use crate::error::{Error, Result};

/// Entries of one request, which is as many as SQS takes.
pub const BATCH: usize = 10;

/// Bytes of the messages of one request: what SQS took before it took 1 MiB, and other servers may still take.
const BATCH_BYTES: usize = 256 << 10;

/// How long an empty queue is waited for, in seconds: a shorter look may miss messages that are there.
const WAIT: i32 = 2;

/// A queue.
pub struct Queue {
    client: Client,
    url: String,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// Its body.
    pub body: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    receipt: String,
}

impl Queue {
    /// The queue behind a URL, with the default chain of credentials.
    pub async fn open(url: &str) -> Self {
        let configuration = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Self { client: Client::new(&configuration), url: url.to_owned() }
    }

    /// Receives some messages, which nobody else sees for `seconds`; none: the queue is empty.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn receive(&self, seconds: i32) -> Result<Vec<Received>> {
        let request = self.client.receive_message().queue_url(&self.url).visibility_timeout(seconds);
        let request = request.max_number_of_messages(10).wait_time_seconds(WAIT);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let answer = request.send().await.map_err(self.failure("receive from"))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    /// Sends messages.
    ///
    /// # Errors
    /// [`Error::Queue`]; then any of them may have been sent.
    pub async fn send(&self, bodies: &[String]) -> Result<()> {
        for bodies in requests(bodies) {
            self.send_at_once(bodies).await?;
        }
        Ok(())
    }

    async fn send_at_once(&self, bodies: &[String]) -> Result<()> {
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (index, body) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
            request = request.entries(entry.build().map_err(self.failure("send to"))?);
        }
        let answer = request.send().await.map_err(self.failure("send to"))?;
        self.all_done("send to", &answer.failed)
    }

    /// Deletes up to [`BATCH`] messages.
    ///
    /// # Errors
    /// [`Error::Queue`]; then any of them may have been deleted.
    pub async fn delete(&self, messages: &[Received]) -> Result<()> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (index, message) in messages.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(&message.receipt).build().map_err(self.failure("delete from"))?;
            request = request.entries(entry);
        }
        let answer = request.send().await.map_err(self.failure("delete from"))?;
        self.all_done("delete from", &answer.failed)
    }

    /// Lets others see up to [`BATCH`] messages again.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn release(&self, messages: &[Received]) -> Result<()> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (index, message) in messages.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(&message.receipt).visibility_timeout(0).build();
            request = request.entries(entry.map_err(self.failure("release in"))?);
        }
        let answer = request.send().await.map_err(self.failure("release in"))?;
        self.all_done("release in", &answer.failed)
    }

    /// A batch succeeds entry by entry.
    fn all_done(&self, action: &'static str, failed: &[BatchResultErrorEntry]) -> Result<()> {
        let Some(first) = failed.first() else { return Ok(()) };
        let reason = format!("{}: {}", first.code, first.message.as_deref().unwrap_or_default());
        Err(Error::Queue { action, url: self.url.clone(), source: reason.into() })
    }

    fn failure<E: std::error::Error + Send + Sync + 'static>(&self, action: &'static str) -> impl FnOnce(E) -> Error {
        let url = self.url.clone();
        move |source| Error::Queue { action, url, source: Box::new(source) }
    }
}

/// The messages of each request, in their order; one that is longer than all may be together goes alone.
fn requests(bodies: &[String]) -> Vec<&[String]> {
    let (mut requests, mut rest) = (Vec::new(), bodies);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH).take_while(|body| {
            bytes += body.len();
            bytes <= BATCH_BYTES
        });
        let (now, later) = rest.split_at(fits.count().max(1));
        requests.push(now);
        rest = later;
    }
    requests
}

/// A message; those without id, body or handle are not sent by SQS.
fn received(message: Message) -> Option<Received> {
    let sent = message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    let sent_ms = sent.and_then(|text| text.parse().ok()).unwrap_or_default();
    Some(Received { id: message.message_id?, body: message.body?, receipt: message.receipt_handle?, sent_ms })
}
