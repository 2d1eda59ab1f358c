//! What the fuzz targets check: one module for each, with the promises that hold for any bytes.
//!
//! `tests/fuzz.rs` runs the same bodies over the corpus and a few thousand mutations of it, without a fuzzer.

mod allowance;
mod choices;
pub mod convert;
pub mod csv;
pub mod json;
pub mod packed;
pub mod parquet;
#[path = "../../tests/promises/mod.rs"]
pub(crate) mod promises;
