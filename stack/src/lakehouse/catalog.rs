//! The catalog: by which names Athena finds the Delta tables.

use std::collections::BTreeMap;

use super::{Lake, Zone};
use crate::{
    cfn::{
        Resource, Template,
        glue::{Database, DatabaseInput, StorageDescriptor, Table, TableInput, TableType},
        pseudo,
    },
    options::Tables,
    sub,
};

/// A database for each zone that has tables, as `silver.orders` is called in the project.
pub(super) fn catalog(template: &mut Template, lake: &Lake, tables: &Tables) {
    for (zone, id, names) in [(Zone::Silver, "Silver", &tables.silver), (Zone::Gold, "Gold", &tables.gold)] {
        if names.is_empty() {
            continue;
        }
        let name = format!("{}pintail_{}", lake.options.prefix.as_str(), zone.word()).replace('-', "_");
        let database = Database {
            catalog_id: pseudo::account(),
            database_input: DatabaseInput { description: Some(format!("The {} zone", zone.word())), name: Some(name) },
        };
        let database = template.add(database.named(format!("{id}Database")));
        for name in names {
            let table = Table {
                catalog_id: pseudo::account(),
                database_name: database.name(),
                table_input: delta(lake, zone, name),
            };
            template.add(table.named(format!("{id}Table{}", pascal(name))));
        }
    }
}

/// Athena reads columns and files from the table's own log.
fn delta(lake: &Lake, zone: Zone, name: &str) -> TableInput {
    TableInput {
        name: name.to_owned(),
        parameters: BTreeMap::from(
            [("classification", "delta"), ("table_type", "DELTA"), ("spark.sql.sources.provider", "delta")]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        ),
        storage_descriptor: StorageDescriptor { location: sub!["s3://", lake.bucket_name(zone), "/", name, "/"] },
        table_type: TableType::ExternalTable,
    }
}

fn pascal(name: &str) -> String {
    let capital = |part: &str| {
        part.chars().next().map(|first| first.to_uppercase().chain(part.chars().skip(1)).collect::<String>())
    };
    name.split('_').filter_map(capital).collect()
}
