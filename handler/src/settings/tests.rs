use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use super::*;

const README: &str = include_str!("../../../README.md");

fn environment(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

const ZONES: [(&str, &str); 3] =
    [("PINTAIL_RAW", "s3://raw"), ("PINTAIL_SILVER", "s3://silver"), ("PINTAIL_GOLD", "s3://gold")];

#[test]
fn an_empty_environment_gives_the_defaults() {
    assert_eq!(Settings::from_lookup(|_| None), Ok(Settings::default()));
}

#[test]
fn every_wrong_variable_is_named_at_once() {
    let lookup = environment(&[
        ("PINTAIL_THREADS", "100000"),
        ("PINTAIL_MEMORY_MB", "0"),
        ("PINTAIL_PROJECT", "/nothing"),
        ("PINTAIL_TEMP", "/nowhere"),
        ("PINTAIL_LOG", "handler=chatty"),
        ("PINTAIL_LOG_FORMAT", "xml"),
        ("PINTAIL_SILVER", "s3://"),
        ("PINTAIL_GOLD", "gs://gold"),
    ]);
    let expected = [
        r#"PINTAIL_THREADS="100000" is not a whole number from 1 to 1024"#,
        "PINTAIL_PROJECT=/nothing is no folder",
        r#"PINTAIL_MEMORY_MB="0" is not a whole number from 1 to 4294967296"#,
        "PINTAIL_TEMP=/nowhere is no folder",
        concat!(
            r#"PINTAIL_LOG="handler=chatty" is no filter of the log: error parsing level filter: expected one of "#,
            r#""off", "error", "warn", "info", "debug", "trace", or a number 0-5"#
        ),
        r#"PINTAIL_LOG_FORMAT="xml" is neither text nor json"#,
        "PINTAIL_RAW is not set: it names a zone of the lake, such as s3://my-raw",
        r#"PINTAIL_SILVER: "s3://": "" is no name of a bucket"#,
        r#"PINTAIL_GOLD: "gs://gold": only s3:// and folders can be zones"#,
    ];
    assert_eq!(Settings::of_function(lookup), Err(expected.map(str::to_owned).to_vec()));
}

#[test]
fn zones_do_not_lie_in_each_other() {
    let lookup = environment(&[
        ("PINTAIL_RAW", "s3://lake"),
        ("PINTAIL_SILVER", "s3://lake/silver"),
        ("PINTAIL_GOLD", "s3://lake-gold"),
    ]);
    let expected = "s3://lake and s3://lake/silver are not apart: each zone needs a place of its own";
    assert_eq!(Settings::of_function(lookup), Err(vec![expected.to_owned()]));
}

#[test]
fn the_size_of_a_function_decides_memory_and_threads() {
    let sized = |memory: &'static str| {
        let variables = move |name: &str| match name {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some(memory.to_owned()),
            _ => environment(&ZONES)(name),
        };
        let (settings, _) = Settings::of_function(variables).unwrap();
        (settings.memory_mebibytes, settings.threads, settings.log_format)
    };
    assert_eq!(sized("512"), (281, 1, LogFormat::Json));
    assert_eq!(sized("1769"), (972, 1, LogFormat::Json));
    assert_eq!(sized("1770"), (973, 2, LogFormat::Json));
    assert_eq!(sized("10240"), (5632, 6, LogFormat::Json));
}

#[test]
fn what_is_set_wins_over_the_size() {
    let lookup = environment(&[
        ZONES[0],
        ZONES[1],
        ZONES[2],
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048"),
        ("PINTAIL_MEMORY_MB", "700"),
        ("PINTAIL_THREADS", "3"),
    ]);
    let (settings, _) = Settings::of_function(lookup).unwrap();
    assert_eq!((settings.memory_mebibytes, settings.threads), (700, 3));
}

#[test]
fn a_share_of_the_temp_folder_is_used() {
    let settings = Settings { temp_limit: Some(400), ..Settings::default() };
    let Scratch { raw_bytes, kept_bytes, .. } = settings.scratch();
    assert_eq!((raw_bytes >> 20, settings.spill_mebibytes(), (kept_bytes >> 20) * 2), (150, 150, 100));
    let free = free_mebibytes(Path::new("/"));
    let derived = Settings { temp: "/".into(), ..Settings::default() }.temp_mebibytes();
    assert!(derived < free, "{derived} of {free} MiB");
}

#[test]
fn every_variable_that_is_read_is_in_the_reference_and_no_other() {
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        environment(&ZONES)(name)
    };
    Settings::of_function(lookup).unwrap();
    asked.borrow_mut().remove("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    let documented: BTreeSet<String> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
    assert_eq!(asked.into_inner(), documented);
}

#[test]
fn the_readme_shows_the_reference() {
    let (_, rest) = README.split_once("<!-- settings -->\n").expect("README.md marks where the table begins");
    let (table, _) = rest.split_once("<!-- end of settings -->").expect("README.md marks where the table ends");
    assert_eq!(table, markdown(), "put this between the markers in README.md:\n{}", markdown());
}
