//! AWS Glue: the catalog that Athena and others find tables by.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Value, resource::resource};

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Database {
    pub catalog_id: Value<String>,
    pub database_input: DatabaseInput,
    pub database_name: Option<String>,
}

resource!(Database = "AWS::Glue::Database", stateful: false, create_only: ["DatabaseName"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct DatabaseInput {
    pub description: Option<String>,
    pub name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    pub catalog_id: Value<String>,
    pub database_name: Value<String>,
    pub table_input: TableInput,
}

resource!(Table = "AWS::Glue::Table", stateful: false, create_only: ["CatalogId", "DatabaseName", "TableInput.Name"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct TableInput {
    pub name: String,
    pub parameters: BTreeMap<String, String>,
    pub partition_keys: Vec<Column>,
    pub storage_descriptor: StorageDescriptor,
    pub table_type: TableType,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Column {
    pub name: String,
    pub r#type: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct StorageDescriptor {
    pub columns: Vec<Column>,
    pub location: Value<String>,
    pub serde_info: SerdeInfo,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct SerdeInfo {
    pub parameters: BTreeMap<String, Value<String>>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TableType {
    ExternalTable,
}
