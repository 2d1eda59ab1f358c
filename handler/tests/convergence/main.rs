//! Convergence: every order, duplication, correction, removal and re-sending of a set of files, split over several
//! concurrent processes, some of them killed, gives the tables that the final raw files give.
//!
//! - [`script`] makes up files and what happens to them; [`world`] is a lake with processes at work on it.
//! - [`oracle`] says what the tables must be: plain SQL over what its own simple parser takes from the raw files.
//! - [`delta`] reads our tables by their logs; [`crash`] lets a process die before each of its writes.
//!
//! `PINTAIL_CASES` sets the number of scripts, `PINTAIL_FAULT_STEP` how many fault points are left out between two.

#![expect(clippy::expect_used, clippy::panic, reason = "all of this is a test; a panic is how it fails")]

mod crash;
mod delta;
mod files;
mod oracle;
mod script;
mod world;

use std::collections::BTreeMap;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestRunner};

use crash::Scenario;
use files::{File, Packing};
use world::{Run, World};

/// A number from the environment: the edge of the test binary.
#[expect(clippy::disallowed_methods, reason = "the edge of the process")]
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is not a whole number")),
        Err(_) => default,
    }
}

#[test]
fn every_history_of_files_and_processes_gives_the_tables_of_the_final_files() {
    let cases = u32::try_from(setting("PINTAIL_CASES", 12)).expect("PINTAIL_CASES is small");
    let config = Config {
        cases,
        max_shrink_iters: u32::try_from(setting("PINTAIL_SHRINK", 20)).expect("PINTAIL_SHRINK is small"),
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(setting("PINTAIL_SEED", 1)),
        ..Config::default()
    };
    let result =
        TestRunner::new(config).run(&script::scripts(), |script| script::play(&script).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn two_files() -> [File; 2] {
    let sales = "sale_id,day,region,person_id,amount\n1,2024-01-01,north,1,2.50\n2,2024-01-02,south,2,30\n2,2024-01-02,south,2,1\n\
                 3,2024-01-02,south\n4,2024-01-03,mars,1,7\n5,2024-01-03,east,,-1\n";
    let people = "{\"person_id\": 1, \"name\": \"Ada\", \"tier\": \"plus\", \"level\": 1}\n{\"person_id\": 2, \"name\": \"Bo\", \"level\": 1.5}\n";
    [File::new("sales/a.csv", sales, Packing::Plain), File::new("people/a.ndjson", people, Packing::Plain)]
}

#[test]
fn a_first_ingest_may_die_before_any_of_its_writes() {
    let scenario = Scenario::new("first ingest", |world| world.write_all(&two_files()));
    scenario.die_before_each_write(|_| {});
}

#[test]
fn a_correction_and_a_removal_may_die_before_any_of_their_writes() {
    let scenario = Scenario::new("correction and removal", |world| {
        world.write_all(&two_files());
        world.ingest();
    });
    scenario.die_before_each_write(|world| {
        let corrected = "sale_id,day,region,person_id,amount\n1,2024-01-01,north,1,2.75\n6,2024-01-04,south,1,40\n";
        world.write(&File::new("sales/a.csv", corrected, Packing::Plain));
        world.remove("people/a.ndjson");
    });
}

#[test]
fn the_commits_around_a_checkpoint_may_die_before_any_of_their_writes() {
    let scenario = Scenario::new("checkpoint", |world| {
        for sale in 1..=9 {
            let text = format!("sale_id,day,region,person_id,amount\n{sale},2024-01-0{sale},north,1,{sale}\nx,,,,\n");
            world.write(&File::new("sales/a.csv", &text, Packing::Plain));
            world.ingest();
        }
    });
    scenario.die_before_each_write(|world| {
        let [sales, people] = two_files();
        world.write(&people);
        world.write(&sales);
        world.write(&File { key: "sales/b.csv".to_owned(), ..sales });
    });
}

#[test]
fn a_withheld_gold_table_may_die_before_any_of_its_writes() {
    let scenario = Scenario::new("withheld", |world| {
        world.write_all(&two_files());
        world.ingest();
    });
    scenario.die_before_each_write(|world| {
        world.write(&File::new(
            "sales/b.csv",
            "sale_id,day,region,person_id,amount\n1,2024-01-05,north,1,5000000\n",
            Packing::Plain,
        ));
    });
}

#[test]
fn four_processes_that_ingest_the_same_sixty_files_at_once_take_every_file_once() {
    let world = World::new();
    for number in 0..60 {
        let day = number % 9 + 1;
        let text = format!(
            "sale_id,day,region,person_id,amount\n{number},2024-01-0{day},north,1,{number}\n{number},2024-01-0{day},north,1,1\n"
        );
        world.write(&File::new(&format!("sales/{number}.csv"), &text, Packing::Plain));
    }
    let runs: Vec<_> = (0..4).map(|_| world.spawn(&Run::whole())).collect();
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    for run in runs {
        let done = run.finish();
        assert!(done.status.success(), "{done}");
        for receipt in done.receipts() {
            assert_eq!(
                (&receipt["status"], &receipt["records"], &receipt["accepted"]),
                (&"ingested".into(), &2.into(), &1.into()),
                "{done}"
            );
            *taken.entry(receipt["key"].as_str().expect("a receipt has a key").to_owned()).or_default() += 1;
        }
    }
    let wrong: Vec<_> = taken.iter().filter(|(_, times)| **times != 1).collect();
    assert_eq!((taken.len(), wrong.len()), (60, 0), "files that were not taken once: {wrong:?}");
    world.settle().unwrap_or_else(|wrong| panic!("{wrong}"));
}
