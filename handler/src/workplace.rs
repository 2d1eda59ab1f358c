//! The workplace: one folder below the temp folder for everything that a function writes there.
//!
//! A function that was killed leaves its folder behind, and Lambda starts the next process on the same `/tmp`. Each
//! folder has a lock that ends with its process, so that the next one can tell and clear up.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::error::{Error, Result};

/// How the names of workplaces begin.
const PREFIX: &str = "pintail-function-";

/// The file that its process locks.
const LOCK: &str = "lock";

/// A folder that goes with the process, however that ends.
#[derive(Debug)]
pub struct Workplace {
    folder: TempDir,
    _lock: File,
}

impl Workplace {
    /// Makes a workplace in `temp`, and removes those that were left there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn take(temp: &Path) -> Result<Self> {
        clear(temp)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(temp);
        let folder = folder.map_err(Error::io("create a folder in", temp))?;
        let path = folder.path().join(LOCK);
        let lock = File::create(&path).map_err(Error::io("create", &path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| Error::io("lock", &path)(error.into()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

fn clear(temp: &Path) -> Result<()> {
    for entry in fs::read_dir(temp).map_err(Error::io("list", temp))? {
        let path = entry.map_err(Error::io("list", temp))?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if ours && is_left(&path.join(LOCK))? {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &path)(error)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether nobody holds a lock. One that is not there belongs to a process that is about to make it; one that may not be
/// read, to another user.
fn is_left(lock: &Path) -> Result<bool> {
    match File::open(lock) {
        Ok(file) => Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Ok(false),
        Err(source) => Err(Error::Io { action: "open", path: lock.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_cleared_and_what_is_in_use_stays() {
        let temp = tempfile::tempdir().unwrap();
        let left = temp.path().join("pintail-function-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let (others, in_use) = (temp.path().join("others"), Workplace::take(temp.path()).unwrap());
        fs::create_dir(&others).unwrap();
        let second = Workplace::take(temp.path()).unwrap();
        assert_eq!(
            [left.exists(), others.exists(), in_use.path().exists(), second.path().exists()],
            [false, true, true, true]
        );
    }
}
