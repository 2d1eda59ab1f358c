//! A zone in a bucket. Documents change by conditional puts; data files are written and read in a local mirror and
//! stand in the bucket before a commit names them.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use chrono::SubsecRound;
use records::Input;
use tempfile::NamedTempFile;
use url::Url;

use super::download::{Kept, Passing, Room, Wanted};
use super::mirror::{Local, Mirror};
use super::parallel::parallel;
use super::part::{self, LARGE};
use super::s3::{At, CHUNK, Condition, Entry, Pin, S3, wait};
use super::store::Store;
use super::{
    Document, Found, Glimpse, Listing, LogPlace, RawObject, SeenCommits, Stamp, Zone, is_ignored, log_version,
};
use crate::error::{Error, Result};
use crate::fingerprint::fingerprint;
use crate::projection::Columns;

/// Requests for different objects that are under way at once.
const WIDTH: usize = 32;

/// Data files that are on their way at once.
const FILES: usize = 8;

/// A bucket, or what stands below a prefix of it.
#[derive(Debug)]
pub struct Bucket {
    s3: S3,
    name: String,
    /// Empty, or ending with `/`.
    prefix: String,
    mirror: Mirror,
    room: Arc<Room>,
}

impl Bucket {
    /// A zone below `prefix`, which is empty or ends with `/`.
    pub fn new(s3: S3, (bucket, prefix): (&str, &str), mirror: Mirror, room: Arc<Room>) -> Self {
        Self { s3, name: bucket.to_owned(), prefix: prefix.to_owned(), mirror, room }
    }

    fn at(&self, name: &str) -> At {
        At { bucket: self.name.clone(), key: format!("{}{name}", self.prefix) }
    }

    fn entries(&self, prefix: &str, after: Option<String>) -> Result<Vec<(String, Entry)>> {
        let (s3, at) = (self.s3.clone(), self.at(prefix));
        let after = after.map(|after| self.at(&after).key);
        let entries = wait(async move { s3.list(&at.bucket, &at.key, after.as_deref()).await })?;
        let named = |entry: Entry| Some((entry.key.strip_prefix(&self.prefix)?.to_owned(), entry));
        Ok(entries.into_iter().filter_map(named).collect())
    }

    fn download(&self, name: &str, bytes: u64) -> Result<bool> {
        let (s3, at) = (self.s3.clone(), self.at(name));
        self.mirror.make_room(bytes)?;
        let mut copy = self.copy(name)?;
        if bytes <= CHUNK {
            let Some(object) = wait(async move { s3.get(&at).await })? else { return Ok(false) };
            copy.write_all(&object.bytes).map_err(Error::io("write", copy.path()))?;
        } else {
            let looked = (s3.clone(), at.clone());
            let Some(head) = wait(async move { looked.0.head(&looked.1).await })? else { return Ok(false) };
            // It never changes, and to read a version by its id takes a right of its own, `s3:GetObjectVersion`.
            let pin = Pin { at, etag: head.etag, version_id: None };
            let wanted = Wanted { pin, length: head.size, seal: head.seal };
            let finished = Kept::begin(&s3, wanted, (handle(&copy)?, None))?.finish();
            finished.map_err(|source| Error::Download { name: name.to_owned(), source })?;
        }
        self.place(copy, name).map(|()| true)
    }

    /// Makes a file readable, or of a large one the columns.
    fn fetch_one(&self, (name, bytes): (&str, u64), columns: Option<&Columns>) -> Result<Option<Local>> {
        if let Some(local) = self.mirror.find(name) {
            return Ok(Some(local));
        }
        if let Some(columns) = columns.filter(|_| bytes >= LARGE)
            && let Some(part) = self.fetch_part(name, columns)?
        {
            return Ok(Some(part));
        }
        if !self.download(name, bytes)? {
            return Ok(None);
        }
        let size = std::fs::metadata(self.mirror.path(name)).map_err(Error::io("look at", self.mirror.path(name)))?;
        self.mirror.keep(name, size.len()).map(Some)
    }

