//! Commands against an `aws` that is a script: what it is asked, and what a person reads when it refuses.
#![expect(clippy::unwrap_used, reason = "a test")]

mod desk;

use std::{fs, time::SystemTime};

use desk::{Desk, IDENTITY, NO_STACK, NOTHING_LEFT, committed, stack};
use serde_json::{Value, json};

#[test]
fn another_account_is_refused_before_anything_is_asked() {
    let desk = Desk::new("[stage.prod]\naccount = '222222222222'", &[IDENTITY]);
    let error = "stack pintail-prod belongs to account 222222222222; these credentials are of account 111111111111";
    for command in ["deploy", "diff", "destroy", "hotswap", "drift", "logs"] {
        assert_eq!(desk.run(&["--stage", "prod", command]), Err((error.to_owned(), 1)), "{command}");
    }
    assert_eq!(desk.asked(), "sts get-caller-identity --output json\n".repeat(6));
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
    let desk = Desk::new("", &[IDENTITY, NO_STACK, NOTHING_LEFT]);
    let difference = desk.run(&["diff"]).unwrap();
    assert!(difference.starts_with("broader right  "), "{difference}");
    assert!(difference.contains("\nadd  RawBucket (AWS::S3::Bucket)\n"), "{difference}");
    let look = |zone| {
        format!("s3api head-bucket --bucket {zone}-111111111111 --expected-bucket-owner 111111111111 --output json\n")
    };
    let asked = [
        "sts get-caller-identity --output json\n",
        "cloudformation describe-stacks --stack-name pintail --output json\n",
        &look("gold"),
        &look("raw"),
        "ecr describe-repositories --repository-names lambda_duckdb --output json\n",
        &look("silver"),
    ];
    assert_eq!(desk.asked(), asked.concat());
}

#[test]
fn an_edited_template_that_breaks_a_rule_is_not_deployed() {
    let desk = Desk::new("", &[IDENTITY]);
    let edited = committed().replace("\"ImageTagMutability\": \"IMMUTABLE\"", "\"ImageTagMutability\": \"MUTABLE\"");
    desk.write("edited.json", &edited);
    let (error, _) = desk.run(&["deploy", "--template", desk.path("edited.json").to_str().unwrap()]).unwrap_err();
    let finding = "Repository [image-immutable]: ImageTagMutability is \"MUTABLE\", not \"IMMUTABLE\"";
    assert_eq!(error, format!("the template breaks 1 of our rules:\n  {finding}"));
    assert_eq!(desk.asked(), "sts get-caller-identity --output json\n");
}

#[test]
fn a_stack_that_somebody_changes_is_left_alone() {
    let desk = Desk::with_stack("UPDATE_IN_PROGRESS", &[]);
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

/// The function answers `answers`, one after the other.
fn refreshing(answers: &[&str]) -> String {
    let one = |(index, answer): (usize, &&str)| format!("{index}) {answer} ;; ");
    let cases = answers.iter().enumerate().map(one).collect::<String>();
    format!(
        r#"'lambda invoke') count=$(cat "$here/count" 2>/dev/null || echo 0); echo $((count + 1)) > "$here/count"; case $count in {cases} esac ;;"#
    )
}

const REFRESHED: &str = r#"echo '{"gold": []}' > "$9"; echo '{}'"#;
const SUPERSEDED: &str =
    r#"echo '{"errorType": "Retryable.Superseded"}' > "$9"; echo '{"FunctionError": "Unhandled"}'"#;

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_generation_is_after_those_of_stacks_that_are_gone() {
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[&refreshing(&[REFRESHED])]);
    let now = seconds();
    // The stack has come no further than 4.
    desk.run_with_image(&["deploy", "--require-approval", "never"]).unwrap();
    let generation = desk.wished("Generation").unwrap().parse::<u64>().unwrap();
    assert!((now..now + 600).contains(&generation), "{generation}");
}

#[test]
fn a_generation_of_the_command_line_stands() {
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[&refreshing(&[REFRESHED])]);
    desk.run_with_image(&["deploy", "--require-approval", "never", "--parameter", "Generation=9"]).unwrap();
    assert_eq!(desk.wished("Generation").as_deref(), Some("9"));
}

