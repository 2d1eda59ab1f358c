//! Data files: batches become Parquet (zstd) files by partition, with the statistics that Delta's log keeps.
//! A file has a unique name and is of no consequence until a commit names it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use crate::encoding::properties;
use crate::error::{Error, Result};
use crate::fault;
use crate::fingerprint::fingerprint;
use crate::parquet_file::ParquetFile;
use crate::statistics;

/// How many partitions one writer keeps open; beyond that the files so far are closed and new ones begun.
const OPEN_PARTITIONS: usize = 64;

/// The longest name of a folder that tells column and value: a file system takes 255 bytes, S3 1024 of a whole key. Delta's
/// log has them all.
const LONGEST: usize = 128;

/// How many encoded bytes of row groups one writer keeps in memory.
const ROW_GROUPS: usize = 128 << 20;

/// How many bytes and how many rows wait at most until they are encoded, in all files of a writer together.
const WAITING: (usize, usize) = (8 << 20, 1 << 17);

/// A written data file, as a commit will name it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Path below the table's folder, with `/`.
    pub path: String,
    /// Partition columns and their values as Delta writes them; `None` is NULL.
    pub partition: BTreeMap<String, Option<String>>,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Delta's statistics, as JSON text.
    pub statistics: String,
}

/// Where the files of one result go.
#[derive(Debug, Clone)]
pub struct Target {
    /// The table's folder.
    pub folder: PathBuf,
    /// The beginning of each file's name; unique for the attempt.
    pub name: String,
    /// The stored schema.
    pub schema: SchemaRef,
    /// Columns whose values make the partitions.
    pub partition_by: Vec<String>,
}

type Partition = Vec<Option<String>>;

/// Writes batches of one schema. What it began goes with it, unless it comes to its end.
pub struct DataFileWriter {
    target: Target,
    open: HashMap<Partition, Open>,
    /// The bytes and rows that wait in them.
    waiting: (usize, usize),
    written: Vec<DataFile>,
    /// The paths of all files, as long as nobody else has them.
    begun: Vec<String>,
}

struct Open {
    path: String,
    file: ParquetFile,
    rows: u64,
}

impl DataFileWriter {
    /// A writer that has written nothing; files are made as rows come.
    pub fn new(target: Target) -> Self {
        Self { target, open: HashMap::new(), waiting: (0, 0), written: Vec::new(), begun: Vec::new() }
    }

