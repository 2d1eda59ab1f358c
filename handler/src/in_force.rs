//! The project that is in force on a lake: a pointer, moved by compare-and-swap.
//!
//! A deploy has a generation. The first worker of a higher one moves the pointer, and workers of lower ones publish
//! nothing more. A command line has no generation: it moves the pointer explicitly, for as long as no deploy follows,
//! and the next deploy is not locked out, because it raises the generation and a command line does not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::{Document, Lake, Place, SYSTEM_FOLDER};
use crate::project::{Project, Zone};
use crate::seeds;
use crate::settings::Settings;

/// The project that is in force on the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The project's name; empty for the zero-configuration rules alone.
    pub name: String,
    /// The project's fingerprint.
    pub fingerprint: String,
    /// The highest generation of a deploy that worked here; 0 before the first.
    pub generation: u64,
    /// Grows with every move of the pointer: who began under an earlier one has to stop.
    pub revision: u64,
    /// The gold models that are not stored, in the order of the graph: `query` expands them.
    pub views: Vec<View>,
    /// The seeds, by name, with the file that holds their rows.
    pub seeds: BTreeMap<String, String>,
}

/// A gold model that is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The model's name.
    pub name: String,
    /// Its SQL.
    pub sql: String,
}

/// What a worker may do with the pointer.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Its project is in force.
    Holds,
    /// It puts its project in force.
    Moves,
    /// A newer deploy, or a person after this one, put another project in force.
    Superseded,
}

/// Reads the pointer.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn in_force(lake: &Lake) -> Result<Option<InForce>> {
    lake.read(&pointer())?.as_ref().map(parsed).transpose()
}

fn parsed(document: &Document) -> Result<InForce> {
    serde_json::from_slice(&document.bytes).map_err(invalid)
}

fn invalid(source: serde_json::Error) -> Error {
    Error::Document { path: pointer().into(), kind: "project pointer", source }
}

/// Puts a project in force, where the worker may.
///
/// # Errors
/// [`Error::Superseded`] where it may not; [`Error::Io`], [`Error::Document`].
pub fn put_in_force(lake: &Lake, project: &Project, settings: &Settings) -> Result<InForce> {
    loop {
        let document = lake.read(&pointer())?;
        let former = document.as_ref().map(parsed).transpose()?;
        match former.as_ref().map(|former| (standing(former, project, settings), former)) {
            Some((Standing::Holds, former)) => return Ok(former.clone()),
            Some((Standing::Superseded, former)) => return Err(Error::Superseded { name: former.name.clone() }),
            Some((Standing::Moves, _)) | None => {}
        }
        let new = InForce::after(former.as_ref(), project, settings);
        let bytes = serde_json::to_vec(&new).map_err(invalid)?;
        if lake.swap(&pointer(), document.as_ref(), &bytes)?.is_some() {
            return Ok(new);
        }
    }
}

fn standing(former: &InForce, project: &Project, settings: &Settings) -> Standing {
    let same = former.fingerprint == project.fingerprint;
    // A project in a bucket changes without a deploy: who wrote it there said what should hold.
    let in_place = matches!(settings.project, Some(Place::Bucket { .. }));
    match settings.generation {
        Some(own) if own > former.generation => Standing::Moves,
        Some(own) if own < former.generation => Standing::Superseded,
        _ if same => Standing::Holds,
        Some(_) if !in_place => Standing::Superseded,
        _ => Standing::Moves,
    }
}

impl InForce {
    fn after(former: Option<&Self>, project: &Project, settings: &Settings) -> Self {
        let views = project.models.iter().filter(|model| model.zone == Zone::Gold && !model.stored);
        Self {
            name: project.name.clone(),
            fingerprint: project.fingerprint.clone(),
            generation: settings.generation.or(former.map(|former| former.generation)).unwrap_or(0),
            revision: former.map_or(1, |former| former.revision + 1),
            views: views.map(|model| View { name: model.name.clone(), sql: model.sql.clone() }).collect(),
            seeds: project.seeds.iter().map(|seed| (seed.name.clone(), seeds::file_name(seed))).collect(),
        }
    }
}

fn pointer() -> String {
    format!("silver/{SYSTEM_FOLDER}/project.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Address, Scratch};

    fn project(fingerprint: &str) -> Project {
        let mut project = Project::empty();
        project.name = fingerprint.to_owned();
        project.fingerprint = fingerprint.to_owned();
        project
    }

    fn deploy(generation: u64) -> Settings {
        Settings { generation: Some(generation), ..Settings::default() }
    }

    /// Generation and revision after each worker began, or that it was superseded.
    fn told(steps: &[(&str, &Settings)]) -> Vec<Option<(u64, u64)>> {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(&Address::folder(folder.path()), &Scratch::default(), None).unwrap();
        let step = |(name, settings): &(&str, &Settings)| match put_in_force(&lake, &project(name), settings) {
            Ok(pointer) => Some((pointer.generation, pointer.revision)),
            Err(Error::Superseded { .. }) => None,
            Err(error) => panic!("{}", error.chain()),
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn a_higher_generation_moves_the_pointer_and_a_lower_one_is_superseded() {
        let steps = [("old", &deploy(3)), ("new", &deploy(4)), ("old", &deploy(3)), ("new", &deploy(4))];
        assert_eq!(told(&steps), [Some((3, 1)), Some((4, 2)), None, Some((4, 2))]);
    }

    #[test]
    fn a_command_line_holds_until_the_next_deploy() {
        let command_line = Settings::default();
        let steps = [("image", &deploy(3)), ("mine", &command_line), ("image", &deploy(3)), ("next", &deploy(4))];
        assert_eq!(told(&steps), [Some((3, 1)), Some((3, 2)), None, Some((4, 3))]);
    }

    #[test]
    fn a_deploy_that_changes_nothing_of_the_project_still_ends_older_workers() {
        let steps = [("same", &deploy(3)), ("same", &deploy(4)), ("same", &deploy(3))];
        assert_eq!(told(&steps), [Some((3, 1)), Some((4, 2)), None]);
    }

    #[test]
    fn a_project_in_a_bucket_may_change_without_a_deploy() {
        let place = Some(Place::parse("s3://projects/shop").unwrap());
        let worker = Settings { project: place, ..deploy(3) };
        assert_eq!(told(&[("old", &worker), ("new", &worker)]), [Some((3, 1)), Some((3, 2))]);
    }
}
