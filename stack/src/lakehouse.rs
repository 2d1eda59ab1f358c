//! Pintail's stack, told top-down: zones, the image's repository, the way of an upload, the function, what watches it, what finds its tables.

mod catalog;
mod function;
mod network;
mod storage;
mod trigger;
mod watch;

use crate::{
    cfn::{Condition, Document, Parameter, Template, Value, pseudo, template::Errors},
    options::{Options, Tables},
    sub,
};

pub use function::ENVIRONMENT;

/// The stack's template.
///
/// # Errors
/// When the options make a template that is not whole.
pub fn lakehouse(options: &Options, tables: &Tables) -> Result<Document, Errors> {
    let mut template =
        Template::new("Pintail: a serverless lakehouse. Files in raw become typed rows in silver and gold.");
    let lake = Lake::declare(&mut template, options);
    let key = storage::key(&mut template, &lake);
    storage::repository(&mut template, &lake);
    let network = network::network(&mut template, &lake);
    let dead_letters = trigger::dead_letters(&mut template);
    let queue = trigger::queue(&mut template, &lake, &dead_letters);
    let parts = function::Parts { key: key.as_ref(), network, dead_letters: &dead_letters, queue: queue.as_ref() };
    let function = function::function(&mut template, &lake, &parts);
    let way = trigger::Way { queue: queue.as_ref(), function, dead_letters: &dead_letters };
    let arrival = trigger::arrival(&mut template, &lake, &way);
    storage::zones(&mut template, &lake, (key.as_ref(), arrival));
    watch::watch(&mut template, &lake, key.as_ref(), (queue.as_ref(), &dead_letters));
    catalog::catalog(&mut template, &lake, tables);
    template.build()
}

/// What every part of the stack names: the parameters, and names that are known before anything is made.
struct Lake<'a> {
    options: &'a Options,
    function_name: Value<String>,
    image_uri: Value<String>,
    generation: Value<String>,
    email: Value<String>,
    /// False on the very first deployment, which makes the repository that an image can be pushed to.
    has_image: Condition,
}

/// One of the three buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Raw,
    Silver,
    Gold,
}

impl Zone {
    const ALL: [Self; 3] = [Self::Raw, Self::Silver, Self::Gold];

    fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }
}

impl<'a> Lake<'a> {
    fn declare(template: &mut Template, options: &'a Options) -> Self {
        let name = Parameter::text("The function's name.")
            .default(format!("{}duckdb_ingestion", options.prefix.as_str()))
            .pattern("^[A-Za-z0-9_-]{1,64}$");
        let image =
            Parameter::text("The function's image. Empty: no function yet, only the repository to push one to.")
                .default("")
                .pattern(r"^(\S+[:@]\S+)?$");
        let generation = Parameter::number("The generation of the project in the image; each deployment raises it.")
            .default("1")
            .at_least(1);
        let email = Parameter::text("Where alarms go. Empty: only to the topic.").default("");
        let image_uri = template.parameter("ImageUri", &image);
        Self {
            options,
            function_name: template.parameter("LambdaName", &name),
            generation: template.parameter("Generation", &generation),
            email: template.parameter("AlarmEmail", &email),
            has_image: template.condition_set("HasImage", &image_uri),
            image_uri,
        }
    }

    /// The bucket's name. It does not wait for the bucket, so that the bucket may wait for others.
    fn bucket_name(&self, zone: Zone) -> Value<String> {
        let prefix = self.options.prefix.as_str();
        if self.options.account_regional_names {
            return sub![prefix, zone.word(), "-", pseudo::account(), "-", pseudo::region(), "-an"];
        }
        sub![prefix, zone.word(), "-", pseudo::account()]
    }

    fn bucket_arn(&self, zone: Zone) -> Value<crate::cfn::Arn> {
        sub!["arn:", pseudo::partition(), ":s3:::", self.bucket_name(zone)]
    }

    /// The keys of a bucket that begin so.
    fn objects_arn(&self, zone: Zone, prefix: &str) -> Value<crate::cfn::Arn> {
        sub![self.bucket_arn(zone), "/", prefix, "*"]
    }
}
