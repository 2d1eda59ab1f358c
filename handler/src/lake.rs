//! The lake: three zones, `raw`, `silver`, `gold`. Each is a folder or a bucket; the rest of the engine does not know.
//!
//! What the flow needs of a zone is little: list the raw objects, look at one, open its bytes; keep small documents
//! (receipts, the project pointer) that change by compare-and-swap; hold tables, whose data files are written and read
//! in a local folder and published before a commit names them.

pub mod address;
pub mod bucket;
pub mod download;
pub mod folder;
pub mod mirror;
pub mod parallel;
pub mod part;
pub mod s3;
pub mod seal;
pub mod store;
pub mod sums;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use object_store::ObjectStore;
use records::Input;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::data_file::DataFile;
use crate::error::{Error, Result};
use crate::fault;
use crate::projection::Columns;

pub use address::{Address, Place};
pub use mirror::Local;
pub use parallel::{both, parallel};
pub use s3::{At, Entry, S3, form_decoded, stop_at, wait};
pub use seal::Seal;

use bucket::Bucket;
use download::Room;
use folder::Folder;
use mirror::Mirror;

/// Everything of ours in a zone that is no table stands below this folder.
pub const SYSTEM_FOLDER: &str = "_pintail";

/// A lake.
#[derive(Debug)]
pub struct Lake {
    raw: Box<dyn Zone>,
    silver: Box<dyn Zone>,
    gold: Box<dyn Zone>,
    /// Local copies of what is in buckets; removed with the lake.
    copies: Option<tempfile::TempDir>,
    /// Bytes of data files that were published.
    published: AtomicU64,
}

/// Where a lake of buckets keeps what it has on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// An existing folder.
    pub folder: PathBuf,
    /// Bytes of raw objects that are kept while they are read; others are fetched as often as they are read.
    pub raw_bytes: u64,
    /// Bytes of data files that are kept for the next query, for each zone.
    pub kept_bytes: u64,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { folder: std::env::temp_dir(), raw_bytes: 4 << 30, kept_bytes: 4 << 30 }
    }
}

/// The quick look of an object: equal stamps that are settled mean equal content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i64,
    /// Nanoseconds since 1970 of the last change of content or metadata; 0 in a bucket.
    pub changed_ns: i64,
    /// Whether a file was older than 2 s when its content was hashed.
    pub settled: bool,
}

/// One object of the raw zone as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Path below the raw zone, with `/`.
    pub key: String,
    /// In a folder a content hash (BLAKE3, 128 bits as hex); in a bucket the `ETag`, and `:` and the version id where
    /// the bucket has versions.
    pub version: String,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// The quick look that belongs to the version.
    pub stamp: Stamp,
    /// What its bytes are checked against.
    pub seal: Seal,
}

/// The keys of the raw zone.
#[derive(Debug, Default)]
pub struct Listing {
    /// Keys to process, sorted.
    pub keys: Vec<String>,
    /// What the listing of a bucket tells of them.
    pub glimpses: HashMap<String, Glimpse>,
    /// How many keys have a segment that begins with `.` or `_`.
    pub ignored: u64,
    /// Names that are no UTF-8 and so cannot be keys, with the bytes that are not text replaced.
    pub refused: Vec<String>,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glimpse {
    /// Size and time.
    pub stamp: Stamp,
    /// Its `ETag`.
    pub etag: String,
}

impl Glimpse {
    /// Whether a version that was seen earlier has the content that is listed now.
    pub fn shows(&self, (stamp, version): (&Stamp, &str)) -> bool {
        self.stamp.same_file(stamp) && version.split(':').next() == Some(&self.etag)
    }
}

/// A small document, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Which one it is, for the next swap; empty in a folder, where the content says it.
    tag: String,
}

/// A file of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Path below the zone, with `/`.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
}

