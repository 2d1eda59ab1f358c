//! What can be chosen about the stack: `stack.toml`, one table per stage, and the defaults of the committed template.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::cfn::{
    Bounded,
    lambda::{
        Architecture, BatchSize, BatchWindow, MaximumConcurrency, MemorySize, ReservedConcurrency, TemporarySize,
        Timeout,
    },
    logs::Retention,
    s3::Days,
};

/// The file `stack.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// The tables that Athena shall find.
    #[serde(default)]
    pub tables: Tables,
    #[serde(default)]
    stage: BTreeMap<String, Stage>,
}

/// The Delta tables of the lake, by zone, as `pipeline/` names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// Tables of the silver zone.
    pub silver: Vec<String>,
    /// Tables of the gold zone.
    pub gold: Vec<String>,
}

/// One deployment of the stack.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stage {
    /// The only account that may be deployed to; any, where it is not set.
    pub account: Option<String>,
    /// Whether short cuts (`hotswap`, `--template`) are refused.
    pub production: bool,
    /// The stack's name; `pintail`, or `pintail-STAGE`, where it is not set.
    pub stack: Option<String>,
    /// Tags of the stack and all its resources.
    pub tags: BTreeMap<String, String>,
    /// What the template says.
    pub options: Options,
}

/// What changes the template.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Options {
    /// Begins the names of buckets, repository, function and databases.
    pub prefix: Prefix,
    /// Bucket names that only this account can have: they end in the account, the region and `-an`.
    pub account_regional_names: bool,
    /// How objects are encrypted.
    pub encryption: Encryption,
    /// How long a version that was replaced or deleted stays.
    pub noncurrent_days: Days,
    /// How uploads reach the function.
    pub trigger: Trigger,
    /// Only keys that begin so are read.
    pub raw_prefix: KeyPart,
    /// Only keys that end so are read.
    pub raw_suffix: KeyPart,
    /// The function's processor.
    pub architecture: Architecture,
    /// In MiB; the processor's share follows it (one core per 1769 MiB).
    pub memory: MemorySize,
    /// In seconds.
    pub timeout: Timeout,
    /// The size of `/tmp`, in MiB.
    pub temporary: TemporarySize,
    /// Keeps (and limits) so many parallel invocations for this function, not fewer than `maximum-concurrency`.
    pub reserved_concurrency: Option<ReservedConcurrency>,
    /// How many messages one invocation takes; more than 10 need a window.
    pub batch: BatchSize,
    /// How long a batch gathers, in seconds.
    pub batch_window: BatchWindow,
    /// How many invocations the queue may have at once.
    pub maximum_concurrency: MaximumConcurrency,
    /// The filter of the function's log, in `tracing`'s words; the handler's own, where it is not set.
    pub log: Option<String>,
    /// How long log lines stay, in days.
    pub log_retention: Retention,
    /// Above which share of quarantined records in one invocation, in percent, there is an alarm.
    pub quarantined_percent: Bounded<0, 100>,
    /// How many images stay in the repository.
    pub images: Bounded<2, 1_000>,
    /// The network that the function runs in.
    pub network: Network,
    /// ARN of a state machine that the function may start. The handler itself starts none: the right (and, with `network = "made"`, the
    /// endpoint) is for what an image of your own does with files that are too large for a function.
    pub state_machine: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: Prefix::default(),
            account_regional_names: false,
            encryption: Encryption::Aes256,
            noncurrent_days: Days::of::<30>(),
            trigger: Trigger::Queue,
            raw_prefix: KeyPart::default(),
            raw_suffix: KeyPart::default(),
            architecture: Architecture::X86,
            memory: MemorySize::of::<3_008>(),
            timeout: Timeout::of::<300>(),
            temporary: TemporarySize::of::<2_048>(),
            reserved_concurrency: None,
            batch: BatchSize::of::<100>(),
            batch_window: BatchWindow::of::<5>(),
            maximum_concurrency: MaximumConcurrency::of::<8>(),
            log: None,
            log_retention: Retention::Days30,
            quarantined_percent: Bounded::of::<5>(),
            images: Bounded::of::<20>(),
            network: Network::None,
            state_machine: None,
        }
    }
}

/// How objects are encrypted at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// By keys of S3.
    Aes256,
    /// By a key of the stack, which says who may read.
    Kms,
}

