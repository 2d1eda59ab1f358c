//! The way of an upload to the function: through a queue, directly, or by way of `EventBridge` and the queue.

use serde_json::{Map, json};

use super::{Lake, Zone};
use crate::{
    cfn::{
        Declaration, Handle, Resource, Template, Value,
        events::{Rule, Target},
        iam::{Action, Document, Operator, Principal, ResourceStatement, Service},
        lambda::{
            DestinationConfig, EventInvokeConfig, EventSourceMapping, Function, FunctionResponseType, InvokeAction,
            OnFailure, Permission, RetryAttempts, ScalingConfig,
        },
        pseudo,
        resource::Finding,
        s3::{
            Bucket, Event, EventBridgeConfiguration, FilterName, FilterRule, LambdaConfiguration,
            NotificationConfiguration, NotificationFilter, QueueConfiguration, S3KeyFilter,
        },
        sqs::{MaxReceiveCount, MessageRetention, Queue, QueuePolicy, RedrivePolicy, VisibilityTimeout},
    },
    options::Trigger,
    sub,
};

/// Where messages end that failed too often: two weeks, then they are gone.
pub(super) fn dead_letters(template: &mut Template) -> Handle<Queue> {
    let queue = Queue { message_retention_period: Some(MessageRetention::of::<1_209_600>()), ..Queue::default() };
    let queue = template.add(encrypted(queue.named("DeadLetters")).deleted());
    policy(template, "DeadLettersPolicy", (&queue, vec![]));
    template.output("DeadLettersUrl", "Messages that failed too often", queue.name());
    queue
}

/// The queue between uploads and the function; none where S3 invokes it itself.
pub(super) fn queue(template: &mut Template, lake: &Lake, dead_letters: &Handle<Queue>) -> Option<Handle<Queue>> {
    if lake.options.trigger == Trigger::Direct {
        return None;
    }
    let queue = Queue {
        message_retention_period: Some(MessageRetention::of::<1_209_600>()),
        redrive_policy: Some(RedrivePolicy {
            dead_letter_target_arn: dead_letters.arn(),
            max_receive_count: MaxReceiveCount::of::<5>(),
        }),
        visibility_timeout: Some(visibility(lake)),
        ..Queue::default()
    };
    let queue = template.add(encrypted(queue.named("Arrivals")).deleted());
    template.output("ArrivalsUrl", "Uploads that wait for the function", queue.name());
    Some(queue)
}

fn encrypted(queue: Declaration<Queue>) -> Declaration<Queue> {
    queue.with(|queue| queue.sqs_managed_sse_enabled = Some(true)).accepting(
        Finding::Checkov("CKV_AWS_27"),
        "encrypted by SQS's own key, which the check does not know; messages hold keys of objects, no values",
    )
}

/// Six times the function's time-out, as Lambda's manual asks for, and the time that a batch gathers.
pub(super) fn visibility(lake: &Lake) -> VisibilityTimeout {
    VisibilityTimeout::nearest(6 * lake.options.timeout.number() + lake.options.batch_window.number())
}

fn policy(
    template: &mut Template,
    id: &str,
    (queue, mut statements): (&Handle<Queue>, Vec<ResourceStatement>),
) -> Handle<QueuePolicy> {
    statements.push(ResourceStatement::deny_without_tls(Action::SqsAll, [queue.arn()]));
    template.add(QueuePolicy { policy_document: Document::of(statements), queues: vec![queue.name()] }.named(id))
}

/// The ends that a way connects.
pub(super) struct Way<'a> {
    pub(super) queue: Option<&'a Handle<Queue>>,
    pub(super) function: Handle<Function>,
    pub(super) dead_letters: &'a Handle<Queue>,
}

/// What the raw bucket has to do with an upload, and what must be there before it can.
pub(super) struct Arrival {
    notification: Value<NotificationConfiguration>,
    first: Option<Handle<QueuePolicy>>,
}

impl Arrival {
    pub(super) fn onto(self, mut bucket: Declaration<Bucket>) -> Declaration<Bucket> {
        if let Some(first) = &self.first {
            bucket = bucket.after(first);
        }
        bucket.with(|bucket| bucket.notification_configuration = Some(self.notification))
    }
}

/// Connects uploads with the function.
pub(super) fn arrival(template: &mut Template, lake: &Lake, way: &Way) -> Arrival {
    match way.queue {
        None => direct(template, lake, way),
        Some(queue) => {
            poll(template, lake, (queue, &way.function));
            if lake.options.trigger == Trigger::EventBridge {
                bridge(template, lake, queue)
            } else {
                notify(template, lake, queue)
            }
        }
    }
}