/// Where the log of a table in a bucket is found; what is read through it may be remembered.
pub struct LogPlace {
    /// The table's folder.
    pub folder: Arc<dyn ObjectStore>,
    /// The bucket.
    pub root: Arc<dyn ObjectStore>,
    /// The table's folder within the bucket.
    pub url: Url,
    /// What tells the commits that are listed or put through the stores.
    pub seen: SeenCommits,
}

/// Commits of a table's log by version, each with what tells it from another table's of the same name.
pub type SeenCommits = Arc<Mutex<HashMap<u64, String>>>;

/// What a zone can do. Names are paths below it, with `/`.
trait Zone: std::fmt::Debug + Send + Sync {
    /// Where it is, for people.
    fn address(&self) -> String;
    /// How many things are worth doing at once.
    fn width(&self) -> usize;
    fn keys(&self) -> Result<Listing>;
    fn look(&self, key: &str, known: Option<(&Stamp, &str)>) -> Result<Option<RawObject>>;
    fn open(&self, object: &RawObject) -> Result<Arc<dyn Input>>;
    fn read(&self, name: &str) -> Result<Option<Document>>;
    fn swap(&self, name: &str, expected: Option<&Document>, new: &[u8]) -> Result<Option<Document>>;
    fn remove(&self, name: &str) -> Result<()>;
    /// All files below a folder.
    fn list(&self, folder: &str) -> Result<Vec<Found>>;
    fn tables(&self) -> Result<Vec<String>>;
    /// The commits of a table from a version on, each with what tells it from another table's, in any order.
    fn commits(&self, table: &str, from: u64) -> Result<Vec<(u64, String)>>;
    /// Where delta-rs finds a table's log, if it is not in files.
    fn log_place(&self, table: &str) -> Option<LogPlace>;
    /// The local folder where data files are written and read.
    fn local(&self) -> &Path;
    /// Whether it pays to ask which columns of a data file are wanted before it is fetched.
    fn lacks(&self, file: (&str, u64)) -> bool;
    /// Makes data files readable, of some only the columns; they stay so while the answer is held.
    fn fetch(&self, files: &[(String, u64)], columns: Option<&Columns>) -> Result<Vec<Local>>;
    /// As [`Zone::fetch`], for one that may not be there.
    fn find(&self, name: &str) -> Result<Option<Local>>;
    /// Makes data files that were written to the local folder part of the zone.
    fn publish(&self, files: &[(String, u64)]) -> Result<()>;
    /// Removes data files that no commit names, published or not.
    fn discard(&self, names: &[String]) -> Result<()>;
    /// Removes copies of data files that nobody uses, as far as they are more than may be kept.
    fn trim(&self) -> Result<()>;
}

impl Lake {
    /// Opens a lake. The zones of a lake in a folder are made where they are missing; buckets have to be there.
    ///
    /// # Errors
    /// [`Error::Io`] when a zone cannot be made.
    pub fn open(address: &Address, scratch: &Scratch, fault: Option<u64>) -> Result<Self> {
        if let Some(writes) = fault {
            fault::arm(writes);
        }
        let folder = || tempfile::tempdir_in(&scratch.folder).map_err(Error::io("create a folder in", &scratch.folder));
        let copies = if address.is_local() { None } else { Some(folder()?) };
        let s3 = copies.as_ref().map(|_| S3::connect()).transpose()?;
        let room = Arc::new(Room::new(scratch.raw_bytes));
        let zone = |name: &str, place: &Place| -> Result<Box<dyn Zone>> {
            match (place, &s3, &copies) {
                (Place::Bucket { bucket, prefix }, Some(s3), Some(copies)) => {
                    let folder = copies.path().join(name);
                    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
                    let mirror = Mirror::new(folder, scratch.kept_bytes);
                    Ok(Box::new(Bucket::new(s3.clone(), (bucket, prefix), mirror, Arc::clone(&room))))
                }
                (Place::Folder(folder), ..) => Ok(Box::new(Folder::open(folder)?)),
                _ => Err(Error::Internal("a bucket without a client")),
            }
        };
        let (raw, silver, gold) =
            (zone("raw", &address.raw)?, zone("silver", &address.silver)?, zone("gold", &address.gold)?);
        Ok(Self { raw, silver, gold, copies, published: AtomicU64::new(0) })
    }

