//! S3: the one door to it, and the only file that names its SDK.
//!
//! Credentials come from the SDK's default chain, which refreshes them. Each answer has one handling:
//!
//! | answer | what it means here |
//! | --- | --- |
//! | 404 `NoSuchKey` | there is no such object: no failure |
//! | 412 on a conditional put | somebody else was faster, or the answer to our own put was lost: the content tells |
//! | 409 on a conditional put | another write or delete is under way: the put is tried again |
//! | 404 on a put with `If-Match` | the document was removed: the swap did not happen |
//! | 412 on a read | the object is another one than the look found: it is looked at again |
//! | 403 | a right is missing (a missing key answers so, too, without `s3:ListBucket`): told, and not tried again |
//! | 5xx, `SlowDown`, time-outs, resets | tried again by the SDK with growing pauses, then [`Error::S3`] |
//! | none, when the time of a function's run is over | given up: [`Error::Unanswered`] |
//! | a body that breaks off or does not match its checksum | read again, then [`Error::S3`] |
//!
//! Source: "Conditional requests" and "Checking object integrity" in the S3 user guide.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{AggregatedBytes, ByteStream, DateTimeFormat};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, EncodingType,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::seal::{Seal, Verifier};
use super::sums::Sums;
use crate::error::{Error, Result};
use crate::fault;
use crate::table::backoff;

/// The seal that an answer carries; the SDK's answers have the same methods and no trait for them.
macro_rules! seal_of {
    ($answer:expr) => {{
        let answer = $answer;
        let checksums = [
            ("crc64nvme", answer.checksum_crc64_nvme()),
            ("crc32", answer.checksum_crc32()),
            ("crc32c", answer.checksum_crc32_c()),
            ("sha256", answer.checksum_sha256()),
            ("sha1", answer.checksum_sha1()),
        ];
        let encryption = answer.server_side_encryption().map(|kind| kind.as_str().to_owned());
        Seal::of(&checksums, answer.e_tag(), encryption.as_deref())
    }};
}

/// Bytes of one ranged read.
pub const CHUNK: u64 = 4 << 20;

/// Bytes of one part of an upload; S3 wants at least 5 MiB.
const PART: u64 = 8 << 20;

/// Mebibytes that may be in memory at once, of what comes and of what goes.
const IN_MEMORY: u32 = 64;

/// Reads or parts of one object that are under way at once.
pub const LANES: usize = 4;

/// How often a body that breaks off is read, and a put that meets another write is tried.
const ROUNDS: u32 = 5;

/// A client of S3.
#[derive(Debug, Clone)]
pub struct S3 {
    client: aws_sdk_s3::Client,
    /// Room in memory for downloads.
    coming: Arc<Semaphore>,
    /// The same for uploads.
    going: Arc<Semaphore>,
}

/// Where an object stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct At {
    /// The bucket.
    pub bucket: String,
    /// The whole key.
    pub key: String,
}

/// One version of an object, for reads that must not see another.
#[derive(Debug, Clone)]
pub struct Pin {
    /// Where it stands.
    pub at: At,
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// Its version, in a bucket that has them.
    pub version_id: Option<String>,
}

/// What a look at an object finds.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// Its version, in a bucket that has them.
    pub version_id: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When it was put, to the second.
    pub modified: DateTime<Utc>,
    /// What its bytes are checked against.
    pub seal: Seal,
    /// What some of its bytes are checked against.
    pub sums: Option<Sums>,
}

/// A whole object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its bytes, checked.
    pub bytes: Bytes,
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// When it was put, to the second.
    pub modified: DateTime<Utc>,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole key.
    pub key: String,
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// When it was put, to the second.
    pub modified: DateTime<Utc>,
}

/// What must hold for a put.
#[derive(Debug, Clone)]
pub enum Condition {
    /// There is no such object.
    Absent,
    /// It has this `ETag`.
    Is(String),
}

/// When no request may be under way any more. A process does one run after the other.
static END: Mutex<Option<Instant>> = Mutex::new(None);

/// Gives up at `end` what is asked from now on, and lets nothing be asked after it, until another end is set.
pub fn stop_at(end: Option<Instant>) {
    *END.lock().unwrap_or_else(PoisonError::into_inner) = end;
}

/// Waits for an answer, and no longer than until the end.
///
/// # Errors
/// What the request returns; [`Error::Unanswered`].
pub async fn in_time<T>(request: impl Future<Output = Result<T>>) -> Result<T> {
    let end = *END.lock().unwrap_or_else(PoisonError::into_inner);
    match end {
        None => request.await,
        Some(end) => timeout_at(end.into(), request).await.unwrap_or(Err(Error::Unanswered)),
    }
}

