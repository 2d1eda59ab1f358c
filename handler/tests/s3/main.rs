//! The lake on S3 while requests fail, processes die and workers meet: the tables must be those of the raw files.
//!
//! - [`server`] is an S3 server (`MiniStack`, a plain process), [`proxy`] stands between it and each `pintail` process and
//!   lets one request or many meet one of the [`faults`].
//! - [`world`] is a lake in buckets with processes at work on it, [`batches`] what changes in raw between two runs.
//! - [`crowd`] is many functions at once, fed by one queue; [`narrow`] counts what a refresh of gold fetches.
//! - What the tables must be comes from the oracle of the convergence tests, which reads their Delta logs and Parquet
//!   files by itself.
//!
//! By default a sample: every 19th request of a batch meets a fault, every 29th kills, in turns of what can go wrong.
//! `PINTAIL_S3_STEP=1` takes every request, `PINTAIL_S3_TURNS=16` lets each of them meet all that can go wrong with it
//! (2 for being killed), one after the other; `PINTAIL_S3_RUNS` is the number of batches that things go wrong in at random and
//! `PINTAIL_S3_SEED` what they depend on:
//!
//! ```sh
//! PINTAIL_S3_FILES=400 PINTAIL_S3_WORKERS=16 cargo test -p handler --test s3 -- --nocapture crowd
//! PINTAIL_S3_STEP=1 PINTAIL_S3_TURNS=16 PINTAIL_S3_RUNS=200 cargo test -p handler --test s3 -- --nocapture
//! ```

#![expect(clippy::expect_used, clippy::panic, reason = "all of this is a test; a panic is how it fails")]

mod batches;
mod crowd;
#[path = "../convergence/delta.rs"]
mod delta;
#[expect(dead_code, reason = "the tests of the image know more of it")]
#[path = "../function/emulator.rs"]
mod emulator;
mod faults;
#[path = "../convergence/files.rs"]
mod files;
#[path = "../function/http.rs"]
mod http;
mod narrow;
#[path = "../convergence/oracle.rs"]
mod oracle;
#[path = "../function/process.rs"]
mod process;
mod proxy;
mod server;
#[path = "../function/tools.rs"]
mod tools;
mod wire;
mod world;

use std::panic::resume_unwind;
use std::time::Duration;

use crowd::Size;
use emulator::{Emulator, batch, created, failures};
use faults::{ASLEEP, Fault, KILLED, ON_THE_WAY, PASSING, Turn};
use proxy::{Kind, Plan, Proxy};
use server::{BUCKETS, Server};
use world::{PROJECT, World};

/// A number from the environment: the edge of the test binary.
#[expect(clippy::disallowed_methods, reason = "the edge of the process")]
fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is not a whole number")),
        Err(_) => default,
    }
}

/// Shown with `--nocapture`.
#[expect(clippy::print_stdout, reason = "what a test tells of itself")]
fn tell(what: &impl std::fmt::Display) {
    println!("{what}");
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
            let plan = Plan::At { kind: Kind::Any, number: 1 + place * step, turns, turn: turn + place };
            batches::change(&world, told.batches + 1);
            if !disturb(&mut world, plan, &mut told) {
                assert!(place * step >= REQUESTS, "a batch has only {} requests", place * step);
                break;
            }
        }
    }
    world.check_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
    tell(&told);
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
    disturb_each(&ON_THE_WAY, 19, false);
}

#[test]
fn any_request_of_a_first_batch_may_fail() {
    disturb_each(&ON_THE_WAY, 61, true);
}

#[test]
fn the_process_may_be_killed_at_any_request_of_a_batch() {
    disturb_each(&KILLED, 29, false);
}

