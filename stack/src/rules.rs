//! The rules that matter most, on any template (ours, or one that somebody edited), before it is deployed.
//! A rule that is wrong for one resource is silenced beside that resource, in its `Metadata.Accepted`, with the reason.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use serde_json::Value as Tree;

use crate::{
    cfn::{self, iam::EVERYWHERE, template::LARGEST},
    grants::text,
};

/// A resource that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The rule's name, for `Metadata.Accepted`.
    pub rule: &'static str,
    /// The logical id.
    pub resource: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.resource, self.rule, self.what)
    }
}

/// A rule looks at one resource, with the whole template at hand, and says what is wrong.
type Rule = (&'static str, &'static str, fn(&Resource) -> Option<String>);

/// Name, type that it looks at (empty: every type), and the look.
const RULES: &[Rule] = &[
    ("bucket-private", "AWS::S3::Bucket", bucket_is_private),
    ("bucket-owner", "AWS::S3::Bucket", bucket_is_owner_enforced),
    ("bucket-encrypted", "AWS::S3::Bucket", |bucket| bucket.lacks("BucketEncryption")),
    ("bucket-versioned", "AWS::S3::Bucket", |bucket| bucket.differs("VersioningConfiguration/Status", "Enabled")),
    ("bucket-tls", "AWS::S3::Bucket", |bucket| bucket.lacks_tls("AWS::S3::BucketPolicy", "Bucket")),
    ("queue-encrypted", "AWS::SQS::Queue", |queue| queue.differs("SqsManagedSseEnabled", true)),
    ("queue-tls", "AWS::SQS::Queue", |queue| queue.lacks_tls("AWS::SQS::QueuePolicy", "Queues")),
    ("queue-dead-letters", "AWS::SQS::Queue", queue_has_dead_letters),
    ("queue-visibility", "AWS::Lambda::EventSourceMapping", visibility_covers_attempts),
    ("batch-failures", "AWS::Lambda::EventSourceMapping", |mapping| {
        mapping.differs("FunctionResponseTypes/0", "ReportBatchItemFailures")
    }),
    ("batch-window", "AWS::Lambda::EventSourceMapping", batch_has_a_window),
    ("function-reserve", "AWS::Lambda::Function", reserve_covers_mappings),
    ("topic-tls", "AWS::SNS::Topic", |topic| topic.lacks_tls("AWS::SNS::TopicPolicy", "Topics")),
    ("image-immutable", "AWS::ECR::Repository", |repository| repository.differs("ImageTagMutability", "IMMUTABLE")),
    ("image-scanned", "AWS::ECR::Repository", |repository| {
        repository.differs("ImageScanningConfiguration/ScanOnPush", true)
    }),
    ("image-by-count", "AWS::ECR::Repository", images_expire_by_count),
    ("log-retention", "AWS::Logs::LogGroup", |group| group.lacks("RetentionInDays")),
    ("function-traced", "AWS::Lambda::Function", |function| function.differs("TracingConfig/Mode", "Active")),
    ("function-log", "AWS::Lambda::Function", |function| function.lacks("LoggingConfig/LogGroup")),
    ("permission-source", "AWS::Lambda::Permission", |permission| {
        permission.lacks("SourceArn").or_else(|| permission.lacks("SourceAccount"))
    }),
    ("open-egress", "AWS::EC2::SecurityGroup", |group| group.open("SecurityGroupEgress")),
    ("open-ingress", "AWS::EC2::SecurityGroup", |group| group.open("SecurityGroupIngress")),
    ("iam-managed", "AWS::IAM::Role", |role| role.has("ManagedPolicyArns")),
    ("iam-actions", "", allows_wildcard_actions),
    ("iam-resources", "", allows_every_resource),
    ("iam-arn", "", names_no_arn),
    ("iam-source", "", service_without_source),
    ("iam-public", "", allows_everybody),
    ("retained", "", stateful_without_policy),
];