    /// Whether the tables stand in folders of this machine.
    pub fn is_local(&self) -> bool {
        self.copies.is_none()
    }

    /// How many requests for different objects are worth making at once.
    pub fn width(&self) -> usize {
        self.raw.width().max(self.silver.width())
    }

    /// The local folders that SQL may read.
    pub fn local_folders(&self) -> [&Path; 2] {
        [self.silver.local(), self.gold.local()]
    }

    fn zone<'n>(&self, name: &'n str) -> (&dyn Zone, &'n str) {
        match name.split_once('/') {
            Some(("gold", below)) => (&*self.gold, below),
            Some((_, below)) => (&*self.silver, below),
            None => (&*self.silver, name),
        }
    }

    /// All keys below the raw zone.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be listed, [`Error::S3`].
    pub fn keys(&self) -> Result<Listing> {
        let mut listing = self.raw.keys()?;
        listing.keys.sort();
        Ok(listing)
    }

    /// Looks at a raw object as it is now. `known` is what an earlier look found: when the quick look is the same,
    /// the content is not read again.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that may not be read, [`Error::Io`] or [`Error::S3`] when it cannot be.
    pub fn look(&self, key: &str, known: Option<(&Stamp, &str)>) -> Result<Option<RawObject>> {
        self.raw.look(key, known)
    }

    /// The bytes of the version of an object that was looked at.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that may not be read, [`Error::Io`] or [`Error::S3`] when it cannot be.
    pub fn open_raw(&self, object: &RawObject) -> Result<Arc<dyn Input>> {
        self.raw.open(object)
    }

    /// Reads a small document; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`] for any failure but absence.
    pub fn read(&self, document: &str) -> Result<Option<Document>> {
        let (zone, name) = self.zone(document);
        zone.read(name)
    }

    /// The documents of a folder, sorted by name.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`] when the folder cannot be listed.
    pub fn documents(&self, folder: &str) -> Result<Vec<String>> {
        let (zone, below) = self.zone(folder);
        let outer = folder.strip_suffix(below).unwrap_or_default();
        let is_document = |file: &Found| Path::new(&file.name).extension().is_some_and(|extension| extension == "json");
        let files = zone.list(below)?.into_iter().filter(is_document);
        let mut names: Vec<String> = files.map(|file| format!("{outer}{}", file.name)).collect();
        names.sort();
        Ok(names)
    }

    /// Replaces a document if it still is what `expected` says (`None`: absent). Returns what stands then, or `None`
    /// when it was not.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`] when it cannot be written.
    pub fn swap(&self, document: &str, expected: Option<&Document>, new: &[u8]) -> Result<Option<Document>> {
        let (zone, name) = self.zone(document);
        zone.swap(name, expected, new)
    }

    /// Removes a document or a data file.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`].
    pub fn remove(&self, name: &str) -> Result<()> {
        let (zone, name) = self.zone(name);
        zone.remove(name)
    }

    /// The Delta tables of the lake, as `silver/orders`, sorted.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`] when a zone cannot be listed.
    pub fn tables(&self) -> Result<Vec<(&'static str, String)>> {
        let mut names: Vec<_> = self.silver.tables()?.into_iter().map(|name| ("silver", name)).collect();
        names.extend(self.gold.tables()?.into_iter().map(|name| ("gold", name)));
        names.sort();
        Ok(names)
    }

    /// The commits of a table (`silver/orders`) from a version on, each with what tells it from another table's.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`].
    pub fn commits(&self, table: &str, from: u64) -> Result<Vec<(u64, String)>> {
        let (zone, name) = self.zone(table);
        zone.commits(name, from)
    }

    /// Where delta-rs finds a table's log, if it is not in files.
    pub fn log_place(&self, table: &str) -> Option<LogPlace> {
        let (zone, name) = self.zone(table);
        zone.log_place(name)
    }

    /// The data files of a table, with names below its folder.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`].
    pub fn data_files(&self, table: &str) -> Result<Vec<Found>> {
        let (zone, name) = self.zone(table);
        let below = |file: Found| Some(Found { name: file.name.strip_prefix(&format!("{name}/"))?.to_owned(), ..file });
        let is_data = |file: &Found| file.name.ends_with(".parquet") && !file.name.starts_with("_delta_log/");
        Ok(zone.list(name)?.into_iter().filter_map(below).filter(is_data).collect())
    }

    /// The local folder where the data files of a table are written and read, or a file of such a folder.
    pub fn local(&self, name: &str) -> PathBuf {
        let (zone, below) = self.zone(name);
        zone.local().join(below)
    }

    /// Whether it pays to ask which columns of these files of a table are wanted: one is large, and not here.
    pub fn lacks<'f>(&self, table: &str, mut files: impl Iterator<Item = (&'f str, u64)>) -> bool {
        let (zone, name) = self.zone(table);
        files.any(|(file, bytes)| zone.lacks((&format!("{name}/{file}"), bytes)))
    }

    /// Makes data files of a table readable, in their order, while the answer is held. Of those that are large and not here
    /// perhaps only the columns, where they are named.
    ///
    /// # Errors
    /// [`Error::Download`], [`Error::S3`].
    pub fn fetch<'f>(
        &self,
        table: &str,
        files: impl Iterator<Item = (&'f str, u64)>,
        columns: Option<&Columns>,
    ) -> Result<Vec<Local>> {
        let (zone, name) = self.zone(table);
        let files: Vec<(String, u64)> = files.map(|(file, bytes)| (format!("{name}/{file}"), bytes)).collect();
        zone.fetch(&files, columns)
    }

    /// As [`Lake::fetch`], for a file that may not be there.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub fn find(&self, name: &str) -> Result<Option<Local>> {
        let (zone, name) = self.zone(name);
        zone.find(name)
    }

    /// Makes data files that were written below [`Lake::local`] part of the lake, so that a commit may name them.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub fn publish(&self, table: &str, files: &[DataFile]) -> Result<()> {
        let (zone, name) = self.zone(table);
        let files: Vec<(String, u64)> = files.iter().map(|file| (format!("{name}/{}", file.path), file.size)).collect();
        zone.publish(&files)?;
        self.published.fetch_add(files.iter().map(|(_, bytes)| bytes).sum(), Ordering::Relaxed);
        Ok(())
    }

    /// Bytes of the data files that were published so far.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Removes data files that no commit named and none will.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::S3`] when one cannot be removed.
    pub fn discard(&self, table: &str, files: &[DataFile]) -> Result<()> {
        let (zone, name) = self.zone(table);
        zone.discard(&files.iter().map(|file| format!("{name}/{}", file.path)).collect::<Vec<_>>())
    }

    /// Removes copies of data files that nobody uses any more, as far as they are more than may be kept.
    ///
    /// # Errors
    /// [`Error::Io`] when one cannot be removed.
    pub fn trim(&self) -> Result<()> {
        self.silver.trim()?;
        self.gold.trim()
    }

    /// Where the lake is, for people.
    pub fn address(&self) -> String {
        [&self.raw, &self.silver, &self.gold].map(|zone| zone.address()).join(",")
    }
}

impl Stamp {
    /// Whether nothing was written to the file, nor its time set, between two looks.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.size, self.modified_ns, self.changed_ns) == (other.size, other.modified_ns, other.changed_ns)
    }
}

fn is_hidden(segment: &str) -> bool {
    segment.starts_with(['.', '_'])
}

/// Whether a key is one of those that are ignored: a segment begins with `.` or `_`.
pub fn is_ignored(key: &str) -> bool {
    key.split('/').any(is_hidden)
}

/// The version that a file of a table's log commits.
fn log_version(name: &str) -> Option<u64> {
    name.strip_suffix(".json").filter(|digits| digits.len() == 20)?.parse().ok()
}
