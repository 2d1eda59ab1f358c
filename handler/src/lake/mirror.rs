//! The mirror: data files of a bucket's tables in a local folder, under the same names. They never change, so a copy is
//! as good as the object. What is not in use goes when there is no room, least recently used first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

/// A data file that can be read here as long as this is held.
#[derive(Debug)]
pub struct Local {
    /// Where it stands.
    pub path: PathBuf,
    /// The copy that it is; none in a folder, where it stands itself.
    _copy: Option<InUse>,
}

impl Local {
    /// A file that is no copy.
    pub fn itself(path: PathBuf) -> Self {
        Self { path, _copy: None }
    }
}

/// A local copy in use: it stays as long as this does.
type InUse = Arc<Copy>;

/// A local copy of one data file.
#[derive(Debug)]
pub struct Copy {
    name: String,
    bytes: u64,
}

/// What a file takes of a disk is a multiple of this.
const BLOCK: u64 = 4096;

/// The local copies of one zone.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    /// Bytes of copies that nobody uses.
    limit: u64,
    copies: Mutex<HashMap<String, (InUse, u64)>>,
}

impl Mirror {
    /// An empty mirror in `folder` that keeps at most `limit` bytes beyond what is in use.
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit, copies: Mutex::default() }
    }

    /// The folder of the copies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the copy of a file stands, or would.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A copy that is there.
    pub fn find(&self, name: &str) -> Option<Local> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let now = copies.values().map(|(_, used)| used + 1).max().unwrap_or_default();
        let (copy, used) = copies.get_mut(name)?;
        *used = now;
        Some(Local { path: self.path(name), _copy: Some(Arc::clone(copy)) })
    }

    /// Makes room for so many bytes more: with them there will be no more than may be kept, as far as copies that nobody
    /// uses can make it so.
    ///
    /// # Errors
    /// [`Error::Io`] when a copy that has to go cannot be removed.
    pub fn make_room(&self, bytes: u64) -> Result<()> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = copies.values().filter(|(copy, _)| Arc::strong_count(copy) == 1);
        let mut leaving: Vec<(u64, InUse)> = idle.map(|(copy, used)| (*used, Arc::clone(copy))).collect();
        leaving.sort_by_key(|(used, _)| *used);
        let mut kept = bytes + leaving.iter().map(|(_, copy)| copy.bytes).sum::<u64>();
        for (_, copy) in leaving {
            if kept <= self.limit {
                break;
            }
            kept -= copy.bytes;
            copies.remove(&copy.name);
            remove(&self.path(&copy.name))?;
        }
        Ok(())
    }

    /// Notes a copy that was made.
    ///
    /// # Errors
    /// As [`Mirror::make_room`].
    pub fn keep(&self, name: &str, bytes: u64) -> Result<Local> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let now = copies.values().map(|(_, used)| used + 1).max().unwrap_or_default();
        // Somebody may have made it, too, and use it: it is the same one.
        let new = || Arc::new(Copy { name: name.to_owned(), bytes: bytes.next_multiple_of(BLOCK) });
        let entry = copies.entry(name.to_owned()).or_insert_with(|| (new(), now));
        entry.1 = now;
        let copy = Arc::clone(&entry.0);
        drop(copies);
        self.make_room(0)?;
        Ok(Local { path: self.path(name), _copy: Some(copy) })
    }

    /// Forgets a copy and removes it, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&self, name: &str) -> Result<()> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        remove(&self.path(name))
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Local, Mirror};

    fn make(mirror: &Mirror, name: &str) -> Local {
        std::fs::write(mirror.path(name), "123456").unwrap();
        mirror.keep(name, 6).unwrap()
    }

    #[test]
    fn the_least_recently_used_copy_goes_and_one_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(folder.path().to_owned(), BLOCK + 10);
        let make = |name| make(&mirror, name);
        let in_use = make("a");
        drop(make("b"));
        drop(make("c"));
        drop(mirror.find("b"));
        drop(make("d"));
        drop(make("e"));
        let there = |name: &str| mirror.find(name).is_some() && mirror.path(name).exists();
        assert_eq!(["a", "b", "c", "d", "e"].map(there), [true, false, false, true, true]);
        drop(in_use);
    }

    #[test]
    fn room_is_made_before_it_is_taken_and_of_copies_that_are_let_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(folder.path().to_owned(), 2 * BLOCK);
        let there = || ["a", "b", "c"].map(|name| mirror.path(name).exists());
        drop(["a", "b", "c"].map(|name| make(&mirror, name)));
        assert_eq!(there(), [true; 3]);
        mirror.make_room(0).unwrap();
        assert_eq!(there(), [false, true, true]);
        mirror.make_room(BLOCK).unwrap();
        assert_eq!(there(), [false, false, true]);
    }

    #[test]
    fn a_copy_that_was_made_twice_is_in_use_as_long_as_one_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(folder.path().to_owned(), 0);
        let make = |name| make(&mirror, name);
        let first = make("a");
        drop(make("a"));
        drop(make("b"));
        assert!(first.path.exists());
    }
}
