//! Amazon `CloudWatch`: alarms and dashboards.

use serde::Serialize;

use super::{Arn, Bounded, Json, Value, resource::resource};

/// The length of one point of a metric, in seconds.
pub type Period = Bounded<60, 86_400>;
/// How many points an alarm looks at.
pub type Points = Bounded<1, 1_440>;

/// An alarm on one metric.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Alarm {
    pub alarm_actions: Vec<Value<Arn>>,
    pub alarm_description: String,
    pub comparison_operator: ComparisonOperator,
    pub dimensions: Vec<Dimension>,
    pub evaluation_periods: Points,
    pub metric_name: String,
    pub namespace: String,
    #[serde(rename = "OKActions")]
    pub ok_actions: Vec<Value<Arn>>,
    pub period: Period,
    pub statistic: Statistic,
    pub threshold: f64,
    pub treat_missing_data: TreatMissingData,
}

resource!(Alarm = "AWS::CloudWatch::Alarm", stateful: false, create_only: []);

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ComparisonOperator {
    GreaterThanThreshold,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Statistic {
    Maximum,
    Sum,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum TreatMissingData {
    NotBreaching,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    pub name: String,
    pub value: Value<String>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Dashboard {
    pub dashboard_body: Value<Json>,
    pub dashboard_name: Option<Value<String>>,
}

resource!(Dashboard = "AWS::CloudWatch::Dashboard", stateful: false, create_only: ["DashboardName"]);
