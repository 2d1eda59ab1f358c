//! A folder with a stages file and an `aws` that is a script.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clap::Parser;
use serde_json::{Value, json};
use stack::cli::Cli;
use tempfile::TempDir;

pub(crate) const IDENTITY: &str = r#"'sts get-caller-identity') echo '{"Account": "111111111111"}' ;;"#;
pub(crate) const NO_STACK: &str = r#"'cloudformation describe-stacks') echo "
An error occurred (ValidationError) when calling the DescribeStacks operation: Stack with id pintail does not exist" >&2; exit 254 ;;"#;
/// Nothing is there under the names of the template.
pub(crate) const NOTHING_LEFT: &str = r#"'s3api '*|'ecr describe-repositories') echo "
An error occurred (404) when calling the HeadBucket operation: Not Found" >&2; exit 254 ;;"#;
/// A stack and its function, as `stack.json` and `function.json` say; each executed change set has an event, and leaves its request behind.
pub(crate) const STACK: &str = r#"'cloudformation describe-stacks') cat "$here/stack.json" ;;
'cloudformation describe-stack-events') cat "$here/events.json" ;;
'cloudformation get-template') cat "$here/template.json" ;;
'cloudformation create-change-set') cp "${4#file://}" "$here/request.json"; echo '{"Id": "arn:set"}' ;;
'cloudformation describe-change-set') echo '{"Status": "CREATE_COMPLETE", "Changes": []}' ;;
'cloudformation execute-change-set') echo "{\"StackEvents\": [{\"EventId\": \"$(date +%s%N)\"}]}" > "$here/events.json" ;;
'ecr describe-images') echo '{"imageDetails": [{"imageManifestMediaType": "manifest"}]}' ;;
'lambda get-function') cat "$here/function.json" ;;
'lambda '*) echo '{}' ;;"#;

/// A folder with a stages file and an `aws` that notes what it is asked and answers by its first two words.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new(stages: &str, answers: &[&str]) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.write("stack.toml", stages);
        desk.program("aws", answers);
        desk
    }

    /// A desk with a stack that stands, and what an image is made of.
    pub(crate) fn with_stack(status: &str, answers: &[&str]) -> Self {
        let desk = Self::new("", &[answers, &[IDENTITY, STACK]].concat());
        desk.put("stack.json", &stack(status, &[("Generation", "4")]));
        desk.put("events.json", &json!({"StackEvents": [{"EventId": "1"}]}));
        desk.put("template.json", &json!({"TemplateBody": {}}));
        let variables = json!({"PINTAIL_GENERATION": "4"});
        let function =
            json!({"Code": {"ImageUri": "host/x:1"}, "Configuration": {"Environment": {"Variables": variables}}});
        desk.put("function.json", &function);
        desk.write("Dockerfile", "FROM x");
        desk.write("bootstrap", "program");
        desk
    }

    /// A program that answers by its first two words.
    pub(crate) fn program(&self, name: &str, answers: &[&str]) {
        let unknown = r#"*) echo "no answer to $*" >&2; exit 252 ;;"#;
        let script = format!(
            "#!/bin/sh\nhere=$(dirname \"$0\")\necho \"$*\" >> \"$here/asked\"\ncase \"$1 $2\" in\n{}\n{unknown}\nesac\n",
            answers.join("\n")
        );
        self.write(name, &script);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn put(&self, name: &str, value: &Value) {
        self.write(name, &value.to_string());
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// What the last change set was asked to make of a parameter.
    pub(crate) fn wished(&self, parameter: &str) -> Option<String> {
        let request = serde_json::from_str::<Value>(&self.read("request.json")).unwrap();
        let parameters = request["Parameters"].as_array().unwrap();
        let found = parameters.iter().find(|one| one["ParameterKey"] == parameter)?;
        Some(found["ParameterValue"].as_str().unwrap_or("kept").to_owned())
    }

    /// The result, or the error with its exit code.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String, (String, u8)> {
        let (stages, aws) = (self.path("stack.toml"), self.path("aws"));
        let global = ["stack", "--stages", stages.to_str().unwrap(), "--aws", aws.to_str().unwrap()];
        let cli = Cli::parse_from([&global[..], words].concat());
        let mut out = vec![];
        match stack::run(&cli, &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(error) => Err((error.to_string(), error.exit_code())),
        }
    }

    /// The result of a command that needs an image: that of this folder.
    pub(crate) fn run_with_image(&self, words: &[&str]) -> Result<String, (String, u8)> {
        let folder = self.folder.path().to_str().unwrap();
        self.run(&[words, &["--context", folder, "--bootstrap", "bootstrap"]].concat())
    }

    /// The program itself, where all others on its path are this folder's and the system's.
    pub(crate) fn start(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
        command.args(words).current_dir(self.folder.path());
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        command.env_clear().env("PATH", path).output().unwrap()
    }

    pub(crate) fn asked(&self) -> String {
        self.read("asked")
    }
}

/// The answer of `describe-stacks`.
pub(crate) fn stack(status: &str, parameters: &[(&str, &str)]) -> Value {
    let outputs =
        [("RepositoryUri", "host/x"), ("RepositoryName", "x"), ("FunctionName", "f"), ("FunctionLogName", "l")];
    let outputs = outputs.map(|(name, value)| json!({"OutputKey": name, "OutputValue": value}));
    let parameters = parameters.iter().map(|(name, value)| json!({"ParameterKey": name, "ParameterValue": value}));
    let parameters = parameters.collect::<Vec<_>>();
    json!({"Stacks": [{"StackId": "arn:stack", "StackStatus": status, "Outputs": outputs, "Parameters": parameters}]})
}

/// The template that is committed.
pub(crate) fn committed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("template.out.json");
    fs::read_to_string(path).unwrap()
}