/// Requests run here, so that code on any thread can wait for them.
///
/// # Errors
/// [`Error::Io`] when it cannot be started.
pub fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("s3").enable_all().build();
    let built = built.map_err(Error::io("start", "the runtime for S3"))?;
    Ok(RUNTIME.get_or_init(|| built))
}

/// Waits for a request, on whatever thread the caller is.
///
/// # Errors
/// What the request returns.
pub fn wait<T: Send + 'static>(request: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (answer, receiver) = std::sync::mpsc::sync_channel(1);
    runtime()?.spawn(async move { answer.send(in_time(request).await).ok() });
    receiver.recv().unwrap_or_else(|_| Err(Error::Internal("a request to S3 ended without an answer")))
}

impl S3 {
    /// Connects with what the environment says: credentials, region, `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// [`Error::Io`] when no runtime can be started.
    pub fn connect() -> Result<Self> {
        let config = wait(async { Ok(aws_config::load_defaults(BehaviorVersion::latest()).await) })?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(Duration::from_secs(30))
            .build();
        let retries = RetryConfig::standard().with_max_attempts(6).with_initial_backoff(Duration::from_millis(100));
        let region = config.region().cloned().unwrap_or(Region::from_static("us-east-1"));
        let config = aws_sdk_s3::config::Builder::from(&config)
            .region(region)
            // Emulators and other stores do not answer on a host name per bucket.
            .force_path_style(config.endpoint_url().is_some())
            .timeout_config(timeouts)
            .retry_config(retries)
            .build();
        let memory = || Arc::new(Semaphore::new(IN_MEMORY as usize));
        Ok(Self { client: aws_sdk_s3::Client::from_conf(config), coming: memory(), going: memory() })
    }

    /// Waits until a download of so many bytes may hold its ranges in memory.
    pub async fn permit(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        room(&self.coming, bytes.min(CHUNK * LANES as u64)).await
    }

