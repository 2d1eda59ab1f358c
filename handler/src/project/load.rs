//! From the folder to the project, step by step; a step that finds problems notes them and lets the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::configuration::{Config, Resource};
use super::contract::{contract, data_type};
use super::draft::{Clock, Draft};
use super::error::{Errors, Place, suggestion};
use super::files::{Files, SourceFile};
use super::model_tests::Tester;
use super::names::{check_name, name_tables};
use super::placement::{Owned, place_tests};
use super::properties::{Column, Patch, Properties};
use super::settings::Settings;
use super::template::{Templates, World, doc_blocks};
use super::yaml::{self, Node, Reader};
use super::{Model, Project, Relation, Seed, SourceTable};

/// A project on its way.
struct Loader<'a> {
    root: &'a Path,
    settings: &'a Settings,
    files: &'a Files,
    properties: &'a Properties,
    templates: &'a Templates<'a>,
    clock: Clock,
    disabled: BTreeSet<String>,
    warnings: Vec<String>,
}

/// Reads a project.
pub(super) fn load(
    root: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
    run_started_at: DateTime<Utc>,
) -> Result<Project, Errors> {
    let mut errors = Errors::default();
    let Some(settings) = Settings::read(root, &Templates::new(environment), &mut errors) else {
        return errors.or(Project::empty());
    };
    refuse_packages(root, &mut errors);
    let files = Files::read(root, &settings.paths, &mut errors);
    let documents = files.documents.iter().flat_map(|file| doc_blocks(&file.path, &file.text, &mut errors));
    let documents: BTreeMap<String, String> = documents.collect();
    let templates = Templates::new(environment)
        .with_project((&settings.name, settings.variables.clone()), &files.macros, &mut errors)
        .with_documents(documents);
    let properties = Properties::read(&files.properties, (&settings, &templates), &mut errors);
    let clock = Clock { run_started_at, matters: files.mention("run_started_at") };
    let loader = Loader {
        root,
        settings: &settings,
        files: &files,
        properties: &properties,
        templates: &templates,
        clock,
        disabled: BTreeSet::new(),
        warnings: Vec::new(),
    };
    let project = loader.assemble(&mut errors);
    errors.or(project)
}

impl<'a> Loader<'a> {
    fn assemble(mut self, errors: &mut Errors) -> Project {
        let mut seeds = self.seeds(errors);
        let drafts = self.drafts(errors);
        Self::check_names(&drafts, &seeds, errors);
        let sources = self.sources(&drafts, errors);
        let world = Arc::new(self.world(&drafts, &seeds, &sources));
        let mut models = self.models(&drafts, &world, errors);
        let tests = self.tests((&drafts, &seeds), world, errors);
        models = place_tests(models, &mut seeds, tests, errors);
        self.check_patches(&drafts, &seeds, errors);
        self.warn_unused();
        let seeds: Vec<Seed> = seeds.into_iter().map(|(_, seed)| seed).collect();
        let fingerprint = super::fingerprint::of(&self.settings.name, &sources, &models, &seeds);
        self.warnings.sort();
        self.warnings.dedup();
        let (name, warnings, claims) = (self.settings.name.clone(), self.warnings, super::claim::Claims::of(&sources));
        Project { name, sources, models, seeds, warnings, fingerprint, claims }
    }

    /// The seeds, each with the name that `ref` takes.
    fn seeds(&mut self, errors: &mut Errors) -> Vec<(String, Seed)> {
        let mut seeds = Vec::new();
        for file in &self.files.seeds {
            let id = file.stem();
            let names: Vec<String> = file.folders.iter().chain([&id]).cloned().collect();
            let mut config = self.settings.configure(Resource::Seeds, &names);
            if let Some(patch) = self.properties.seeds.get(&id) {
                config.join(&patch.config);
            }
            if config.enabled(errors) {
                seeds.push((id.clone(), seed(self.root, (file, id), &config, errors)));
            } else {
                self.disabled.insert(id);
            }
        }
        seeds
    }

