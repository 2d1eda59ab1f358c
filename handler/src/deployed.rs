//! The deployed project: where the function's settings say it stands. An image does not change; a prefix of a bucket may,
//! and is looked at before each run.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::lake::{At, Entry, Place, S3, wait};
use crate::project::Project;

/// How often a project may change while it is copied before it is given up.
const ROUNDS: u32 = 5;

/// The function's project.
pub struct Deployed<'a> {
    place: Option<Place>,
    temp: PathBuf,
    environment: &'a dyn Fn(&str) -> Option<String>,
    s3: OnceCell<S3>,
    copy: RefCell<Option<Copy>>,
}

/// The project of a bucket as it was read last. Its seeds are read from the folder later.
struct Copy {
    folder: TempDir,
    files: Vec<Entry>,
}

impl<'a> Deployed<'a> {
    /// The project at a place; none: the zero-configuration rules. Copies of buckets stand in `temp`, `environment`
    /// answers `env_var`.
    pub fn new(place: Option<Place>, temp: &Path, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { place, temp: temp.to_owned(), environment, s3: OnceCell::new(), copy: RefCell::default() }
    }

    /// Reads it as it is now, rendered for a run that begins at `now`.
    ///
    /// # Errors
    /// [`Error::Project`] with everything that is wrong; [`Error::S3`], [`Error::Unstable`] for one in a bucket.
    pub fn load(&self, now: DateTime<Utc>) -> Result<Project> {
        match &self.place {
            None => Ok(Project::empty()),
            Some(Place::Folder(folder)) => Project::load(folder, self.environment, now).map_err(Error::Project),
            Some(Place::Bucket { bucket, prefix }) => {
                let copy = self.copy_of(bucket, prefix)?;
                let project = Project::load(copy.folder.path(), self.environment, now).map_err(Error::Project);
                self.copy.replace(Some(copy));
                project
            }
        }
    }

    /// Whether it is what was loaded last.
    ///
    /// # Errors
    /// [`Error::S3`].
    pub fn is_current(&self) -> Result<bool> {
        let Some(Place::Bucket { bucket, prefix }) = &self.place else { return Ok(true) };
        let files = self.list(bucket, prefix)?;
        Ok(self.copy.borrow().as_ref().is_some_and(|copy| copy.files == files))
    }

    fn copy_of(&self, bucket: &str, prefix: &str) -> Result<Copy> {
        for _ in 0..ROUNDS {
            let folder = tempfile::tempdir_in(&self.temp).map_err(Error::io("create a folder in", &self.temp))?;
            let files = self.list(bucket, prefix)?;
            let fetch = |entry| self.fetch(bucket, entry, &folder.path().join(below(prefix, entry)?));
            if files.iter().map(fetch).collect::<Result<Vec<bool>>>()?.into_iter().all(|same| same) {
                return Ok(Copy { folder, files });
            }
        }
        Err(Error::Unstable { key: format!("s3://{bucket}/{prefix}") })
    }

    /// Copies a file; whether it still was the one that was listed.
    fn fetch(&self, bucket: &str, entry: &Entry, path: &Path) -> Result<bool> {
        let (s3, at) = (self.s3()?.clone(), At { bucket: bucket.to_owned(), key: entry.key.clone() });
        let Some(object) = wait(async move { s3.get(&at).await })? else { return Ok(false) };
        let parent = path.parent().unwrap_or(path);
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        std::fs::write(path, &object.bytes).map_err(Error::io("write", path))?;
        Ok(object.etag == entry.etag)
    }

    /// The files, without markers of folders.
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Entry>> {
        let (s3, bucket, prefix) = (self.s3()?.clone(), bucket.to_owned(), prefix.to_owned());
        let mut entries = wait(async move { s3.list(&bucket, &prefix, None).await })?;
        entries.retain(|entry| !entry.key.ends_with('/'));
        Ok(entries)
    }

    fn s3(&self) -> Result<&S3> {
        if let Some(s3) = self.s3.get() {
            return Ok(s3);
        }
        let s3 = S3::connect()?;
        Ok(self.s3.get_or_init(|| s3))
    }
}

/// Where a file stands below the project's folder.
fn below<'e>(prefix: &str, entry: &'e Entry) -> Result<&'e str> {
    let name = entry.key.strip_prefix(prefix).unwrap_or(&entry.key);
    if name.split('/').any(|segment| ["", ".", ".."].contains(&segment)) {
        return Err(Error::Key { key: entry.key.clone(), reason: "it is no name of a project's file".to_owned() });
    }
    Ok(name)
}