    /// Looks at an object; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn head(&self, at: &At) -> Result<Option<Head>> {
        let request = self.client.head_object().bucket(&at.bucket).key(&at.key).checksum_mode(ChecksumMode::Enabled);
        match request.send().await {
            Ok(head) => {
                let size = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
                let sums = Sums::told(head.metadata(), size);
                Ok(Some(Head {
                    etag: unquoted(head.e_tag()),
                    version_id: head.version_id().filter(|id| *id != "null").map(str::to_owned),
                    size,
                    modified: time(head.last_modified()),
                    seal: seal_of!(&head).or(sums.clone()),
                    sums,
                }))
            }
            // The answer to a look has no body, and so no code.
            Err(error) if status(&error) == Some(404) && error.code() != Some("NoSuchBucket") => Ok(None),
            Err(error) => Err(failure("look at", at, error)),
        }
    }

    /// Reads a whole object and checks it; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn get(&self, at: &At) -> Result<Option<Object>> {
        let mut round = 0;
        loop {
            let request = self.client.get_object().bucket(&at.bucket).key(&at.key).checksum_mode(ChecksumMode::Enabled);
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
                Err(error) => return Err(failure("read", at, error)),
            };
            match whole(at, answer).await {
                Err(_) if round < ROUNDS => backoff(round + 3).await,
                read => return read.map(Some),
            }
            round += 1;
        }
    }

    /// Reads the bytes `from..to` of one version.
    ///
    /// # Errors
    /// [`Error::S3`], with status 412 when the object is another one by now.
    pub async fn range(&self, pin: &Pin, (from, to): (u64, u64)) -> Result<Bytes> {
        let mut round = 0;
        loop {
            let request = self
                .client
                .get_object()
                .bucket(&pin.at.bucket)
                .key(&pin.at.key)
                .set_version_id(pin.version_id.clone())
                .if_match(quoted(&pin.etag))
                .range(format!("bytes={from}-{}", to - 1));
            let answer = request.send().await.map_err(|error| failure("read", &pin.at, error))?;
            match answer.body.collect().await.map(AggregatedBytes::into_bytes) {
                Ok(bytes) if bytes.len() as u64 == to - from => return Ok(bytes),
                Ok(bytes) if round >= ROUNDS => {
                    return Err(broken(&pin.at, format!("{} bytes came instead of {}", bytes.len(), to - from)));
                }
                Err(error) if round >= ROUNDS => return Err(broken(&pin.at, error)),
                _ => backoff(round + 3).await,
            }
            round += 1;
        }
    }

    /// Puts an object under a condition; its `ETag`, or `None` when the condition does not hold.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn put_if(&self, at: &At, bytes: Bytes, condition: Condition) -> Result<Option<String>> {
        let mut round = 0;
        loop {
            fault::before_write();
            let request = self.client.put_object().bucket(&at.bucket).key(&at.key).body(bytes.clone().into());
            let request = match &condition {
                Condition::Absent => request.if_none_match("*"),
                Condition::Is(etag) => request.if_match(quoted(etag)),
            };
            let error = match request.send().await {
                Ok(done) => return Ok(Some(unquoted(done.e_tag()))),
                Err(error) => error,
            };
            match status(&error) {
                Some(404) if error.code() == Some("NoSuchKey") => return Ok(None),
                Some(409) if round < ROUNDS => backoff(round + 3).await,
                Some(412) => return self.ours(at, &bytes).await,
                Some(403) => return Err(failure("write", at, error)),
                // The put may have succeeded all the same.
                _ => match self.ours(at, &bytes).await {
                    Ok(Some(etag)) => return Ok(Some(etag)),
                    _ => return Err(failure("write", at, error)),
                },
            }
            round += 1;
        }
    }

    /// The `ETag` of what stands there, if it is what we put.
    async fn ours(&self, at: &At, bytes: &Bytes) -> Result<Option<String>> {
        Ok(self.get(at).await?.filter(|stands| stands.bytes == *bytes).map(|stands| stands.etag))
    }

    /// Puts an object, whatever stands there.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn put(&self, at: &At, bytes: Bytes) -> Result<()> {
        self.put_with(at, bytes, None).await
    }

    async fn put_with(&self, at: &At, bytes: Bytes, sums: Option<&Sums>) -> Result<()> {
        fault::before_write();
        let request = self.client.put_object().bucket(&at.bucket).key(&at.key).body(bytes.into());
        let request = request.set_metadata(sums.map(Sums::metadata));
        request.send().await.map(|_| ()).map_err(|error| failure("write", at, error))
    }

    /// Puts the file at `path` with its sums, in parts when it is large; parts that were put are given up when one fails.
    ///
    /// # Errors
    /// [`Error::S3`]; [`Error::Io`] when the file cannot be read.
    pub async fn upload(&self, at: &At, path: &std::path::Path) -> Result<()> {
        let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
        let size = file.metadata().map_err(Error::io("look at", path))?.len();
        let _permit = room(&self.going, size.min(PART * LANES as u64)).await;
        if size <= 2 * PART {
            let bytes = read_part(&file, (0, size)).map_err(Error::io("read", path))?;
            let sums = Sums::of(&*bytes, size).map_err(Error::io("read", path))?;
            return self.put_with(at, bytes, Some(&sums)).await;
        }
        let sums = Sums::of(&file, size).map_err(Error::io("read", path))?;
        fault::before_write();
        let begun = self.client.create_multipart_upload().bucket(&at.bucket).key(&at.key);
        let begun = begun.set_metadata(Some(sums.metadata())).checksum_algorithm(ChecksumAlgorithm::Crc32);
        // Of the whole: that of the parts tells nothing to who reads it in other ranges.
        let begun = begun.checksum_type(ChecksumType::FullObject).send().await;
        let begun = begun.map_err(|error| failure("begin the upload of", at, error))?;
        let id = begun.upload_id().unwrap_or_default();
        let sent = self.upload_parts(at, (id, path), (&file, size)).await;
        if sent.is_err() {
            let aborted = self.client.abort_multipart_upload().bucket(&at.bucket).key(&at.key).upload_id(id).send();
            if let Err(error) = aborted.await {
                tracing::warn!(%at, error = failure("abort the upload of", at, error).chain(), "the lifecycle rule removes its parts");
            }
        }
        sent
    }

    async fn upload_parts(
        &self,
        at: &At,
        (id, path): (&str, &std::path::Path),
        (file, size): (&std::fs::File, u64),
    ) -> Result<()> {
        // At most 10,000 parts, all but the last of one size.
        let length = PART.max(size.div_ceil(10_000));
        let part = |(number, range): (i32, (u64, u64))| async move {
            fault::before_write();
            let bytes = read_part(file, range).map_err(Error::io("read", path))?;
            let request = self.client.upload_part().bucket(&at.bucket).key(&at.key).upload_id(id).part_number(number);
            let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32).body(ByteStream::from(bytes));
            let done = request.send().await.map_err(|error| failure("write a part of", at, error))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(done.e_tag().map(str::to_owned));
            Ok(part.set_checksum_crc32(done.checksum_crc32().map(str::to_owned)).build())
        };
        let parts: Vec<CompletedPart> =
            stream::iter((1..).zip(ranges(0, size, length))).map(part).buffered(LANES).try_collect().await?;
        fault::before_write();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&at.bucket).key(&at.key).upload_id(id);
        let done = request.checksum_type(ChecksumType::FullObject).multipart_upload(parts).send().await;
        done.map(|_| ()).map_err(|error| failure("complete the upload of", at, error))
    }

    /// Removes an object; that there is none is no failure.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn delete(&self, at: &At) -> Result<()> {
        fault::before_write();
        let request = self.client.delete_object().bucket(&at.bucket).key(&at.key);
        request.send().await.map(|_| ()).map_err(|error| failure("remove", at, error))
    }

    /// The objects whose keys begin with `prefix` and stand after `after`, in the order of their keys.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn list(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<Vec<Entry>> {
        let at = At { bucket: bucket.to_owned(), key: prefix.to_owned() };
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
        let mut pages = request.set_start_after(after.map(str::to_owned)).into_paginator().send();
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure("list", &at, error))?;
            let encoding = page.encoding_type();
            entries.extend(page.contents().iter().map(|object| Entry {
                key: listed(object.key().unwrap_or_default(), encoding),
                etag: unquoted(object.e_tag()),
                size: u64::try_from(object.size().unwrap_or_default()).unwrap_or_default(),
                modified: time(object.last_modified()),
            }));
        }
        Ok(entries)
    }

    /// The next segments of the keys that begin with `prefix`, where more follows them.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub async fn folders(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let at = At { bucket: bucket.to_owned(), key: prefix.to_owned() };
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
        let mut pages = request.delimiter("/").into_paginator().send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure("list", &at, error))?;
            let names = page.common_prefixes().iter().filter_map(|folder| {
                let name = listed(folder.prefix()?, page.encoding_type());
                Some(name.strip_prefix(prefix)?.trim_end_matches('/').to_owned())
            });
            folders.extend(names);
        }
        Ok(folders)
    }
}