#[test]
fn nothing_is_published_from_a_corrupted_body() {
    const BODIES: [&str; 6] = ["/sales/", "/receipts/", "/project.json", ".parquet", "_delta_log/0", "/attempts/"];
    let server = Server::start();
    let (mut world, mut told) = (prepared(&server, false), Tally::default());
    for (number, part) in (1..).zip(BODIES) {
        batches::add(&world, number);
        let fault = if number % 2 == 0 { Fault::Truncated } else { Fault::Corrupted };
        let done = world.ingest(Plan::Always { kind: Kind::Of(part), fault });
        // Rows may be missing yet.
        let wrong = done.ended_well().and_then(|()| world.differences()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let published = wrong.lines().find(|line| line.starts_with("silver.") && line.contains(": + "));
        assert_eq!(published, None, "{done}");
        told.finish(&world, &done)
            .and_then(|()| world.check())
            .unwrap_or_else(|wrong| panic!("{wrong}\nfirst: {done}"));
    }
    tell(&told);
}

#[test]
fn any_request_for_a_large_object_may_fail() {
    let server = Server::start();
    let (mut world, mut told) = (prepared(&server, false), Tally::default());
    let kind = Kind::Of("/notes/");
    for turn in (0..ON_THE_WAY.len()).step_by(setting("PINTAIL_S3_STEP", 3)) {
        batches::add_large(&world, turn);
        disturb(&mut world, Plan::At { kind, number: turn % 12 + 1, turns: &ON_THE_WAY, turn }, &mut told);
    }
    world.check_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
    tell(&told);
}

#[test]
fn an_object_larger_than_the_temporary_folder_may_hold_is_streamed() {
    let server = Server::start();
    let mut world = prepared(&server, false);
    batches::add_long(&world);
    world.temporary = Some(16);
    let done = world.ingest(Plan::Calm);
    assert!(done.is_complete(), "{done}");
    let fetched = done.seen.iter().filter(|seen| seen.method == "GET" && seen.path.contains("/notes/long.csv"));
    // Ten ranges, and the first ones again: nothing was kept of the look at its names.
    assert!(fetched.count() > 10, "{done}");
    world.check().unwrap_or_else(|wrong| panic!("{wrong}\n{done}"));
}

/// Lambda lets a function have 1024 files open; here it is less, so that fewer files do.
#[test]
fn many_objects_of_several_sources_are_not_all_open_at_once() {
    let server = Server::start();
    let mut world = World::new(&server);
    batches::add_many(&world, 200);
    world.open = 850;
    let done = world.start((&["ingest"], ""), Plan::Calm).finish();
    assert!(done.is_complete(), "{}", done.out);
}

/// The role of the stack has `s3:GetObjectVersion`, without which S3 gives no version by its id, for raw objects alone.
#[test]
fn a_data_file_is_not_read_by_the_id_of_its_version() {
    let server = Server::start();
    server.keep_versions(&["silver", "gold"]);
    let world = prepared(&server, false);
    batches::add_large(&world, 1);
    let ingested = world.ingest(Plan::Calm);
    // Another process has no copy of what the first one wrote.
    let asked = world.start((&["query", "SELECT count(*) FROM silver.notes"], ""), Plan::Calm).finish();
    let by_version = asked.seen.iter().filter(|seen| seen.path.contains("versionId=")).count();
    assert_eq!((ingested.is_complete(), asked.is_complete(), by_version), (true, true, 0), "{ingested}\n{asked}");
}

/// It was sent in parts, and what the server tells of them says nothing of the whole.
#[test]
fn a_data_file_that_was_sent_in_parts_is_checked() {
    let server = Server::start();
    let world = World::new(&server);
    batches::add_large(&world, 1);
    let ingested = world.ingest(Plan::Calm);
    let rows = |plan| world.start((&["query", "SELECT count(label) AS labels FROM silver.notes"], ""), plan).finish();
    let damaged = rows(Plan::Always { kind: Kind::Of(".parquet"), fault: Fault::Corrupted });
    assert!(damaged.code == Some(1) && damaged.to_string().contains("do not match their checksum"), "{damaged}");
    let sound = rows(Plan::Calm);
    assert!(ingested.is_complete() && sound.out.contains("3000"), "{ingested}\n{sound}");
    assert!(ingested.seen.iter().any(|seen| seen.path.contains("partNumber=2")), "{ingested}");
}

#[test]
fn long_runs_end_with_the_right_tables_whatever_goes_wrong() {
    let server = Server::start();
    server.keep_versions(&BUCKETS);
    let (mut world, mut told) = (prepared(&server, false), Tally::default());
    let seed = setting("PINTAIL_S3_SEED", 1) as u64;
    for number in 1..=setting("PINTAIL_S3_RUNS", 4) {
        batches::change(&world, number);
        let (turns, one_in): (&'static [Turn], u64) =
            [(&PASSING[..], 15), (&ON_THE_WAY, 100), (&PASSING, 50), (&KILLED, 200)][number % 4];
        disturb(&mut world, Plan::Random { one_in, turns, seed: seed * 1_000_000 + number as u64 * 1000 }, &mut told);
    }
    world.check_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
    tell(&told);
}

#[test]
fn gold_fetches_what_its_sql_can_want() {
    let server = Server::start();
    narrow::check(&World::new(&server));
}

/// 400 files of which 100 are sent twice, 50 corrected and 20 removed, with `PINTAIL_S3_FILES=400 PINTAIL_S3_WORKERS=16`.
#[test]
fn a_crowd_of_functions_under_two_projects_gives_the_tables_of_the_newer_one() {
    let server = Server::start();
    let mut world = World::new(&server);
    let size = Size { workers: setting("PINTAIL_S3_WORKERS", 4), files: setting("PINTAIL_S3_FILES", 40) };
    let told = crowd::work(&mut world, size).unwrap_or_else(|wrong| panic!("{wrong}"));
    tell(&told);
    world.check().and_then(|()| world.check_rest()).unwrap_or_else(|wrong| panic!("{told}\n{wrong}"));
}

/// A function of 20 seconds would wait longer for the answer than it has time; Lambda would end it, and whatever it did.
#[test]
fn what_s3_does_not_answer_is_given_up_before_the_deadline() {
    let server = Server::start();
    let world = prepared(&server, false);
    batches::change(&world, 1);
    let proxy = Proxy::start(server.port, Plan::Always { kind: Kind::Of("/sales/a.csv"), fault: Fault::Silent });
    let mut variables = world.variables();
    variables.extend([
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port)),
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", "20".to_owned()),
        ("PINTAIL_PROJECT", PROJECT.to_owned()),
        ("PINTAIL_GENERATION", "1".to_owned()),
    ]);
    let function = Emulator::start(&variables);
    let message = |id, key: &str| (id, created("raw", &format!("{}/{key}", world.name())), 1);
    let answer = function.invoke(&batch(&[message("silent", "sales/a.csv"), message("other", "people/a.ndjson")]));
    assert_eq!(failures(&answer), ["silent", "other"], "{}", function.log());
}

