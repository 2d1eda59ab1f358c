//! The strict reader: the bytes of one raw object become typed Arrow columns and rejects, in one streaming pass and in
//! bounded memory. It knows no lake, no `DuckDB` and no Delta.
//!
//! ```text
//! Input ─► plain bytes ─► text ─► records ─► values ─► Batch { rows, rejects }
//! input.rs  compression.rs  text.rs  csv.rs json.rs parquet.rs  convert/  batch.rs
//!                                  └ block.rs, crew.rs: in blocks, on several threads
//! ```
//!
//! [`survey()`] looks at an object (names, inferred types), a [`Plan`] says what each column must be, [`read()`] walks the
//! records. Two promises hold: every record is counted and is either a row or a [`Reject`] with all its reasons, and a
//! value converts to its declared type exactly or its record is rejected.
#![doc = include_str!("../README.md")]

mod batch;
mod block;
mod compression;
mod convert;
mod crew;
mod csv;
mod error;
mod infer;
mod input;
mod json;
mod object;
mod options;
mod parquet;
mod passed;
mod plan;
mod reader;
mod signature;
mod survey;
mod text;
#[cfg(test)]
mod trial;
mod types;
mod window;

pub use batch::{Batch, Reject};
pub use convert::check_format;
pub use error::Error;
pub use infer::Guess;
pub use input::{FileInput, Input, MemoryInput};
pub use options::{Bounds, Compression, Format, Options, Ragged};
pub use passed::Passed;
pub use plan::{Column, Plan, RESCUED, Unforeseen};
pub use reader::{Reader, read, read_on, settle};
pub use signature::unread_by_extension;
pub use survey::{Depth, Survey, SurveyedColumn, survey};
pub use text::check_encoding;
pub use types::{Type, UnknownType};
