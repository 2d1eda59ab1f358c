//! A short run of the fuzz targets: the same bodies over the corpus and some thousand mutations of it, the same ones each
//! time. `fuzz/README.md` tells how the long run goes.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use records::{Format, Input, Options};

#[expect(unreachable_pub, reason = "the fuzz targets call them from another crate")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use targets::promises::{read_all, refuse_all};

/// A target, its seeds, and how many mutations of each are run.
struct Target {
    name: &'static str,
    check: fn(&[u8]),
    seeds: Vec<Vec<u8>>,
    rounds: usize,
}

fn csv() -> Target {
    let seeds = read_corpus(10, |name| !name.starts_with("json") && !name.starts_with("gzip"));
    Target { name: "csv", check: targets::csv::check, seeds, rounds: 10 }
}

fn json() -> Target {
    let seeds = read_corpus(4, |name| name.starts_with("json"));
    Target { name: "json", check: targets::json::check, seeds, rounds: 60 }
}

fn parquet() -> Target {
    Target { name: "parquet", check: targets::parquet::check, seeds: write_parquet(), rounds: 1000 }
}

fn packed() -> Target {
    let seeds = read_corpus(5, |name| ["gzip", "utf", "jis", "latin"].iter().any(|part| name.contains(part)));
    Target { name: "packed", check: targets::packed::check, seeds, rounds: 200 }
}

fn convert() -> Target {
    Target { name: "convert", check: targets::convert::check, seeds: read_examples(), rounds: 300 }
}

/// The inputs of the corpus whose names are wanted, behind so many bytes that choose the first way to read them.
fn read_corpus(choices: usize, wanted: fn(&str) -> bool) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut folders: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.retain(|folder| wanted(folder.file_name().unwrap().to_str().unwrap()));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files
        .filter(|file| file.file_stem().unwrap().to_str().unwrap().starts_with("input"))
        .map(|file| [vec![0; choices], fs::read(file).unwrap()].concat())
        .collect()
}

/// The examples of the documentation, each as every type.
fn read_examples() -> Vec<Vec<u8>> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/types.md")).unwrap();
    let lines = page.lines().filter(|line| line.starts_with("| `"));
    let examples = lines.flat_map(|line| line.split('`').skip(3).step_by(2)).map(str::as_bytes);
    examples.zip((0..42_u8).cycle()).map(|(example, data_type)| [&[data_type, 0], example].concat()).collect()
}

fn write_parquet() -> Vec<Vec<u8>> {
    let numbers: Vec<i64> = (0..50).collect();
    let words = (0..50).map(|row| (row % 7 != 0).then(|| format!("word {}", row % 5)));
    let lists = (0..50).map(|row| Some((0..row % 4).map(Some).collect::<Vec<_>>()));
    let columns: [(&str, ArrayRef); 5] = [
        ("n", Arc::new(Int64Array::from(numbers.clone()))),
        ("w", Arc::new(words.collect::<StringArray>())),
        ("f", Arc::new(Float64Array::from_iter_values((0..50).map(f64::from)))),
        ("b", Arc::new(BinaryArray::from_iter_values(numbers.iter().map(|number| number.to_le_bytes())))),
        ("l", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW]
        .map(|compression| {
            let properties = WriterProperties::builder()
                .set_compression(compression)
                .set_max_row_group_row_count(Some(30))
                .set_data_page_row_count_limit(10)
                .set_write_batch_size(5)
                .build();
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.into_inner().unwrap()
        })
        .to_vec()
}

/// Numbers that look like chance and are the same each time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or(0);
        number % bound.max(1)
    }

    /// The bytes, changed in one to four places.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        const PIECES: [&[u8]; 10] = [b"\"", b"\"\"", b"\n", b"\r", b",", b"\\", b"{", b"]", b"-1e9", b"\xff"];
        let mut changed = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(changed.len() + 1);
            let end = (place + self.below(8)).min(changed.len());
            match self.below(5) {
                0 if place < changed.len() => changed[place] ^= 1 << self.below(8),
                1 => drop(changed.drain(place..end)),
                2 => drop(changed.splice(place..place, changed[place..end].to_vec())),
                3 if !changed.is_empty() => {
                    let choice = self.below(changed.len().min(10));
                    changed[choice] = u8::try_from(self.below(256)).unwrap();
                }
                _ => drop(changed.splice(place..place, PIECES[self.below(PIECES.len())].iter().copied())),
            }
        }
        changed
    }
}

/// Runs a target over its seeds and their mutations.
fn run(target: &Target) {
    let mut chance = Chance(1);
    for seed in &target.seeds {
        (target.check)(seed);
        for _ in 0..target.rounds {
            (target.check)(&chance.mutate(seed));
        }
    }
}

#[test]
fn damaged_csv_keeps_the_promises() {
    run(&csv());
}

#[test]
fn damaged_json_keeps_the_promises() {
    run(&json());
}

#[test]
fn damaged_parquet_keeps_the_promises() {
    run(&parquet());
}

#[test]
fn damaged_packings_keep_the_promises() {
    run(&packed());
}

#[test]
fn damaged_values_keep_the_promises() {
    run(&convert());
}

/// An object of some text, and then a byte over and over, and then another text.
struct Endless {
    parts: [Vec<u8>; 2],
    byte: u8,
    count: u64,
}

impl Input for Endless {
    fn length(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum::<u64>() + self.count
    }

    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        assert_eq!(range, 0..self.length(), "it is read as a whole");
        let [first, last] = self.parts.clone().map(io::Cursor::new);
        Ok(Box::new(first.chain(io::repeat(self.byte).take(self.count)).chain(last)))
    }
}

#[test]
fn what_stands_between_records_needs_no_memory() {
    let json = Options { format: Format::Json, ..Options::default() };
    let csv = Options { delimiter: Some(b','), quote: Some(b'"'), ..Options::default() };
    let bare = Options { header: false, ..csv.clone() };
    for (options, first, byte, last, records) in [
        (&json, "{\"a\":1}", b' ', "\n{\"a\":2}", 2),
        (&json, "{\"a\":1}\n", b'\n', "{\"a\":2}", 2),
        (&json, "[{\"a\":1},", b' ', "{\"a\":2}]", 2),
        (&json, "[{\"a\":1}", b' ', "\n,{\"a\":2}]", 2),
        (&json, "[{\"a\":1}]", b' ', "", 1),
        (&csv, "", b'\n', "a\n1\n", 1),
        (&csv, "a\n1\n", b'\n', "2\n", 2),
        (&bare, "", b'\n', "1\n2\n", 2),
    ] {
        let parts = [first.into(), last.into()];
        let outcome = read_all(&Endless { parts, byte, count: 200 << 20 }, options, &refuse_all(), 1);
        let found = outcome.map(|outcome| outcome.rejects.len());
        assert_eq!(found.map_err(|error| error.to_string()), Ok(records), "{first}...{last}");
    }
}

#[test]
#[ignore = "writes the seeds for the long run"]
fn write_seeds() {
    for target in [csv(), json(), parquet(), packed(), convert()] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name);
        fs::create_dir_all(&folder).unwrap();
        for (number, seed) in target.seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
}
