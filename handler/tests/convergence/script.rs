//! Scripts: files with good and bad records, and what happens to them while processes come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::sample::select;
use proptest::{prop_oneof, strategy::Union};

use crate::crash::cure;
use crate::files::{File, Packing, has_extension};
use crate::world::{Done, Process, Run, World};

/// A whole history.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    initial: Vec<File>,
    steps: Vec<Step>,
}

/// One thing that happens. Numbers choose among the files that are there.
#[derive(Debug, Clone)]
enum Step {
    Write { file: File, in_place: bool },
    Restore(usize),
    Remove(usize),
    Touch(usize),
    Ingest { runs: Vec<Run>, wait: bool },
}

const KEYS: [&str; 10] = [
    "sales/a.csv",
    "sales/b.csv",
    "sales/c.csv",
    "sales/d.csv.gz",
    "people/a.ndjson",
    "people/b.ndjson",
    "people/c.jsonl",
    "notes/a.csv",
    "notes/b.csv",
    "notes/odd.xyz",
];

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    (vec(files(), 2..6), vec(steps(), 4..12)).prop_map(|(initial, steps)| Script { initial, steps })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (files(), any::<bool>()).prop_map(|(file, in_place)| Step::Write { file, in_place }),
        1 => any::<usize>().prop_map(Step::Restore),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::Touch),
        4 => (vec(runs(), 1..4), any::<bool>()).prop_map(|(runs, wait)| Step::Ingest { runs, wait }),
    ]
}

fn runs() -> impl Strategy<Value = Run> {
    let keys = prop_oneof![3 => Just(Vec::new()), 1 => vec(select(&KEYS[..]), 1..3).prop_map(|keys| keys.into_iter().map(str::to_owned).collect())];
    let end = prop_oneof![
        2 => Just((None, None)),
        1 => (1_u64..70).prop_map(|fault| (Some(fault), None)),
        1 => (5_u64..220).prop_map(|delay| (None, Some(Duration::from_millis(delay)))),
    ];
    (keys, proptest::bool::weighted(0.1), end).prop_map(|(keys, again, (fault, kill_after))| Run {
        keys,
        again,
        fault,
        kill_after,
    })
}

fn files() -> impl Strategy<Value = File> {
    Union::new(KEYS.map(file_at))
}

fn file_at(key: &'static str) -> BoxedStrategy<File> {
    let text = match key.split_once('/') {
        Some(("sales", _)) => table(&["sale_id", "day", "region", "person_id", "amount"], sale),
        Some(("people", _)) => {
            (vec(person(), 0..6), any::<bool>()).prop_map(|(lines, ends)| joined(&lines, ends)).boxed()
        }
        _ => table(&["id", "label", "seen"], note),
    };
    if has_extension(key, "gz") {
        let packing = prop_oneof![2 => Just(Packing::Gzip), 1 => Just(Packing::TruncatedGzip)];
        // Only plain files are cured of what makes gold withheld.
        return (text, packing)
            .prop_map(|(text, packing)| File::new(key, &text.replace("5000000", "5"), packing))
            .boxed();
    }
    text.prop_map(|text| File::new(key, &text, Packing::Plain)).boxed()
}

fn joined(lines: &[String], ends: bool) -> String {
    let text = lines.join("\n");
    if ends && !text.is_empty() { text + "\n" } else { text }
}

/// A CSV file: as it should be, or with its columns in another order, or without one, or without records, or empty.
fn table(columns: &'static [&'static str], row: fn() -> BoxedStrategy<Vec<String>>) -> BoxedStrategy<String> {
    let shape = prop_oneof![8 => Just("good"), 1 => Just("turned"), 1 => Just("narrow"), 1 => Just("header"), 1 => Just("empty")];
    (shape, vec(row(), 0..7), any::<bool>())
        .prop_map(move |(shape, rows, ends)| {
            let header: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
            let mut records = vec![header];
            records.extend(rows.into_iter().filter(|_| shape != "header"));
            // Undeclared files keep their columns, so that the contract does not depend on the order of files.
            let narrow = shape == "narrow" && columns.len() == 5;
            for record in &mut records {
                if shape == "turned" {
                    record.reverse();
                }
                if narrow {
                    record.remove(0);
                }
            }
            let lines: Vec<String> = records.iter().map(|record| record.join(",")).collect();
            if shape == "empty" { String::new() } else { joined(&lines, ends) }
        })
        .boxed()
}

fn sale() -> BoxedStrategy<Vec<String>> {
    let person =
        option::weighted(0.9, 1_u8..6).prop_map(|person| person.map(|person| person.to_string()).unwrap_or_default());
    let values = (1_u8..9, 1_u8..6, select(&["north", "south", "east"][..]), person, -300_i32..9000);
    (values, 0_u8..40)
        .prop_map(|((id, day, region, person, cents), defect)| {
            let sign = if cents < 0 { "-" } else { "" };
            let money = format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100);
            let mut record = vec![id.to_string(), format!("2024-01-0{day}"), region.to_owned(), person, money];
            match defect {
                0 => record[0] = "x7".into(),
                1 => record[4] = "1.005".into(),
                2 => record[2] = "mars".into(),
                3 => record[2] = String::new(),
                4 => record.insert(1, "shifted".to_owned()),
                5 => record.truncate(3),
                6 => record[1] = "2024-02-30".into(),
                7 => record[0] = "1.5".into(),
                8 => record[4] = "5000000".into(),
                _ => {}
            }
            record
        })
        .boxed()
}

