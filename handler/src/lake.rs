//! The lake: three zones, `raw`, `silver`, `gold`. Here each is a folder; the rest of the engine does not know.
//!
//! What the flow needs of a zone is little: list the raw objects, look at one, open its bytes, and keep small
//! documents (receipts, the project pointer) that change by compare-and-swap.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fault;

/// Everything of ours in a zone that is no table stands below this folder.
pub const SYSTEM_FOLDER: &str = "_pintail";

/// How old a file's time must be before size and time stand for its content.
const SETTLED: Duration = Duration::from_secs(2);

/// A local lake.
#[derive(Debug)]
pub struct Lake {
    root: PathBuf,
    raw: PathBuf,
}

/// The quick look of a file: equal stamps that are settled mean equal content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i64,
    /// Nanoseconds since 1970 of the last change of content or metadata.
    pub changed_ns: i64,
    /// Whether the file was older than 2 s when its content was hashed.
    pub settled: bool,
}

/// One file of the raw zone as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Path below the raw zone, with `/`.
    pub key: String,
    /// Content hash (BLAKE3, 128 bits as hex).
    pub version: String,
    /// The file's modification time.
    pub modified: DateTime<Utc>,
    /// The quick look that belongs to the version.
    pub stamp: Stamp,
}

/// The keys of the raw zone.
#[derive(Debug, Default)]
pub struct Listing {
    /// Keys to process, sorted.
    pub keys: Vec<String>,
    /// How many keys have a segment that begins with `.` or `_`.
    pub ignored: u64,
    /// Names that are no UTF-8 and so cannot be keys, with the bytes that are not text replaced.
    pub refused: Vec<String>,
}

/// A small document, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(pub Vec<u8>);

impl Lake {
    /// Opens the lake in `root`, making its three zones where they are missing.
    ///
    /// # Errors
    /// [`Error::Io`] when a zone cannot be made.
    pub fn open(root: &Path, fault: Option<u64>) -> Result<Self> {
        for zone in ["raw", "silver", "gold"] {
            let path = root.join(zone);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        let root = root.canonicalize().map_err(Error::io("open", root))?;
        let raw = root.join("raw").canonicalize().map_err(Error::io("open", root.join("raw")))?;
        if let Some(writes) = fault {
            fault::arm(writes);
        }
        Ok(Self { root, raw })
    }

    /// Opens the lake of a function.
    ///
    /// # Errors
    /// [`Error::Usage`] for zones that do not lie in one folder.
    pub fn open_zones(zones: &crate::settings::Zones, fault: Option<u64>) -> Result<Self> {
        match &zones.raw {
            crate::place::Place::Folder(raw) => Self::open(raw.parent().unwrap_or(raw), fault),
            place @ crate::place::Place::Bucket { .. } => Err(Error::Usage(format!("{place}: not yet"))),
        }
    }

    /// The lake's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a table.
    pub fn table(&self, table: &str) -> PathBuf {
        self.root.join(table)
    }

    /// All keys below the raw zone.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be listed.
    pub fn keys(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        self.list(&self.raw, &mut listing)?;
        listing.keys.sort();
        Ok(listing)
    }

    fn list(&self, folder: &Path, listing: &mut Listing) -> Result<()> {
        for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
            let entry = entry.map_err(Error::io("list", folder))?;
            let kind = entry.file_type().map_err(Error::io("look at", entry.path()))?;
            let path = entry.path();
            if is_hidden(&entry.file_name().to_string_lossy()) {
                listing.ignored += count_files(&path, kind.is_dir())?;
            } else if kind.is_dir() {
                self.list(&path, listing)?;
            } else {
                let name = path.strip_prefix(&self.raw).unwrap_or(&path);
                match name.to_str() {
                    Some(key) => listing.keys.push(key.to_owned()),
                    None => listing.refused.push(name.to_string_lossy().into_owned()),
                }
            }
        }
        Ok(())
    }

