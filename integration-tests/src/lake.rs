//! A lake in a cloud: our stack, deployed, with our image at work in it.

use std::{collections::BTreeMap, fs, path::Path, process::Command, sync::Arc, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use crate::{
    Cloud, Error, Function, cloud, eventually,
    image::Context,
    poller::{Mapping, Poller},
    tools::{programs, python, run, workspace},
};

/// The name of the stack by hand.
const BY_HAND: &str = "pintail";

/// How long a lake may take to have done what it was given, on a slow machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A deployed stack, and how its tables are seen by others.
#[derive(Debug)]
pub struct Lake {
    /// Works until the lake is dropped, where the cloud does not do that itself.
    _poller: Option<Poller>,
    /// The function, where the cloud does not run it itself.
    pub function: Option<Arc<Function>>,
    /// What the image was built from.
    pub context: Context,
    /// The stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// Where it is.
    pub cloud: Cloud,
}

/// Messages in a queue: those that wait, and those that somebody has.
pub type Waiting = (u32, u32);

impl Lake {
    /// A lake in `MiniStack`, of which nothing is deployed yet.
    ///
    /// # Errors
    /// When the cloud does not come up, or the program cannot be built.
    pub async fn plan() -> Result<Self, Error> {
        let cloud = Cloud::strict_ministack().await?;
        let context = Context::fill(cloud.file("image"))?;
        Ok(Self { _poller: None, function: None, context, outputs: BTreeMap::new(), cloud })
    }

    /// A lake in `MiniStack`, deployed by our deployer.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn ministack() -> Result<Self, Error> {
        let mut lake = Self::plan().await?;
        lake.deploy(&[])?;
        Ok(lake)
    }

    /// Deploys (again), with these words for the deployer. Gives what it answers.
    ///
    /// # Errors
    /// With all that it says.
    pub fn deploy(&mut self, stage: &[&str]) -> Result<Value, Error> {
        let template = self.template_without_tls(stage)?;
        let words = ["deploy", "--require-approval", "never", "--template", &template];
        let deployed = self.cloud.stack(&[&words, &self.context.words()[..], stage].concat())?;
        let outputs = deployed["outputs"].as_object().into_iter().flatten();
        self.outputs =
            outputs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        Ok(deployed)
    }

    /// The stage's template without its statements that refuse plain HTTP, which is all that the emulator speaks.
    fn template_without_tls(&self, stage: &[&str]) -> Result<String, Error> {
        let path = self.cloud.file("template.json");
        let name = path.display().to_string();
        self.cloud.stack(&[&["synth", "--output", &name], stage].concat())?;
        let mut template = read_json(&path)?;
        if let Some(resources) = template["Resources"].as_object_mut() {
            resources.retain(|_, resource| speaks_http(resource));
        }
        fs::write(&path, template.to_string()).map_err(Error::file(&path))?;
        Ok(name)
    }

    /// A lake in `LocalStack`: the committed template deployed by the aws CLI, the image beside it, and a poller between them.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn localstack() -> Result<Self, Error> {
        let cloud = Cloud::localstack().await?;
        let context = Context::fill(cloud.file("image"))?;
        let path = workspace().join("template.out.json");
        let template = path.display().to_string();
        let (outputs, image) = std::thread::scope(|scope| {
            let image = scope.spawn(|| context.build(&cloud.address));
            let outputs = deploy_by_hand(&cloud, &template);
            (outputs, image.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let (outputs, template) = (outputs?, read_json(&path)?);
        let function = Arc::new(Function::new(image?, cloud.network.clone(), environment(&cloud, &template)));
        let batch = template["Resources"]["ArrivalsMapping"]["Properties"]["BatchSize"].as_u64();
        let mapping = Mapping {
            queue: outputs.get("ArrivalsUrl").cloned().ok_or(Error::Output("ArrivalsUrl"))?,
            function: function.clone(),
            batch: batch.and_then(|batch| batch.try_into().ok()).unwrap_or(10),
        };
        let poller = Poller::start(mapping, cloud.sqs())?;
        Ok(Self { _poller: Some(poller), function: Some(function), context, outputs, cloud })
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// When it has none of that name.
    pub fn output(&self, name: &'static str) -> Result<&str, Error> {
        self.outputs.get(name).map(String::as_str).ok_or(Error::Output(name))
    }

    /// Uploads bytes to the raw zone.
    ///
    /// # Errors
    /// When the cloud refuses.
    pub async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let request = self.cloud.s3().put_object().bucket(self.output("RawBucketName")?).key(key);
        let done = request.body(ByteStream::from(bytes.into())).send().await;
        done.map(drop).map_err(Error::aws("put an object"))
    }

    /// The keys of a zone that begin so.
    ///
    /// # Errors
    /// When the cloud refuses.
    pub async fn keys(&self, zone: &'static str, prefix: &str) -> Result<Vec<String>, Error> {
        let request = self.cloud.s3().list_objects_v2().bucket(self.output(zone)?).prefix(prefix);
        let answer = request.send().await.map_err(Error::aws("list objects"))?;
        Ok(answer.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect())
    }

    /// Puts a message into the function's queue, past S3.
    ///
    /// # Errors
    /// When the cloud refuses.
    pub async fn send(&self, body: &str) -> Result<(), Error> {
        let request = self.cloud.sqs().send_message().queue_url(self.output("ArrivalsUrl")?).message_body(body);
        request.send().await.map(drop).map_err(Error::aws("send a message"))
    }

    /// Uploads a folder to the raw zone, as people do.
    ///
    /// # Errors
    /// When the cloud refuses.
    pub fn put_folder(&self, folder: &Path) -> Result<(), Error> {
        let bucket = format!("s3://{}/", self.output("RawBucketName")?);
        let copy = ["s3", "cp", "--recursive", "--only-show-errors"];
        run(Command::new(self.cloud.cli()).args(copy).arg(folder).arg(bucket)).map(drop)
    }

    /// Waits until there is nothing left to do: no message waits or is at work, and every object is what its receipt says.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn settled(&self) -> Result<(), Error> {
        self.drained().await?;
        let project = self.context.project().display().to_string();
        let look = || async { self.pintail("reconcile", &["--project", &project, "--dry-run"]) };
        eventually(("every object is done", PATIENCE), look, |said| said == "nothing to read\n").await?;
        self.drained().await
    }

    async fn drained(&self) -> Result<(), Error> {
        let Ok(arrivals) = self.output("ArrivalsUrl") else { return Ok(()) };
        let look = || self.waiting(arrivals);
        eventually(("the queue is empty", PATIENCE), look, |waiting| *waiting == (0, 0)).await.map(drop)
    }

    /// How many messages a queue has.
    ///
    /// # Errors
    /// When the cloud does not say.
    pub async fn waiting(&self, queue: &str) -> Result<Waiting, Error> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request =
            self.cloud.sqs().get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(Error::aws("look at a queue"))?;
        let number = |name| answer.attributes.as_ref()?.get(name)?.parse().ok();
        Ok((number(&names[0]).unwrap_or_default(), number(&names[1]).unwrap_or_default()))
    }

    /// Lets messages that were given back come again after so many seconds, instead of half an hour.
    ///
    /// # Errors
    /// When the cloud refuses.
    pub async fn set_visibility(&self, seconds: u32) -> Result<(), Error> {
        let request = self.cloud.sqs().set_queue_attributes().queue_url(self.output("ArrivalsUrl")?);
        let request = request.attributes(QueueAttributeName::VisibilityTimeout, seconds.to_string());
        request.send().await.map(drop).map_err(Error::aws("set the visibility of messages"))
    }

    /// The rows that SQL gives over the tables of the lake, read by the Python packages `deltalake` and `duckdb`.
    ///
    /// # Errors
    /// When one of them cannot read a table.
    pub fn rows(&self, sql: &str) -> Result<Value, Error> {
        let answer = self.python("requirements.txt", "ask.py", &[sql])?;
        serde_json::from_str(&answer).map_err(|source| Error::Json { command: sql.to_owned(), answer, source })
    }

    /// What one of our scripts says of the lake.
    ///
    /// # Errors
    /// When it fails.
    pub fn python(&self, requirements: &str, script: &str, arguments: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(python(requirements)?);
        command.arg(workspace().join("integration-tests/python").join(script)).args(arguments);
        command.env("PYTHONPATH", workspace().join("handler/tests/python"));
        command.env("SILVER", self.output("SilverBucketName")?).env("GOLD", self.output("GoldBucketName")?);
        run(command.envs(self.cloud.access(&self.cloud.address)).env("AWS_ALLOW_HTTP", "true"))
    }

    /// What a command of `pintail` says of the lake, from outside.
    ///
    /// # Errors
    /// When it does not end with 0.
    pub fn pintail(&self, command: &str, arguments: &[&str]) -> Result<String, Error> {
        self.pintail_words(&[&[command, "--lake", &self.address()?], arguments].concat())
    }

    /// The lake as `--lake` of `pintail` takes it.
    ///
    /// # Errors
    /// When the stack lacks a bucket.
    pub fn address(&self) -> Result<String, Error> {
        let zones = ["RawBucketName", "SilverBucketName", "GoldBucketName"];
        let zones = zones.map(|zone| self.output(zone).map(|bucket| format!("s3://{bucket}")));
        zones.into_iter().collect::<Result<Vec<_>, _>>().map(|zones| zones.join(","))
    }

    /// What `pintail` says to these words, in the cloud of the lake.
    ///
    /// # Errors
    /// When it does not end with 0.
    pub fn pintail_words(&self, words: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(programs()?.join("pintail"));
        run(command.args(words).envs(self.cloud.access(&self.cloud.address)))
    }

    /// The function's answer to a payload.
    ///
    /// # Errors
    /// When it cannot be invoked; what it says of its own failure is an answer.
    pub async fn invoke(&self, payload: &Value) -> Result<Value, Error> {
        if let Some(function) = &self.function {
            return function.invoke(payload).await;
        }
        let (name, path) = (self.output("FunctionName")?, self.cloud.file("answer.json"));
        let (payload, answer) = (payload.to_string(), path.display().to_string());
        self.cloud.aws(&["lambda", "invoke", "--function-name", name, "--payload", &payload, &answer])?;
        read_json(&path)
    }
}

