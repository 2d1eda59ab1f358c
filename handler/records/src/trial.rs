//! One reading of some bytes, for tests: everything that came out, in one piece.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;

use crate::{Column, Error, Format, Input, MemoryInput, Options, Plan, Reject, read};

/// What to read, and how.
pub(crate) struct Trial {
    pub(crate) input: MemoryInput,
    pub(crate) options: Options,
    pub(crate) plan: Plan,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<RecordBatch>,
    pub(crate) record_numbers: Vec<u64>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) records: u64,
}

impl Trial {
    pub(crate) fn new(bytes: &[u8], options: Options) -> Self {
        Self { input: MemoryInput(bytes.to_vec()), options, plan: Plan::default() }
    }

    pub(crate) fn plan(mut self, columns: &[(&str, &str)]) -> Self {
        self.plan.columns = columns.iter().map(|(name, data_type)| column(name, data_type)).collect();
        self
    }

    pub(crate) fn read(&self) -> Outcome {
        read_all(&self.input, &self.options, &self.plan).unwrap()
    }
}

pub(crate) fn options(format: Format) -> Options {
    Options { format, ..Options::default() }
}

pub(crate) fn column(name: &str, data_type: &str) -> Column {
    Column {
        source: Some(name.to_owned()),
        name: name.to_owned(),
        data_type: data_type.parse().unwrap(),
        format: None,
        not_null: false,
    }
}

/// Reads everything, and checks the accounting on the way.
pub(crate) fn read_all(input: &dyn Input, options: &Options, plan: &Plan) -> Result<Outcome, Error> {
    let mut reader = read(input, options, plan)?;
    let mut outcome = Outcome { rows: Vec::new(), record_numbers: Vec::new(), rejects: Vec::new(), records: 0 };
    for batch in &mut reader {
        let batch = batch?;
        assert_eq!(
            batch.records,
            (batch.record_numbers.len() + batch.rejects.len()) as u64,
            "rows and rejects are all records"
        );
        assert_eq!(batch.rows.num_rows(), batch.record_numbers.len(), "each row has a number");
        let mut numbers: Vec<u64> = batch
            .record_numbers
            .iter()
            .copied()
            .chain(batch.rejects.iter().map(|reject| reject.record_number))
            .collect();
        numbers.sort_unstable();
        let expected: Vec<u64> = (outcome.records + 1..=outcome.records + batch.records).collect();
        assert_eq!(numbers, expected, "numbers are contiguous");
        assert!(batch.rejects.iter().all(|reject| !reject.reasons.is_empty()), "each reject has a reason");
        outcome.rows.push(batch.rows);
        outcome.record_numbers.extend(batch.record_numbers);
        outcome.rejects.extend(batch.rejects);
        outcome.records += batch.records;
    }
    outcome.rows = vec![concat_batches(&reader.schema(), &outcome.rows).unwrap()];
    Ok(outcome)
}

/// The values of a text column.
pub(crate) fn texts(outcome: &Outcome, column: usize) -> Vec<Option<String>> {
    outcome.rows[0].column(column).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

/// The values of any column, as text.
pub(crate) fn shown(outcome: &Outcome, column: usize) -> Vec<String> {
    shown_values(outcome.rows[0].column(column))
}

/// The values of an array, as text.
pub(crate) fn shown_values(array: &dyn Array) -> Vec<String> {
    (0..array.len()).map(|row| arrow::util::display::array_value_to_string(array, row).unwrap()).collect()
}

/// The rejects' numbers and reasons.
pub(crate) fn reasons(outcome: &Outcome) -> Vec<(u64, String)> {
    outcome.rejects.iter().map(|reject| (reject.record_number, reject.reasons.join("; "))).collect()
}