    fn drafts(&mut self, errors: &mut Errors) -> Vec<Draft<'a>> {
        let mut drafts = Vec::new();
        for file in &self.files.models {
            match Draft::read(file, (self.settings, self.properties), self.templates, errors) {
                Some(draft) => drafts.push(draft),
                None => {
                    self.disabled.insert(file.stem());
                }
            }
        }
        drafts
    }

    /// Names are plain, not reserved, and each is used once.
    fn check_names(drafts: &[Draft<'_>], seeds: &[(String, Seed)], errors: &mut Errors) {
        let mut known: BTreeMap<String, Place> = BTreeMap::new();
        let models = drafts.iter().map(|draft| (&draft.id, &draft.name, &draft.place));
        for (id, name, place) in models.chain(seeds.iter().map(|(id, seed)| (id, &seed.name, &seed.place))) {
            check_name(name, place, errors);
            for name in BTreeSet::from([id.to_lowercase(), name.to_lowercase()]) {
                match known.get(&name) {
                    Some(other) => errors.add(
                        place,
                        format!("a second model or seed \"{name}\"; the first is {}", other.file.display()),
                    ),
                    None => {
                        known.insert(name, place.clone());
                    }
                }
            }
        }
    }

    fn sources(&mut self, drafts: &[Draft<'_>], errors: &mut Errors) -> Vec<SourceTable> {
        let mut sources: Vec<SourceTable> = Vec::new();
        for properties in &self.properties.sources {
            let mut names = properties.folders.clone();
            names.extend([properties.source.clone(), properties.name.clone()]);
            let mut config = self.settings.configure(Resource::Sources, &names);
            config.join(&properties.config);
            if !config.enabled(errors) {
                self.disabled.insert(format!("{}.{}", properties.source, properties.name));
                continue;
            }
            let table = contract(properties, &config, errors);
            let same = |other: &&SourceTable| other.source == table.source && other.name == table.name;
            match sources.iter().find(same) {
                Some(other) => errors.add(
                    &table.place,
                    format!("source table {}.{} is declared twice, first at {}", table.source, table.name, other.place),
                ),
                None => sources.push(table),
            }
        }
        name_tables(&mut sources, drafts, errors);
        sources
    }

    fn world(&self, drafts: &[Draft<'_>], seeds: &[(String, Seed)], sources: &[SourceTable]) -> World {
        let models = drafts.iter().map(|draft| (draft.id.clone(), draft.relation()));
        let seeds = seeds.iter().map(|(id, seed)| (id.clone(), Relation::Seed { name: seed.name.clone() }));
        let source = |source: &SourceTable| {
            ((source.source.clone(), source.name.clone()), Relation::Source { table: source.table.clone() })
        };
        World {
            named: Some(models.chain(seeds).collect()),
            sources: sources.iter().map(source).collect(),
            disabled: self.disabled.clone(),
            project: self.settings.name.clone(),
        }
    }

    fn models(&mut self, drafts: &[Draft<'_>], world: &Arc<World>, errors: &mut Errors) -> Vec<Model> {
        let mut models = Vec::new();
        for draft in drafts {
            let patch = self.properties.models.get(&draft.id);
            if let Some((model, warnings)) = draft.render((self.templates, &self.clock), (world, patch), errors) {
                self.warnings.extend(warnings.into_iter().map(|warning| format!("{}: {warning}", draft.place)));
                models.push(model);
            }
        }
        let read: BTreeSet<Relation> = models.iter().flat_map(|model| model.relations.clone()).collect();
        for model in &mut models {
            let says_view = drafts.iter().any(|draft| draft.name == model.name && draft.says_view);
            model.stored |= !says_view && !read.contains(&model.relation());
        }
        models
    }

    /// All tests, each with the relation it is stated for; singular tests have none.
    fn tests(
        &self,
        (drafts, seeds): (&[Draft<'_>], &[(String, Seed)]),
        world: Arc<World>,
        errors: &mut Errors,
    ) -> Vec<Owned> {
        let tester = Tester { templates: self.templates, clock: &self.clock, world };
        let models = drafts.iter().map(|draft| (self.properties.models.get(&draft.id), draft.relation()));
        let seeds =
            seeds.iter().map(|(id, seed)| (self.properties.seeds.get(id), Relation::Seed { name: seed.name.clone() }));
        let mut tests = Vec::new();
        for (patch, tested) in models.chain(seeds) {
            let entries = patch.into_iter().flat_map(|Patch { columns, tests, .. }| {
                columns.iter().flat_map(|column: &Column| &column.tests).chain(tests)
            });
            for entry in entries {
                let rendered = tester.generic(entry, &tested, errors);
                tests.extend(rendered.into_iter().map(|test| Owned { owner: Some(tested.clone()), test }));
            }
        }
        for file in &self.files.tests {
            let rendered = tester.singular(file, (self.settings, self.properties), errors);
            tests.extend(rendered.into_iter().map(|test| Owned { owner: None, test }));
        }
        tests
    }

    /// What is said about a model or seed that is not there is a mistake.
    fn check_patches(&self, drafts: &[Draft<'_>], seeds: &[(String, Seed)], errors: &mut Errors) {
        let models: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
        let seeds: Vec<&str> = seeds.iter().map(|(id, _)| id.as_str()).collect();
        for (patches, known, noun) in
            [(&self.properties.models, &models, "model"), (&self.properties.seeds, &seeds, "seed")]
        {
            for (name, patch) in patches {
                if !known.contains(&name.as_str()) && !self.disabled.contains(name) {
                    let hint = suggestion(name, known.iter().copied());
                    errors.add(&patch.place, format!("there is no {noun} \"{name}\"{hint}"));
                }
            }
        }
    }

    fn warn_unused(&mut self) {
        let names = |file: &SourceFile| file.folders.iter().cloned().chain([file.stem()]).collect::<Vec<_>>();
        let models: Vec<_> = self.files.models.iter().map(names).collect();
        let seeds: Vec<_> = self.files.seeds.iter().map(names).collect();
        let source = |source: &super::properties::SourceProperties| {
            let mut names = source.folders.clone();
            names.extend([source.source.clone(), source.name.clone()]);
            names
        };
        let sources: Vec<_> = self.properties.sources.iter().map(source).collect();
        for (resource, known) in [(Resource::Models, models), (Resource::Seeds, seeds), (Resource::Sources, sources)] {
            self.warnings.extend(self.settings.unused(resource, &known));
        }
    }
}

/// One seed.
fn seed(root: &Path, (file, id): (&SourceFile, String), config: &Config, errors: &mut Errors) -> Seed {
    let mut column_types = Vec::new();
    if let Some(setting) = config.setting("column_types") {
        let mut reader = Reader { file: setting.place.file.clone(), errors };
        for entry in setting.node.entries() {
            let given = Node::text(&entry.node).map(|text| (text, entry.line));
            let column = Column { name: entry.key.clone(), data_type: given, meta: Vec::new(), tests: Vec::new() };
            column_types.extend(data_type(&column, &mut reader).map(|data_type| (entry.key.clone(), data_type)));
        }
    }
    let delimiter = config.text("delimiter", errors);
    if let (Some(text), Some(setting)) = (&delimiter, config.setting("delimiter"))
        && text.len() != 1
    {
        errors.add(&setting.place, format!("delimiter must be one ASCII character, not \"{text}\""));
    }
    Seed {
        name: config.text("alias", errors).unwrap_or(id),
        path: root.join(&file.path),
        column_types,
        delimiter: delimiter.and_then(|text| text.bytes().next()),
        content_hash: file.text.clone(),
        tests: Vec::new(),
        place: Place::file(&file.path),
    }
}

/// Packages would bring macros and models of others; none are read.
fn refuse_packages(root: &Path, errors: &mut Errors) {
    for name in ["packages.yml", "dependencies.yml"] {
        let Ok(text) = fs::read_to_string(root.join(name)) else { continue };
        match yaml::parse(&text) {
            Ok(node) => {
                for entry in node.entries().iter().filter(|entry| !entry.node.is_empty()) {
                    let place = Place::new(PathBuf::from(name), entry.line);
                    errors.add(&place, format!("{} are not supported", entry.key));
                }
            }
            Err((line, message)) => errors.add(&Place::new(PathBuf::from(name), line), message),
        }
    }
}