/// Everything in which the template breaks a rule, sorted. `text` is its file, for the size.
pub fn check(template: &Tree, text: &str) -> Vec<Finding> {
    let mut findings = BTreeSet::new();
    if text.len() > LARGEST {
        let what = format!("{} bytes; CloudFormation takes {LARGEST} without a bucket", text.len());
        findings.insert(Finding { rule: "size", resource: "template".to_owned(), what });
    }
    for (id, tree) in template["Resources"].as_object().into_iter().flatten() {
        let resource = Resource { id, tree, template };
        findings.extend(RULES.iter().filter_map(|rule| resource.finding(rule)));
    }
    findings.into_iter().collect()
}

struct Resource<'a> {
    id: &'a str,
    tree: &'a Tree,
    template: &'a Tree,
}

impl<'a> Resource<'a> {
    fn finding(&self, (rule, kind, look): &Rule) -> Option<Finding> {
        let accepted = self.tree["Metadata"]["Accepted"][rule].as_str().is_some_and(|reason| !reason.trim().is_empty());
        if accepted || !(kind.is_empty() || self.tree["Type"] == *kind) {
            return None;
        }
        Some(Finding { rule, resource: self.id.to_owned(), what: look(self)? })
    }

    fn property(&self, path: &str) -> Option<&'a Tree> {
        self.tree.get("Properties")?.pointer(&format!("/{path}"))
    }

    fn lacks(&self, path: &str) -> Option<String> {
        self.property(path).is_none().then(|| format!("{path} is missing"))
    }

    fn has(&self, path: &str) -> Option<String> {
        self.property(path).map(|value| format!("{path} is {value}"))
    }

    fn differs(&self, path: &str, wanted: impl Into<Tree>) -> Option<String> {
        let wanted = wanted.into();
        let value = self.property(path).unwrap_or(&Tree::Null);
        (*value != wanted).then(|| format!("{path} is {value}, not {wanted}"))
    }

    fn others(&self, kind: &'a str) -> impl Iterator<Item = &'a Tree> {
        self.template["Resources"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.values())
            .filter(move |other| other["Type"] == kind)
    }

    /// A policy of this type names the resource and denies what comes without TLS.
    fn lacks_tls(&self, policy: &'a str, of: &str) -> Option<String> {
        let denies = |policy: &&Tree| {
            mentions(&policy["Properties"][of], self.id)
                && statements(policy).iter().any(|statement| {
                    statement["Effect"] == "Deny" && statement["Condition"]["Bool"]["aws:SecureTransport"] == "false"
                })
        };
        (!self.others(policy).any(|policy| denies(&policy)))
            .then(|| format!("no {policy} denies what comes without TLS"))
    }

    fn open(&self, path: &str) -> Option<String> {
        let rules = self.property(path)?.as_array()?;
        rules.iter().any(|rule| rule["CidrIp"] == "0.0.0.0/0").then(|| format!("{path} is open to every address"))
    }
}

/// Whether a tree names the resource, by reference, attribute or text.
fn mentions(tree: &Tree, id: &str) -> bool {
    match tree {
        Tree::String(text) => text == id || text.contains(&format!("${{{id}}}")) || text.contains(&format!("${{{id}.")),
        Tree::Array(items) => items.iter().any(|item| mentions(item, id)),
        Tree::Object(members) => members.values().any(|member| mentions(member, id)),
        _ => false,
    }
}

/// Every statement of every policy in a resource.
pub(crate) fn statements(tree: &Tree) -> Vec<&Tree> {
    match tree {
        Tree::Object(members) => {
            let here = members.get("Statement").map(|statement| match statement {
                Tree::Array(several) => several.iter().collect(),
                one => vec![one],
            });
            here.unwrap_or_else(|| members.values().flat_map(statements).collect())
        }
        Tree::Array(items) => items.iter().flat_map(statements).collect(),
        _ => vec![],
    }
}

/// One or several: IAM writes both.
pub(crate) fn list(tree: &Tree) -> Vec<&Tree> {
    match tree {
        Tree::Array(items) => items.iter().collect(),
        Tree::Null => vec![],
        one => vec![one],
    }
}

fn allowing<'a>(resource: &'a Resource) -> impl Iterator<Item = &'a Tree> {
    statements(&resource.tree["Properties"]).into_iter().filter(|statement| statement["Effect"] == "Allow")
}

