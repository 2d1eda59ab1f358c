//! Parts of data files: the columns that are wanted of a large Parquet file in a bucket, at their places in a local file of
//! the same length. Nothing stands between them, and it takes no room. What comes is whole stretches of the file, each checked.

use std::fs::File;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::s3::{CHUNK, LANES, Pin, S3, broken, ranges};
use super::sums::Sums;
use crate::error::{Error, Result};
use crate::projection::Columns;

/// A file of this length or a longer one is looked at; shorter ones come whole in two requests.
pub const LARGE: u64 = 8 << 20;

/// Bytes of the end that are fetched first: most footers are shorter.
const END: u64 = 64 << 10;

/// Bytes between two columns that are fetched with them: a request of its own takes as long.
const GAP: u64 = 256 << 10;

/// Fetches the end of a file and the columns into `file`: how many bytes; nothing where they are more than half of it, or
/// where more than them may be read.
///
/// # Errors
/// [`Error::S3`]; [`Error::Io`].
pub async fn fetch(
    s3: &S3,
    (pin, length, sums): (&Pin, u64, &Sums),
    columns: &Columns,
    file: &File,
) -> Result<Option<u64>> {
    let damaged = |error: ParquetError| broken(&pin.at, error);
    let whole = |range| {
        let (from, to) = sums.around(range);
        (from, to.min(length))
    };
    let mut end = checked(s3, (pin, sums), whole((length.saturating_sub(END), length))).await?;
    let mut reader = ParquetMetaDataReader::new();
    if let Err(error) = reader.try_parse_sized(&end, length) {
        let ParquetError::NeedMoreData(needed) = error else { return Err(damaged(error)) };
        end = checked(s3, (pin, sums), whole((length.saturating_sub(needed as u64), length))).await?;
        reader.try_parse_sized(&end, length).map_err(damaged)?;
    }
    let metadata = reader.finish().map_err(damaged)?;
    let Some(wanted) = places(&metadata, columns, whole) else { return Ok(None) };
    let fetched = end.len() as u64 + wanted.iter().map(|(from, to)| to - from).sum::<u64>();
    if fetched > length / 2 {
        return Ok(None);
    }
    file.set_len(length).map_err(Error::io("write", "a part of a data file"))?;
    write(file, (length - end.len() as u64, &end))?;
    let _permit = s3.permit(fetched).await;
    let reach = CHUNK.max(sums.stretch());
    let requests: Vec<(u64, u64)> = wanted.iter().flat_map(|(from, to)| ranges(*from, *to, reach)).collect();
    stream::iter(requests)
        .map(|range| async move { Ok::<_, Error>((range.0, checked(s3, (pin, sums), range).await?)) })
        .buffer_unordered(LANES)
        .try_for_each(|(place, bytes)| async move { write(file, (place, &bytes)) })
        .await?;
    Ok(Some(fetched))
}

/// Whole stretches as they were written.
async fn checked(s3: &S3, (pin, sums): (&Pin, &Sums), range: (u64, u64)) -> Result<Bytes> {
    let bytes = s3.range(pin, range).await?;
    if sums.hold(range.0, &bytes) {
        Ok(bytes)
    } else {
        Err(broken(&pin.at, format!("the bytes from {} to {} do not match their checksum", range.0, range.1)))
    }
}

fn write(file: &File, (place, bytes): (u64, &Bytes)) -> Result<()> {
    file.write_all_at(bytes, place).map_err(Error::io("write", "a part of a data file"))
}

/// Where the columns stand, from and to, in order, each `whole`; nothing where filters stand elsewhere, which might be looked
/// into.
fn places(
    metadata: &ParquetMetaData,
    columns: &Columns,
    whole: impl Fn((u64, u64)) -> (u64, u64),
) -> Option<Vec<(u64, u64)>> {
    let chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let wanted = chunks.filter(|chunk| chunk.column_path().parts().first().is_some_and(|root| columns.contains(root)));
    let mut all: Vec<(u64, u64)> = wanted
        .map(|chunk| {
            let (start, length) = chunk.byte_range();
            chunk.bloom_filter_offset().is_none().then(|| whole((start, start + length)))
        })
        .collect::<Option<_>>()?;
    all.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in all {
        match merged.last_mut() {
            Some(last) if from <= last.1 + GAP => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    Some(merged)
}
