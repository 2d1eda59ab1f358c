//! What delta-rs sees of a bucket: an object store over the same client, so that its reads are checked and its writes
//! conditional like all others.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::s3::{self, At, Condition, Entry, Object, S3};
use super::{SeenCommits, log_version};

/// A bucket, or what stands below a prefix of it, for as long as one version of a table is read or written.
#[derive(Debug, Clone)]
pub struct Store {
    s3: S3,
    bucket: String,
    /// Empty, or ending with `/`.
    prefix: String,
    /// Checkpoints are read in many small ranges; each is fetched once, whole and checked.
    read: Arc<Mutex<HashMap<Path, Object>>>,
    seen: SeenCommits,
}

impl Store {
    /// A store that has read nothing yet; `prefix` is empty or ends with `/`.
    pub fn new(s3: S3, (bucket, prefix): (&str, &str), seen: &SeenCommits) -> Self {
        let (bucket, prefix, seen) = (bucket.to_owned(), prefix.to_owned(), Arc::clone(seen));
        Self { s3, bucket, prefix, read: Arc::default(), seen }
    }

    /// Notes what tells the commit that stands at a key, if it is one.
    fn note(&self, key: &str, etag: &str) {
        if let Some(version) = key.rsplit('/').next().and_then(log_version) {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(version, etag.to_owned());
        }
    }

    fn at(&self, location: &Path) -> At {
        At { bucket: self.bucket.clone(), key: format!("{}{location}", self.prefix) }
    }

    fn meta(&self, entry: &Entry) -> Result<ObjectMeta> {
        let location = Path::parse(entry.key.strip_prefix(&self.prefix).unwrap_or(&entry.key))?;
        let e_tag = Some(entry.etag.clone());
        Ok(ObjectMeta { location, last_modified: entry.modified, size: entry.size, e_tag, version: None })
    }

    async fn object(&self, location: &Path) -> Result<Object> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(location).cloned();
        if let Some(object) = known {
            return Ok(object);
        }
        let (s3, at) = (self.s3.clone(), self.at(location));
        let object = on_s3(async move { s3.get(&at).await }).await?.ok_or_else(|| missing(location))?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone(), object.clone());
        Ok(object)
    }

    async fn entries(self, (prefix, after): (Option<Path>, Option<Path>)) -> Result<Vec<ObjectMeta>> {
        let folder = prefix.map_or_else(|| self.prefix.clone(), |prefix| format!("{}{prefix}/", self.prefix));
        let after = after.map(|after| self.at(&after).key);
        let (s3, bucket) = (self.s3.clone(), self.bucket.clone());
        let entries = on_s3(async move { s3.list(&bucket, &folder, after.as_deref()).await }).await?;
        for entry in &entries {
            self.note(&entry.key, &entry.etag);
        }
        entries.iter().filter(|entry| !entry.key.ends_with('/')).map(|entry| self.meta(entry)).collect()
    }

    fn listed(&self, prefix: Option<&Path>, after: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let entries = self.clone().entries((prefix.cloned(), after.cloned()));
        stream::once(entries)
            .flat_map(|entries| match entries {
                Ok(entries) => stream::iter(entries.into_iter().map(Ok)).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }
}

/// Runs a request where all others run: a connection must not depend on a thread that waits for another request.
async fn on_s3<T: Send + 'static>(
    request: impl Future<Output = crate::error::Result<T>> + Send + 'static,
) -> Result<T> {
    let answer = s3::runtime().map_err(generic)?.spawn(s3::in_time(request)).await;
    answer.map_err(|source| object_store::Error::JoinError { source })?.map_err(generic)
}

fn generic(error: crate::error::Error) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(error) }
}

fn missing(location: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: location.to_string(), source: "there is no such object".into() }
}

#[async_trait]
impl ObjectStore for Store {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (s3, at, bytes) = (self.s3.clone(), self.at(location), Bytes::from(payload));
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(location);
        let put = match options.mode {
            PutMode::Overwrite => on_s3(async move { s3.put(&at, bytes).await.map(|()| Some(None)) }).await?,
            PutMode::Create => {
                on_s3(async move { Ok(s3.put_if(&at, bytes, Condition::Absent).await?.map(Some)) }).await?
            }
            PutMode::Update(version) => {
                let condition = Condition::Is(version.e_tag.unwrap_or_default());
                on_s3(async move { Ok(s3.put_if(&at, bytes, condition).await?.map(Some)) }).await?
            }
        };
        let source = "the condition of the put does not hold";
        let path = location.to_string();
        let e_tag = put.ok_or_else(|| object_store::Error::AlreadyExists { path, source: source.into() })?;
        self.note(location.as_ref(), e_tag.as_deref().unwrap_or_default());
        Ok(PutResult { e_tag, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Whole { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            let (s3, at) = (self.s3.clone(), self.at(location));
            let head = on_s3(async move { s3.head(&at).await }).await?.ok_or_else(|| missing(location))?;
            let entry = Entry { key: self.at(location).key, etag: head.etag, size: head.size, modified: head.modified };
            let payload = GetResultPayload::Stream(stream::empty().boxed());
            return Ok(GetResult { payload, meta: self.meta(&entry)?, range: 0..0, attributes: Attributes::default() });
        }
        let object = self.object(location).await?;
        let size = object.bytes.len() as u64;
        let range = match &options.range {
            Some(range) => range
                .as_range(size)
                .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?,
            None => 0..size,
        };
        let entry = Entry { key: self.at(location).key, etag: object.etag, size, modified: object.modified };
        let meta = self.meta(&entry)?;
        options.check_preconditions(&meta)?;
        let bytes = object.bytes.slice(place(&range));
        let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let (s3, at) = (store.s3.clone(), store.at(&location));
                    on_s3(async move { s3.delete(&at).await }).await.map(|()| location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.map_or_else(String::new, |prefix| format!("{prefix}/"));
        let mut result = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        for meta in self.clone().entries((prefix.cloned(), None)).await? {
            let below = meta.location.as_ref().strip_prefix(&folder).unwrap_or_default();
            match below.split_once('/') {
                None => result.objects.push(meta),
                Some((name, _)) => result.common_prefixes.push(Path::parse(format!("{folder}{name}"))?),
            }
        }
        result.common_prefixes.dedup();
        Ok(result)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(object_store::Error::NotSupported { source: "nothing of a table is copied".into() })
    }
}

fn place(range: &Range<u64>) -> Range<usize> {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    place(range.start)..place(range.end)
}

/// A checkpoint in the making: it is put at once when it is complete.
#[derive(Debug)]
struct Whole {
    store: Store,
    location: Path,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for Whole {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data.into());
        Box::pin(std::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload = PutPayload::from_iter(std::mem::take(&mut self.parts));
        self.store.put_opts(&self.location, payload, PutOptions::default()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.prefix)
    }
}
