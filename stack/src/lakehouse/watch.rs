//! What watches the lake: alarms to a topic, and a dashboard.

use serde_json::{Value as Tree, json};

use super::{Lake, trigger::visibility};
use crate::{
    cfn::{
        Arn, Handle, Json, Resource, Template, Value,
        cloudwatch::{Alarm, ComparisonOperator, Dashboard, Dimension, Period, Points, Statistic, TreatMissingData},
        iam::{Action, Document, Operator, Principal, ResourceStatement, Service},
        kms::Key,
        lambda::Architecture,
        pseudo,
        resource::Finding,
        sns::{Protocol, Subscription, Topic, TopicPolicy},
        sqs::Queue,
    },
    options::Trigger,
    sub,
};

/// The namespace of the metrics that the function writes.
const OURS: &str = "Pintail";
const LAMBDA: &str = "AWS/Lambda";
const SQS: &str = "AWS/SQS";
const MINUTE: Period = Period::of::<60>();
const FIVE_MINUTES: Period = Period::of::<300>();

/// Alarms and dashboard.
pub(super) fn watch(
    template: &mut Template,
    lake: &Lake,
    key: Option<&Handle<Key>>,
    queues: (Option<&Handle<Queue>>, &Handle<Queue>),
) {
    let topic = topic(template, lake, key);
    for (id, alarm) in alarms(lake, &topic.arn(), queues) {
        template.add(alarm.named(id));
    }
    match Value::<Json>::text_of(&dashboard(lake, queues)) {
        Ok(body) => {
            let dashboard = Dashboard { dashboard_body: body, dashboard_name: Some(sub![pseudo::stack_name()]) };
            template.add(dashboard.named("Dashboard"));
        }
        Err(source) => template.fail("Dashboard", source),
    }
}

fn topic(template: &mut Template, lake: &Lake, key: Option<&Handle<Key>>) -> Handle<Topic> {
    let mut topic = Topic { kms_master_key_id: key.map(Handle::<Key>::arn) }.named("Alarms");
    if key.is_none() {
        let reason = "alarm texts carry no data, and CloudWatch cannot publish through SNS's own key; with `kms` it has the lake's";
        topic = topic.accepting(Finding::Checkov("CKV_AWS_26"), reason);
    }
    let topic = template.add(topic);
    let publish = ResourceStatement::allow(
        Principal::Service(Service::CloudWatch),
        [Action::SnsPublish],
        [topic.arn()],
    )
    .when(Operator::StringEquals, "aws:SourceAccount", pseudo::account());
    let tls = ResourceStatement::deny_without_tls(Action::SnsPublish, [topic.arn()]);
    let policy = TopicPolicy { policy_document: Document::of(vec![publish, tls]), topics: vec![topic.arn()] };
    template.add(policy.named("AlarmsPolicy"));
    let has_email = template.condition_set("HasEmail", &lake.email);
    let subscription = Subscription { endpoint: lake.email.clone(), protocol: Protocol::Email, topic_arn: topic.arn() };
    template.add(subscription.named("AlarmsByEmail").only_if(&has_email));
    template.output("AlarmsTopic", "Where alarms go", topic.arn());
    topic
}

/// A metric, and how an alarm reads it.
struct Watched {
    namespace: &'static str,
    metric: &'static str,
    dimension: Option<(&'static str, Value<String>)>,
    statistic: Statistic,
    period: Period,
}

impl Watched {
    fn function(lake: &Lake, metric: &'static str, statistic: Statistic) -> Self {
        let dimension = Some(("FunctionName", lake.function_name.clone()));
        Self { namespace: LAMBDA, metric, dimension, statistic, period: FIVE_MINUTES }
    }

    fn queue(queue: &Handle<Queue>, metric: &'static str) -> Self {
        let dimension = Some(("QueueName", queue.queue_name()));
        Self { namespace: SQS, metric, dimension, statistic: Statistic::Maximum, period: MINUTE }
    }

