//! The deployer against a cloud with real change sets, roll-backs, a registry and image functions.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::PathBuf};

use integration_tests::{Cloud, images::LAMBDA, tools::workspace};
use serde_json::{Value, json};

/// A tiny image with the targets and arguments of ours, whose function answers with its event and its generation.
struct Image {
    context: PathBuf,
    base: String,
}

impl Image {
    fn tiny() -> Self {
        Self { context: workspace().join("stack/tests/fixtures/image"), base: LAMBDA.whole() }
    }

    fn words(&self) -> [&str; 6] {
        ["--context", self.context.to_str().unwrap(), "--bootstrap", "bootstrap", "--base", &self.base]
    }
}

/// `stack deploy` without questions.
fn deploy(cloud: &Cloud, image: &Image, more: &[&str]) -> Result<Value, String> {
    let words = [&["deploy", "--require-approval", "never"], &image.words()[..], more].concat();
    cloud.stack(&words).map_err(|error| error.to_string())
}

/// Two stages of the same stack.
const SMALL_AND_DIRECT: &str = "[stage.small]\nstack = 'pintail'\noptions.memory = 2048\n[stage.direct]\nstack = 'pintail'\noptions.trigger = 'direct'\n";

/// A stages file with this text.
fn stages(cloud: &Cloud, text: &str) -> String {
    let path = cloud.file("stages.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The generation that a deployment gave, which is also the function's own.
fn generation(deployed: &Value) -> u64 {
    let generation = deployed["generation"].as_u64().unwrap();
    assert_eq!(deployed["refresh"]["generation"], generation.to_string());
    generation
}

fn function(cloud: &Cloud) -> Value {
    cloud.aws(&["lambda", "get-function-configuration", "--function-name", "duckdb_ingestion"]).unwrap()
}

/// The committed template with an alarm that the emulator cannot make.
fn broken_template(cloud: &Cloud) -> String {
    let committed = fs::read_to_string(workspace().join("template.out.json")).unwrap();
    let mut template: Value = serde_json::from_str(&committed).unwrap();
    let alarm = template["Resources"]["ErrorsAlarm"]["Properties"].as_object_mut().unwrap();
    alarm.remove("MetricName").unwrap();
    alarm.insert("Metrics".to_owned(), json!([{"Id": "x", "Expression": "1", "ReturnData": true}]));
    let path = cloud.file("broken.json");
    fs::write(&path, template.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn upload(cloud: &Cloud, key: &str) {
    let bucket = format!("raw-{}", cloud.account);
    let body = workspace().join("stack.toml");
    cloud.aws(&["s3api", "put-object", "--bucket", &bucket, "--key", key, "--body", body.to_str().unwrap()]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_stack_lives_from_nothing_to_nothing() {
    let cloud = Cloud::ministack().await.unwrap();
    let image = Image::tiny();

    let error = deploy(&cloud, &image, &["--template", &broken_template(&cloud)]).unwrap_err();
    assert!(error.starts_with("stack pintail is ROLLBACK_COMPLETE\n  CREATE_FAILED"), "{error}");

    // What the failed one left is cleared away.
    let first = deploy(&cloud, &image, &[]).unwrap();
    assert_eq!((&first["changed"], &first["refresh"]["event"]), (&json!(true), &json!({"refresh": true})));

    let second = deploy(&cloud, &image, &[]).unwrap();
    assert_eq!((&second["changed"], generation(&second)), (&json!(false), generation(&first)));
    assert_eq!(second["image"], first["image"]);

    let stages = stages(&cloud, SMALL_AND_DIRECT);
    let small = ["--stages", &stages, "--stage", "small"];
    let difference = cloud.stack(&[&["diff"], &small[..], &image.words()].concat()).unwrap();
    assert!(difference.to_string().contains(r#"["MemorySize","3008","2048"]"#), "{difference}");
    let changed = deploy(&cloud, &image, &small).unwrap();
    assert_eq!(changed["changed"], json!(true));
    assert!(generation(&changed) > generation(&first), "{changed}");
    assert_eq!(function(&cloud)["MemorySize"], 2048);

    let error = deploy(&cloud, &image, &["--template", &broken_template(&cloud)]).unwrap_err();
    assert!(error.starts_with("stack pintail is UPDATE_ROLLBACK_COMPLETE\n  UPDATE_FAILED"), "{error}");
    assert!(error.contains("ErrorsAlarm (AWS::CloudWatch::Alarm): "), "{error}");
    assert_eq!(function(&cloud)["MemorySize"], 2048);

    upload(&cloud, "orders/a.csv");
    upload(&cloud, "orders/a.csv");
    let destroyed = cloud.stack(&["destroy", "--delete-data", "--confirm", "pintail"]).unwrap();
    assert_eq!(destroyed["kept"], json!([]));
    assert_eq!(cloud.aws(&["s3api", "list-buckets"]).unwrap()["Buckets"], json!([]));
    assert_eq!(cloud.aws(&["ecr", "describe-repositories"]).unwrap()["repositories"], json!([]));
    assert_eq!(cloud.stack(&["destroy"]).unwrap()["existed"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn what_a_destroyed_stack_left_behind_comes_back() {
    let cloud = Cloud::ministack().await.unwrap();
    let image = Image::tiny();
    let first = deploy(&cloud, &image, &[]).unwrap();
    upload(&cloud, "orders/a.csv");
    let destroyed = cloud.stack(&["destroy", "--confirm", "pintail"]).unwrap();
    assert_eq!(destroyed["kept"].as_array().unwrap().len(), 4, "{destroyed}");
    // The emulator cannot import a repository, AWS can.
    cloud.aws(&["ecr", "delete-repository", "--force", "--repository-name", "lambda_duckdb"]).unwrap();

    let again = deploy(&cloud, &image, &[]).unwrap();
    assert_eq!(again["changed"], json!(true));
    // The lake knows the first one.
    assert!(generation(&again) > generation(&first), "{again}");
    let bucket = format!("raw-{}", cloud.account);
    let objects = cloud.aws(&["s3api", "list-objects-v2", "--bucket", &bucket]).unwrap();
    assert_eq!(objects["Contents"][0]["Key"], "orders/a.csv");
    let notification = cloud.aws(&["s3api", "get-bucket-notification-configuration", "--bucket", &bucket]).unwrap();
    assert_eq!(notification["QueueConfigurations"].as_array().map(Vec::len), Some(2), "{notification}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_key_comes_back_with_its_buckets_and_goes_with_them() {
    let cloud = Cloud::ministack().await.unwrap();
    let text = "[stage.closed]\nstack = 'pintail'\noptions.encryption = 'kms'\noptions.account-regional-names = true\n";
    let stages = stages(&cloud, text);
    let stage = ["--stages", &stages, "--stage", "closed"];
    let image = Image::tiny();
    deploy(&cloud, &image, &stage).unwrap();
    cloud.stack(&[&["destroy", "--confirm", "pintail"], &stage[..]].concat()).unwrap();
    // The emulator cannot import a repository, and does not encrypt what a stack makes.
    cloud.aws(&["ecr", "delete-repository", "--force", "--repository-name", "lambda_duckdb"]).unwrap();
    let keys = || cloud.aws(&["kms", "list-keys"]).unwrap()["Keys"].clone();
    let encrypted = json!({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": keys()[0]["KeyArn"]});
    let rules = json!({"Rules": [{"ApplyServerSideEncryptionByDefault": encrypted}]}).to_string();
    let bucket = format!("silver-{}-eu-central-1-an", cloud.account);
    let encrypt = ["s3api", "put-bucket-encryption", "--bucket", &bucket];
    let encrypt = || cloud.aws(&[&encrypt[..], &["--server-side-encryption-configuration", &rules]].concat()).unwrap();
    encrypt();

    deploy(&cloud, &image, &stage).unwrap();
    assert_eq!(keys().as_array().map(Vec::len), Some(1));

    cloud.stack(&[&["destroy", "--confirm", "pintail"], &stage[..]].concat()).unwrap();
    encrypt();
    // What is left can still be deleted, though there is no stack any more.
    let destroyed = [&["destroy", "--delete-data", "--confirm", "pintail"], &stage[..]].concat();
    let destroyed = cloud.stack(&destroyed).unwrap();
    assert_eq!((&destroyed["existed"], &destroyed["kept"]), (&json!(false), &json!([])));
    assert_eq!(destroyed["deleted"][0]["kind"], "AWS::KMS::Key");
    assert_eq!(cloud.aws(&["s3api", "list-buckets"]).unwrap()["Buckets"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_hotswap_lasts_until_the_next_deployment() {
    let cloud = Cloud::ministack().await.unwrap();
    let image = Image::tiny();
    let first = deploy(&cloud, &image, &[]).unwrap();
    let other = Image { context: cloud.file("image"), base: LAMBDA.whole() };
    fs::create_dir_all(other.context.join("pipeline")).unwrap();
    for file in ["Dockerfile", "bootstrap"] {
        fs::copy(image.context.join(file), other.context.join(file)).unwrap();
    }
    fs::write(other.context.join("pipeline/dbt_project.yml"), "name: other\n").unwrap();

    let swapped = cloud.stack(&[&["hotswap"], &other.words()[..]].concat()).unwrap();
    assert_ne!(swapped["image"], first["image"]);
    assert!(generation(&swapped) > generation(&first), "{swapped}");
    let settled = deploy(&cloud, &image, &[]).unwrap();
    assert_eq!((&settled["changed"], &settled["image"]), (&json!(true), &first["image"]));
    assert!(generation(&settled) > generation(&swapped), "{settled}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn with_direct_invocation_the_bucket_invokes_the_function() {
    let cloud = Cloud::ministack().await.unwrap();
    let image = Image::tiny();
    let stages = stages(&cloud, SMALL_AND_DIRECT);
    deploy(&cloud, &image, &["--stages", &stages, "--stage", "direct"]).unwrap();
    let bucket = format!("raw-{}", cloud.account);
    let notification = cloud.aws(&["s3api", "get-bucket-notification-configuration", "--bucket", &bucket]).unwrap();
    let invoked = &notification["LambdaFunctionConfigurations"][0]["LambdaFunctionArn"];
    assert_eq!(*invoked, function(&cloud)["FunctionArn"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_key_and_a_network_of_its_own_come_with_the_stack() {
    let cloud = Cloud::ministack().await.unwrap();
    let text = "[stage.closed]\nstack = 'pintail'\noptions.encryption = 'kms'\noptions.network = 'made'\n";
    let stages = stages(&cloud, text);
    let stage = ["--stages", &stages, "--stage", "closed"];
    let deployed = deploy(&cloud, &Image::tiny(), &stage).unwrap();
    assert_eq!(deployed["changed"], json!(true));

    // What the function's network is and how a bucket encrypts the emulator does not tell: only that they could be made.
    let made = cloud.aws(&["cloudformation", "describe-stack-resources", "--stack-name", "pintail"]).unwrap();
    let made = made["StackResources"].as_array().unwrap();
    let of_type = |kind: &str| made.iter().filter(|made| made["ResourceType"] == kind).collect::<Vec<_>>();
    assert_eq!((of_type("AWS::EC2::Subnet").len(), of_type("AWS::EC2::VPCEndpoint").len()), (2, 1), "{made:?}");
    let key = of_type("AWS::KMS::Key")[0]["PhysicalResourceId"].as_str().unwrap();
    let key = cloud.aws(&["kms", "describe-key", "--key-id", key]).unwrap();
    assert_eq!(key["KeyMetadata"]["Enabled"], true);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn the_committed_template_deploys_by_hand_in_two_steps() {
    let cloud = Cloud::ministack().await.unwrap();
    let template = workspace().join("template.out.json");
    let by_hand = |parameters: &[&str]| {
        let words = [
            "cloudformation",
            "deploy",
            "--stack-name",
            "by-hand",
            "--capabilities",
            "CAPABILITY_IAM",
            "--template-file",
        ];
        let mut command = std::process::Command::new(cloud.cli());
        integration_tests::tools::run(command.args(words).arg(&template).args(parameters)).unwrap();
        // The aws CLI names its change sets by the second; the emulator needs less than one for a deployment.
        std::thread::sleep(std::time::Duration::from_secs(1));
    };
    by_hand(&[]);
    let functions = || cloud.aws(&["lambda", "list-functions"]).unwrap()["Functions"].as_array().map(Vec::len);
    assert_eq!(functions(), Some(0));
    // Any image that the engine has serves to show that the function appears.
    by_hand(&["--parameter-overrides", &format!("ImageUri={}", LAMBDA.whole())]);
    assert_eq!(functions(), Some(1));
    // Later deployments keep the image.
    by_hand(&["--parameter-overrides", "Generation=2", "--no-fail-on-empty-changeset"]);
    assert_eq!(function(&cloud)["Environment"]["Variables"]["PINTAIL_GENERATION"], "2");
    assert_eq!(functions(), Some(1));
}
