//! The deployed project: where the function's settings say it stands.

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::place::Place;
use crate::project::Project;

/// The function's project.
pub struct Deployed<'a> {
    place: Option<Place>,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Deployed<'a> {
    /// The project at a place; none: the zero-configuration rules. `environment` answers `env_var`.
    pub fn new(place: Option<Place>, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { place, environment }
    }

    /// Reads it as it is now, rendered for a run that begins at `now`.
    ///
    /// # Errors
    /// [`Error::Project`] with everything that is wrong.
    pub fn load(&self, now: DateTime<Utc>) -> Result<Project> {
        match &self.place {
            None => Ok(Project::empty()),
            Some(Place::Folder(folder)) => Project::load(folder, self.environment, now).map_err(Error::Project),
            Some(place @ Place::Bucket { .. }) => Err(Error::Usage(format!("{place}: not yet"))),
        }
    }

    /// Whether it is what was loaded last. An image does not change.
    ///
    /// # Errors
    /// None yet.
    pub fn is_current(&self) -> Result<bool> {
        Ok(true)
    }
}