    /// The path of a key, if it is one that may be read.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that is absolute, has `..`, or leads out of the raw zone through a link.
    pub fn raw_path(&self, key: &str) -> Result<PathBuf> {
        let path = self.named(key)?;
        match path.canonicalize() {
            Ok(real) if real.starts_with(&self.raw) => Ok(path),
            Ok(_) => Err(Error::Key { key: key.to_owned(), reason: "a symbolic link leads out of raw/".to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !path.is_symlink() => Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(path),
            Err(error) => Err(Error::Io { action: "look at", path, source: error }),
        }
    }

    /// Where a key would stand, links aside.
    fn named(&self, key: &str) -> Result<PathBuf> {
        let relative = Path::new(key);
        // One file, one key: `a//b` and `a/./b` would be other names of `a/b`.
        let plain = !key.contains('\0') && key.split('/').all(|segment| !["", ".", ".."].contains(&segment));
        if !plain || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            let reason = "a key is a path below raw/, without `..`, `.` or `//`".to_owned();
            return Err(Error::Key { key: key.to_owned(), reason });
        }
        Ok(self.raw.join(relative))
    }

    /// Looks at a raw object as it is now. `known` is what an earlier look found: when the quick look is the same,
    /// the content is not read again.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that may not be read, [`Error::Io`] when it cannot be.
    pub fn look(&self, key: &str, known: Option<(&Stamp, &str)>) -> Result<Option<RawObject>> {
        let path = self.named(key)?;
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_missing(&error) && !path.is_symlink() => return Ok(None),
            Err(source) => return Err(Error::Io { action: "look at", path, source }),
        };
        if metadata.is_dir() {
            return self.raw_path(key).map(|_| None);
        }
        let stamp = Stamp::of(&metadata);
        if let Some((_, version)) = known.filter(|(earlier, _)| earlier.settled && earlier.same_file(&stamp)) {
            return Ok(Some(RawObject::new(key, version.to_owned(), stamp)));
        }
        self.read_version(key, &metadata)
    }

    /// Hashes the content.
    fn read_version(&self, key: &str, metadata: &fs::Metadata) -> Result<Option<RawObject>> {
        let path = self.raw_path(key)?;
        // Before it is opened: a named pipe would wait for its writer.
        if !metadata.is_file() {
            return Err(Error::Key { key: key.to_owned(), reason: "it is no regular file".to_owned() });
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(source) => return Err(Error::Io { action: "open", path, source }),
        };
        let stamp = Stamp::of(&file.metadata().map_err(Error::io("look at", &path))?);
        let version = hash(file).map_err(Error::io("read", &path))?;
        Ok(Some(RawObject::new(key, version, stamp)))
    }

    /// Reads a small document; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Io`] for any failure but absence.
    pub fn read(&self, document: &Path) -> Result<Option<Document>> {
        let path = self.root.join(document);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Document(bytes))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(source) => Err(Error::Io { action: "read", path, source }),
        }
    }

    /// The documents of a folder, sorted by name.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn documents(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(source) => return Err(Error::Io { action: "list", path, source }),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io("list", &path))?.file_name();
            if Path::new(&name).extension().is_some_and(|extension| extension == "json") {
                names.push(folder.join(name));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Replaces a document if it still is what `expected` says (`None`: absent). Returns whether it was.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn swap(&self, document: &Path, expected: Option<&Document>, new: &[u8]) -> Result<bool> {
        let path = self.root.join(document);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        // The lock ends with the process, however it ends.
        let lock = File::open(folder).map_err(Error::io("open", folder))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| Error::io("lock", folder)(error.into()))?;
        if self.read(document)?.as_ref() != expected {
            return Ok(false);
        }
        write_whole(&path, new).map_err(Error::io("write", &path))?;
        Ok(true)
    }
}

impl RawObject {
    fn new(key: &str, version: String, stamp: Stamp) -> Self {
        let modified = DateTime::from_timestamp_nanos(stamp.modified_ns).trunc_subsecs(6);
        Self { key: key.to_owned(), version, modified, stamp }
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        let age = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        Self {
            size: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            settled: age.is_some_and(|age| age > SETTLED),
        }
    }

    /// Whether nothing was written to the file, nor its time set, between two looks.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.size, self.modified_ns, self.changed_ns) == (other.size, other.modified_ns, other.changed_ns)
    }
}

/// Writes beside the target and renames, so that a reader sees the old or the new.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    fault::before_write();
    File::create(&beside)?.write_all(bytes)?;
    fault::before_write();
    fs::rename(&beside, path)
}

fn hash(mut file: File) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

/// A missing file, or a path below something that is no folder.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn is_hidden(segment: &str) -> bool {
    segment.starts_with(['.', '_'])
}

/// Whether a key is one of those that are ignored: a segment begins with `.` or `_`.
pub fn is_ignored(key: &str) -> bool {
    key.split('/').any(is_hidden)
}

fn count_files(path: &Path, is_folder: bool) -> Result<u64> {
    if !is_folder {
        return Ok(1);
    }
    let mut count = 0;
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?;
        let kind = entry.file_type().map_err(Error::io("look at", entry.path()))?;
        count += count_files(&entry.path(), kind.is_dir())?;
    }
    Ok(count)
}