#[test]
fn a_stack_that_the_lake_is_ahead_of_is_raised_though_nothing_else_changes() {
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[&refreshing(&[REFRESHED, SUPERSEDED, REFRESHED])]);
    let deploy = ["deploy", "--require-approval", "never", "--json"];
    desk.run_with_image(&deploy).unwrap();
    // From now on the stack is what the code says.
    let image = desk.wished("ImageUri").unwrap();
    desk.put("stack.json", &stack("UPDATE_COMPLETE", &[("ImageUri", &image), ("Generation", "4")]));
    desk.write("template.json", &format!("{{\"TemplateBody\": {}}}", committed()));
    let function = desk.read("function.json").replace("host/x:1", &image);
    desk.write("function.json", &function);
    desk.put("request.json", &json!({"Parameters": []}));
    let deployed = serde_json::from_str::<Value>(&desk.run_with_image(&deploy).unwrap()).unwrap();
    assert_eq!((&deployed["changed"], &deployed["refresh"]), (&json!(true), &json!({"gold": []})));
    assert!(desk.wished("Generation").unwrap().parse::<u64>().unwrap() >= seconds() - 60);
}

#[test]
fn a_diff_of_a_stack_that_never_stood_is_that_of_a_new_one() {
    for status in ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "CREATE_FAILED"] {
        let desk = Desk::with_stack(status, &[NOTHING_LEFT]);
        let difference = desk.run(&["diff"]).unwrap();
        assert!(difference.contains("\nadd  RawBucket (AWS::S3::Bucket)\n"), "{difference}");
    }
}

#[test]
fn a_stack_that_aws_does_not_change_is_refused_before_the_image_is_built() {
    let stuck = [
        ("DELETE_FAILED", "first `destroy` it to the end"),
        ("IMPORT_ROLLBACK_FAILED", "AWS changes it no more; its events say why"),
        ("UPDATE_ROLLBACK_FAILED", "first `aws cloudformation continue-update-rollback --stack-name pintail`"),
    ];
    for (status, first) in stuck {
        let desk = Desk::with_stack(status, &[]);
        let error = format!("stack pintail is {status}: {first}");
        assert_eq!(desk.run_with_image(&["deploy", "--require-approval", "never"]), Err((error, 1)));
        assert!(!desk.asked().contains("ecr"), "{}", desk.asked());
    }
}

/// The buckets of a stack with a key, and the key.
const LEFT: &str = r#"'s3api head-bucket') echo '{}' ;;
'ecr describe-repositories') echo '{}' ;;
's3api get-bucket-encryption') echo '{"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"KMSMasterKeyID": "arn:aws:kms:x:1:key/k-1"}}]}}' ;;
'kms describe-key') echo '{"KeyMetadata": {"KeyId": "k-1", "KeyManager": "CUSTOMER", "KeyState": "Enabled"}}' ;;
'configure list') echo "    region              eu-central-1              env    AWS_REGION" ;;"#;
const CLOSED: &str =
    "[stage.closed]\nstack = 'pintail'\noptions.account-regional-names = true\noptions.encryption = 'kms'\n";

