//! Which table each test stands with, and in which order the models come.

use std::collections::BTreeMap;

use super::error::Errors;
use super::graph::Graph;
use super::{Model, ModelTest, Relation, Seed, Zone};

/// A test and the relation that it is stated for; a singular test has none.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) owner: Option<Relation>,
    pub(super) test: ModelTest,
}

impl Owned {
    /// The models that the test reads, by their key in the graph.
    fn models(&self) -> impl Iterator<Item = String> {
        self.test.relations.iter().filter_map(key)
    }
}

/// The models in order, each with its tests. A test stands with the last model that it reads: the one whose refresh
/// makes it possible. A test that reads no model stands with its seed.
pub(super) fn place_tests(
    models: Vec<Model>,
    seeds: &mut [(String, Seed)],
    tests: Vec<Owned>,
    errors: &mut Errors,
) -> Vec<Model> {
    let mut graph = Graph::default();
    for model in &models {
        graph.add(&name_of(model), model.relations.iter().filter_map(key));
    }
    if let Some(cycle) = graph.cycle() {
        let first = models.iter().find(|model| Some(&name_of(model)) == cycle.first());
        let names: Vec<&str> = cycle.iter().map(|name| plain(name)).collect();
        let place = first.map(|model| model.place.clone()).unwrap_or_default();
        errors.add(&place, format!("models read each other in a circle: {}", names.join(" -> ")));
    }
    for test in &tests {
        for owner in test.owner.iter().filter_map(key) {
            test.models().for_each(|read| graph.prefer(&owner, &read));
        }
    }
    let order = graph.order();
    let position: BTreeMap<&String, usize> = order.iter().enumerate().map(|(index, name)| (name, index)).collect();
    let mut models = models;
    models.sort_by_key(|model| position.get(&name_of(model)).copied());
    for test in tests {
        let last = test.models().filter_map(|name| position.get(&name).map(|index| (*index, name))).max();
        match last.and_then(|(_, name)| models.iter_mut().find(|model| name_of(model) == name)) {
            Some(model) => {
                check_silver(model, &test.test, errors);
                model.tests.push(test.test);
            }
            None => attach_to_seed(seeds, test.test, errors),
        }
    }
    models
}

/// The key of a model in the graph: silver sorts before gold.
fn key(relation: &Relation) -> Option<String> {
    match relation {
        Relation::Model { zone: Zone::Silver, name } => Some(format!("0{name}")),
        Relation::Model { zone: Zone::Gold, name } => Some(format!("1{name}")),
        Relation::Source { .. } | Relation::Seed { .. } => None,
    }
}

fn name_of(model: &Model) -> String {
    key(&model.relation()).unwrap_or_default()
}

fn plain(key: &str) -> &str {
    key.get(1..).unwrap_or(key)
}

/// A silver model is tested object by object: its tests can read nothing else.
fn check_silver(model: &Model, test: &ModelTest, errors: &mut Errors) {
    let is_own = |relation: &Relation| *relation == model.relation() || matches!(relation, Relation::Seed { .. });
    if let Some(other) = test.relations.iter().find(|relation| !is_own(relation)).filter(|_| model.zone == Zone::Silver)
    {
        let message = format!(
            "test {} of silver model \"{}\" reads {other}: it may read the model itself and seeds only",
            test.name, model.name
        );
        errors.add(&test.place, message);
    }
}

fn attach_to_seed(seeds: &mut [(String, Seed)], test: ModelTest, errors: &mut Errors) {
    let only_seeds = test.relations.iter().all(|relation| matches!(relation, Relation::Seed { .. }));
    let read = test.relations.iter().map(Relation::name).collect::<Vec<_>>();
    match seeds.iter_mut().rfind(|(_, seed)| only_seeds && read.contains(&seed.name.as_str())) {
        Some((_, seed)) => seed.tests.push(test),
        None if test.relations.iter().any(|relation| matches!(relation, Relation::Model { .. })) => {}
        None => errors.add(
            &test.place,
            format!(
                "test {} reads no model and no seed: a test across the objects of a source belongs to a gold model",
                test.name
            ),
        ),
    }
}
