//! AWS Lambda: functions from images, and what invokes them.
//!
//! A function of this model is an image: there is no place to write a handler, a runtime or a layer, which an image cannot have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Arn, Bounded, Value,
    iam::{Action, Service},
    resource::resource,
};

/// In MiB.
pub type MemorySize = Bounded<128, 10_240>;
/// In seconds.
pub type Timeout = Bounded<1, 900>;
/// The size of `/tmp`, in MiB.
pub type TemporarySize = Bounded<512, 10_240>;
/// How many messages one invocation takes.
pub type BatchSize = Bounded<1, 10_000>;
/// How long a batch gathers, in seconds.
pub type BatchWindow = Bounded<0, 300>;
/// How many invocations a queue may have at once.
pub type MaximumConcurrency = Bounded<2, 1_000>;
/// How often an asynchronous invocation that failed is tried again.
pub type RetryAttempts = Bounded<0, 2>;
/// How many invocations may run at once. None would switch the function off, which no template has to say.
pub type ReservedConcurrency = Bounded<1, 1_000>;

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    pub architectures: Option<Vec<Architecture>>,
    pub code: Code,
    pub description: Option<String>,
    pub environment: Option<Environment>,
    pub ephemeral_storage: Option<EphemeralStorage>,
    pub function_name: Option<Value<String>>,
    pub logging_config: Option<LoggingConfig>,
    pub memory_size: Option<MemorySize>,
    pub package_type: PackageType,
    pub reserved_concurrent_executions: Option<ReservedConcurrency>,
    pub role: Value<Arn>,
    pub timeout: Option<Timeout>,
    pub tracing_config: Option<TracingConfig>,
    pub vpc_config: Option<VpcConfig>,
}

resource!(Function = "AWS::Lambda::Function", stateful: false, create_only: ["FunctionName", "PackageType"], arn: Arn = "Arn");

impl Function {
    /// A function with Lambda's defaults.
    pub fn of_image(image_uri: Value<String>, role: Value<Arn>) -> Self {
        Self {
            architectures: None,
            code: Code { image_uri },
            description: None,
            environment: None,
            ephemeral_storage: None,
            function_name: None,
            logging_config: None,
            memory_size: None,
            package_type: PackageType::Image,
            reserved_concurrent_executions: None,
            role,
            timeout: None,
            tracing_config: None,
            vpc_config: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Architecture {
    #[serde(rename = "x86_64")]
    X86,
    #[serde(rename = "arm64")]
    Arm,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Code {
    pub image_uri: Value<String>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Environment {
    pub variables: BTreeMap<String, Value<String>>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct EphemeralStorage {
    pub size: TemporarySize,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    pub application_log_level: ApplicationLogLevel,
    pub log_format: LogFormat,
    pub log_group: Value<String>,
}

/// The least level of the JSON lines that Lambda passes on; `INFO`, where none is said.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum ApplicationLogLevel {
    Trace,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LogFormat {
    #[serde(rename = "JSON")]
    Json,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PackageType {
    Image,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct TracingConfig {
    pub mode: TracingMode,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TracingMode {
    Active,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct VpcConfig {
    pub security_group_ids: Value<Vec<Value<String>>>,
    pub subnet_ids: Value<Vec<Value<String>>>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct EventSourceMapping {
    pub batch_size: Option<BatchSize>,
    pub event_source_arn: Value<Arn>,
    pub function_name: Value<String>,
    pub function_response_types: Option<Vec<FunctionResponseType>>,
    pub maximum_batching_window_in_seconds: Option<BatchWindow>,
    pub scaling_config: Option<ScalingConfig>,
}

resource!(EventSourceMapping = "AWS::Lambda::EventSourceMapping", stateful: false, create_only: ["EventSourceArn"]);

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FunctionResponseType {
    ReportBatchItemFailures,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct ScalingConfig {
    pub maximum_concurrency: MaximumConcurrency,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct EventInvokeConfig {
    pub destination_config: Option<DestinationConfig>,
    pub function_name: Value<String>,
    pub maximum_retry_attempts: Option<RetryAttempts>,
    pub qualifier: String,
}

resource!(EventInvokeConfig = "AWS::Lambda::EventInvokeConfig", stateful: false, create_only: ["FunctionName", "Qualifier"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct DestinationConfig {
    pub on_failure: OnFailure,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct OnFailure {
    pub destination: Value<Arn>,
}

/// Lets a service invoke the function, for one source in one account.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Permission {
    pub action: InvokeAction,
    pub function_name: Value<Arn>,
    pub principal: Service,
    pub source_account: Value<String>,
    pub source_arn: Value<Arn>,
}

resource!(Permission = "AWS::Lambda::Permission", stateful: false,
    create_only: ["Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"]);

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum InvokeAction {
    #[serde(rename = "lambda:InvokeFunction")]
    InvokeFunction,
}

/// The rights with which Lambda reads a queue for its function. AWS refuses a mapping without them.
pub const QUEUE_RIGHTS: [Action; 3] =
    [Action::SqsReceiveMessage, Action::SqsDeleteMessage, Action::SqsGetQueueAttributes];