#[test]
fn what_is_left_is_taken_back_with_all_that_can_never_be_changed() {
    // Refused after the request: the rest of a deployment is another test's.
    let refused = r#"'cloudformation create-change-set') cp "${4#file://}" "$here/request.json"; exit 254 ;;"#;
    let desk = Desk::new(CLOSED, &[IDENTITY, NO_STACK, LEFT, refused]);
    desk.run(&["--stage", "closed", "deploy"]).unwrap_err();
    let request = serde_json::from_str::<Value>(&desk.read("request.json")).unwrap();
    let template = serde_json::from_str::<Value>(request["TemplateBody"].as_str().unwrap()).unwrap();
    let name = "raw-111111111111-eu-central-1-an";
    let bucket = json!({"BucketName": name, "BucketNamespace": "account-regional"});
    assert_eq!(template["Resources"]["RawBucket"]["Properties"], bucket);
    let key =
        json!({"Type": "AWS::KMS::Key", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": {}});
    assert_eq!(template["Resources"]["LakeKey"], key);
    let imports = request["ResourcesToImport"].as_array().unwrap();
    let of = |id: &str| {
        imports.iter().find(|import| import["LogicalResourceId"] == id).unwrap()["ResourceIdentifier"].clone()
    };
    assert_eq!((of("RawBucket"), of("LakeKey")), (json!({"BucketName": name}), json!({"KeyId": "k-1"})));
}

#[test]
fn a_first_diff_tells_what_is_taken_back() {
    let desk = Desk::new(CLOSED, &[IDENTITY, NO_STACK, LEFT]);
    let difference = desk.run(&["--stage", "closed", "diff"]).unwrap();
    for line in [
        "import  LakeKey (AWS::KMS::Key)",
        "import  SilverBucket (AWS::S3::Bucket)",
        "add  FunctionRole (AWS::IAM::Role)",
    ] {
        assert!(difference.lines().any(|found| found == line), "{line}: {difference}");
    }
}

const DELETES: &str = r"'s3api list-object-versions'|'s3api list-multipart-uploads'|'s3api delete-bucket') ;;
'ecr delete-repository'|'kms schedule-key-deletion') ;;";

/// No stack holds anything.
const FREE: &str = r#"'cloudformation describe-stack-resources') echo "(ValidationError) Stack for x does not exist" >&2; exit 254 ;;"#;

#[test]
fn destroying_data_goes_on_where_an_earlier_run_ended() {
    let desk = Desk::new(CLOSED, &[IDENTITY, NO_STACK, FREE, DELETES, LEFT]);
    let words = ["--stage", "closed", "destroy", "--delete-data"];
    let refused = desk.start(&words);
    let error = "error: there is no terminal to confirm on: --confirm pintail\n";
    assert!(refused.stderr.ends_with(error.as_bytes()), "{}", String::from_utf8_lossy(&refused.stderr));
    let destroyed = desk.run(&[&words[..], &["--confirm", "pintail"]].concat()).unwrap();
    let lines = [
        "stack pintail: destroyed",
        "  deleted: AWS::KMS::Key k-1",
        "  deleted: AWS::S3::Bucket gold-111111111111-eu-central-1-an",
        "  deleted: AWS::S3::Bucket raw-111111111111-eu-central-1-an",
        "  deleted: AWS::ECR::Repository lambda_duckdb",
        "  deleted: AWS::S3::Bucket silver-111111111111-eu-central-1-an",
    ];
    assert_eq!(destroyed.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn a_stack_that_never_stood_does_not_hide_what_was_left_before_it() {
    let gone = r#"'cloudformation delete-stack') sed -i s/REVIEW_IN_PROGRESS/DELETE_COMPLETE/ "$here/stack.json" ;;"#;
    let desk = Desk::with_stack("REVIEW_IN_PROGRESS", &[gone, FREE, DELETES, LEFT]);
    let destroyed = desk.run(&["destroy", "--delete-data", "--confirm", "pintail"]).unwrap();
    assert!(destroyed.contains("\n  deleted: AWS::S3::Bucket raw-111111111111\n"), "{destroyed}");
}

#[test]
fn data_of_another_stack_is_not_destroyed() {
    let held = r#"'cloudformation describe-stack-resources') echo '{"StackResources": [{"StackName": "by-hand"}]}' ;;"#;
    let desk = Desk::new(CLOSED, &[IDENTITY, NO_STACK, held, DELETES, LEFT]);
    let (error, _) = desk.run(&["--stage", "closed", "destroy", "--delete-data", "--confirm", "pintail"]).unwrap_err();
    let bucket = "AWS::S3::Bucket gold-111111111111-eu-central-1-an";
    assert_eq!(error, format!("nothing was deleted: {bucket} belongs to stack by-hand"));
}

const REFUSED: &str = r#"'cloudformation describe-change-set') echo '{"Status": "FAILED", "StatusReason": "[AWS::EarlyValidation::ResourceExistenceCheck] use the DescribeEvents API"}' ;;
'cloudformation delete-change-set') echo '{}' ;;"#;

#[test]
fn a_refused_change_is_told_with_what_aws_found() {
    let events = r#"'cloudformation describe-events') echo '{"OperationEvents": [{"LogicalResourceId": "RawBucket", "ValidationStatusReason": "raw-1 already exists"}]}' ;;"#;
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[REFUSED, events]);
    let (error, code) = desk.run_with_image(&["diff"]).unwrap_err();
    let lines = [
        "AWS refuses the change of stack pintail: [AWS::EarlyValidation::ResourceExistenceCheck] use the DescribeEvents API",
        "  RawBucket: raw-1 already exists",
        "  hint: something of that name is there and no part of this stack: delete it, or choose another `prefix`",
    ];
    assert_eq!((error.lines().collect::<Vec<_>>(), code), (lines.to_vec(), 1));
    let found = "cloudformation describe-events --change-set-name arn:set --filters FailedEvents=true --output json\n";
    let thrown_away = "cloudformation delete-change-set --stack-name pintail --change-set-name arn:set --output json\n";
    assert!(desk.asked().ends_with(&[found, thrown_away].concat()), "{}", desk.asked());
}

#[test]
fn a_cli_that_does_not_know_the_events_of_a_change_set_hides_nothing() {
    let old =
        r#"'cloudformation describe-events') echo "aws: error: argument operation: Invalid choice" >&2; exit 252 ;;"#;
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[REFUSED, old]);
    let (error, _) = desk.run_with_image(&["diff"]).unwrap_err();
    assert!(error.ends_with("use the DescribeEvents API"), "{error}");
}

