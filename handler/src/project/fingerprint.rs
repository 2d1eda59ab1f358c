//! One hash of everything in a project that can change a result.

use super::{Model, ModelTest, Place, RecordTest, Seed, SourceTable};

/// The hash. Places, descriptions and the time of the run are left out, so that only what matters changes it.
pub(super) fn of(name: &str, sources: &[SourceTable], models: &[Model], seeds: &[Seed]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: String| {
        hasher.update(&text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(name.to_owned());
    for source in sources {
        add(format!("{:?}", without_places(source)));
    }
    for model in models {
        let tests: Vec<_> = model.tests.iter().map(test).collect();
        let built = (model.zone, model.materialization, model.stored, &model.partition_by);
        add(format!("{:?}", ("model", &model.name, built, &model.stable_sql, &model.relations, &model.columns, tests)));
    }
    for seed in seeds {
        let tests: Vec<_> = seed.tests.iter().map(test).collect();
        add(format!("{:?}", ("seed", &seed.name, &seed.column_types, seed.delimiter, &seed.content_hash, tests)));
    }
    hasher.finalize().to_hex().to_string()
}

fn without_places(source: &SourceTable) -> SourceTable {
    let test = |test: &RecordTest| RecordTest { place: Place::default(), ..test.clone() };
    SourceTable { place: Place::default(), tests: source.tests.iter().map(test).collect(), ..source.clone() }
}

fn test(test: &ModelTest) -> (&str, super::Severity, &str) {
    (&test.name, test.severity, &test.stable_sql)
}
