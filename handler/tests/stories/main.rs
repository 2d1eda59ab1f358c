//! Stories: the program `pintail` as a person or another tool drives it, on a lake in a temporary folder.
//!
//! Every module tells one part of the product; [`lake`] is the folder and the process they share. Nothing of the library
//! is linked: what these tests know is what a user can know.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so; clippy's own exception ends at helpers"
)]

mod commands;
mod contracts;
mod dbt_project;
mod demo;
mod gold;
mod lake;
mod python;
mod readback;
mod sandbox;
mod zero_config;