/// How long a worker sleeps: longer than its lease holds.
const SLEEP: Duration = Duration::from_secs(32);

/// It was taken for dead, the files changed, another did the work, and then it goes on with what it was about to write.
#[test]
fn a_worker_that_slept_past_its_lease_changes_nothing() {
    let server = Server::start();
    let step = setting("PINTAIL_S3_STEP", 6).max(1);
    // Every sixth write: the twelfth is a commit.
    let numbers: Vec<usize> = (step - 1..40).step_by(step).collect();
    let mut slept = 0;
    for numbers in numbers.chunks(8) {
        slept += std::thread::scope(|scope| {
            let server = &server;
            let sleepers: Vec<_> =
                numbers.iter().map(|&number| scope.spawn(move || oversleep(server, number))).collect();
            sleepers
                .into_iter()
                .map(|sleeper| sleeper.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .filter(|slept| *slept)
                .count()
        });
    }
    tell(&format!("{slept} workers slept before or after a write, each for {SLEEP:?}"));
    assert!(slept * 2 > numbers.len(), "only {slept} of {} workers had as many writes", numbers.len());
}

/// Whether the process has so many writes.
fn oversleep(server: &Server, number: usize) -> bool {
    let mut world = prepared(server, false);
    batches::change(&world, number + 1);
    let sleeper = world.start_ingest(Plan::At { kind: Kind::Write, number: number + 1, turns: &ASLEEP, turn: number });
    let slept = sleeper.falls_asleep();
    if slept {
        batches::change(&world, number + 2);
        std::thread::sleep(SLEEP);
    }
    let result = world.complete().and_then(|_| world.check());
    sleeper.wake();
    let done = sleeper.finish();
    let result = result.and_then(|()| done.ended_well()).and_then(|()| world.check()).and_then(|()| world.check_rest());
    if let Err(wrong) = result {
        panic!("asleep at write {}: {wrong}\nthe sleeper: {done}", number + 1);
    }
    slept
}
