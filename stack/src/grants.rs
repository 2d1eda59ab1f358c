//! The rights that a template gives, one line each, so that two templates can be compared.

use std::collections::BTreeSet;

use serde_json::Value as Tree;

use crate::rules::{list, statements};

/// The rights that `after` gives and `before` did not, by allowing more or denying less.
pub(crate) fn broadened(before: &Tree, after: &Tree) -> Vec<String> {
    let allowed = rights(after, "Allow").difference(&rights(before, "Allow")).cloned().collect::<Vec<_>>();
    let denied = rights(before, "Deny")
        .difference(&rights(after, "Deny"))
        .map(|right| format!("no longer denied: {right}"))
        .collect();
    [allowed, denied].concat()
}

/// What the template's statements of that effect say.
fn rights(template: &Tree, effect: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
        for statement in statements(&resource["Properties"]) {
            if statement["Effect"] == effect {
                collect(id, statement, &mut rights);
            }
        }
        if effect == "Allow" {
            rights.extend(beside_statements(id, resource));
        }
    }
    rights
}

fn collect(id: &str, statement: &Tree, rights: &mut BTreeSet<String>) {
    let who = statement.get("Principal").map(|principal| format!(" by {}", text(principal)));
    let condition = statement.get("Condition").map(|condition| format!(" if {}", text(condition)));
    let mut on =
        list(&statement["Resource"]).into_iter().map(|resource| format!(" on {}", text(resource))).collect::<Vec<_>>();
    if on.is_empty() {
        on.push(String::new());
    }
    for action in list(&statement["Action"]) {
        for on in &on {
            let (who, condition) = (who.as_deref().unwrap_or_default(), condition.as_deref().unwrap_or_default());
            rights.insert(format!("{id}: {}{on}{who}{condition}", text(action)));
        }
    }
}

/// Rights that are given by other words than statements.
fn beside_statements(id: &str, resource: &Tree) -> Vec<String> {
    let properties = &resource["Properties"];
    let managed =
        list(&properties["ManagedPolicyArns"]).into_iter().map(|arn| format!("{id}: managed policy {}", text(arn)));
    let permission = (resource["Type"] == "AWS::Lambda::Permission").then(|| {
        let source = text(&properties["SourceArn"]);
        format!("{id}: {} by {} for {source}", text(&properties["Action"]), text(&properties["Principal"]))
    });
    managed.chain(permission).collect()
}

/// A value as a person writes it: text without quotes, references as `${Name}`.
pub(crate) fn text(value: &Tree) -> String {
    match value {
        Tree::String(text) => text.clone(),
        Tree::Object(members) if members.len() == 1 => match members.iter().next() {
            Some((function, Tree::String(id))) if function == "Ref" => format!("${{{id}}}"),
            Some((function, Tree::String(text))) if function == "Fn::Sub" => text.clone(),
            Some((function, Tree::Array(path))) if function == "Fn::GetAtt" => {
                format!("${{{}}}", path.iter().filter_map(Tree::as_str).collect::<Vec<_>>().join("."))
            }
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::broadened;

    fn role(statements: &serde_json::Value) -> serde_json::Value {
        json!({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {"Statement": statements}}]}}}})
    }

    #[test]
    fn only_what_is_new_is_broader() {
        let before =
            role(&json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Raw.Arn}/*"}}]));
        let after = role(
            &json!([{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [{"Fn::Sub": "${Raw.Arn}/*"}]}]),
        );
        assert_eq!(broadened(&before, &after), ["Role: s3:PutObject on ${Raw.Arn}/*"]);
        assert_eq!(broadened(&after, &before), Vec::<String>::new());
    }

    #[test]
    fn a_condition_that_goes_and_a_denial_that_goes_are_broader() {
        let before = role(&json!([
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "q", "Condition": {"Bool": {"x": "true"}}},
            {"Effect": "Deny", "Action": "s3:*", "Resource": "b"},
        ]));
        let after = role(&json!([{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "q"}]));
        assert_eq!(broadened(&before, &after), ["Role: sqs:SendMessage on q", "no longer denied: Role: s3:* on b"]);
    }
}