    fn ours(lake: &Lake, metric: &'static str, statistic: Statistic) -> Self {
        let dimension = Some(("Function", lake.function_name.clone()));
        Self { namespace: OURS, metric, dimension, statistic, period: FIVE_MINUTES }
    }
}

fn alarms(
    lake: &Lake,
    topic: &Value<Arn>,
    (queue, dead_letters): (Option<&Handle<Queue>>, &Handle<Queue>),
) -> Vec<(&'static str, Alarm)> {
    let sum = |metric| Watched::function(lake, metric, Statistic::Sum);
    let dead = Watched::queue(dead_letters, "ApproximateNumberOfMessagesVisible");
    let duration = Watched::function(lake, "Duration", Statistic::Maximum);
    let near = f64::from(lake.options.timeout.number()) * 1000.0 * 0.8;
    let quarantined = Watched::ours(lake, "QuarantinedPercent", Statistic::Maximum);
    let share = f64::from(lake.options.quarantined_percent.number());
    let withheld = Watched::ours(lake, "Withheld", Statistic::Maximum);
    let mut alarms = vec![
        ("DeadLettersAlarm", dead, 0.0, "An upload failed too often: see the dead-letter queue"),
        ("ErrorsAlarm", sum("Errors"), 0.0, "The function failed"),
        ("ThrottlesAlarm", sum("Throttles"), 0.0, "The function was throttled"),
        ("DurationAlarm", duration, near, "An invocation took more than 80 % of the time-out"),
        ("QuarantineAlarm", quarantined, share, "A large share of the records is quarantined"),
        ("WithheldAlarm", withheld, 0.0, "A gold table is withheld: the data or a test refuses what is new"),
    ];
    if let Some(queue) = queue {
        let oldest = Watched::queue(queue, "ApproximateAgeOfOldestMessage");
        let longest = f64::from(visibility(lake).number());
        alarms.push(("OldestMessageAlarm", oldest, longest, "An upload waits longer than one attempt may take"));
    }
    if lake.options.trigger == Trigger::Direct {
        let undelivered = sum("DestinationDeliveryFailures");
        alarms.push(("DeliveryAlarm", undelivered, 0.0, "A failure could not be put into the dead-letter queue"));
    }
    let alarm = |(id, watched, threshold, description)| (id, alarm(watched, topic, (threshold, description)));
    alarms.into_iter().map(alarm).collect()
}

fn alarm(watched: Watched, topic: &Value<Arn>, (threshold, description): (f64, &str)) -> Alarm {
    let dimension = |(name, value): (&str, _)| Dimension { name: name.to_owned(), value };
    Alarm {
        alarm_actions: vec![topic.clone()],
        alarm_description: description.to_owned(),
        comparison_operator: ComparisonOperator::GreaterThanThreshold,
        dimensions: watched.dimension.into_iter().map(dimension).collect(),
        evaluation_periods: Points::of::<1>(),
        metric_name: watched.metric.to_owned(),
        namespace: watched.namespace.to_owned(),
        ok_actions: vec![topic.clone()],
        period: watched.period,
        statistic: watched.statistic,
        threshold,
        treat_missing_data: TreatMissingData::NotBreaching,
    }
}

/// Two widgets in a row, each 12 wide and 6 high.
fn dashboard(lake: &Lake, (queue, dead_letters): (Option<&Handle<Queue>>, &Handle<Queue>)) -> Tree {
    let name = &lake.function_name;
    let waiting =
        queue.map(|queue| json!([SQS, "ApproximateNumberOfMessagesVisible", "QueueName", queue.queue_name()]));
    let dead = json!([SQS, "ApproximateNumberOfMessagesVisible", "QueueName", dead_letters.queue_name()]);
    let age = queue.map(
        |queue| json!([SQS, "ApproximateAgeOfOldestMessage", "QueueName", queue.queue_name(), {"yAxis": "right"}]),
    );
    let ours = |metric: &str| json!([OURS, metric, "Function", name]);
    let right = |metric: &str| json!([OURS, metric, "Function", name, {"yAxis": "right"}]);
    let search = |dimension: &str, metric: &str, stat: &str| {
        let words = format!("SEARCH('{{{OURS},Function,{dimension}}} Function=\"");
        let rest = format!("\" MetricName=\"{metric}\"', '{stat}', 300)");
        let expression: Value<String> = sub![&words, name, &rest];
        json!([[{"expression": expression, "id": metric.to_lowercase()}]])
    };
    let lambda = |metric: &str, stat: &str| json!([LAMBDA, metric, "FunctionName", name, {"stat": stat}]);
    let widgets = [
        ("Files and bytes", json!([ours("Files"), ours("Failed"), right("BytesIn"), right("BytesOut")])),
        ("Records", json!([ours("Records"), ours("Accepted"), ours("Quarantined"), ours("Withheld")])),
        ("Quarantined by source", search("Source", "Quarantined", "Sum")),
        ("Steps, 95th percentile in ms", search("Step", "Duration", "p95")),
        (
            "Invocations",
            json!([
                lambda("Invocations", "Sum"),
                lambda("Errors", "Sum"),
                lambda("Throttles", "Sum"),
                ours("ColdStart"),
                ours("CommitConflicts")
            ]),
        ),
        ("Latency in ms", json!([lambda("Duration", "p50"), lambda("Duration", "p95"), lambda("Duration", "Maximum")])),
        ("Waiting and dead letters", Tree::Array([waiting, Some(dead), age].into_iter().flatten().collect())),
        ("Estimated cost in USD", cost(lake)),
    ];
    let widgets = widgets.into_iter().zip(0..).map(|((title, metrics), place)| {
        json!({
            "type": "metric", "x": place % 2 * 12, "y": place / 2 * 6, "width": 12, "height": 6,
            "properties": {"title": title, "metrics": metrics, "region": pseudo::region(), "period": 300, "stat": "Sum", "view": "timeSeries"},
        })
    });
    json!({"widgets": widgets.collect::<Vec<_>>()})
}

/// Compute and requests at the list price of us-east-1, without the free tier.
fn cost(lake: &Lake) -> Tree {
    let per_gigabyte_second = match lake.options.architecture {
        Architecture::X86 => 0.000_016_666_7,
        Architecture::Arm => 0.000_013_333_4,
    };
    let gigabytes = f64::from(lake.options.memory.number()) / 1024.0;
    let per_millisecond = gigabytes * per_gigabyte_second / 1000.0;
    let of = |metric: &str, id: &str| json!([LAMBDA, metric, "FunctionName", &lake.function_name, {"id": id, "visible": false, "stat": "Sum"}]);
    json!([
        [{"expression": format!("milliseconds * {per_millisecond:.12} + invocations * 0.0000002"), "id": "cost", "label": "Lambda, us-east-1 list price"}],
        of("Duration", "milliseconds"),
        of("Invocations", "invocations"),
    ])
}
