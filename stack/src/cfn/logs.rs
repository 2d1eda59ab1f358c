//! Amazon `CloudWatch` Logs: log groups.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Arn, Value, resource::resource};

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LogGroup {
    pub log_group_name: Option<Value<String>>,
    pub retention_in_days: Option<Retention>,
}

resource!(LogGroup = "AWS::Logs::LogGroup", stateful: false, create_only: ["LogGroupName"], arn: Arn = "Arn");

/// Declares the days that `CloudWatch` offers, each as a name.
macro_rules! retention {
    ($($name:ident = $days:literal)*) => {
        /// How long log lines stay.
        ///
        /// ```compile_fail,E0599
        /// use stack::cfn::logs::Retention;
        /// let retention = Retention::Days8;
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Retention {
            $($name = $days,)*
        }

        impl Retention {
            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

retention! {
    Days1 = 1 Days3 = 3 Days5 = 5 Days7 = 7 Days14 = 14 Days30 = 30 Days60 = 60 Days90 = 90 Days120 = 120 Days150 = 150
    Days180 = 180 Days365 = 365 Days400 = 400 Days545 = 545 Days731 = 731 Days1096 = 1096 Days1827 = 1827 Days2192 = 2192
    Days2557 = 2557 Days2922 = 2922 Days3288 = 3288 Days3653 = 3653
}

impl Serialize for Retention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(*self as u32)
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let days = u32::deserialize(deserializer)?;
        Self::ALL.iter().copied().find(|retention| *retention as u32 == days).ok_or_else(|| {
            let all = Self::ALL.iter().map(|retention| (*retention as u32).to_string()).collect::<Vec<_>>();
            D::Error::custom(format!("{days} days is none of CloudWatch's: {}", all.join(", ")))
        })
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Retention {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Retention".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let days = Self::ALL.iter().map(|retention| *retention as u32).collect::<Vec<_>>();
        schemars::json_schema!({"type": "integer", "enum": days})
    }
}
