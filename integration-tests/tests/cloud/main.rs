//! A lake at work in a cloud: files go in, tables come out, whatever happens on the way. What is asserted stands in tables that
//! other programs read, in queues and in receipts; never in a log.
//!
//! - [`sample`]: the messy files of a shop become the tables that they should, in both clouds.
//! - [`again`]: the same file many times, corrected, and out of order.
//! - [`crowd`]: many files at once.
//! - [`poison`]: what cannot be read, beside what can.
//! - [`kills`]: the function dies at work.
//! - [`rights`]: the role is enough, and nothing less is.
//! - [`outside`]: `pintail` on the lake from elsewhere.
//! - [`change`]: models and contracts change.
//! - [`triggers`]: other ways of an upload to the function.
//! - [`readers`]: programs of others read the tables.
//! - [`newcomer`]: the lines of the README.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod again;
mod change;
mod crowd;
mod kills;
mod lakes;
mod newcomer;
mod outside;
mod poison;
mod readers;
mod rights;
mod sample;
mod triggers;
