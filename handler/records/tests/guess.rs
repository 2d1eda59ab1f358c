//! A guess at an object's types is found wrong when it is read, exactly where a look at all values gives other types.

#![expect(clippy::unwrap_used, reason = "a test")]

use records::{Column, Depth, Error, Format, MemoryInput, Options, Plan, Survey, Unforeseen, read_on, survey};

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

/// Takes every column as a survey has it.
fn plan(found: &Survey) -> Plan {
    let column = |(position, found): (usize, &records::SurveyedColumn)| Column {
        source: Some(found.name.clone()),
        name: format!("c{position}"),
        data_type: found.inferred.clone(),
        format: None,
        not_null: false,
    };
    let guesses = found.columns.iter().enumerate().filter_map(|(position, found)| Some((position, found.guess?)));
    Plan {
        columns: found.columns.iter().enumerate().map(column).collect(),
        closed: true,
        guesses: guesses.collect(),
        ..Plan::default()
    }
}

/// What a reading under a guess found unforeseen.
fn read(text: &str, format: Format, plan: &Plan, threads: usize) -> Result<Option<Unforeseen>, Error> {
    let input = MemoryInput(text.as_bytes().to_vec());
    let mut reader = read_on(&input, &Options { format, ..Options::default() }, plan, threads)?;
    for batch in &mut reader {
        batch?;
    }
    Ok(reader.unforeseen().cloned())
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
                let differs = plan(&whole).columns != plan(&guess).columns;
                let found = read(&text, format, &plan(&guess), threads).unwrap();
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
    let open = Plan { closed: false, ..plan(&guess) };
    assert_eq!(read(&text, Format::Json, &open, 2).unwrap(), None);
    let found = read(&text, Format::Json, &plan(&guess), 2).unwrap();
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
    assert_eq!(read(&text, Format::Csv, &plan(&guess), 2).unwrap(), None);
}
