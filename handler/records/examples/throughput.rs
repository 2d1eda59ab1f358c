//! How fast the reader is by itself: records counted and typed, nothing written.
//!
//! ```text
//! throughput READER FILE [THREADS] [name:TYPE;...]
//! ```
//!
//! READER is `records` (with a contract where columns are given, else with one that is inferred first), or a peer that
//! types nothing: `csv` (the `csv` crate), `simd-json`. Prints one line of JSON.

#![expect(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Instant;

use records::{Column, Depth, FileInput, Format, Options, Plan, read_on, survey};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reader, path, rest @ ..] = arguments.as_slice() else {
        return Err("usage: throughput READER FILE [THREADS] [name:TYPE;...]".into());
    };
    let threads = rest.first().map_or(Ok(1), |threads| threads.parse())?;
    let path = Path::new(path);
    let begin = Instant::now();
    let (records, rejects) = match reader.as_str() {
        "records" => read_typed(path, threads, rest.get(1).map(String::as_str))?,
        "csv" => (count_csv(path)?, 0),
        "simd-json" => (count_json(path)?, 0),
        other => return Err(format!("unknown reader {other}").into()),
    };
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a size in megabytes")]
    let megabytes = path.metadata()?.len() as f64 / 1e6;
    println!(
        "{}",
        json!({"reader": reader, "threads": threads, "records": records, "rejects": rejects,
            "seconds": seconds, "mb_per_second": megabytes / seconds})
    );
    Ok(())
}

fn options_of(path: &Path) -> Options {
    let json = path.extension().is_some_and(|extension| extension == "ndjson");
    Options { format: if json { Format::Json } else { Format::Csv }, ..Options::default() }
}

fn read_typed(path: &Path, threads: usize, columns: Option<&str>) -> Result<(u64, u64)> {
    let (input, options) = (FileInput::new(File::open(path)?)?, options_of(path));
    let columns = match columns {
        Some(columns) => columns.split(';').map(declared).collect::<Result<Vec<_>>>()?,
        None => survey(&input, &options, Depth::Values)?
            .columns
            .into_iter()
            .map(|column| contract(column.name, column.inferred))
            .collect(),
    };
    let plan = Plan { columns, ..Plan::default() };
    let (mut records, mut rejects) = (0, 0);
    for batch in read_on(&input, &options, &plan, threads)? {
        let batch = batch?;
        records += batch.records;
        rejects += batch.rejects.len() as u64;
    }
    Ok((records, rejects))
}

fn declared(column: &str) -> Result<Column> {
    let (name, data_type) = column.split_once(':').ok_or("a column is name:TYPE")?;
    Ok(contract(name.to_owned(), data_type.parse()?))
}

fn contract(name: String, data_type: records::Type) -> Column {
    Column { source: Some(name.clone()), name, data_type, format: None, not_null: false }
}

fn count_csv(path: &Path) -> Result<u64> {
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(256 * 1024).from_path(path)?;
    let (mut record, mut records) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record)? {
        records += 1;
    }
    Ok(records)
}

fn count_json(path: &Path) -> Result<u64> {
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let (mut line, mut records) = (Vec::new(), 0);
    let mut buffers = simd_json::Buffers::default();
    while reader.read_until(b'\n', &mut line)? > 0 {
        simd_json::to_tape_with_buffers(&mut line, &mut buffers)?;
        records += 1;
        line.clear();
    }
    Ok(records)
}
