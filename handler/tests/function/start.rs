//! What keeps the function from starting is told at once.

use std::process::Command;

#[test]
fn all_wrong_settings_are_in_the_log_and_the_process_ends() {
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .envs([("PINTAIL_RAW", "s3://shop-raw"), ("PINTAIL_THREADS", "many")])
        .output()
        .expect("start bootstrap");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    for expected in ["PINTAIL_THREADS=", "PINTAIL_SILVER is not set", "PINTAIL_GOLD is not set"] {
        assert!(log.lines().any(|line| line.starts_with('{') && line.contains(expected)), "{expected}:\n{log}");
    }
}

#[test]
fn a_project_with_errors_keeps_it_from_starting() {
    let project = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/projects/refused/an_unknown_function");
    let lake = tempfile::tempdir().expect("a temporary folder");
    let zone = |name: &str| lake.path().join(name).display().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("PINTAIL_PROJECT", project)
        .envs([("PINTAIL_RAW", zone("raw")), ("PINTAIL_SILVER", zone("silver")), ("PINTAIL_GOLD", zone("gold"))])
        .output()
        .expect("start bootstrap");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("the function cannot start") && log.contains("models/"), "{log}");
}
