//! A model on its way: what is said about it from outside, then what its own text says when it is rendered.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::configuration::{Config, Resource};
use super::contract::data_type;
use super::error::{Error, Errors, Place};
use super::files::SourceFile;
use super::properties::{Patch, Properties};
use super::settings::Settings;
use super::template::{Rendered, Subject, Templates, World, value_node};
use super::yaml::{Entry, Node, Reader, Value};
use super::{Materialization, Model, Relation, Zone};

/// A model before it is placed in the graph.
#[derive(Debug)]
pub(super) struct Draft<'f> {
    /// The name that `ref` takes.
    pub(super) id: String,
    /// The table's name.
    pub(super) name: String,
    pub(super) file: &'f SourceFile,
    pub(super) config: Config,
    pub(super) zone: Zone,
    pub(super) materialization: Materialization,
    /// Whether the project says `view` of it.
    pub(super) says_view: bool,
    pub(super) place: Place,
}

/// Renders a text twice: as it is now, and with a fixed `run_started_at`.
pub(super) struct Clock {
    pub(super) run_started_at: DateTime<Utc>,
    /// Whether the project looks at the clock at all.
    pub(super) matters: bool,
}

impl Clock {
    /// The rendering of now, and the text of the fixed time.
    pub(super) fn render(
        &self,
        subject: &Subject,
        render: impl Fn(&Subject) -> Result<Rendered, Error>,
    ) -> Result<(Rendered, String), Error> {
        let now = render(&Subject { run_started_at: self.run_started_at, ..subject.clone() })?;
        let stable = if self.matters {
            render(&Subject { run_started_at: DateTime::UNIX_EPOCH, ..subject.clone() })?.text
        } else {
            now.text.clone()
        };
        Ok((now, stable))
    }
}

/// What the text itself says by `config(...)`, as if it stood on that line of a `.yml` file.
pub(super) fn own_config(rendered: &Rendered, file: &SourceFile) -> Node {
    let line = file.text.lines().position(|line| line.contains("config(")).map_or(1, |index| index + 1);
    let entry = |(key, value)| Entry { key: String::clone(key), line, node: value_node(value, line) };
    Node { line, value: Value::Map(rendered.config.iter().map(entry).collect()) }
}

impl<'f> Draft<'f> {
    /// Reads what is said about a model. None: it is switched off, or a problem has been noted.
    pub(super) fn read(
        file: &'f SourceFile,
        (settings, properties): (&Settings, &Properties),
        templates: &Templates<'_>,
        errors: &mut Errors,
    ) -> Option<Self> {
        let id = file.stem();
        let place = Place::file(&file.path);
        let names: Vec<String> = file.folders.iter().chain([&id]).cloned().collect();
        let mut config = settings.configure(Resource::Models, &names);
        if let Some(patch) = properties.models.get(&id) {
            config.join(&patch.config);
        }
        if !config.enabled(errors) {
            return None;
        }
        let this = Relation::Model { zone: Zone::Gold, name: id.clone() };
        let subject = Subject {
            place: place.clone(),
            this: Some(this),
            config: config.values(),
            run_started_at: DateTime::UNIX_EPOCH,
            world: Some(Arc::new(World { project: settings.name.clone(), ..World::default() })),
        };
        match templates.render(&file.text, &subject) {
            Ok(rendered) => {
                let mut reader = Reader { file: file.path.clone(), errors };
                config.add(&own_config(&rendered, file), Resource::Models, &mut reader);
            }
            Err(error) => errors.0.push(error),
        }
        config.enabled(errors).then(|| Self::configured(id, (file, place), config, errors))
    }

