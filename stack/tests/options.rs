//! Every option that changes the template: the template stands as a snapshot, which the linters of `stack/ci` read too, with every
//! combination of the options that change which resources there are.
#![expect(clippy::unwrap_used, reason = "a test")]

mod dashboard;

use std::{fs, path::Path};

use serde_json::Value as Tree;
use stack::{
    options::{Options, Stage, Stages, Tables},
    synth,
};

/// Name and what `stack.toml` would say. Options that touch each other stand together.
const COMBINATIONS: &[(&str, &str)] = &[
    ("direct", "trigger = 'direct'"),
    ("direct_with_filter", "trigger = 'direct'\nraw-prefix = 'in/'\nraw-suffix = '.csv'"),
    ("direct_network_given", "trigger = 'direct'\nnetwork = 'given'"),
    ("direct_kms_made_network", "trigger = 'direct'\nencryption = 'kms'\nnetwork = 'made'"),
    ("event_bridge", "trigger = 'event-bridge'"),
    ("event_bridge_with_filter", "trigger = 'event-bridge'\nraw-prefix = 'in/'\nraw-suffix = '.csv'"),
    ("queue_with_filter", "raw-prefix = 'in/'"),
    ("kms", "encryption = 'kms'"),
    ("kms_event_bridge", "encryption = 'kms'\ntrigger = 'event-bridge'"),
    ("network_given", "network = 'given'"),
    ("network_made", "network = 'made'"),
    ("network_made_event_bridge", "network = 'made'\ntrigger = 'event-bridge'"),
    ("state_machine", "state-machine = 'arn:aws:states:eu-central-1:123456789012:stateMachine:large-files'"),
    ("names", "prefix = 'dev-'\naccount-regional-names = true"),
    (
        "sizes",
        "architecture = 'arm64'\nmemory = 10240\ntimeout = 900\ntemporary = 10240\nreserved-concurrency = 10\nbatch = 10\nbatch-window = 0\n\
         maximum-concurrency = 2\nlog = 'error,handler=debug'\nlog-retention = 365\nnoncurrent-days = 1\nquarantined-percent = 1\nimages = 5",
    ),
    (
        "everything",
        "prefix = 'all-'\naccount-regional-names = true\nencryption = 'kms'\nnetwork = 'made'\nraw-prefix = 'in/'\nraw-suffix = '.csv'\n\
         state-machine = 'arn:aws:states:eu-central-1:123456789012:stateMachine:large-files'\nreserved-concurrency = 10",
    ),
];

/// The options that decide which resources there are and what they name: each line is one, with its choices.
const STRUCTURE: [&[(&str, &str)]; 6] = [
    &[("queue", ""), ("direct", "trigger = 'direct'\n"), ("event_bridge", "trigger = 'event-bridge'\n")],
    &[("aes256", ""), ("kms", "encryption = 'kms'\n")],
    &[("no_network", ""), ("given", "network = 'given'\n"), ("made", "network = 'made'\n")],
    &[("all_keys", ""), ("some_keys", "raw-prefix = 'in/'\nraw-suffix = '.csv'\n")],
    &[("short_names", ""), ("long_names", "account-regional-names = true\n")],
    &[
        ("alone", ""),
        ("machine", "state-machine = 'arn:aws:states:eu-central-1:123456789012:stateMachine:large-files'\n"),
    ],
];

/// Name and options of each combination of the structure, and of the combinations that have a snapshot.
fn every_combination() -> Vec<(String, String)> {
    let product = STRUCTURE.iter().fold(vec![(String::new(), String::new())], |combinations, choices| {
        let with = |(name, options): &(String, String)| {
            let (name, options) = (name.clone(), options.clone());
            choices.iter().map(move |choice| (format!("{name}-{}", choice.0), format!("{options}{}", choice.1)))
        };
        combinations.iter().flat_map(with).collect()
    });
    let named = COMBINATIONS.iter().map(|(name, options)| ((*name).to_owned(), (*options).to_owned()));
    product.into_iter().map(|(name, options)| (format!("every{name}"), options)).chain(named).collect()
}

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

/// `synth` refuses what breaks a rule or is not whole. The templates lie in the target folder afterwards, for the linters of `stack/ci`.
#[test]
fn every_combination_keeps_our_rules_and_is_whole() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    for (name, options) in every_combination() {
        fs::write(folder.join(format!("{name}.json")), text(&options)).unwrap();
    }
}

/// A text as `CloudFormation` leaves it: `${Name}` is a name of AWS, `${!` is what begins with `${`.
fn substituted(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        if let Some(literal) = part.strip_prefix('!') {
            whole.extend(["${", literal]);
        } else {
            let (name, rest) = part.split_once('}').unwrap();
            whole.extend([name.split('.').next().unwrap(), rest]);
        }
    }
    whole
}