/// How uploads reach the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// S3 to SQS to Lambda: nothing is lost, and batches turn many files into few commits.
    Queue,
    /// S3 to Lambda; what fails goes to the dead-letter queue.
    Direct,
    /// S3 to `EventBridge` to SQS to Lambda: others may listen too.
    EventBridge,
}

/// The network that the function runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Lambda's own.
    None,
    /// Subnets and security groups that are there; their ids are parameters.
    Given,
    /// Private subnets of the stack, without a way out except to the services that the function uses.
    Made,
}

/// The beginning of names: lower-case letters, digits and single hyphens (a repository takes no others), at most 20.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        if text.len() <= 20 && text.chars().all(fits) && !text.starts_with('-') && !text.contains("--") {
            return Ok(Self(text));
        }
        Err(D::Error::custom(format!(
            "prefix {text:?}: at most 20 lower-case letters, digits and single hyphens, no hyphen first"
        )))
    }
}

/// The beginning or end of keys: without what would be a pattern in the role's policy or in `EventBridge`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPart(String);

impl KeyPart {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for KeyPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains(['*', '?', '$', '\\']) {
            return Err(D::Error::custom(format!("{text:?}: a part of a key, without `*`, `?`, `$` and `\\`")));
        }
        Ok(Self(text))
    }
}

/// Why the stages file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there or not readable.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says what cannot be.
    #[error("{}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// It does not have the stage.
    #[error("no stage {name:?} in {}; there are: {known}", path.display())]
    Stage {
        /// The file.
        path: PathBuf,
        /// The stage that was asked for.
        name: String,
        /// The stages that are there.
        known: String,
    },
}

impl Stages {
    /// Reads the stages file.
    ///
    /// # Errors
    /// When it is missing or says what cannot be.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| Error::Toml { path: path.to_owned(), source: Box::new(source) })
    }

    /// The stage of that name; without a name, the defaults, for any account.
    ///
    /// # Errors
    /// When the file at `path` has no such stage.
    pub fn stage(&self, name: Option<&str>, path: &Path) -> Result<Stage, Error> {
        let Some(name) = name else { return Ok(Stage::default()) };
        let Some(stage) = self.stage.get(name) else {
            let known = self.stage.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Error::Stage { path: path.to_owned(), name: name.to_owned(), known });
        };
        let stack = stage.stack.clone().unwrap_or_else(|| format!("pintail-{name}"));
        Ok(Stage { stack: Some(stack), ..stage.clone() })
    }
}

impl Stage {
    /// The stack's name.
    pub fn stack(&self) -> &str {
        self.stack.as_deref().unwrap_or("pintail")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Stages, Trigger};

    fn error(text: &str) -> String {
        toml::from_str::<Stages>(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_stage_says_only_what_differs() {
        let stages: Stages =
            toml::from_str("[stage.dev.options]\ntrigger = 'direct'\nmemory = 512\n[stage.prod]\nproduction = true")
                .unwrap();
        let dev = stages.stage(Some("dev"), Path::new("stack.toml")).unwrap();
        assert_eq!(
            (dev.stack(), dev.options.trigger, dev.options.memory.number()),
            ("pintail-dev", Trigger::Direct, 512)
        );
        assert_eq!(dev.options.timeout.number(), 300);
    }

    #[test]
    fn an_unknown_stage_names_those_that_there_are() {
        let stages: Stages = toml::from_str("[stage.dev]\n[stage.prod]").unwrap();
        let error = stages.stage(Some("live"), Path::new("stack.toml")).unwrap_err();
        assert_eq!(error.to_string(), "no stage \"live\" in stack.toml; there are: dev, prod");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        assert_eq!(error("[stage.dev.options]\nmemory = 64"), "64 is not within 128 to 10240");
        assert!(error("[stage.dev.options]\nlog-retention = 8").starts_with("8 days is none of CloudWatch's: 1, 3, 5"));
        assert_eq!(
            error("[stage.dev.options]\nraw-prefix = 'in*'"),
            "\"in*\": a part of a key, without `*`, `?`, `$` and `\\`"
        );
        for prefix in ["Dev_", "-dev", "dev--"] {
            let error = error(&format!("[stage.dev.options]\nprefix = '{prefix}'"));
            assert!(error.starts_with(&format!("prefix {prefix:?}: at most 20")), "{error}");
        }
        assert_eq!(error("[stage.dev.options]\nreserved-concurrency = 0"), "0 is not within 1 to 1000");
        assert!(error("[stage.dev]\nmemory = 512").starts_with("unknown field `memory`"));
    }
}
