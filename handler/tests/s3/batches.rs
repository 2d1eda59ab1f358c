//! Batches: what changes in raw from one run to the next. Every batch has corrections, arrivals and removals, good and
//! bad records, a declared and an undeclared source.

use std::fmt::Write as _;

use crate::files::{File, Packing};
use crate::world::World;

const SALES: &str = "sale_id,day,region,person_id,amount";

/// The files that are there before the first batch: the contract of the undeclared source comes with its first file.
pub(crate) fn begin(world: &World<'_>) {
    world.write(&File::new("notes/first.csv", "id,label,seen\n1,first,2024-01-01\n", Packing::Plain));
    world.write(&people("people/a.ndjson", 0));
}

/// Changes raw for the batch of a number.
pub(crate) fn change(world: &World<'_>, number: usize) {
    world.write(&sales("sales/a.csv", number, Packing::Plain));
    let packing = if number % 4 == 3 { Packing::TruncatedGzip } else { Packing::Gzip };
    world.write(&sales("sales/b.csv.gz", number, packing));
    if number.is_multiple_of(2) {
        world.write(&people("people/b.ndjson", number));
    } else {
        world.remove("people/b.ndjson");
    }
    let note = format!("id,label,seen\n{number},note {number},2024-01-0{}\n{number},short\n", number % 9 + 1);
    world.write(&File::new(&format!("notes/{}.csv", number % 3), &note, Packing::Plain));
}

/// Adds files and changes none, so that no row that is stored may ever leave.
pub(crate) fn add(world: &World<'_>, number: usize) {
    world.write(&sales(&format!("sales/{number}.csv"), number, Packing::Plain));
    world.write(&sales(&format!("sales/{number}.csv.gz"), number, Packing::Gzip));
    world.write(&people(&format!("people/{number}.ndjson"), number));
}

/// So many files of each of four sources that nobody declares.
pub(crate) fn add_many(world: &World<'_>, files: usize) {
    for number in 0..4 * files {
        let text = format!("id\n{number}\n");
        world.write(&File::new(&format!("{}/{number}.csv", ["a", "b", "c", "d"][number % 4]), &text, Packing::Plain));
    }
}

/// A file that is read in several ranges, and whose rows are sent in several parts: 24 MB of six bits each.
pub(crate) fn add_large(world: &World<'_>, number: usize) {
    let mut text = "id,label,seen\n".to_owned();
    let mut state = number as u64 + 1;
    for id in 0..3000 {
        let _ = write!(text, "{id},");
        for _ in 0..800 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.extend((0..10).map(|letter| char::from(b'0' + (state >> (letter * 6) & 63) as u8)));
        }
        text.push_str(",2024-01-01\n");
    }
    world.write(&File::new("notes/large.csv", &text, Packing::Plain));
}

/// A file of some 40 MB whose rows take little room when they are stored.
pub(crate) fn add_long(world: &World<'_>) {
    let mut text = "id,label,seen\n".to_owned();
    for id in 0..100_000 {
        let _ = writeln!(text, "{},{:0400},2024-01-01", id % 100, id % 7);
    }
    world.write(&File::new("notes/long.csv", &text, Packing::Plain));
}

/// Sends one of many files in some version; its key.
pub(crate) fn send(world: &World<'_>, file: usize, version: usize) -> String {
    let key = key_of(file);
    let number = file + 1000 * version;
    world.write(&match file % 5 {
        4 => people(&key, number),
        3 => sales(&key, number, Packing::Gzip),
        _ => sales(&key, number, Packing::Plain),
    });
    key
}

/// Removes one of many files; its key.
pub(crate) fn withdraw(world: &World<'_>, file: usize) -> String {
    let key = key_of(file);
    world.remove(&key);
    key
}

fn key_of(file: usize) -> String {
    match file % 5 {
        4 => format!("people/{file}.ndjson"),
        3 => format!("sales/{file}.csv.gz"),
        _ => format!("sales/{file}.csv"),
    }
}

fn sales(key: &str, number: usize, packing: Packing) -> File {
    let shift = key.len();
    let rows: Vec<String> = (0..5)
        .map(|row| {
            let (id, day) = (number * 10 + row + shift * 1000, (number + row + shift) % 6 + 1);
            match row {
                3 => format!("{id},2024-01-0{day},mars,1,7"),
                4 => format!("{id},2024-01-0{day},south"),
                _ => format!("{id},2024-01-0{day},north,{},{}.{:02}", row + 1, number + row, number % 100),
            }
        })
        .collect();
    File::new(key, &format!("{SALES}\n{}\n", rows.join("\n")), packing)
}

fn people(key: &str, number: usize) -> File {
    // Of many, only a few have bought something.
    let first = match number {
        0 => 1,
        1..1000 => 3,
        _ if number % 1000 < 10 => number % 10,
        _ => number,
    };
    let good =
        format!("{{\"person_id\": {first}, \"name\": \"P{number}\", \"tier\": \"plus\", \"level\": {}}}", number % 5);
    File::new(key, &format!("{good}\n{{\"person_id\": {}, \"level\": 1.5}}\n", first + 1), Packing::Plain)
}
