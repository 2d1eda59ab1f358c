//! What CloudWatch takes as the body of a dashboard, as its reference ("Dashboard body structure and syntax") says it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Everything in which the body is none. A metric without a dimension is wrong too: the stages of one account would mix in it.
pub(crate) fn faults(body: &Value) -> Vec<String> {
    let widgets = body["widgets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let none = widgets.is_empty().then(|| "no widgets".to_owned());
    let faults = widgets.iter().flat_map(|widget| {
        let title = widget["properties"]["title"].as_str().unwrap_or("a widget without title").to_owned();
        place(widget).into_iter().chain(graph(&widget["properties"])).map(move |fault| format!("{title}: {fault}"))
    });
    none.into_iter().chain(faults).collect()
}

/// The grid is 24 wide.
fn place(widget: &Value) -> Vec<String> {
    let number = |key: &str, from: u64, to: u64| match widget[key].as_u64() {
        Some(number) if (from..=to).contains(&number) => None,
        _ => Some(format!("{key} is {}", widget[key])),
    };
    let kind = (widget["type"] != "metric").then(|| format!("type is {}", widget["type"]));
    let wide = widget["x"].as_u64().zip(widget["width"].as_u64()).is_some_and(|(x, width)| x + width > 24);
    let places = [number("x", 0, 23), number("y", 0, 10_000), number("width", 1, 24), number("height", 1, 1_000)];
    places.into_iter().chain([kind, wide.then(|| "leaves the grid".to_owned())]).flatten().collect()
}

fn graph(properties: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if properties["region"].as_str().is_none_or(str::is_empty) {
        faults.push("no region".to_owned());
    }
    if properties["period"].as_u64().is_none_or(|period| period == 0 || period % 60 != 0) {
        faults.push(format!("period is {}", properties["period"]));
    }
    if properties["view"] != "timeSeries" {
        faults.push(format!("view is {}", properties["view"]));
    }
    let metrics = properties["metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
    if metrics.is_empty() {
        faults.push("no metrics".to_owned());
    }
    let ids = metrics.iter().filter_map(|metric| options(metric)?.get("id")?.as_str()).collect::<BTreeSet<_>>();
    faults.extend(metrics.iter().filter_map(|metric| wrong(metric, &ids).map(|why| format!("{why}: {metric}"))));
    faults
}

/// What stands last in a metric, where it is an object.
fn options(metric: &Value) -> Option<&Map<String, Value>> {
    metric.as_array()?.last()?.as_object()
}

const OPTIONS: [&str; 7] = ["expression", "id", "label", "period", "stat", "visible", "yAxis"];

/// Namespace, name, then dimensions by name and value, then options; or options with an expression alone.
fn wrong(metric: &Value, ids: &BTreeSet<&str>) -> Option<&'static str> {
    let Some(words) = metric.as_array() else { return Some("is no list") };
    let options = options(metric);
    if options.is_some_and(|options| options.keys().any(|key| !OPTIONS.contains(&key.as_str()))) {
        return Some("has an unknown option");
    }
    if options.and_then(|options| options.get("id")).is_some_and(|id| !id.as_str().is_some_and(is_id)) {
        return Some("has an id that is none");
    }
    match options.and_then(|options| options.get("expression")) {
        Some(Value::String(expression)) if words.len() == 1 => wrong_expression(expression, ids),
        Some(_) => Some("is an expression that is no text, or not alone"),
        None => wrong_words(&words[..words.len() - usize::from(options.is_some())]),
    }
}

fn wrong_words(words: &[Value]) -> Option<&'static str> {
    if !words.iter().all(|word| word.as_str().is_some_and(|word| !word.is_empty())) {
        return Some("has a word that is no text");
    }
    match words.len() {
        0 | 1 => Some("has no name"),
        2 => Some("has no dimension"),
        count => (count % 2 == 1).then_some("has a dimension without value"),
    }
}

fn is_id(id: &str) -> bool {
    id.starts_with(|char: char| char.is_ascii_lowercase())
        && id.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

fn wrong_expression(expression: &str, ids: &BTreeSet<&str>) -> Option<&'static str> {
    if let Some(search) = expression.strip_prefix("SEARCH(") {
        return wrong_search(search);
    }
    let mut names = expression.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_' || char == '.'));
    let is_known = |name: &str| ids.contains(name) || name.is_empty() || name.parse::<f64>().is_ok();
    (!names.all(is_known)).then_some("computes with an id that is not there")
}

/// `'{NAMESPACE,DIMENSION,..} NAME="VALUE" ..', 'STATISTIC', PERIOD)`, with a value for a dimension.
fn wrong_search(search: &str) -> Option<&'static str> {
    let ["", terms, ", ", statistic, period] = search.split('\'').collect::<Vec<_>>()[..] else {
        return Some("has quotes that do not match");
    };
    let Some((schema, terms)) = terms.strip_prefix('{').and_then(|terms| terms.split_once("} ")) else {
        return Some("searches without a schema");
    };
    let terms = terms.split(' ').map(|term| term.split_once('=').unwrap_or((term, ""))).collect::<Vec<_>>();
    if !terms.iter().all(|(_, value)| is_quoted(value)) {
        return Some("has a value that is not quoted");
    }
    let dimensions = schema.split(',').skip(1).collect::<Vec<_>>();
    let (of_dimensions, others) = terms.iter().partition::<Vec<_>, _>(|(name, _)| dimensions.contains(name));
    if of_dimensions.is_empty() || others.iter().any(|(name, _)| *name != "MetricName") {
        return Some("searches for what the schema does not have");
    }
    let period = period.strip_prefix(", ").and_then(|period| period.strip_suffix(')'));
    let is_whole = !statistic.is_empty() && period.is_some_and(|period| period.parse::<u32>().is_ok());
    (!is_whole).then_some("has no statistic or no period")
}

fn is_quoted(value: &str) -> bool {
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inside.is_some_and(|inside| !inside.is_empty() && !inside.contains('"'))
}