fn bucket_is_private(bucket: &Resource) -> Option<String> {
    ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
        .iter()
        .find_map(|name| bucket.differs(&format!("PublicAccessBlockConfiguration/{name}"), true))
}

fn bucket_is_owner_enforced(bucket: &Resource) -> Option<String> {
    bucket.differs("OwnershipControls/Rules/0/ObjectOwnership", "BucketOwnerEnforced")
}

fn queue_has_dead_letters(queue: &Resource) -> Option<String> {
    let is_target = |other: &Tree| {
        mentions(&other["Properties"]["RedrivePolicy"], queue.id)
            || mentions(&other["Properties"]["DestinationConfig"], queue.id)
    };
    let resources = queue.template["Resources"].as_object()?;
    if resources.values().any(is_target) { None } else { queue.lacks("RedrivePolicy") }
}

fn visibility_covers_attempts(mapping: &Resource) -> Option<String> {
    let source = mapping.property("EventSourceArn")?;
    let resources = mapping.template["Resources"].as_object()?;
    let named = |kind: &str, tree: &Tree| {
        resources
            .iter()
            .find(|(id, resource)| resource["Type"] == kind && mentions(tree, id))
            .map(|(_, resource)| &resource["Properties"])
    };
    let visibility = named("AWS::SQS::Queue", source)?["VisibilityTimeout"].as_u64().unwrap_or(30);
    let timeout = named("AWS::Lambda::Function", mapping.property("FunctionName")?)?["Timeout"].as_u64().unwrap_or(3);
    (visibility < 6 * timeout).then(|| {
        format!("the queue hides messages for {visibility} s, less than six times the time-out of {timeout} s")
    })
}

/// AWS refuses larger batches of a queue without one.
fn batch_has_a_window(mapping: &Resource) -> Option<String> {
    let batch = mapping.property("BatchSize")?.as_u64()?;
    let window = mapping.property("MaximumBatchingWindowInSeconds").and_then(Tree::as_u64).unwrap_or(0);
    (batch > 10 && window == 0).then(|| format!("a batch of {batch}, more than 10, has to gather for at least 1 s"))
}

/// Below what its queues may invoke at once, messages are received only to be throttled; below 1 it never runs.
fn reserve_covers_mappings(function: &Resource) -> Option<String> {
    let reserve = function.property("ReservedConcurrentExecutions")?.as_u64()?;
    let invocations = function
        .others("AWS::Lambda::EventSourceMapping")
        .map(|mapping| &mapping["Properties"])
        .filter(|mapping| mentions(&mapping["FunctionName"], function.id))
        .filter_map(|mapping| mapping["ScalingConfig"]["MaximumConcurrency"].as_u64());
    let least = invocations.sum::<u64>().max(1);
    (reserve < least).then(|| format!("{reserve} invocations are reserved, {least} may come at once"))
}

fn images_expire_by_count(repository: &Resource) -> Option<String> {
    let policy = repository.property("LifecyclePolicy/LifecyclePolicyText")?.as_str()?;
    policy.contains("sinceImagePushed").then(|| "images expire by age: the one that runs would too".to_owned())
}

fn allows_wildcard_actions(resource: &Resource) -> Option<String> {
    let is_one = |action: &str| !action.contains(['*', '?']);
    allowing(resource).find_map(|statement| match statement.get("NotAction") {
        Some(others) => Some(format!("allows everything but {others}")),
        // An action that is computed may be any.
        None => list(&statement["Action"])
            .into_iter()
            .find(|action| !action.as_str().is_some_and(is_one))
            .map(|action| format!("allows {action}")),
    })
}

fn allows_every_resource(resource: &Resource) -> Option<String> {
    let needs_all = |action: &&Tree| EVERYWHERE.iter().any(|known| **action == known.name());
    let every = |statement: &&Tree| {
        statement.get("NotResource").is_some() || list(&statement["Resource"]).into_iter().any(|of| text(of) == "*")
    };
    allowing(resource)
        .filter(every)
        .find_map(|statement| list(&statement["Action"]).into_iter().find(|action| !needs_all(action)))
        .map(|action| format!("allows {action} on every resource"))
}

