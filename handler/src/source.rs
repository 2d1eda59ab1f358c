//! Which source takes a raw key, and how its bytes are to be read.

use records::{Compression, Format, Options};

use crate::fingerprint::fingerprint;
use crate::project::{Model, OnDelete, Place, Project, Relation, Seed, SourceTable, Zone, table_of_key};

const FORMATS: &str = "csv, tsv, txt, json, ndjson, jsonl, parquet";
const COMPRESSIONS: &str = ".gz, .zst, .bz2, .xz or .sz";

/// A source with everything that processing its objects needs.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// The name of its silver table.
    pub table: String,
    /// What the project declares.
    pub declared: Option<&'a SourceTable>,
    /// The silver models that read it.
    pub models: Vec<&'a Model>,
    /// Why its objects belong to no table, if so.
    pub refused: Option<String>,
}

impl<'a> Source<'a> {
    /// The source that takes `key`; the error says why none can.
    ///
    /// # Errors
    /// The rule that the key breaks.
    pub fn of_key(project: &'a Project, key: &str) -> Result<Self, String> {
        if let Some(declared) = project.claim(key) {
            return Ok(Self {
                table: declared.table.clone(),
                declared: Some(declared),
                models: models_of(project, &declared.table),
                refused: None,
            });
        }
        let table = table_of_key(key).ok_or_else(|| format!("key {key:?} gives no name of a table"))?;
        let of_project = project.sources.iter().any(|source| source.table == table)
            || project.models.iter().any(|model| model.zone == Zone::Silver && model.name == table);
        if of_project {
            return Err(format!(
                "no source claims it, and silver.{table}, where it would go, is a table of the project"
            ));
        }
        Ok(Self { table, declared: None, models: Vec::new(), refused: None })
    }

    /// What stands for the source of a key that no table can take: its objects are quarantined for this reason.
    pub fn refused(reason: String) -> Self {
        Self { table: String::new(), declared: None, models: Vec::new(), refused: Some(reason) }
    }

    /// The name that receipts and quarantine give the source: `source.table` as declared, or the table.
    pub fn name(&self) -> String {
        self.declared.map_or_else(|| self.table.clone(), |declared| format!("{}.{}", declared.source, declared.name))
    }

    /// What happens with the rows of a removed object.
    pub fn on_delete(&self) -> OnDelete {
        self.declared.map_or(OnDelete::Keep, |declared| declared.on_delete)
    }

    /// The tables that hold the source's objects, as `silver/name`.
    pub fn tables(&self) -> Vec<String> {
        if self.table.is_empty() {
            return Vec::new();
        }
        let models = self.models.iter().map(|model| format!("silver/{}", model.name));
        std::iter::once(format!("silver/{}", self.table)).chain(models).collect()
    }

    /// A fingerprint of everything that decides how an object becomes rows: contract, silver models, their seeds.
    pub fn fingerprint(&self, project: &Project) -> String {
        let mut parts = vec![self.declared.map_or_else(String::new, |source| format!("{:?}", without_places(source)))];
        for model in &self.models {
            parts.extend([model.name.clone(), model.stable_sql.clone(), model.partition_by.join(",")]);
            parts.extend(model.tests.iter().map(|test| format!("{:?} {}", test.severity, test.stable_sql)));
            let seeds = project
                .seeds
                .iter()
                .filter(|seed| model.relations.contains(&Relation::Seed { name: seed.name.clone() }));
            parts.extend(seeds.map(Seed::identity));
        }
        fingerprint(parts.iter().map(String::as_str))
    }

    /// How the bytes of `key` are read; the error is the reason why they cannot be.
    ///
    /// # Errors
    /// An extension that says nothing, where the project declares no format.
    pub fn options(&self, key: &str) -> Result<Options, String> {
        if let Some(reason) = &self.refused {
            return Err(reason.clone());
        }
        let (format, compression, tabs) = by_extension(key);
        let format = self.declared.and_then(|source| source.format).or(format).ok_or_else(|| refuse_extension(key))?;
        let compression = self.declared.and_then(|source| source.compression).unwrap_or(compression);
        let declared = self.declared.map(|source| source.options.clone()).unwrap_or_default();
        let delimiter = declared.delimiter.or(tabs.then_some(b'\t'));
        Ok(Options { format, compression, delimiter, ..declared })
    }
}

/// A declaration that stays the same when only its line moves.
fn without_places(source: &SourceTable) -> SourceTable {
    let mut source = SourceTable { place: Place::default(), ..source.clone() };
    for test in &mut source.tests {
        test.place = Place::default();
    }
    source
}

fn models_of<'a>(project: &'a Project, table: &str) -> Vec<&'a Model> {
    let reads = |model: &&Model| {
        model.zone == Zone::Silver
            && model
                .relations
                .iter()
                .any(|relation| matches!(relation, Relation::Source { table: name } if name == table))
    };
    project.models.iter().filter(reads).collect()
}

/// Format, compression and whether fields stand between tabs, as the key's extensions tell.
fn by_extension(key: &str) -> (Option<Format>, Compression, bool) {
    let name = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
    let mut parts: Vec<&str> = name.split('.').skip(1).collect();
    let compression = match parts.last() {
        Some(&("gz" | "gzip")) => Compression::Gzip,
        Some(&("zst" | "zstd")) => Compression::Zstd,
        Some(&("bz2" | "bzip2")) => Compression::Bzip2,
        Some(&"xz") => Compression::Xz,
        Some(&("sz" | "snappy")) => Compression::Snappy,
        _ => Compression::None,
    };
    if compression != Compression::None {
        parts.pop();
    }
    let format = match parts.last().copied() {
        Some("csv" | "tsv" | "txt") => Some(Format::Csv),
        Some("json" | "ndjson" | "jsonl") => Some(Format::Json),
        Some("parquet") => Some(Format::Parquet),
        _ => None,
    };
    (format, compression, parts.last() == Some(&"tsv"))
}

/// Why a key whose extension tells no format is not read.
fn refuse_extension(key: &str) -> String {
    match records::unread_by_extension(key) {
        Some(what) => format!("the object is {what}"),
        None => format!("the extension is none of {FORMATS} (with {COMPRESSIONS}), and no source declares a format"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_are_not_read_are_refused_with_a_sentence() {
        assert_eq!(refuse_extension("a/b.XLSX"), "the object is an Excel workbook; export it as CSV");
        assert_eq!(refuse_extension("b.avro"), "the object is Avro, which is not read; convert it to Parquet");
        assert!(refuse_extension("b.xls.txt.part").starts_with("the extension is none of"));
    }

    #[test]
    fn extensions_tell_format_and_compression() {
        assert_eq!(by_extension("a/b.csv"), (Some(Format::Csv), Compression::None, false));
        assert_eq!(by_extension("a/b.TSV.GZ"), (Some(Format::Csv), Compression::Gzip, true));
        assert_eq!(by_extension("b.2024.ndjson.zst"), (Some(Format::Json), Compression::Zstd, false));
        assert_eq!(by_extension("b.csv.bz2"), (Some(Format::Csv), Compression::Bzip2, false));
        assert_eq!(by_extension("b.jsonl.XZ"), (Some(Format::Json), Compression::Xz, false));
        assert_eq!(by_extension("a.csv/b"), (None, Compression::None, false));
        assert_eq!(by_extension("report.xlsx"), (None, Compression::None, false));
    }
}
