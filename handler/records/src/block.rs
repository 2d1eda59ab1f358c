//! A run of consecutive records in one piece of text: what is found by splitting, and what is then converted at once.

use crate::error::Error;
use crate::passed::Passed;

/// Records in a block.
pub(crate) const BLOCK_RECORDS: usize = if cfg!(fuzzing) { 8 } else { 8_192 };

/// Bytes in a block; a single record may be longer.
pub(crate) const BLOCK_BYTES: usize = if cfg!(fuzzing) { 256 } else { 512 * 1024 };

/// Values in a block of records that do not write all of them: a missing one takes room, too.
pub(crate) const BLOCK_VALUES: usize = 1 << 20;

/// Records in a block where each of them becomes so many values.
pub(crate) fn block_records(columns: usize) -> usize {
    (BLOCK_VALUES / columns.max(1)).clamp(1, BLOCK_RECORDS)
}

/// Some consecutive records, split and not yet converted. `F` says why a record is none.
#[derive(Debug)]
pub(crate) struct Block<F> {
    /// The text in which the records stand.
    pub(crate) text: Vec<u8>,
    /// Where the text begins in the object, in decompressed bytes.
    pub(crate) offset: u64,
    /// The number of records before.
    pub(crate) before: u64,
    pub(crate) spans: Vec<Span<F>>,
    /// CSV: the fields of each sound record, one after the other; every record has the same number of them.
    pub(crate) fields: Vec<Field>,
    /// What was passed over from the object's start up to the end of this block.
    pub(crate) passed: Passed,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<F> {
    /// Where it begins in the text.
    pub(crate) start: usize,
    /// Where it ends there; a record that is too long goes on beyond the text.
    pub(crate) end: usize,
    /// Its first line, from 1.
    pub(crate) line: u64,
    /// Why it is no record, as its splitting tells.
    pub(crate) fault: Option<F>,
}

/// One field, as positions in the text of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Field {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) quoted: bool,
    pub(crate) escaped: bool,
    /// The record ends before it: nothing was written, not even nothing.
    pub(crate) missing: bool,
}

/// Finds the blocks of an object, one after the other.
pub(crate) trait Split: Send + 'static {
    /// Why a record is none.
    type Fault: Send + 'static;

    /// The next block; `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block<Self::Fault>>, Error>;
}

/// Makes something of the records of a block, which depends on the block alone.
pub(crate) trait Convert<F>: Send + 'static {
    /// What it makes: rows and rejects, or what a survey sees.
    type Out: Send + 'static;

    /// Makes it.
    fn convert(&mut self, block: Block<F>) -> Result<Self::Out, Error>;
}
