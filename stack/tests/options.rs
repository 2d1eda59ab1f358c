//! Every option that changes the template: the template stands as a snapshot, which the linters of `stack/ci` read too.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use stack::{
    options::{Options, Stage, Stages, Tables},
    synth,
};

/// Name and what `stack.toml` would say. Options that touch each other stand together.
const COMBINATIONS: &[(&str, &str)] = &[
    ("direct", "trigger = 'direct'"),
    ("direct_with_filter", "trigger = 'direct'\nraw-prefix = 'in/'\nraw-suffix = '.csv'"),
    ("direct_kms_made_network", "trigger = 'direct'\nencryption = 'kms'\nnetwork = 'made'"),
    ("event_bridge", "trigger = 'event-bridge'"),
    ("event_bridge_with_filter", "trigger = 'event-bridge'\nraw-prefix = 'in/'\nraw-suffix = '.csv'"),
    ("queue_with_filter", "raw-prefix = 'in/'"),
    ("kms", "encryption = 'kms'"),
    ("network_given", "network = 'given'"),
    ("network_made", "network = 'made'"),
    ("network_made_event_bridge", "network = 'made'\ntrigger = 'event-bridge'"),
    ("state_machine", "state-machine = 'arn:aws:states:eu-central-1:123456789012:stateMachine:large-files'"),
    ("names", "prefix = 'dev-'\naccount-regional-names = true"),
    (
        "sizes",
        "architecture = 'arm64'\nmemory = 10240\ntimeout = 900\ntemporary = 10240\nreserved-concurrency = 10\nbatch = 10\nbatch-window = 0\n\
         maximum-concurrency = 2\nlog = 'debug'\nlog-retention = 365\nnoncurrent-days = 1\nquarantined-percent = 1\nimages = 5",
    ),
    (
        "everything",
        "prefix = 'all-'\naccount-regional-names = true\nencryption = 'kms'\nnetwork = 'made'\nraw-prefix = 'in/'\nraw-suffix = '.csv'\n\
         state-machine = 'arn:aws:states:eu-central-1:123456789012:stateMachine:large-files'\nreserved-concurrency = 10",
    ),
];

fn tables() -> Tables {
    Tables { silver: vec!["orders".to_owned()], gold: vec!["orders_by_day".to_owned()] }
}

fn text(options: &str) -> String {
    let options: Options = toml::from_str(options).unwrap();
    synth::text(&Stage { options, ..Stage::default() }, &tables()).unwrap()
}

/// Snapshots hold what differs from the defaults, whose template is committed as `template.out.json`.
#[test]
fn every_option_changes_the_template_as_its_snapshot_says() {
    let default = text("");
    for (name, options) in COMBINATIONS {
        let changed = text(options);
        let difference = similar::TextDiff::from_lines(default.as_str(), changed.as_str());
        insta::assert_snapshot!(*name, difference.unified_diff().context_radius(4).to_string());
    }
}

/// The whole templates lie in the target folder afterwards, for the linters of `stack/ci`.
#[test]
fn every_combination_keeps_our_rules_and_is_whole() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, options) in COMBINATIONS {
        std::fs::write(folder.join(format!("{name}.json")), text(options)).unwrap();
    }
}

#[test]
fn every_field_of_the_options_is_changed_by_a_combination() {
    let changed = COMBINATIONS.iter().map(|(_, options)| fields(&toml::from_str(options).unwrap())).collect::<Vec<_>>();
    let untouched = fields(&Options::default());
    let untouched = untouched.iter().filter(|field| changed.iter().all(|fields| fields.contains(field)));
    assert_eq!(untouched.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Each field with its value, as `Debug` writes them: a field begins at the first indentation.
fn fields(options: &Options) -> Vec<String> {
    let text = format!("{options:#?}").replace("\n     ", " ").replace("\n    )", ")");
    text.lines().filter(|line| line.starts_with("    ")).map(str::to_owned).collect()
}

#[test]
fn the_committed_template_is_what_the_code_says_and_deploys_without_a_bucket() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join("stack.toml");
    let stages = Stages::read(&path).unwrap();
    let text = synth::text(&stages.stage(None, &path).unwrap(), &stages.tables).unwrap();
    synth::check(&root.join("template.out.json"), &text).unwrap();
    assert!(text.len() < 51_200, "{} bytes", text.len());
}

#[test]
fn the_stages_of_the_file_make_templates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("stack.toml");
    let stages = Stages::read(&path).unwrap();
    for name in ["dev", "prod"] {
        synth::text(&stages.stage(Some(name), &path).unwrap(), &stages.tables).unwrap();
    }
}

/// `pipeline/` says which tables there are: its sources, its models except views, and the quarantine.
#[test]
fn the_catalog_lists_the_tables_of_the_pipeline() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let models = root.join("pipeline/models");
    let stored = |zone: &str| {
        let mut names =
            std::fs::read_dir(models.join(zone)).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        names.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        names.retain(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            !["view", "ephemeral"].iter().any(|kind| text.contains(&format!("materialized='{kind}'")))
        });
        names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let sources = std::fs::read_to_string(models.join("sources.yml")).unwrap();
    let sources = sources.lines().filter_map(|line| line.strip_prefix("      - name: ")).map(str::to_owned);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let silver = sorted(stored("silver").into_iter().chain(sources).chain(["quarantine".to_owned()]).collect());
    let tables = Stages::read(&root.join("stack.toml")).unwrap().tables;
    assert_eq!((sorted(tables.silver), sorted(tables.gold)), (silver, sorted(stored("gold"))));
}