/// AWS refuses a resource that is written out and is neither.
fn names_no_arn(resource: &Resource) -> Option<String> {
    let policies = statements(&resource.tree["Properties"]);
    let mut names = policies.into_iter().flat_map(|statement| list(&statement["Resource"])).filter_map(Tree::as_str);
    names.find(|name| *name != "*" && !name.starts_with("arn:")).map(|name| format!("{name:?} is no ARN"))
}

/// A service acts for whoever asks it, so who asks has to be said. Lambda's trust in its own role is the exception: it passes no source.
fn service_without_source(resource: &Resource) -> Option<String> {
    allowing(resource).find_map(|statement| {
        let service = statement["Principal"].get("Service")?;
        let conditions = statement["Condition"].to_string();
        let has_source = ["aws:SourceArn", "aws:SourceAccount"].iter().any(|key| conditions.contains(key));
        let is_trust = list(&statement["Action"]).iter().all(|action| *action == "sts:AssumeRole");
        (!has_source && !is_trust).then(|| format!("allows {service} whoever asks it"))
    })
}

fn allows_everybody(resource: &Resource) -> Option<String> {
    allowing(resource)
        .find(|statement| {
            statement["Principal"] == "*" || list(&statement["Principal"]["AWS"]).into_iter().any(|who| who == "*")
        })
        .map(|statement| format!("allows everybody {}", statement["Action"]))
}

