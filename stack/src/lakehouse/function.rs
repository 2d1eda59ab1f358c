//! The function: its image, its size, its environment, and a role with exactly the rights that it uses.

use std::collections::BTreeMap;

use super::{Lake, Zone, network::Placement};
use crate::{
    cfn::{
        Handle, Resource, Template, Value,
        iam::{Action, Document, IdentityStatement, Policy, Principal, ResourceStatement, Role, Service},
        kms::Key,
        lambda::{
            ApplicationLogLevel, Environment, EphemeralStorage, Function, LogFormat, LoggingConfig, QUEUE_RIGHTS,
            TracingConfig, TracingMode,
        },
        logs::LogGroup,
        resource::Finding,
        sqs::Queue,
    },
    sub,
};

/// The names of the environment that the stack sets, the log's filter only where one is chosen. The handler's settings document each of them.
pub const ENVIRONMENT: [&str; 10] = [
    "PINTAIL_RAW",
    "PINTAIL_SILVER",
    "PINTAIL_GOLD",
    "PINTAIL_PROJECT",
    "PINTAIL_GENERATION",
    "PINTAIL_MEMORY_MB",
    "PINTAIL_TEMP",
    "PINTAIL_TEMP_MB",
    "PINTAIL_LOG",
    "PINTAIL_LOG_FORMAT",
];

/// What the function is connected with.
pub(super) struct Parts<'a> {
    pub(super) key: Option<&'a Handle<Key>>,
    pub(super) network: Option<Placement>,
    pub(super) dead_letters: &'a Handle<Queue>,
    pub(super) queue: Option<&'a Handle<Queue>>,
}

/// The function with its role and its log.
pub(super) fn function(template: &mut Template, lake: &Lake, parts: &Parts) -> Handle<Function> {
    let log = LogGroup {
        log_group_name: Some(sub!["/aws/lambda/", &lake.function_name]),
        retention_in_days: Some(lake.options.log_retention),
    };
    let log = log.named("FunctionLog").accepting(
        Finding::Checkov("CKV_AWS_158"),
        "log lines name objects and counts, never values; CloudWatch encrypts them with its own key",
    );
    let log = template.add(log);
    let role = role(template, lake, (parts, &log));
    let function = Function {
        architectures: Some(vec![lake.options.architecture]),
        description: Some("Pintail: raw files to typed tables".to_owned()),
        environment: Some(Environment { variables: environment(lake) }),
        ephemeral_storage: Some(EphemeralStorage { size: lake.options.temporary }),
        function_name: Some(lake.function_name.clone()),
        logging_config: Some(LoggingConfig {
            // The handler's own filter decides.
            application_log_level: ApplicationLogLevel::Trace,
            log_format: LogFormat::Json,
            log_group: log.name(),
        }),
        memory_size: Some(lake.options.memory),
        reserved_concurrent_executions: lake.options.reserved_concurrency,
        timeout: Some(lake.options.timeout),
        tracing_config: Some(TracingConfig { mode: TracingMode::Active }),
        vpc_config: parts.network.as_ref().map(Placement::config),
        ..Function::of_image(lake.image_uri.clone(), role.arn())
    };
    let function = function.named("Function").only_if(&lake.has_image);
    let function = accept(function, lake, parts);
    let function = template.add(function);
    template.output_if(&lake.has_image, ("FunctionName", "The function"), function.name());
    template.output("FunctionLogName", "Where the function's log lines go", log.name());
    function
}

fn accept(
    mut function: crate::cfn::Declaration<Function>,
    lake: &Lake,
    parts: &Parts,
) -> crate::cfn::Declaration<Function> {
    function = function.accepting(Finding::Checkov("CKV_AWS_173"), "the environment holds names and sizes, no secret");
    if parts.network.is_none() {
        function = function.accepting(
            Finding::Checkov("CKV_AWS_117"),
            "the function talks to S3 and SQS only; the option `network` puts it into a VPC",
        );
    }
    if lake.options.reserved_concurrency.is_none() {
        function = function.accepting(
            Finding::Checkov("CKV_AWS_115"),
            "the mapping's maximum concurrency limits it; a reserve below it would only burn receives",
        );
    }
    function.accepting(
        Finding::Checkov("CKV_AWS_116"),
        "what fails goes to the dead-letter queue, by the queue's redrive policy or the on-failure destination",
    )
}

