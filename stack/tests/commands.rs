//! Commands against an `aws` that is a script: what it is asked, and what a person reads when it refuses.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use clap::Parser;
use stack::cli::Cli;
use tempfile::TempDir;

/// A folder with a stages file and an `aws` that notes what it is asked and answers by its first two words.
struct Desk {
    folder: TempDir,
}

const IDENTITY: &str = r#"'sts get-caller-identity') echo '{"Account": "111111111111"}' ;;"#;
const NO_STACK: &str = r#"'cloudformation describe-stacks') echo "
An error occurred (ValidationError) when calling the DescribeStacks operation: Stack with id pintail does not exist" >&2; exit 254 ;;"#;

impl Desk {
    fn new(stages: &str, answers: &[&str]) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(desk.path("stack.toml"), stages).unwrap();
        let asked = desk.path("asked");
        let unknown = r#"*) echo "no answer to $*" >&2; exit 252 ;;"#;
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {}\ncase \"$1 $2\" in\n{}\n{unknown}\nesac\n",
            asked.display(),
            answers.join("\n")
        );
        fs::write(desk.path("aws"), script).unwrap();
        fs::set_permissions(desk.path("aws"), fs::Permissions::from_mode(0o755)).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The result, or the error with its exit code.
    fn run(&self, words: &[&str]) -> Result<String, (String, u8)> {
        let (stages, aws) = (self.path("stack.toml"), self.path("aws"));
        let global = ["stack", "--stages", stages.to_str().unwrap(), "--aws", aws.to_str().unwrap()];
        let cli = Cli::parse_from([&global[..], words].concat());
        let mut out = vec![];
        match stack::run(&cli, &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(error) => Err((error.to_string(), error.exit_code())),
        }
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.path("asked")).unwrap_or_default()
    }
}

#[test]
fn another_account_is_refused_before_anything_is_asked() {
    let desk = Desk::new("[stage.prod]\naccount = '222222222222'", &[IDENTITY]);
    let error = "stack pintail-prod belongs to account 222222222222; these credentials are of account 111111111111";
    for command in ["deploy", "diff", "destroy", "hotswap", "drift"] {
        assert_eq!(desk.run(&["--stage", "prod", command]), Err((error.to_owned(), 1)), "{command}");
    }
    assert_eq!(desk.asked(), "sts get-caller-identity --output json\n".repeat(5));
}

#[test]
fn production_names_its_account() {
    let desk = Desk::new("[stage.prod]\nproduction = true", &[IDENTITY]);
    let error = "stack pintail-prod is production and has no account in the stages file: name the only one it may be deployed to";
    assert_eq!(desk.run(&["--stage", "prod", "deploy"]), Err((error.to_owned(), 1)));
}

#[test]
fn short_cuts_are_refused_in_production() {
    let desk = Desk::new("[stage.prod]\nproduction = true\naccount = '111111111111'", &[IDENTITY]);
    let error = |what: &str| Err((format!("{what} is refused: stack pintail-prod is production"), 1));
    assert_eq!(desk.run(&["--stage", "prod", "hotswap"]), error("hotswap"));
    assert_eq!(desk.run(&["--stage", "prod", "deploy", "--template", "edited.json"]), error("--template"));
}

#[test]
fn a_failed_command_is_quoted_with_what_it_said() {
    let denied = r#"'sts get-caller-identity') echo "Unable to locate credentials" >&2; exit 253 ;;"#;
    let desk = Desk::new("", &[denied]);
    let (error, code) = desk.run(&["drift"]).unwrap_err();
    let aws = desk.path("aws");
    let command = format!("`{} sts get-caller-identity --output json`", aws.display());
    assert_eq!(error, format!("{command} failed (exit status: 253): Unable to locate credentials"));
    assert_eq!(code, 1);
}

#[test]
fn a_missing_cli_is_named() {
    let desk = Desk::new("", &[]);
    fs::remove_file(desk.path("aws")).unwrap();
    let (error, code) = desk.run(&["drift"]).unwrap_err();
    let aws = desk.path("aws");
    let aws = aws.display();
    assert_eq!(error, format!("start `{aws} sts get-caller-identity --output json`: is {aws} installed?"));
    assert_eq!(code, 2);
}

#[test]
fn a_first_diff_changes_nothing_at_aws() {
    let desk = Desk::new("", &[IDENTITY, NO_STACK]);
    let difference = desk.run(&["diff"]).unwrap();
    assert!(difference.starts_with("broader right  "), "{difference}");
    assert!(difference.contains("\nadd  RawBucket (AWS::S3::Bucket)\n"), "{difference}");
    let asked =
        "sts get-caller-identity --output json\ncloudformation describe-stacks --stack-name pintail --output json\n";
    assert_eq!(desk.asked(), asked);
}

#[test]
fn an_edited_template_that_breaks_a_rule_is_not_deployed() {
    let desk = Desk::new("", &[IDENTITY]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("template.out.json");
    let edited = fs::read_to_string(committed)
        .unwrap()
        .replace("\"ImageTagMutability\": \"IMMUTABLE\"", "\"ImageTagMutability\": \"MUTABLE\"");
    fs::write(desk.path("edited.json"), edited).unwrap();
    let (error, _) = desk.run(&["deploy", "--template", desk.path("edited.json").to_str().unwrap()]).unwrap_err();
    let finding = "Repository [image-immutable]: ImageTagMutability is \"MUTABLE\", not \"IMMUTABLE\"";
    assert_eq!(error, format!("the template breaks 1 of our rules:\n  {finding}"));
    assert_eq!(desk.asked(), "sts get-caller-identity --output json\n");
}

#[test]
fn a_stack_that_somebody_changes_is_left_alone() {
    let busy = r#"'cloudformation describe-stacks') echo '{"Stacks": [{"StackStatus": "UPDATE_IN_PROGRESS"}]}' ;;"#;
    let desk = Desk::new("", &[IDENTITY, busy]);
    let error = "stack pintail is UPDATE_IN_PROGRESS: somebody else changes it".to_owned();
    assert_eq!(desk.run(&["deploy", "--require-approval", "never"]), Err((error, 1)));
}

#[test]
fn destroying_what_is_not_there_is_no_failure() {
    let desk = Desk::new("", &[IDENTITY, NO_STACK]);
    assert_eq!(desk.run(&["destroy"]).unwrap(), "stack pintail: there is none\n");
    let json = "{\n  \"stack\": \"pintail\",\n  \"existed\": false,\n  \"deleted\": [],\n  \"kept\": []\n}\n";
    assert_eq!(desk.run(&["destroy", "--json"]).unwrap(), json);
}

#[test]
fn a_stale_template_fails_the_check_with_the_difference() {
    let desk = Desk::new("", &[]);
    let path = desk.path("template.out.json");
    let path = path.to_str().unwrap();
    desk.run(&["synth", "--output", path]).unwrap();
    assert!(desk.run(&["synth", "--check", "--output", path]).unwrap().contains("unchanged"));
    fs::write(path, fs::read_to_string(path).unwrap().replace("\"MemorySize\": 3008", "\"MemorySize\": 3009")).unwrap();
    let (error, code) = desk.run(&["synth", "--check", "--output", path]).unwrap_err();
    assert!(error.contains("`cargo stack synth` writes it anew"), "{error}");
    assert!(error.contains("\n-    \"MemorySize\": 3009,\n+    \"MemorySize\": 3008,\n"), "{error}");
    assert_eq!(code, 1);
}