fn note() -> BoxedStrategy<Vec<String>> {
    (1_u8..9, 1_u8..6, 0_u8..12)
        .prop_map(|(id, day, defect)| match defect {
            0 => vec!["?".to_owned(), "bad".to_owned(), format!("2024-01-0{day}")],
            1 => vec![id.to_string(), "bad".to_owned(), "soon".to_owned()],
            2 => vec![id.to_string(), "short".to_owned()],
            _ => vec![id.to_string(), format!("note {id}"), format!("2024-01-0{day}")],
        })
        .boxed()
}

fn person() -> BoxedStrategy<String> {
    (1_u8..6, 1_u8..4, select(&["basic", "plus"][..]), 0_u8..24)
        .prop_map(|(id, level, tier, defect)| match defect {
            0 => format!("{{\"person_id\": {id}, \"name\": \"cut"),
            1 => format!("{{\"name\": \"nobody\", \"level\": {level}}}"),
            2 => format!("{{\"person_id\": {id}, \"name\": \"P{id}\", \"tier\": \"gold\"}}"),
            3 => format!("{{\"person_id\": {id}, \"name\": \"P{id}\", \"level\": 1.5}}"),
            4 => format!("{{\"person_id\": {id}, \"name\": \"P{id}\", \"level\": \"high\"}}"),
            5 => format!("17{id}"),
            6 => format!("{{\"level\": {level}, \"person_id\": \"{id}\", \"name\": \"P{id}\", \"tier\": null}}"),
            _ => format!("{{\"person_id\": {id}, \"name\": \"P{id}\", \"tier\": \"{tier}\", \"level\": {level}}}"),
        })
        .boxed()
}

/// A script that is being played.
struct Play {
    world: World,
    present: BTreeMap<String, File>,
    former: Vec<File>,
    at_work: Vec<(Run, Process)>,
    log: Vec<String>,
}

/// Plays a script on a new lake; the error says what is wrong with the tables, and what had happened.
pub(crate) fn play(script: &Script) -> Result<(), String> {
    let mut play = Play {
        world: World::new(),
        present: BTreeMap::new(),
        former: Vec::new(),
        at_work: Vec::new(),
        log: Vec::new(),
    };
    // The contract of the undeclared source comes with its first file.
    play.world.write(&File::new("notes/first.csv", "id,label,seen\n1,first,2024-01-01\n", Packing::Plain));
    play.world.ingest();
    for file in &script.initial {
        play.write(file, true);
    }
    let mut played = script.steps.iter().try_for_each(|step| play.step(step));
    played = played.and(play.wait());
    cure(&play.world);
    played
        .and_then(|()| play.world.settle())
        .map_err(|wrong| format!("{wrong}\nwhat happened:\n  {}", play.log.join("\n  ")))
}

impl Play {
    fn write(&mut self, file: &File, in_place: bool) {
        self.log.push(format!("write {} {file:?}", if in_place { "in place" } else { "by renaming" }));
        if in_place {
            self.world.write(file);
        } else {
            self.world.replace(file);
        }
        self.former.extend(self.present.insert(file.key.clone(), file.clone()));
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Write { file, in_place } => self.write(file, *in_place),
            Step::Restore(number) => {
                if let Some(file) = chosen(&self.former, *number).cloned() {
                    self.write(&file, number % 2 == 0);
                }
            }
            Step::Remove(number) => {
                // What is removed from the undeclared source stays, by its `on_delete: keep`.
                let keys: Vec<String> = self.present.keys().filter(|key| !key.starts_with("notes/")).cloned().collect();
                if let Some(key) = chosen(&keys, *number) {
                    self.log.push(format!("remove {key}"));
                    self.world.remove(key);
                    self.former.extend(self.present.remove(key));
                }
            }
            Step::Touch(number) => {
                let keys: Vec<String> = self.present.keys().cloned().collect();
                if let Some(key) = chosen(&keys, *number) {
                    self.log.push(format!("touch {key}"));
                    self.world.touch(key);
                }
            }
            Step::Ingest { runs, wait } => {
                self.log.push(format!("ingest, {}: {runs:?}", if *wait { "waited for" } else { "left at work" }));
                let started: Vec<_> = runs.iter().map(|run| (run.clone(), self.world.spawn(run))).collect();
                self.at_work.extend(started);
                if *wait || self.at_work.len() > 5 {
                    return self.wait();
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), String> {
        let ended: Vec<_> = self.at_work.drain(..).map(|(run, process)| (run, process.finish())).collect();
        ended.iter().try_for_each(|(run, done)| ended_well(run, done))
    }
}

fn chosen<T>(from: &[T], number: usize) -> Option<&T> {
    from.get(number.checked_rem(from.len())?)
}

/// A process that nobody killed may only complain of keys that are not there, and of withheld gold.
fn ended_well(run: &Run, done: &Done) -> Result<(), String> {
    let well = match done.status.code() {
        None => run.fault.is_some() || run.kill_after.is_some(),
        Some(0) => true,
        Some(1) => {
            let absent = |error: &serde_json::Value| {
                error.as_str().is_some_and(|error| error.contains("there is no such raw object"))
            };
            let failed = |receipt: &serde_json::Value| receipt["status"] == "failed" && !absent(&receipt["error"]);
            !done.error.contains("error:") && !done.receipts().iter().any(failed)
        }
        Some(_) => false,
    };
    if well { Ok(()) } else { Err(done.to_string()) }
}