/// Takes the statement that refuses plain HTTP out of a policy, and tells our own rules why. Whether something is left.
fn speaks_http(resource: &mut Value) -> bool {
    for rule in ["bucket-tls", "queue-tls", "topic-tls"] {
        resource["Metadata"]["Accepted"][rule] = json!("the emulator speaks plain HTTP");
    }
    let Some(statements) = resource.pointer_mut("/Properties/PolicyDocument/Statement").and_then(Value::as_array_mut)
    else {
        return true;
    };
    statements.retain(|statement| statement["Condition"] != json!({"Bool": {"aws:SecureTransport": "false"}}));
    !statements.is_empty()
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let answer = fs::read_to_string(path).map_err(Error::file(path))?;
    serde_json::from_str(&answer).map_err(|source| Error::Json { command: path.display().to_string(), answer, source })
}

/// Deploys a template without an image: all but the function. Gives the outputs.
fn deploy_by_hand(cloud: &Cloud, template: &str) -> Result<BTreeMap<String, String>, Error> {
    let words = ["cloudformation", "deploy", "--stack-name", BY_HAND, "--capabilities", "CAPABILITY_IAM"];
    run(Command::new(cloud.cli()).args(words).args(["--template-file", template]))?;
    let stacks = cloud.aws(&["cloudformation", "describe-stacks", "--stack-name", BY_HAND])?;
    let outputs = stacks["Stacks"][0]["Outputs"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(outputs.map(|output| (text(&output["OutputKey"]), text(&output["OutputValue"]))).collect())
}

/// The function's variables as the template has them, and what Lambda adds.
fn environment(cloud: &Cloud, template: &Value) -> Vec<(String, String)> {
    let function = &template["Resources"]["Function"]["Properties"];
    let declared = function["Environment"]["Variables"].as_object().into_iter().flatten().map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Object(call) if call.contains_key("Ref") => {
                let parameter = call["Ref"].as_str().unwrap_or_default();
                template["Parameters"][parameter]["Default"].as_str().unwrap_or_default().to_owned()
            }
            call => call["Fn::Sub"].as_str().unwrap_or_default().replace("${AWS::AccountId}", &cloud.account),
        };
        (name.clone(), text)
    });
    let memory = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function["MemorySize"].to_string());
    let access = cloud.access(&format!("{}:{}", cloud.network, cloud::PORT));
    declared.chain(access.into_iter().chain([memory]).map(|(name, value)| (name.to_owned(), value))).collect()
}