fn stateful_without_policy(resource: &Resource) -> Option<String> {
    let kind = cfn::kind(resource.tree["Type"].as_str()?)?;
    let said = |policy: &str| resource.tree.get(policy).is_some();
    (kind.stateful && !(said("DeletionPolicy") && said("UpdateReplacePolicy")))
        .then(|| "holds data, and does not say what becomes of it (DeletionPolicy, UpdateReplacePolicy)".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value as Tree, json};

    use super::{RULES, check};

    fn committed() -> Tree {
        serde_json::from_str(include_str!("../../template.out.json")).unwrap()
    }

    /// What is changed in the committed template (a pointer below `Resources`; null removes), and the rule that has to notice.
    fn breaks() -> Vec<(&'static str, &'static str, Tree)> {
        let open = json!([{"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp"}]);
        let group = |path: &str| json!({"Type": "AWS::EC2::SecurityGroup", "Properties": {path: open}});
        let permission = json!({"Type": "AWS::Lambda::Permission", "Properties": {"SourceArn": "arn"}});
        let by_age = json!({"rules": [{"selection": {"countType": "sinceImagePushed"}}]}).to_string();
        vec![
            ("bucket-private", "/RawBucket/Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", json!(false)),
            ("bucket-owner", "/RawBucket/Properties/OwnershipControls", Tree::Null),
            ("bucket-encrypted", "/RawBucket/Properties/BucketEncryption", Tree::Null),
            ("bucket-versioned", "/GoldBucket/Properties/VersioningConfiguration/Status", json!("Suspended")),
            ("bucket-tls", "/RawBucketPolicy", Tree::Null),
            ("queue-encrypted", "/Arrivals/Properties/SqsManagedSseEnabled", json!(false)),
            ("queue-tls", "/DeadLettersPolicy/Properties/PolicyDocument/Statement/0/Condition", Tree::Null),
            ("queue-dead-letters", "/Arrivals/Properties/RedrivePolicy", Tree::Null),
            ("queue-visibility", "/Function/Properties/Timeout", json!(900)),
            ("batch-failures", "/ArrivalsMapping/Properties/FunctionResponseTypes", Tree::Null),
            ("batch-window", "/ArrivalsMapping/Properties/MaximumBatchingWindowInSeconds", json!(0)),
            ("batch-window", "/ArrivalsMapping/Properties/MaximumBatchingWindowInSeconds", Tree::Null),
            ("function-reserve", "/Function/Properties/ReservedConcurrentExecutions", json!(7)),
            ("topic-tls", "/AlarmsPolicy/Properties/PolicyDocument/Statement/1/Effect", json!("Allow")),
            ("image-immutable", "/Repository/Properties/ImageTagMutability", json!("MUTABLE")),
            ("image-scanned", "/Repository/Properties/ImageScanningConfiguration", Tree::Null),
            ("image-by-count", "/Repository/Properties/LifecyclePolicy/LifecyclePolicyText", json!(by_age)),
            ("log-retention", "/FunctionLog/Properties/RetentionInDays", Tree::Null),
            ("function-traced", "/Function/Properties/TracingConfig/Mode", json!("PassThrough")),
            ("function-log", "/Function/Properties/LoggingConfig", Tree::Null),
            ("permission-source", "/Upload", permission),
            ("open-egress", "/Group", group("SecurityGroupEgress")),
            ("open-ingress", "/Group", group("SecurityGroupIngress")),
            ("retained", "/SilverBucket/DeletionPolicy", Tree::Null),
        ]
    }

    /// The same, of rules about rights.
    fn breaks_of_rights() -> Vec<(&'static str, &'static str, Tree)> {
        vec![
            (
                "iam-managed",
                "/FunctionRole/Properties/ManagedPolicyArns",
                json!(["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
            ),
            ("iam-actions", "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Action", json!("*")),
            (
                "iam-actions",
                "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Action",
                json!(["s3:GetObject", "s3:Put*"]),
            ),
            ("iam-actions", "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/NotAction", json!("iam:*")),
            ("iam-resources", "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource", json!(["*"])),
            (
                "iam-resources",
                "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource",
                json!({"Fn::Sub": "*"}),
            ),
            (
                "iam-resources",
                "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/NotResource",
                json!("arn:aws:s3:::other"),
            ),
            ("iam-arn", "/FunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource", json!(["a-bucket"])),
            ("iam-source", "/ArrivalsPolicy/Properties/PolicyDocument/Statement/0/Condition", Tree::Null),
            ("iam-public", "/RawBucketPolicy/Properties/PolicyDocument/Statement/0/Effect", json!("Allow")),
        ]
    }

    /// Sets what the pointer leads to, or removes it.
    fn put(template: &mut Tree, pointer: &str, value: Tree) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = template.pointer_mut(&format!("/Resources{parent}")).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(name).unwrap()
        } else {
            parent.insert(name.to_owned(), value).unwrap_or_default()
        };
    }

    #[test]
    fn the_committed_template_breaks_no_rule() {
        assert_eq!(check(&committed(), include_str!("../../template.out.json")), vec![]);
    }

    #[test]
    fn each_rule_notices_what_it_is_there_for() {
        for (rule, pointer, value) in breaks().into_iter().chain(breaks_of_rights()) {
            let mut template = committed();
            put(&mut template, pointer, value);
            let findings = check(&template, "");
            assert!(findings.iter().any(|finding| finding.rule == rule), "{rule}: {pointer} gives {findings:?}");
        }
    }

    #[test]
    fn no_rule_is_without_a_break() {
        let broken = breaks().into_iter().chain(breaks_of_rights()).map(|(rule, ..)| rule).collect::<BTreeSet<_>>();
        assert_eq!(RULES.iter().map(|(rule, ..)| *rule).collect::<BTreeSet<_>>(), broken);
    }

    #[test]
    fn a_reason_silences_a_rule_and_an_empty_one_does_not() {
        let mut template = committed();
        put(&mut template, "/SilverBucket/DeletionPolicy", Tree::Null);
        template["Resources"]["SilverBucket"]["Metadata"]["Accepted"] = json!({"retained": "a test"});
        assert_eq!(check(&template, ""), vec![]);
        template["Resources"]["SilverBucket"]["Metadata"]["Accepted"] = json!({"retained": " "});
        let findings = check(&template, "").iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            findings,
            [
                "SilverBucket [retained]: holds data, and does not say what becomes of it (DeletionPolicy, UpdateReplacePolicy)"
            ]
        );
    }

    #[test]
    fn a_template_that_needs_a_bucket_is_refused() {
        let findings = check(&json!({}), &" ".repeat(51_201));
        assert_eq!(
            findings[0].to_string(),
            "template [size]: 51201 bytes; CloudFormation takes 51200 without a bucket"
        );
    }
}