fn poll(template: &mut Template, lake: &Lake, (queue, function): (&Handle<Queue>, &Handle<Function>)) {
    let mapping = EventSourceMapping {
        batch_size: Some(lake.options.batch),
        event_source_arn: queue.arn(),
        function_name: function.name(),
        function_response_types: Some(vec![FunctionResponseType::ReportBatchItemFailures]),
        maximum_batching_window_in_seconds: Some(lake.options.batch_window),
        scaling_config: Some(ScalingConfig { maximum_concurrency: lake.options.maximum_concurrency }),
    };
    template.add(mapping.named("ArrivalsMapping").only_if(&lake.has_image));
}

fn send(service: Service, (queue, source): (&Handle<Queue>, Value<String>)) -> ResourceStatement {
    ResourceStatement::allow(Principal::Service(service), [Action::SqsSendMessage], [queue.arn()])
        .when(Operator::ArnEquals, "aws:SourceArn", source)
        .when(Operator::StringEquals, "aws:SourceAccount", pseudo::account())
}

fn notify(template: &mut Template, lake: &Lake, queue: &Handle<Queue>) -> Arrival {
    let statement = send(Service::S3, (queue, sub![lake.bucket_arn(Zone::Raw)]));
    let policy = policy(template, "ArrivalsPolicy", (queue, vec![statement]));
    let configuration = |event| QueueConfiguration { event, filter: filter(lake), queue: queue.arn() };
    let notification = NotificationConfiguration {
        queue_configurations: Some(vec![configuration(Event::ObjectCreated), configuration(Event::ObjectRemoved)]),
        ..NotificationConfiguration::default()
    };
    Arrival { notification: notification.into(), first: Some(policy) }
}

fn bridge(template: &mut Template, lake: &Lake, queue: &Handle<Queue>) -> Arrival {
    let rule = Rule {
        description: Some("Uploads to the raw zone".to_owned()),
        event_pattern: pattern(lake),
        targets: vec![Target { arn: queue.arn(), id: "Arrivals".to_owned() }],
    };
    let rule = template.add(rule.named("ArrivalsRule"));
    let statement = send(Service::Events, (queue, sub![rule.arn()]));
    policy(template, "ArrivalsPolicy", (queue, vec![statement]));
    let notification = NotificationConfiguration {
        event_bridge_configuration: Some(EventBridgeConfiguration { event_bridge_enabled: true }),
        ..NotificationConfiguration::default()
    };
    Arrival { notification: notification.into(), first: None }
}

fn pattern(lake: &Lake) -> Map<String, serde_json::Value> {
    let (prefix, suffix) = (lake.options.raw_prefix.as_str(), lake.options.raw_suffix.as_str());
    let mut detail = json!({"bucket": {"name": [lake.bucket_name(Zone::Raw)]}});
    if !prefix.is_empty() || !suffix.is_empty() {
        detail["object"] = json!({"key": [{"wildcard": format!("{prefix}*{suffix}")}]});
    }
    Map::from_iter([
        ("source".to_owned(), json!(["aws.s3"])),
        ("detail-type".to_owned(), json!(["Object Created", "Object Deleted"])),
        ("detail".to_owned(), detail),
    ])
}

/// S3 may invoke the function only once it is permitted to, and both exist only with an image.
fn direct(template: &mut Template, lake: &Lake, way: &Way) -> Arrival {
    let permission = Permission {
        action: InvokeAction::InvokeFunction,
        function_name: way.function.arn(),
        principal: Service::S3,
        source_account: pseudo::account(),
        source_arn: lake.bucket_arn(Zone::Raw),
    };
    let permission = permission.named("UploadPermission").only_if(&lake.has_image).accepting(
        Finding::Validate("W9002"),
        "the bucket's attribute would make bucket and permission wait for each other",
    );
    let permission = template.add(permission);
    let failures = EventInvokeConfig {
        destination_config: Some(DestinationConfig { on_failure: OnFailure { destination: way.dead_letters.arn() } }),
        function_name: way.function.name(),
        maximum_retry_attempts: Some(RetryAttempts::of::<2>()),
        qualifier: "$LATEST".to_owned(),
    };
    template.add(failures.named("Failures").only_if(&lake.has_image));
    let function = way.function.arn().once(&permission.name());
    let configuration = |event| LambdaConfiguration { event, filter: filter(lake), function: function.clone() };
    let notification = NotificationConfiguration {
        lambda_configurations: Some(vec![configuration(Event::ObjectCreated), configuration(Event::ObjectRemoved)]),
        ..NotificationConfiguration::default()
    };
    Arrival { notification: lake.has_image.then(&notification.into()), first: None }
}

fn filter(lake: &Lake) -> Option<NotificationFilter> {
    let rule = |name, text: &str| (!text.is_empty()).then(|| FilterRule { name, value: text.to_owned() });
    let prefix = rule(FilterName::Prefix, lake.options.raw_prefix.as_str());
    let suffix = rule(FilterName::Suffix, lake.options.raw_suffix.as_str());
    let rules = prefix.into_iter().chain(suffix).collect::<Vec<_>>();
    (!rules.is_empty()).then_some(NotificationFilter { s3_key: S3KeyFilter { rules } })
}
