//! Pintail's engine: a folder of raw files becomes trusted silver and gold tables.
//!
//! ```text
//! Arrival ─► RawObject ─► Records ─► Conformed ─► SilverRows ─► Commit ─► GoldRefresh ─► Receipt
//! event.rs    lake.rs     records/   contract.rs  silver.rs    publish.rs   gold.rs     receipt.rs
//! ```
//! - [`lake`]: the zones; [`source`]: which source takes a key, and how it is read.
//! - [`contract`]: the columns of a source's table; [`silver`]: one object becomes rows and rejects;
//!   [`quarantine`] keeps the rejects; [`quality`] runs the project's tests.
//! - [`publish`]: rows replace what the tables hold of an object, one fenced commit a [`table`].
//! - [`gold`]: whatever is stale is computed anew, by [`partitions`] where that is proven.
//! - [`receipt`]: the state of an object; [`attempt`]: who works on it; [`run`]: one process under one project.
//! - [`project`]: models, sources, tests in dbt's layout; [`check`] tries them without data.
//! - [`engine`]: `DuckDB`, shut in, and started ahead by a [`standby`]; [`guard`] looks at SQL before it runs.
//! - [`query`], [`audit`], [`vacuum`]: what a person asks of a lake.
//! - [`function`]: an instance of the Lambda function; [`event`]: what an invocation asks for; [`deployed`]: its project;
//!   [`metrics`], [`log`]: what is seen from outside.
//! - [`in_force`]: which project holds; [`reconcile`], [`replay`]: what events did not tell, and what a [`queue`] of dead
//!   letters holds.

/// glibc gives the memory of each block back to the kernel and asks for it again: a fifth of an ingest's time was page faults.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod adopt;
pub mod attempt;
pub mod audit;
pub mod budget;
pub mod check;
pub mod claims;
pub mod cli;
pub mod commit;
pub mod contract;
pub mod data_file;
pub mod demo;
pub mod deployed;
pub mod encoding;
pub mod engine;
pub mod error;
pub mod event;
pub mod fault;
pub mod fingerprint;
pub mod function;
pub mod gold;
pub mod guard;
pub mod in_force;
pub mod ingest;
pub mod inputs;
pub mod lake;
pub mod lineage;
pub mod log;
pub mod measures;
pub mod metrics;
pub mod output;
pub mod parquet_file;
pub mod partitions;
pub mod plan;
pub mod project;
pub mod projection;
pub mod pruning;
pub mod publish;
pub mod quality;
pub mod quarantine;
pub mod query;
pub mod queue;
pub mod receipt;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod run;
pub mod seeds;
pub mod settings;
pub mod silver;
pub mod snapshot;
pub mod source;
pub mod staging;
pub mod standby;
pub mod statistics;
pub mod stored;
pub mod table;
pub mod vacuum;
pub mod workplace;
