//! The Lambda function as Lambda runs it: AWS's Runtime Interface Emulator around `bootstrap`, over a lake in a folder and
//! one in the buckets of an emulator of S3.
//!
//! - [`loads`]: what the program needs of the machine it is loaded on.
//! - [`start`]: what keeps it from starting, and how that is told.
//! - [`batch`]: messages of a queue, answered one by one.
//! - [`letters`]: what lies in a dead-letter queue.
//! - [`missed`]: objects whose events were lost.
//! - [`project`]: one that stands in a bucket.
//! - [`image`]: the same out of the container image.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so; clippy's own exception ends at helpers"
)]

mod batch;
mod emulator;
mod http;
mod image;
mod letters;
mod loads;
mod missed;
mod process;
mod project;
mod start;
mod tools;
mod world;