    /// Makes some columns of a file readable; nothing where all of it should come, or where it is not there.
    fn fetch_part(&self, name: &str, columns: &Columns) -> Result<Option<Local>> {
        let part = format!("{name}.{}.part", fingerprint(columns.iter().map(String::as_str)));
        if let Some(local) = self.mirror.find(&part) {
            return Ok(Some(local));
        }
        let (s3, at, columns) = (self.s3.clone(), self.at(name), columns.clone());
        let copy = self.copy(&part)?;
        let file = handle(&copy)?;
        let fetched = wait(async move {
            let Some(head) = s3.head(&at).await? else { return Ok(None) };
            let pin = Pin { at, etag: head.etag, version_id: None };
            // Nobody could tell whether what comes is what was written.
            let Some(sums) = head.sums else { return Ok(None) };
            part::fetch(&s3, (&pin, head.size, &sums), &columns, &file).await
        })?;
        let Some(bytes) = fetched else { return Ok(None) };
        self.place(copy, &part)?;
        self.mirror.keep(&part, bytes).map(Some)
    }

    /// A copy in the making, beside the place where it will stand; it goes unless it comes there.
    fn copy(&self, name: &str) -> Result<NamedTempFile> {
        let path = self.mirror.path(name);
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        NamedTempFile::new_in(folder).map_err(Error::io("create a file in", folder))
    }

    /// Brings a copy that is complete to its place.
    fn place(&self, copy: NamedTempFile, name: &str) -> Result<()> {
        let path = self.mirror.path(name);
        copy.persist(&path).map(drop).map_err(|error| Error::io("rename", &path)(error.error))
    }
}

/// The file of a copy for who writes it on another thread.
fn handle(copy: &NamedTempFile) -> Result<File> {
    copy.as_file().try_clone().map_err(Error::io("open", copy.path()))
}

