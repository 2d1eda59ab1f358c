//! The footer of a Parquet object: what its columns are called, of what type they are, and where their bytes lie.

use std::io::Read as _;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::basic::Compression;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::guard;
use super::halves::Halves;
use super::layout::FOOTER;
use super::thrift::{END, Fact, look_through};
use crate::error::Error;
use crate::input::{Input, open_range};

/// What stands behind the footer: its length and four letters.
const TAIL: usize = 8;

/// Bytes at the end that are fetched at once; nearly all footers are shorter.
const FETCH: u64 = 64 * 1024;

/// The longest footer: it is held in memory, and so is what becomes of it.
const LONGEST: usize = 32 * 1024 * 1024;

/// The field of a footer that says how columns are encrypted.
const ENCRYPTION: i64 = 8;

/// The field that is the schema: a list of elements, each with those that are in it behind it.
const SCHEMA: i64 = 2;

/// The field of the schema's elements that says how many of those that follow are in them.
const CHILDREN: i64 = 5;

/// How deep groups may stand in each other: the decoder goes down them on the stack.
const DEPTH: usize = 128;

/// Reads the footer: how the rows are decoded, and how values that come in halves are once more, where there are any.
pub(super) fn read_footer(input: &dyn Input) -> Result<(ArrowReaderMetadata, Option<Halves>), Error> {
    let footer = fetch_footer(input)?;
    check_footer(&footer)?;
    let damaged = |error: ::parquet::errors::ParquetError| damaged(&error.to_string());
    let metadata = Arc::new(guard(|| ParquetMetaDataReader::decode_metadata(&footer))?.map_err(damaged)?);
    refuse_unread(&metadata)?;
    check_rows(&metadata)?;
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = guard(|| ArrowReaderMetadata::try_new(Arc::clone(&metadata), options()))?.map_err(damaged)?;
    let halved = guard(|| Halves::of(&plain, &options()))?.map_err(damaged)?;
    Ok(halved.map_or((plain, None), |(metadata, halves)| (metadata, Some(halves))))
}

fn damaged(reason: &str) -> Error {
    Error::unreadable(format!("the Parquet data is damaged: {reason}"))
}

/// The bytes of the footer.
fn fetch_footer(input: &dyn Input) -> Result<Vec<u8>, Error> {
    let fetch = |length: u64| {
        let mut bytes = Vec::new();
        let range = input.length().saturating_sub(length)..input.length();
        open_range(input, range)?.read_to_end(&mut bytes).map(|_| bytes)
    };
    let mut end = fetch(FETCH)?;
    let length = match end.last_chunk::<TAIL>() {
        Some([length @ .., b'P', b'A', b'R', b'1']) => u32::from_le_bytes(*length) as usize,
        Some([.., b'P', b'A', b'R', b'E']) => {
            return Err(Error::unreadable("the Parquet object is encrypted, which is not read"));
        }
        _ => return Err(damaged("it does not end as Parquet does")),
    };
    if length > LONGEST {
        return Err(Error::unreadable(format!("its Parquet footer has {length} bytes, more than {LONGEST}")));
    }
    if length + TAIL > end.len() {
        end = fetch((length + TAIL) as u64)?;
    }
    let start = end.len().checked_sub(length + TAIL).ok_or_else(|| damaged("its footer is longer than itself"))?;
    end.truncate(end.len() - TAIL);
    Ok(end.split_off(start))
}

/// Refuses a footer that would make its decoder allocate what it does not hold or overflow the stack, and one with encrypted
/// columns.
fn check_footer(footer: &[u8]) -> Result<(), Error> {
    let (mut encrypted, mut schema) = (false, Tree::default());
    let look = |fact: Fact| {
        encrypted |= fact.field == ENCRYPTION;
        match (fact.field, fact.part) {
            (SCHEMA, Some(CHILDREN)) => schema.open(u64::try_from(fact.value).unwrap_or(u64::MAX)),
            (SCHEMA, Some(END)) => schema.close(),
            _ => {}
        }
    };
    // Behind a footer that is signed stands its signature.
    let sound = look_through(footer, FOOTER, look).is_some();
    // Each child is an element of the schema, too.
    let sound = sound && schema.children <= footer.len() as u64;
    if encrypted {
        return Err(Error::unreadable("the Parquet object has encrypted columns, which are not read"));
    }
    if schema.depth > DEPTH {
        return Err(Error::unreadable(format!("its Parquet schema has more than {DEPTH} groups in each other")));
    }
    if sound { Ok(()) } else { Err(damaged("its footer is none")) }
}

/// The schema's elements, one after the other.
#[derive(Default)]
struct Tree {
    /// How many elements are still to come in each of the groups that the latest one is in, up to [`DEPTH`] and one more.
    groups: Vec<u64>,
    /// How many are in the latest one.
    latest: u64,
    /// How many are in any.
    children: u64,
    /// How deep the deepest one is.
    depth: usize,
}

impl Tree {
    /// The element at hand has children. Should it say so twice, the larger number is to be feared.
    fn open(&mut self, children: u64) {
        self.children = self.children.saturating_add(children);
        self.latest = self.latest.max(children);
    }

    /// The element at hand ends.
    fn close(&mut self) {
        if let Some(left) = self.groups.last_mut() {
            *left -= 1;
        }
        let children = std::mem::take(&mut self.latest);
        if children > 0 && self.groups.len() <= DEPTH {
            self.groups.push(children);
        }
        self.depth = self.depth.max(self.groups.len());
        while self.groups.last() == Some(&0) {
            self.groups.pop();
        }
    }
}

/// The footer says how many rows there are once for the object and once for each row group, and how many values each column
/// has. Where the object has none nothing is decoded, so that none can be missed.
fn check_rows(metadata: &ParquetMetaData) -> Result<(), Error> {
    let stated = metadata.file_metadata().num_rows();
    let is_sound = |group: &RowGroupMetaData| {
        group.num_rows() > 0 || (group.num_rows() == 0 && group.columns().iter().all(|column| column.num_values() == 0))
    };
    let add = |sum: i64, group: &RowGroupMetaData| sum.checked_add(group.num_rows()).filter(|_| is_sound(group));
    if metadata.row_groups().iter().try_fold(0, add) == Some(stated) {
        return Ok(());
    }
    Err(Error::unreadable(format!("the Parquet footer states {stated} rows, and its row groups have others")))
}

/// Refuses what is packed in a way that is not read, by name.
fn refuse_unread(metadata: &ParquetMetaData) -> Result<(), Error> {
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        if let Compression::LZO = column.compression() {
            let name = column.column_path();
            return Err(Error::unreadable(format!("the column {name} is packed with LZO, which is not read")));
        }
    }
    Ok(())
}