    /// Appends rows of the target's schema.
    ///
    /// # Errors
    /// [`Error::Columns`] for an empty string in a partition column (Delta reads it back as NULL), [`Error::Io`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.target.partition_by.is_empty() {
            self.write_partition(&Vec::new(), batch.clone())?;
        } else {
            for (partition, rows) in self.split(batch)? {
                let part =
                    take_record_batch(batch, &UInt32Array::from(rows)).map_err(Error::columns("partition rows"))?;
                self.write_partition(&partition, part)?;
            }
        }
        self.waiting.0 += batch.get_array_memory_size();
        self.waiting.1 += batch.num_rows();
        if self.waiting.0 < WAITING.0 && self.waiting.1 < WAITING.1 {
            return Ok(());
        }
        self.waiting = (0, 0);
        for open in self.open.values_mut() {
            open.file.encode().map_err(|error| parquet_error(&open.path, error))?;
        }
        self.relieve()
    }

    /// Begins a file where no row has come, so that there is one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin_empty(&mut self) -> Result<()> {
        if self.open.is_empty() && self.written.is_empty() {
            let nothing = RecordBatch::new_empty(Arc::clone(&self.target.schema));
            let open = self.begin(&Vec::new(), &nothing)?;
            self.open.insert(Vec::new(), open);
        }
        Ok(())
    }

    /// The rows of each partition, in the order of first appearance.
    fn split(&self, batch: &RecordBatch) -> Result<Vec<(Partition, Vec<u32>)>> {
        let keys: Result<Vec<ArrayRef>> =
            self.target.partition_by.iter().map(|column| partition_texts(batch, column)).collect();
        let keys = keys?;
        let mut places: HashMap<Partition, usize> = HashMap::new();
        let mut parts: Vec<(Partition, Vec<u32>)> = Vec::new();
        for row in 0..batch.num_rows() {
            let partition: Partition = keys.iter().map(|texts| text_at(texts, row)).collect();
            let place = *places.entry(partition.clone()).or_insert_with(|| {
                parts.push((partition, Vec::new()));
                parts.len() - 1
            });
            parts[place].1.push(u32::try_from(row).unwrap_or(u32::MAX));
        }
        Ok(parts)
    }

    fn write_partition(&mut self, partition: &Partition, batch: RecordBatch) -> Result<()> {
        if !self.open.contains_key(partition) {
            if self.open.len() >= OPEN_PARTITIONS {
                self.close_all()?;
            }
            let open = self.begin(partition, &batch)?;
            self.open.insert(partition.clone(), open);
        }
        if let Some(open) = self.open.get_mut(partition) {
            open.rows += batch.num_rows() as u64;
            open.file.push(batch);
        }
        Ok(())
    }

    /// Ends the largest row groups in memory, where all of them together have become too large.
    fn relieve(&mut self) -> Result<()> {
        let mut held: usize = self.open.values().map(|open| open.file.held()).sum();
        if held < ROW_GROUPS {
            return Ok(());
        }
        let mut open: Vec<&mut Open> = self.open.values_mut().collect();
        open.sort_by_key(|open| std::cmp::Reverse(open.file.held()));
        for open in open {
            if held > ROW_GROUPS / 2 {
                held -= open.file.held();
                open.file.end_group().map_err(|error| parquet_error(&open.path, error))?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, partition: &Partition, first: &RecordBatch) -> Result<Open> {
        let mut path = String::new();
        for (column, value) in self.target.partition_by.iter().zip(partition) {
            let value = value.as_deref().map_or("__HIVE_DEFAULT_PARTITION__".to_owned(), escape);
            let name = format!("{}={value}", escape(column));
            path.push_str(&if name.len() > LONGEST { fingerprint([name.as_str()]) } else { name });
            path.push('/');
        }
        let _ = write!(path, "{}-{}.parquet", self.target.name, self.begun.len());
        let full = self.target.folder.join(&path);
        let folder = full.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        fault::before_write();
        let file = File::create_new(&full).map_err(Error::io("create", &full))?;
        self.begun.push(path.clone());
        let file = ParquetFile::begin(file, &self.target.schema, properties(first))
            .map_err(|error| parquet_error(&path, error))?;
        Ok(Open { path, file, rows: 0 })
    }

    fn close_all(&mut self) -> Result<()> {
        for (partition, open) in std::mem::take(&mut self.open) {
            fault::before_write();
            let metadata = open.file.finish().map_err(|error| parquet_error(&open.path, error))?;
            self.written.push(data_file(&self.target, partition, (open.path, open.rows), &metadata)?);
        }
        Ok(())
    }

    /// Closes the files and tells what was written.
    ///
    /// # Errors
    /// [`Error::Columns`] when a file cannot be finished, [`Error::Io`] when the disk is full: then none is left.
    pub fn finish(mut self) -> Result<Vec<DataFile>> {
        self.close_all()?;
        self.begun.clear();
        self.written.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(std::mem::take(&mut self.written))
    }
}

impl Drop for DataFileWriter {
    fn drop(&mut self) {
        for path in &self.begun {
            let full = self.target.folder.join(path);
            if let Err(error) = std::fs::remove_file(&full) {
                tracing::warn!(path = %full.display(), %error, "a data file that was given up stays");
            }
        }
    }
}

fn data_file(
    target: &Target,
    partition: Partition,
    (path, rows): (String, u64),
    metadata: &ParquetMetaData,
) -> Result<DataFile> {
    let full = target.folder.join(&path);
    let size = std::fs::metadata(&full).map_err(Error::io("look at", &full))?.len();
    let partition = target.partition_by.iter().cloned().zip(partition).collect();
    Ok(DataFile { path, partition, size, rows, statistics: statistics::of(metadata, &target.schema, rows) })
}

/// A partition column's values as Delta's protocol writes them ("Partition Value Serialization").
fn partition_texts(batch: &RecordBatch, column: &str) -> Result<ArrayRef> {
    let what = || format!("partition column {column:?}");
    let values = batch
        .column_by_name(column)
        .ok_or_else(|| Error::columns(what())(ArrowError::SchemaError("the result has no such column".to_owned())))?;
    let texts = match values.data_type() {
        DataType::Timestamp(_, zone) => timestamp_texts(values, zone.is_some()),
        DataType::Binary | DataType::List(_) | DataType::Struct(_) => {
            Err(ArrowError::SchemaError(format!("{} cannot make partitions", values.data_type())))
        }
        _ => cast(values, &DataType::Utf8),
    }
    .map_err(Error::columns(what()))?;
    let strings = texts.as_any().downcast_ref::<arrow::array::StringArray>();
    if strings.is_some_and(|strings| strings.iter().flatten().any(str::is_empty)) {
        let reason = "an empty string is no partition value: Delta reads it back as NULL".to_owned();
        return Err(Error::columns(what())(ArrowError::InvalidArgumentError(reason)));
    }
    Ok(texts)
}

fn timestamp_texts(values: &ArrayRef, zoned: bool) -> std::result::Result<ArrayRef, ArrowError> {
    let micros = cast(values, &DataType::Int64)?;
    let micros =
        micros.as_any().downcast_ref::<arrow::array::Int64Array>().cloned().unwrap_or_else(|| Vec::<i64>::new().into());
    let format = if zoned { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    let texts: arrow::array::StringArray = micros
        .iter()
        .map(|value| Some(chrono::DateTime::from_timestamp_micros(value?)?.naive_utc().format(format).to_string()))
        .collect();
    Ok(Arc::new(texts))
}

fn text_at(texts: &ArrayRef, row: usize) -> Option<String> {
    let texts = texts.as_any().downcast_ref::<arrow::array::StringArray>()?;
    texts.is_valid(row).then(|| texts.value(row).to_owned())
}

/// Hive's escaping of a path segment.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// A disk that is full says nothing against the rows.
fn parquet_error(path: &str, error: ParquetError) -> Error {
    let of_rows = |reason: String| Error::columns(format!("write data file {path}"))(ArrowError::ParquetError(reason));
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => Error::io("write", path)(*source),
            Err(source) => of_rows(source.to_string()),
        },
        error => of_rows(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;
    use crate::error::Class;

    #[test]
    fn a_full_disk_is_no_fault_of_the_rows() {
        let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut file = ParquetFile::begin(full, &rows.schema(), properties(&rows)).unwrap();
        file.push(rows);
        let error = parquet_error("a.parquet", file.finish().unwrap_err());
        assert!(error.is_of_room() && !error.is_of_data(), "{}", error.chain());
        assert_eq!(error.class(), (Class::Retryable, "Io"));
    }

    #[test]
    fn what_does_not_come_to_its_end_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
        let target = |name: &str| Target {
            folder: folder.path().to_owned(),
            name: name.to_owned(),
            schema: rows.schema(),
            partition_by: vec!["id".to_owned()],
        };
        let mut given_up = DataFileWriter::new(target("given-up"));
        given_up.write(&rows).unwrap();
        drop(given_up);
        let mut finished = DataFileWriter::new(target("finished"));
        finished.write(&rows).unwrap();
        let files = finished.finish().unwrap();
        assert_eq!(
            files.iter().map(|file| &*file.path).collect::<Vec<_>>(),
            ["id=1/finished-0.parquet", "id=2/finished-1.parquet"]
        );
        let there = |number| std::fs::read_dir(folder.path().join(format!("id={number}"))).unwrap().count();
        assert_eq!([there(1), there(2)], [1, 1]);
    }

    #[test]
    fn the_folder_of_a_long_value_or_column_has_a_name_that_a_file_system_takes() {
        let folder = tempfile::tempdir().unwrap();
        let notes = ["驚".repeat(32), "驚".repeat(33), "a b".to_owned()];
        for column in ["note".to_owned(), "Straße ".repeat(20)] {
            let notes: ArrayRef = Arc::new(arrow::array::StringArray::from(notes.to_vec()));
            let rows = RecordBatch::try_from_iter([(column.as_str(), notes)]).unwrap();
            let (target, schema) = (folder.path().to_owned(), rows.schema());
            let partition_by = vec![column.clone()];
            let mut writer = DataFileWriter::new(Target { folder: target, name: "f".to_owned(), schema, partition_by });
            writer.write(&rows).unwrap();
            let files = writer.finish().unwrap();
            let folders: std::collections::BTreeSet<&str> =
                files.iter().filter_map(|file| file.path.split('/').next()).collect();
            assert!(folders.len() == 3 && folders.contains("note=a%20b") == (column == "note"), "{folders:?}");
            assert!(files.iter().any(|file| file.partition[&column] == Some("驚".repeat(33))), "{files:?}");
        }
    }
}