/// `DuckDB` bounds its buffers, not its process: a bit over half of the memory is for them.
fn buffers(lake: &Lake) -> u32 {
    lake.options.memory.number() * 55 / 100
}

fn environment(lake: &Lake) -> BTreeMap<String, Value<String>> {
    let zone = |zone| sub!["s3://", lake.bucket_name(zone)];
    let values: [Option<Value<String>>; ENVIRONMENT.len()] = [
        Some(zone(Zone::Raw)),
        Some(zone(Zone::Silver)),
        Some(zone(Zone::Gold)),
        Some("/var/task/pipeline".into()),
        Some(lake.generation.clone()),
        Some(sub![buffers(lake)]),
        Some("/tmp".into()),
        // What is left is for files that are downloaded while DuckDB spills.
        Some(sub![lake.options.temporary.number() * 9 / 10]),
        lake.options.log.clone().map(Value::Literal),
        Some("json".into()),
    ];
    ENVIRONMENT.into_iter().zip(values).filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn role(template: &mut Template, lake: &Lake, (parts, log): (&Parts, &Handle<LogGroup>)) -> Handle<Role> {
    let trust = ResourceStatement::allow(Principal::Service(Service::Lambda), [Action::StsAssumeRole], []);
    let mut statements = zone_rights(lake);
    statements.extend(operating_rights(parts, log));
    statements.extend(optional_rights(lake, parts));
    let role = Role {
        assume_role_policy_document: Document::of(vec![trust]),
        policies: Some(vec![Policy { policy_name: "lake".to_owned(), policy_document: Document::of(statements) }]),
    };
    let mut role = role.named("FunctionRole");
    if parts.network.is_some() {
        role = role.accepting(Finding::Checkov("CKV_AWS_111"), "network interfaces are made before they have a name");
    }
    template.add(role)
}

fn zone_rights(lake: &Lake) -> Vec<IdentityStatement> {
    let everything = [Action::S3GetObject, Action::S3PutObject, Action::S3DeleteObject, Action::S3AbortMultipartUpload];
    let buckets = Zone::ALL.map(|zone| lake.bucket_arn(zone));
    let tables = [lake.objects_arn(Zone::Silver, ""), lake.objects_arn(Zone::Gold, "")];
    let raw = lake.objects_arn(Zone::Raw, lake.options.raw_prefix.as_str());
    vec![
        IdentityStatement::allow("List", [Action::S3ListBucket], buckets),
        IdentityStatement::allow("ReadRaw", [Action::S3GetObject, Action::S3GetObjectVersion], [raw]),
        IdentityStatement::allow("Tables", everything, tables),
    ]
}

fn operating_rights(parts: &Parts, log: &Handle<LogGroup>) -> Vec<IdentityStatement> {
    let queue = match parts.queue {
        Some(queue) => IdentityStatement::allow("Receive", QUEUE_RIGHTS, [queue.arn()]),
        None => IdentityStatement::allow("Fail", [Action::SqsSendMessage], [parts.dead_letters.arn()]),
    };
    let trace = [Action::XrayPutTraceSegments, Action::XrayPutTelemetryRecords];
    vec![
        queue,
        IdentityStatement::allow("Log", [Action::LogsCreateLogStream, Action::LogsPutLogEvents], [log.arn()]),
        IdentityStatement::allow_everywhere("Trace", trace),
    ]
}

fn optional_rights(lake: &Lake, parts: &Parts) -> Vec<IdentityStatement> {
    let interfaces = [
        Action::Ec2CreateNetworkInterface,
        Action::Ec2DescribeNetworkInterfaces,
        Action::Ec2DescribeSubnets,
        Action::Ec2DeleteNetworkInterface,
        Action::Ec2AssignPrivateIpAddresses,
        Action::Ec2UnassignPrivateIpAddresses,
    ];
    let key = parts
        .key
        .map(|key| IdentityStatement::allow("Key", [Action::KmsDecrypt, Action::KmsGenerateDataKey], [key.arn()]));
    let network = parts.network.as_ref().map(|_| IdentityStatement::allow_everywhere("Network", interfaces));
    let machine = lake.options.state_machine.as_ref();
    let machine = machine.map(|arn| IdentityStatement::allow("HandOver", [Action::StatesStartExecution], [sub![arn]]));
    [key, network, machine].into_iter().flatten().collect()
}
