//! A guess at an object's types is found wrong when it is read, exactly where a look at all values gives other types.

#![expect(clippy::unwrap_used, reason = "a test")]

use records::{Depth, Format, MemoryInput, Options, Plan, Survey, Unforeseen, survey};

#[expect(dead_code, reason = "other tests know more of it")]
mod promises;

use promises::{plan_of, read_all};

/// More records than a look at the start takes.
const MANY: usize = 40_000;

/// Values that a column may begin with, and that may come late.
const VALUES: [&str; 16] = [
    "",
    "1",
    "-7",
    "9007199254740993",
    "9223372036854775808",
    "007",
    "+1",
    "1.5",
    "1e3",
    "0.123456789012345678",
    "true",
    "2024-01-01",
    "2024-02-30",
    "2024-01-01 10:00",
    "2024-01-01 10:00Z",
    "x",
];

fn csv(value: &str) -> String {
    format!("{value},x\n")
}

fn json(value: &str) -> String {
    let quoted = value.parse::<f64>().is_err() && value != "true" || value.starts_with(['0', '+']) && value.len() > 1;
    let value = match value {
        "" => "null".to_owned(),
        _ if quoted && !value.starts_with("0.") => format!("\"{value}\""),
        _ => value.to_owned(),
    };
    format!("{{\"a\":{value},\"b\":\"x\"}}\n")
}

fn look(text: &str, format: Format, depth: Depth) -> Survey {
    survey(&MemoryInput(text.as_bytes().to_vec()), &Options { format, ..Options::default() }, depth).unwrap()
}

/// What a reading under a plan found unforeseen.
fn read(text: &str, format: Format, plan: &Plan, threads: usize) -> Option<Unforeseen> {
    let input = MemoryInput(text.as_bytes().to_vec());
    read_all(&input, &Options { format, ..Options::default() }, plan, threads).unwrap().unforeseen
}

#[test]
fn a_guess_is_wrong_where_all_values_give_another_type() {
    for (format, head, record) in
        [(Format::Csv, "a,b\n", csv as fn(&str) -> String), (Format::Json, "", json as fn(&str) -> String)]
    {
        for first in VALUES {
            let start = format!("{head}{}", record(first).repeat(MANY));
            let guess = look(&start, format, Depth::Start);
            assert_eq!(guess.records, None, "not all of it was looked at");
            for (threads, late) in [1, 2].into_iter().cycle().zip(VALUES) {
                let text = format!("{start}{}", record(late));
                let whole = look(&text, format, Depth::Values);
                let (whole, guess) = (plan_of(whole).unwrap(), plan_of(guess.clone()).unwrap());
                let differs = whole.columns != guess.columns;
                let found = read(&text, format, &guess, threads);
                let expected = differs.then(|| Unforeseen::Value("c0".to_owned()));
                assert_eq!(found, expected, "{format:?}: {first:?} many times, then {late:?}");
            }
        }
    }
}

#[test]
fn a_late_key_is_unforeseen() {
    let text = format!("{}{{\"c\":1}}\n", json("1").repeat(MANY));
    let guess = look(&text, Format::Json, Depth::Start);
    let guess = plan_of(guess).unwrap();
    let open = Plan { closed: false, ..guess.clone() };
    assert_eq!(read(&text, Format::Json, &open, 2), None);
    let found = read(&text, Format::Json, &guess, 2);
    assert_eq!(found, Some(Unforeseen::Column("c".to_owned())));
}

#[test]
fn the_start_of_a_small_object_is_all_of_it() {
    for (format, text) in [(Format::Csv, format!("a,b\n{}", csv("1"))), (Format::Json, json("1"))] {
        let found = look(&text, format, Depth::Start);
        assert_eq!(found, look(&text, format, Depth::Values));
        assert_eq!(found.records, Some(1));
        assert!(found.columns.iter().all(|column| column.guess.is_none()), "nothing is guessed");
    }
}

#[test]
fn what_is_no_record_changes_no_guess() {
    let text = format!("a,b\n{}x,y,z\n\"1\"2,x\n\u{0},x\n", csv("1").repeat(MANY));
    let guess = look(&text, Format::Csv, Depth::Start);
    assert_eq!(look(&text, Format::Csv, Depth::Values).columns[0].inferred, guess.columns[0].inferred);
    assert_eq!(read(&text, Format::Csv, &plan_of(guess).unwrap(), 2), None);
}