impl Zone for Bucket {
    fn address(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix)
    }

    fn width(&self) -> usize {
        WIDTH
    }

    fn keys(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for (key, entry) in self.entries("", None)? {
            if key.ends_with('/') || is_ignored(&key) {
                listing.ignored += 1;
                continue;
            }
            let stamp = stamp(&entry);
            listing.glimpses.insert(key.clone(), Glimpse { stamp, etag: entry.etag });
            listing.keys.push(key);
        }
        Ok(listing)
    }

    fn look(&self, key: &str, _: Option<(&Stamp, &str)>) -> Result<Option<RawObject>> {
        if key.is_empty() || key.ends_with('/') {
            return Ok(None);
        }
        let (s3, at) = (self.s3.clone(), self.at(key));
        let Some(head) = wait(async move { s3.head(&at).await })? else { return Ok(None) };
        let entry = Entry { key: key.to_owned(), etag: head.etag.clone(), size: head.size, modified: head.modified };
        let version = match &head.version_id {
            Some(id) => format!("{}:{id}", head.etag),
            None => head.etag,
        };
        let modified = head.modified.trunc_subsecs(6);
        Ok(Some(RawObject { key: key.to_owned(), version, modified, stamp: stamp(&entry), seal: head.seal }))
    }

    fn open(&self, object: &RawObject) -> Result<Arc<dyn Input>> {
        let (etag, version_id) = match object.version.split_once(':') {
            Some((etag, id)) => (etag.to_owned(), Some(id.to_owned())),
            None => (object.version.clone(), None),
        };
        let pin = Pin { at: self.at(&object.key), etag, version_id };
        let wanted = Wanted { pin, length: object.stamp.size, seal: object.seal.clone() };
        match self.room.take(wanted.length) {
            Some(room) => {
                let file = tempfile::tempfile_in(self.mirror.folder());
                let file = file.map_err(Error::io("create a file in", self.mirror.folder()))?;
                Ok(Arc::new(Kept::begin(&self.s3, wanted, (file, Some(room)))?))
            }
            None => Ok(Arc::new(Passing { s3: self.s3.clone(), wanted })),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Document>> {
        let (s3, at) = (self.s3.clone(), self.at(name));
        let object = wait(async move { s3.get(&at).await })?;
        Ok(object.map(|object| Document { bytes: object.bytes.to_vec(), tag: object.etag }))
    }

    fn swap(&self, name: &str, expected: Option<&Document>, new: &[u8]) -> Result<Option<Document>> {
        let (s3, at, bytes) = (self.s3.clone(), self.at(name), bytes::Bytes::copy_from_slice(new));
        let condition = expected.map_or(Condition::Absent, |document| Condition::Is(document.tag.clone()));
        let tag = wait(async move { s3.put_if(&at, bytes, condition).await })?;
        Ok(tag.map(|tag| Document { bytes: new.to_vec(), tag }))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.mirror.forget(name)?;
        let (s3, at) = (self.s3.clone(), self.at(name));
        wait(async move { s3.delete(&at).await })
    }

    fn list(&self, folder: &str) -> Result<Vec<Found>> {
        let entries = self.entries(&format!("{folder}/"), None)?;
        Ok(entries
            .into_iter()
            .map(|(name, entry)| Found { name, bytes: entry.size, modified: entry.modified })
            .collect())
    }

    fn tables(&self) -> Result<Vec<String>> {
        let (s3, bucket, prefix) = (self.s3.clone(), self.name.clone(), self.prefix.clone());
        let folders = wait(async move { s3.folders(&bucket, &prefix).await })?;
        let logs = parallel(WIDTH, &folders, |folder| self.commits(folder, 0).map(|commits| !commits.is_empty()));
        let mut tables = Vec::new();
        for (folder, log) in folders.into_iter().zip(logs) {
            if log? {
                tables.push(folder);
            }
        }
        Ok(tables)
    }

    fn commits(&self, table: &str, from: u64) -> Result<Vec<(u64, String)>> {
        let folder = format!("{table}/_delta_log/");
        let after = from.checked_sub(1).map(|before| format!("{folder}{before:020}.json"));
        let entries = self.entries(&folder, after)?;
        let commit = |(name, entry): (String, Entry)| Some((log_version(name.strip_prefix(&folder)?)?, entry.etag));
        Ok(entries.into_iter().filter_map(commit).collect())
    }

    fn log_place(&self, table: &str) -> Option<LogPlace> {
        let below = format!("{}{table}/", self.prefix);
        let url = Url::parse(&format!("s3://{}/{below}", self.name)).ok()?;
        let seen = SeenCommits::default();
        let store = |prefix: &str| Arc::new(Store::new(self.s3.clone(), (&self.name, prefix), &seen));
        Some(LogPlace { folder: store(&below), root: store(""), url, seen })
    }

    fn local(&self) -> &Path {
        self.mirror.folder()
    }

    fn lacks(&self, (name, bytes): (&str, u64)) -> bool {
        bytes >= LARGE && self.mirror.find(name).is_none()
    }

    fn fetch(&self, files: &[(String, u64)], columns: Option<&Columns>) -> Result<Vec<Local>> {
        let fetched = parallel(FILES, files, |(name, bytes)| match self.fetch_one((name, *bytes), columns)? {
            Some(local) => Ok(local),
            None => {
                Err(Error::Download { name: name.clone(), source: Arc::new(Error::Internal("there is no such file")) })
            }
        });
        fetched.into_iter().collect()
    }

    fn find(&self, name: &str) -> Result<Option<Local>> {
        self.fetch_one((name, 0), None)
    }

    fn publish(&self, names: &[(String, u64)]) -> Result<()> {
        let sent = parallel(FILES, names, |(name, bytes)| {
            let (s3, at, path) = (self.s3.clone(), self.at(name), self.mirror.path(name));
            wait(async move { s3.upload(&at, &path).await })?;
            self.mirror.keep(name, *bytes).map(|_| ())
        });
        sent.into_iter().collect()
    }

    fn trim(&self) -> Result<()> {
        self.mirror.make_room(0)
    }

    fn discard(&self, names: &[String]) -> Result<()> {
        let discarded = parallel(FILES, names, |name| match self.mirror.find(name) {
            Some(_) => self.remove(name),
            None => self.mirror.forget(name),
        });
        discarded.into_iter().collect()
    }
}

/// The quick look at an object; its time is to the second.
fn stamp(entry: &Entry) -> Stamp {
    let modified_ns = entry.modified.timestamp_nanos_opt().unwrap_or_default();
    Stamp { size: entry.size, modified_ns, changed_ns: 0, settled: true }
}