/// Every text of the tree that is JSON inside, with the name of its property, after its substitutions.
fn json_texts(tree: &Tree, property: &str) -> Vec<(String, String)> {
    let begins = |text: &str| text.starts_with(['{', '[']);
    match tree {
        Tree::String(text) if begins(text) => vec![(property.to_owned(), text.clone())],
        Tree::Array(items) => items.iter().flat_map(|item| json_texts(item, property)).collect(),
        Tree::Object(members) => members
            .iter()
            .flat_map(|(key, member)| match member {
                Tree::String(text) if key == "Fn::Sub" && begins(text) => {
                    vec![(property.to_owned(), substituted(text))]
                }
                _ => json_texts(member, if key.starts_with("Fn::") { property } else { key }),
            })
            .collect(),
        _ => vec![],
    }
}

#[test]
fn every_text_that_is_json_is_json_after_its_substitutions() {
    for (name, options) in every_combination() {
        let template: Tree = serde_json::from_str(&text(&options)).unwrap();
        let texts = json_texts(&template["Resources"], "");
        let properties = texts.iter().map(|(property, _)| property.as_str()).collect::<Vec<_>>();
        assert_eq!(properties, ["DashboardBody", "LifecyclePolicyText"], "{name}");
        for (property, text) in &texts {
            let tree: Result<Tree, _> = serde_json::from_str(text);
            assert!(tree.is_ok(), "{name} {property}: {tree:?}: {text}");
            if property == "DashboardBody" {
                assert_eq!(dashboard::faults(&tree.unwrap()), Vec::<String>::new(), "{name}");
            }
        }
    }
}

/// The test of the dashboard itself: what it has to find.
#[test]
fn a_dashboard_that_cloudwatch_would_refuse_is_found_out() {
    let template: Tree = serde_json::from_str(&text("")).unwrap();
    let body = json_texts(&template["Resources"]["Dashboard"], "").remove(0).1;
    let whole: Tree = serde_json::from_str(&body).unwrap();
    let faults = |pointer: &str, value: Tree| {
        let mut body = whole.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        dashboard::faults(&body).iter().map(|fault| fault.split(": [").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expression = "/widgets/2/properties/metrics/0/0/expression";
    let wrong = [
        ("/widgets", Tree::Null, "no widgets"),
        ("/widgets/0/width", 13.into(), ""),
        ("/widgets/1/width", 13.into(), "Records: leaves the grid"),
        ("/widgets/0/type", "graph".into(), "Files and bytes: type is \"graph\""),
        ("/widgets/0/properties/region", Tree::Null, "Files and bytes: no region"),
        (
            "/widgets/0/properties/metrics/0",
            serde_json::json!(["Pintail", "Files"]),
            "Files and bytes: has no dimension",
        ),
        ("/widgets/0/properties/metrics/0/3", 1.into(), "Files and bytes: has a word that is no text"),
        (
            expression,
            "SEARCH('{Pintail,Function} Function=\"x\", 'Sum', 300)".into(),
            "Quarantined by source: has quotes that do not match",
        ),
        (
            expression,
            "SEARCH('{Pintail,Function} Function=x', 'Sum', 300)".into(),
            "Quarantined by source: has a value that is not quoted",
        ),
        (
            expression,
            "SEARCH('{Pintail,Source} Function=\"x\"', 'Sum', 300)".into(),
            "Quarantined by source: searches for what the schema does not have",
        ),
        (
            expression,
            "SEARCH('{Pintail,Function} Function=\"x\"', 'Sum', 300".into(),
            "Quarantined by source: has no statistic or no period",
        ),
        (expression, "2 * other".into(), "Quarantined by source: computes with an id that is not there"),
    ];
    for (pointer, value, fault) in wrong {
        assert_eq!(faults(pointer, value).join("; "), fault, "{pointer}");
    }
}

/// What AWS would refuse, or punish by throttling, is refused here.
#[test]
fn options_that_do_not_go_together_are_refused() {
    let refused = |options: &str| {
        let options: Options = toml::from_str(options).unwrap();
        synth::text(&Stage { options, ..Stage::default() }, &tables()).unwrap_err().to_string()
    };
    for (options, finding) in [
        (
            "batch-window = 0",
            "ArrivalsMapping [batch-window]: a batch of 100, more than 10, has to gather for at least 1 s",
        ),
        ("state-machine = 'large-files'", "FunctionRole [iam-arn]: \"large-files\" is no ARN"),
        ("reserved-concurrency = 7", "Function [function-reserve]: 7 invocations are reserved, 8 may come at once"),
    ] {
        assert_eq!(refused(options), format!("the template breaks 1 of our rules:\n  {finding}"));
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
        let mut names = fs::read_dir(models.join(zone)).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        names.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        names.retain(|path| {
            let text = fs::read_to_string(path).unwrap();
            !["view", "ephemeral"].iter().any(|kind| text.contains(&format!("materialized='{kind}'")))
        });
        names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let sources = fs::read_to_string(models.join("sources.yml")).unwrap();
    let sources = sources.lines().filter_map(|line| line.strip_prefix("      - name: ")).map(str::to_owned);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let silver = sorted(stored("silver").into_iter().chain(sources).chain(["quarantine".to_owned()]).collect());
    let tables = Stages::read(&root.join("stack.toml")).unwrap().tables;
    assert_eq!((sorted(tables.silver), sorted(tables.gold)), (silver, sorted(stored("gold"))));
}