/// Waits until there is room for so many bytes, at most for all there may be.
async fn room(memory: &Semaphore, bytes: u64) -> Option<SemaphorePermit<'_>> {
    let mebibytes = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(IN_MEMORY);
    memory.acquire_many(mebibytes.clamp(1, IN_MEMORY)).await.ok()
}

/// The ranges of `length` bytes that `from..to` is made of.
pub fn ranges(from: u64, to: u64, length: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = from;
    std::iter::from_fn(move || {
        let range = (next, to.min(next + length));
        next = range.1;
        (range.0 < range.1).then_some(range)
    })
}

/// S3 encodes keys as forms do: a space is `+` or `%20`, a plus is `%2B`. None: it is no UTF-8.
pub fn form_decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().map(String::from).ok()
}

/// A key of a listing. It is encoded, because XML cannot hold every character that a key can, unless the server does
/// not know of that.
fn listed(key: &str, encoding: Option<&EncodingType>) -> String {
    encoding.and_then(|_| form_decoded(key)).unwrap_or_else(|| key.to_owned())
}

fn read_part(file: &std::fs::File, (from, to): (u64, u64)) -> std::io::Result<Bytes> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or_default()];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes.into())
}

async fn whole(at: &At, answer: GetObjectOutput) -> Result<Object> {
    let seal = seal_of!(&answer);
    let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
    let (etag, modified) = (unquoted(answer.e_tag()), time(answer.last_modified()));
    let bytes = answer.body.collect().await.map_err(|error| broken(at, error))?.into_bytes();
    if length.is_some_and(|length| length != bytes.len() as u64) {
        return Err(broken(at, format!("{} bytes came instead of {}", bytes.len(), length.unwrap_or_default())));
    }
    let mut verifier = Verifier::new(&seal);
    verifier.update(&bytes);
    verifier.finish().map_err(|reason| broken(at, reason))?;
    Ok(Object { bytes, etag, modified })
}

/// Bytes that are not what the object is made of.
pub fn broken(at: &At, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::S3 { action: "read", uri: at.to_string(), status: None, code: None, source: reason.into() }
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn time(time: Option<&aws_sdk_s3::primitives::DateTime>) -> DateTime<Utc> {
    let text = time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok());
    text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok()).map(|time| time.to_utc()).unwrap_or_default()
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn failure<E>(action: &'static str, at: &At, error: SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let (status, code) = (status(&error), error.code().map(str::to_owned));
    Error::S3 { action, uri: at.to_string(), status, code, source: Box::new(error) }
}

impl fmt::Display for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}