#[test]
fn a_status_from_before_the_change_is_not_taken_for_its_end() {
    // The first look after the beginning sees what was before, as it may on AWS.
    let late = r#"'cloudformation execute-change-set') echo 0 > "$here/looks" ;;
'cloudformation describe-stack-events') looks=$(cat "$here/looks" 2>/dev/null); case $looks in
  0) echo 1 > "$here/looks"; cat "$here/events.json" ;;
  1) sed -i s/UPDATE_COMPLETE/UPDATE_ROLLBACK_COMPLETE/ "$here/stack.json"; echo '{"StackEvents": [{"EventId": "2"}, {"EventId": "1"}]}' ;;
  *) cat "$here/events.json" ;; esac ;;"#;
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[late]);
    let error = desk.run_with_image(&["deploy", "--require-approval", "never"]);
    assert_eq!(error, Err(("stack pintail is UPDATE_ROLLBACK_COMPLETE".to_owned(), 1)));
}

#[test]
fn the_image_is_pushed_from_the_engine_that_built_it() {
    let push = r#"'ecr describe-images') [ -e "$here/pushed" ] && cat "$here/pushed"; [ -e "$here/pushed" ] || echo '{}' ;;
'ecr get-login-password') echo secret ;;"#;
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[push, &refreshing(&[REFRESHED])]);
    let docker = r#"'context inspect') echo colima ;;
'--config '*) case "$3 $4" in 'push '*) echo '{"imageDetails": [{}]}' > "$here/pushed" ;; esac ;;
*) ;;"#;
    desk.program("docker", &[docker]);
    let words = ["deploy", "--require-approval", "never", "--bootstrap", "bootstrap"];
    let output = desk.start(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = desk.asked();
    let apart = asked.lines().filter_map(|line| line.strip_prefix("--config ")?.split_once(' '));
    let words = apart.map(|(_, words)| words.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(words[..2], ["context import colima", "context use colima"]);
    assert!(words[2].starts_with("login ") && words[3].starts_with("push "), "{words:?}");
    assert!(asked.contains("\ncontext export colima /"), "{asked}");
}

#[test]
fn log_lines_are_json_too() {
    let lines =
        r#"'logs filter-log-events') echo '{"events": [{"eventId": "1", "timestamp": 7, "message": "so "}]}' ;;"#;
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[lines]);
    assert_eq!(desk.run(&["logs"]).unwrap(), "so\n");
    assert_eq!(desk.run(&["logs", "--json"]).unwrap(), "{\n  \"timestamp\": 7,\n  \"message\": \"so\"\n}\n");
}

#[test]
fn an_unfit_machine_is_told_as_json_too() {
    let desk = Desk::new("", &[IDENTITY]);
    let output = desk.start(&["doctor", "--json"]);
    let health = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert_eq!((&health["checks"][3]["what"], &health["checks"][3]["fit"]), (&json!("region"), &json!(false)));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: this machine cannot deploy\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_change_that_nobody_can_agree_to_is_not_made() {
    let away = r"'cloudformation delete-change-set') echo '{}' ;;";
    let desk = Desk::with_stack("UPDATE_COMPLETE", &[away]);
    let refused = desk.start(&["deploy", "--bootstrap", "bootstrap"]);
    let error = "error: this change was not made: there is no terminal to approve it on: see --require-approval\n";
    assert!(refused.stderr.ends_with(error.as_bytes()), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(!desk.asked().contains("execute-change-set"), "{}", desk.asked());
}