    fn configured(id: String, (file, place): (&'f SourceFile, Place), config: Config, errors: &mut Errors) -> Self {
        let name = config.text("alias", errors).unwrap_or_else(|| id.clone());
        let schema = config.text("schema", errors);
        let schema = schema.as_deref().and_then(|schema| schema.rsplit('.').next());
        let silver = schema.or(file.folders.first().map(String::as_str)) == Some("silver");
        let zone = if silver { Zone::Silver } else { Zone::Gold };
        let said = config.text("materialized", errors);
        let materialization = match said.as_deref() {
            Some("table" | "incremental") => Materialization::Table,
            Some("ephemeral") => Materialization::Ephemeral,
            None | Some("view") => Materialization::View,
            Some(other) => {
                let place = config.setting("materialized").map_or(&place, |setting| &setting.place);
                let message =
                    format!("materialized \"{other}\" is not supported: use table, incremental, view or ephemeral");
                errors.add(place, message);
                Materialization::View
            }
        };
        Self { id, name, file, config, zone, materialization, says_view: said.as_deref() == Some("view"), place }
    }

    /// How SQL names it.
    pub(super) fn relation(&self) -> Relation {
        Relation::Model { zone: self.zone, name: self.name.clone() }
    }

    /// Renders the SQL, now that every relation is known. Whether it is stored is settled later.
    pub(super) fn render(
        &self,
        (templates, clock): (&Templates<'_>, &Clock),
        (world, patch): (&Arc<World>, Option<&Patch>),
        errors: &mut Errors,
    ) -> Option<(Model, Vec<String>)> {
        let subject = Subject {
            place: self.place.clone(),
            this: Some(self.relation()),
            config: self.config.values(),
            run_started_at: clock.run_started_at,
            world: Some(Arc::clone(world)),
        };
        let (rendered, stable_sql) = match clock.render(&subject, |subject| templates.render(&self.file.text, subject))
        {
            Ok(rendered) => rendered,
            Err(error) => {
                errors.0.push(error);
                return None;
            }
        };
        if rendered.text.trim().is_empty() {
            errors.add(&self.place, "the model is empty");
        }
        self.check_silver(&rendered.relations, errors);
        let model = Model {
            name: self.name.clone(),
            zone: self.zone,
            materialization: self.materialization,
            stored: self.zone == Zone::Silver || self.materialization == Materialization::Table,
            sql: rendered.text,
            stable_sql,
            relations: rendered.relations.into_iter().collect(),
            partition_by: self.partition_by(errors),
            tests: Vec::new(),
            columns: patch.map(|patch| columns(patch, errors)).unwrap_or_default(),
            description: patch.and_then(|patch| patch.description.clone()),
            place: self.place.clone(),
        };
        Some((model, rendered.warnings))
    }

    /// Silver is a function of one object: of one source, then, and of seeds.
    fn check_silver(&self, relations: &BTreeSet<Relation>, errors: &mut Errors) {
        if self.zone == Zone::Gold {
            return;
        }
        let sources = relations.iter().filter(|relation| matches!(relation, Relation::Source { .. })).count();
        let models = relations.iter().any(|relation| matches!(relation, Relation::Model { .. }));
        if sources != 1 || models {
            let read: Vec<String> = relations.iter().map(ToString::to_string).collect();
            let read = if read.is_empty() { "nothing".to_owned() } else { read.join(", ") };
            let message = format!(
                "silver is a function of one object: a silver model reads exactly one source() and no model, this one \
                 reads {read}"
            );
            errors.add(&self.place, message);
        }
    }

    fn partition_by(&self, errors: &mut Errors) -> Vec<String> {
        let meta = self.config.setting("meta").and_then(|setting| {
            let node = setting.node.key("partition_by")?;
            Some(Reader { file: setting.place.file.clone(), errors }.texts(node, "partition_by"))
        });
        meta.unwrap_or_else(|| self.config.texts("partition_by", errors))
    }
}

/// The described columns, with their types.
fn columns(patch: &Patch, errors: &mut Errors) -> Vec<(String, Option<records::Type>)> {
    let mut reader = Reader { file: patch.place.file.clone(), errors };
    patch.columns.iter().map(|column| (column.name.clone(), data_type(column, &mut reader))).collect()
}
