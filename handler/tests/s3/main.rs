//! The lake on S3 while requests fail, processes die and workers meet: the tables must be those of the raw files.
//!
//! - [`server`] is an S3 server (MiniStack, a plain process), [`proxy`] stands between it and each `pintail` process and
//!   lets one request or many meet one of the [`faults`].
//! - [`world`] is a lake in buckets with processes at work on it, [`batches`] what changes in raw between two runs.
//! - What the tables must be comes from the oracle of the convergence tests, which reads their Delta logs and Parquet
//!   files by itself.
//!
//! By default a sample: every 7th request of a batch meets a fault, every 11th kills, in turns of what can go wrong.
//! `PINTAIL_S3_STEP=1` takes every request, `PINTAIL_S3_TURNS=16` lets each of them meet all that can go wrong with it
//! (2 for being killed), one after the other; `PINTAIL_S3_RUNS` is the number of batches that things go wrong in at random and
//! `PINTAIL_S3_SEED` what they depend on:
//!
//! ```sh
//! PINTAIL_S3_STEP=1 PINTAIL_S3_TURNS=16 PINTAIL_S3_RUNS=200 cargo test -p handler --test s3 -- --nocapture
//! ```

#![expect(clippy::expect_used, clippy::panic, reason = "all of this is a test; a panic is how it fails")]

mod batches;
#[path = "../convergence/delta.rs"]
mod delta;
mod faults;
#[path = "../convergence/files.rs"]
mod files;
mod http;
#[path = "../convergence/oracle.rs"]
mod oracle;
#[path = "../function/process.rs"]
mod process;
mod proxy;
mod server;
mod world;

use faults::{Fault, KILLED, ON_THE_WAY, Turn};
use proxy::Plan;
use server::Server;
use world::World;

/// A number from the environment: the edge of the test binary.
#[expect(clippy::disallowed_methods, reason = "the edge of the process")]
fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is not a whole number")),
        Err(_) => default,
    }
}

/// How many requests a batch has at least; fewer would mean that the proxy is not on the way.
const REQUESTS: usize = 80;

/// Disturbs batch after batch of one lake, each at another request, until a batch has no request of that number.
/// Afterwards the work is completed undisturbed, and the tables must be right.
fn disturb_each(turns: &'static [Turn], step: usize, of_the_first: bool) {
    let server = Server::start();
    let step = setting("PINTAIL_S3_STEP", step).max(1);
    let (mut world, mut told) = (prepared(&server, of_the_first), Tally::default());
    for turn in 0..setting("PINTAIL_S3_TURNS", 1) {
        for place in 0.. {
            if of_the_first && place > 0 {
                world = prepared(&server, true);
            }
            let plan = Plan::At { request: 1 + place * step, turns, turn: turn + place };
            batches::change(&world, told.batches + 1);
            if !disturb(&mut world, plan, &mut told) {
                assert!(place * step >= REQUESTS, "a batch has only {} requests", place * step);
                break;
            }
        }
    }
    world.check_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{told}");
}

fn prepared(server: &Server, empty: bool) -> World<'_> {
    let world = World::new(server);
    batches::begin(&world);
    if !empty {
        world.complete().unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    world
}

/// One batch; whether the plan came to anything.
fn disturb(world: &mut World<'_>, plan: Plan, told: &mut Tally) -> bool {
    let done = world.ingest(plan);
    let result = done.ended_well().and_then(|()| told.finish(world, &done)).and_then(|()| world.check());
    if let Err(wrong) = result {
        panic!("{plan:?}: {wrong}\nfirst: {done}");
    }
    done.fault().is_some()
}

/// What happened in all.
#[derive(Default)]
struct Tally {
    batches: usize,
    requests: usize,
    faults: usize,
    completed: usize,
    runs: usize,
}

impl Tally {
    /// Completes a batch.
    fn finish(&mut self, world: &World<'_>, done: &world::Done) -> Result<(), String> {
        self.batches += 1;
        self.requests += done.seen.len();
        self.faults += done.seen.iter().filter(|seen| seen.fault.is_some()).count();
        self.runs += 1;
        if done.is_complete() {
            self.completed += 1;
            return Ok(());
        }
        self.runs += world.complete()?;
        Ok(())
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { batches, requests, faults, completed, runs } = self;
        write!(
            formatter,
            "{batches} disturbed batches: {requests} requests, {faults} of them met a fault; {completed} batches were \
             completed by the disturbed run, the others by the {} undisturbed runs that followed",
            runs - batches
        )
    }
}

#[test]
fn any_request_of_a_batch_may_fail() {
    disturb_each(&ON_THE_WAY, 7, false);
}

#[test]
fn any_request_of_a_first_batch_may_fail() {
    disturb_each(&ON_THE_WAY, 23, true);
}

#[test]
fn the_process_may_be_killed_at_any_request_of_a_batch() {
    disturb_each(&KILLED, 11, false);
}

#[test]
fn nothing_is_published_from_a_corrupted_body() {
    const CORRUPTED: [Turn; 2] = [(Fault::Corrupted, true), (Fault::Truncated, true)];
    let server = Server::start();
    let (mut world, mut told) = (prepared(&server, false), Tally::default());
    for number in 1..=setting("PINTAIL_S3_RUNS", 4) {
        batches::add(&world, number);
        let done = world.ingest(Plan::Random { one_in: 6, turns: &CORRUPTED, seed: number as u64 * 1000 });
        assert!(done.fault().is_some(), "nothing was corrupted: {done}");
        // Rows may be missing yet.
        let wrong = done.ended_well().and_then(|()| world.differences()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let published = wrong.lines().find(|line| line.starts_with("silver.") && line.contains(": + "));
        assert_eq!(published, None, "{done}");
        told.finish(&world, &done).and_then(|()| world.check()).unwrap_or_else(|wrong| panic!("{wrong}\nfirst: {done}"));
    }
    println!("{told}");
}

#[test]
fn long_runs_end_with_the_right_tables_whatever_goes_wrong() {
    let server = Server::start();
    let (mut world, mut told) = (prepared(&server, false), Tally::default());
    let seed = setting("PINTAIL_S3_SEED", 1) as u64;
    for number in 1..=setting("PINTAIL_S3_RUNS", 4) {
        batches::change(&world, number);
        let turns: &'static [Turn] = if number % 4 == 0 { &KILLED } else { &ON_THE_WAY };
        let one_in = [12, 40, 100][number % 3];
        disturb(&mut world, Plan::Random { one_in, turns, seed: seed * 1_000_000 + number as u64 * 1000 }, &mut told);
    }
    world.check_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{told}");
}
