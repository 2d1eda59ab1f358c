//! The table in `docs/types.md` is what the reader does.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use records::{Column, MemoryInput, Options, Plan, Type, read};

/// The texts in backticks.
fn examples(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The reasons against a text as a value of a type; none where it is accepted.
fn reasons(text: &str, data_type: &Type) -> Vec<String> {
    let columns = vec![Column {
        source: Some("value".to_owned()),
        name: "value".to_owned(),
        data_type: data_type.clone(),
        format: None,
        not_null: true,
    }];
    let input = MemoryInput(format!("value\n\"{}\"\n", text.replace('"', "\"\"")).into_bytes());
    let options = Options { delimiter: Some(b','), quote: Some(b'"'), ..Options::default() };
    let plan = Plan { columns, ..Plan::default() };
    let batches: Vec<_> = read(&input, &options, &plan).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.records).sum::<u64>(), 1);
    batches.into_iter().flat_map(|batch| batch.rejects).flat_map(|reject| reject.reasons).collect()
}

#[test]
fn every_example_in_the_documentation_holds() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/types.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").collect()).collect();
    assert!(rows.len() > 20, "{} types", rows.len());
    for row in rows {
        let data_type: Type = examples(row[0])[0].parse().unwrap();
        for text in examples(row[1]) {
            assert_eq!(reasons(text, &data_type), Vec::<String>::new(), "{text:?} as {data_type}");
        }
        for text in row.get(2).map_or(Vec::new(), |cell| examples(cell)) {
            let reasons = reasons(text, &data_type);
            assert!(
                reasons.len() == 1 && reasons[0].starts_with("column \"value\": "),
                "{text:?} as {data_type}: {reasons:?}"
            );
        }
    }
}
