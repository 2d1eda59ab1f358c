//! A zone in a folder.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound, Utc};
use records::{FileInput, Input};

use super::mirror::Local;
use super::{Document, Found, Listing, LogPlace, RawObject, Seal, Stamp, Zone, is_hidden, log_version};
use crate::error::{Error, Result};
use crate::fault;
use crate::projection::Columns;

/// How old a file's time must be before size and time stand for its content.
const SETTLED: Duration = Duration::from_secs(2);

/// A folder of the machine.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens the folder, making it where it is missing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(Error::io("create", root))?;
        Ok(Self { root: root.canonicalize().map_err(Error::io("open", root))? })
    }

    fn list_keys(&self, folder: &Path, listing: &mut Listing) -> Result<()> {
        for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
            let entry = entry.map_err(Error::io("list", folder))?;
            let kind = entry.file_type().map_err(Error::io("look at", entry.path()))?;
            let path = entry.path();
            if is_hidden(&entry.file_name().to_string_lossy()) {
                listing.ignored += count_files(&path, kind.is_dir())?;
            } else if kind.is_dir() {
                self.list_keys(&path, listing)?;
            } else {
                let name = path.strip_prefix(&self.root).unwrap_or(&path);
                match name.to_str() {
                    Some(key) => listing.keys.push(key.to_owned()),
                    None => listing.refused.push(name.to_string_lossy().into_owned()),
                }
            }
        }
        Ok(())
    }

    /// The path of a key, if it is one that may be read: it does not lead out of the folder through a link.
    fn raw_path(&self, key: &str) -> Result<PathBuf> {
        let path = self.named(key)?;
        match path.canonicalize() {
            Ok(real) if real.starts_with(&self.root) => Ok(path),
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
        Ok(self.root.join(relative))
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
        let stamp = stamp(&file.metadata().map_err(Error::io("look at", &path))?);
        let version = hash(&file).map_err(Error::io("read", &path))?;
        Ok(Some(raw_object(key, version, stamp)))
    }

    fn list_below(&self, folder: &str, files: &mut Vec<Found>) -> Result<()> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(source) => return Err(Error::Io { action: "list", path, source }),
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("list", &path))?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed meanwhile.
                Err(error) if is_missing(&error) => continue,
                Err(source) => return Err(Error::Io { action: "look at", path: entry.path(), source }),
            };
            if metadata.is_dir() {
                self.list_below(&name, files)?;
            } else {
                let modified = DateTime::from_timestamp_nanos(stamp(&metadata).modified_ns);
                files.push(Found { name, bytes: metadata.len(), modified });
            }
        }
        Ok(())
    }

    fn commit(&self, table: &str, version: u64) -> Option<(u64, String)> {
        let path = self.root.join(table).join("_delta_log").join(format!("{version:020}.json"));
        let metadata = fs::metadata(path).ok()?;
        Some((version, format!("{}-{}-{}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec())))
    }
}

impl Zone for Folder {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn width(&self) -> usize {
        1
    }

    fn keys(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        self.list_keys(&self.root, &mut listing)?;
        Ok(listing)
    }

    fn look(&self, key: &str, known: Option<(&Stamp, &str)>) -> Result<Option<RawObject>> {
        let path = self.named(key)?;
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_missing(&error) && !path.is_symlink() => return Ok(None),
            Err(source) => return Err(Error::Io { action: "look at", path, source }),
        };
        if metadata.is_dir() {
            return self.raw_path(key).map(|_| None);
        }
        let stamp = stamp(&metadata);
        if let Some((_, version)) = known.filter(|(earlier, _)| earlier.settled && earlier.same_file(&stamp)) {
            return Ok(Some(raw_object(key, version.to_owned(), stamp)));
        }
        self.read_version(key, &metadata)
    }

    fn open(&self, object: &RawObject) -> Result<Arc<dyn Input>> {
        let path = self.raw_path(&object.key)?;
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        Ok(Arc::new(FileInput::new(file).map_err(Error::io("open", &path))?))
    }

    fn read(&self, name: &str) -> Result<Option<Document>> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Document { bytes, tag: String::new() })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(source) => Err(Error::Io { action: "read", path, source }),
        }
    }

    fn swap(&self, name: &str, expected: Option<&Document>, new: &[u8]) -> Result<Option<Document>> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        // The lock ends with the process, however it ends.
        let lock = File::open(folder).map_err(Error::io("open", folder))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| Error::io("lock", folder)(error.into()))?;
        if self.read(name)?.as_ref() != expected {
            return Ok(None);
        }
        write_whole(&path, new).map_err(Error::io("write", &path))?;
        Ok(Some(Document { bytes: new.to_vec(), tag: String::new() }))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        fault::before_write();
        fs::remove_file(&path).map_err(Error::io("remove", &path))
    }

    fn list(&self, folder: &str) -> Result<Vec<Found>> {
        let mut files = Vec::new();
        self.list_below(folder, &mut files)?;
        Ok(files)
    }

    fn tables(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(Error::io("list", &self.root))? {
            let name = entry.map_err(Error::io("list", &self.root))?.file_name().to_string_lossy().into_owned();
            if self.root.join(&name).join("_delta_log").is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn commits(&self, table: &str, from: u64) -> Result<Vec<(u64, String)>> {
        if from > 0 {
            return Ok((from..).map_while(|version| self.commit(table, version)).collect());
        }
        // The log may begin later: what stands behind a checkpoint is pruned.
        let path = self.root.join(table).join("_delta_log");
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(source) => return Err(Error::Io { action: "list", path, source }),
        };
        let versions = entries.flatten().filter_map(|entry| log_version(entry.file_name().to_str()?));
        Ok(versions.filter_map(|version| self.commit(table, version)).collect())
    }

    fn log_place(&self, _: &str) -> Option<LogPlace> {
        None
    }

    fn local(&self) -> &Path {
        &self.root
    }

    fn lacks(&self, _: (&str, u64)) -> bool {
        false
    }

    fn fetch(&self, files: &[(String, u64)], _: Option<&Columns>) -> Result<Vec<Local>> {
        Ok(files.iter().map(|(name, _)| Local::itself(self.root.join(name))).collect())
    }

    fn find(&self, name: &str) -> Result<Option<Local>> {
        let path = self.root.join(name);
        Ok(path.exists().then(|| Local::itself(path)))
    }

    fn publish(&self, _: &[(String, u64)]) -> Result<()> {
        Ok(())
    }

    fn trim(&self) -> Result<()> {
        Ok(())
    }

    fn discard(&self, names: &[String]) -> Result<()> {
        names.iter().try_for_each(|name| self.remove(name))
    }
}

fn raw_object(key: &str, version: String, stamp: Stamp) -> RawObject {
    let modified = DateTime::<Utc>::from_timestamp_nanos(stamp.modified_ns).trunc_subsecs(6);
    RawObject { key: key.to_owned(), version, modified, stamp, seal: Seal::Unknown }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    let age = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    Stamp {
        size: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        settled: age.is_some_and(|age| age > SETTLED),
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

fn hash(file: &File) -> std::io::Result<String> {
    Ok(blake3::Hasher::new().update_reader(file)?.finalize().to_hex()[..32].to_owned())
}

/// A missing file, or a path below something that is no folder.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
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
