//! The catalog: by which names Athena finds the Delta tables.

use std::collections::BTreeMap;

use super::{Lake, Zone};
use crate::{
    cfn::{
        Resource, Template, Value,
        glue::{Database, DatabaseInput, SerdeInfo, StorageDescriptor, Table, TableInput, TableType},
        pseudo,
    },
    options::Tables,
    sub,
};

/// A database for each zone that has tables: the project's `silver.orders` is `pintail_silver.orders` there, behind the prefix.
pub(super) fn catalog(template: &mut Template, lake: &Lake, tables: &Tables) {
    for (zone, id, names) in [(Zone::Silver, "Silver", &tables.silver), (Zone::Gold, "Gold", &tables.gold)] {
        if names.is_empty() {
            continue;
        }
        let name = format!("{}pintail_{}", lake.options.prefix.as_str(), zone.word()).replace('-', "_");
        let database = Database {
            catalog_id: pseudo::account(),
            database_input: DatabaseInput {
                description: Some(format!("The {} zone", zone.word())),
                name: Some(name.clone()),
            },
            database_name: Some(name),
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

/// Athena and Trino read columns and partitions from the table's own log. They find it by the `path` of the serde, others by the location.
fn delta(lake: &Lake, zone: Zone, name: &str) -> TableInput {
    let location: Value<String> = sub!["s3://", lake.bucket_name(zone), "/", name, "/"];
    TableInput {
        name: name.to_owned(),
        parameters: BTreeMap::from(
            [("classification", "delta"), ("table_type", "DELTA"), ("spark.sql.sources.provider", "delta")]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        ),
        // Athena asks for the list even where it is empty.
        partition_keys: vec![],
        storage_descriptor: StorageDescriptor {
            columns: vec![],
            serde_info: SerdeInfo { parameters: BTreeMap::from([("path".to_owned(), location.clone())]) },
            location,
        },
        table_type: TableType::ExternalTable,
    }
}

fn pascal(name: &str) -> String {
    let capital = |part: &str| {
        part.chars().next().map(|first| first.to_uppercase().chain(part.chars().skip(1)).collect::<String>())
    };
    name.split('_').filter_map(capital).collect()
}
