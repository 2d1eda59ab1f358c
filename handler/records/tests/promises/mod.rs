//! What the reader promises for any bytes, as checks that panic where it does not hold: shared by the property tests, the
//! fuzz targets and their short run in the tests.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use records::{
    Column, Depth, Error, Format, Input, MemoryInput, Options, Plan, Reject, Survey, Type, Unforeseen, read_on, settle,
    survey,
};

/// The bytes of a reject that are kept.
const KEPT: usize = 64 * 1024;

/// Bytes that come a few at a time.
struct Trickle {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
}

struct TrickleReader {
    bytes: Vec<u8>,
    position: usize,
    sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Input for Trickle {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let place = |offset| usize::try_from(offset).unwrap();
        Ok(Box::new(TrickleReader {
            bytes: self.bytes[..place(range.end)].to_vec(),
            position: place(range.start),
            sizes: self.sizes.clone().into_iter().cycle(),
        }))
    }
}

impl Read for TrickleReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.position..];
        let count = self.sizes.next().unwrap_or(1).min(rest.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

/// Everything that came out of one reading.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// The accepted records.
    pub(crate) rows: RecordBatch,
    /// Their numbers.
    pub(crate) numbers: Vec<u64>,
    /// The other records.
    pub(crate) rejects: Vec<Reject>,
    /// What the plan did not foresee.
    pub(crate) unforeseen: Option<Unforeseen>,
}

/// Reads everything; panics where a record is neither row nor reject.
pub(crate) fn read_all(input: &dyn Input, options: &Options, plan: &Plan, threads: usize) -> Result<Outcome, Error> {
    let mut reader = read_on(input, options, plan, threads)?;
    let (mut rows, mut numbers, mut rejects, mut records) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for batch in &mut reader {
        let batch = batch?;
        assert_eq!(batch.rows.num_rows(), batch.record_numbers.len(), "each row has a number");
        records += batch.records;
        rows.push(batch.rows);
        numbers.extend(batch.record_numbers);
        rejects.extend(batch.rejects);
    }
    let mut all: Vec<u64> = numbers.iter().copied().chain(rejects.iter().map(|reject| reject.record_number)).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=records).collect::<Vec<u64>>(), "rows and rejects are all records");
    assert!(rejects.iter().all(|reject| !reject.reasons.is_empty()), "each reject has a reason");
    let rows = concat_batches(&reader.schema(), &rows).unwrap();
    Ok(Outcome { rows, numbers, rejects, unforeseen: reader.unforeseen().cloned() })
}

/// A column that is taken as it is called.
pub(crate) fn column(name: &str, data_type: Type) -> Column {
    Column { source: Some(name.to_owned()), name: name.to_owned(), data_type, format: None, not_null: false }
}

/// A plan that makes every record a reject, so that it shows its bytes.
pub(crate) fn refuse_all() -> Plan {
    Plan { refuse: Some("all".to_owned()), ..Plan::default() }
}

/// Takes every column of an object as it was inferred, and keeps what is beside them.
pub(crate) fn plan_inferred(input: &dyn Input, options: &Options) -> Result<Plan, Error> {
    plan_of(survey(input, options, Depth::Values)?)
}

/// Takes every column as a survey has it.
pub(crate) fn plan_of(found: Survey) -> Result<Plan, Error> {
    let names: BTreeSet<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    if names.len() < found.columns.len() {
        return Err(Error::Unreadable { reason: "two columns have the same name".to_owned() });
    }
    let guesses =
        found.columns.iter().enumerate().filter_map(|(position, found)| Some((position, found.guess?))).collect();
    let columns = found
        .columns
        .into_iter()
        .enumerate()
        .map(|(position, found)| Column { name: format!("c{position}"), ..column(&found.name, found.inferred) });
    Ok(Plan { columns: columns.collect(), rescue: true, closed: true, guesses, ..Plan::default() })
}

/// Where nothing unforeseen is found a guess is as good as a look at all values.
fn check_guess(input: &dyn Input, options: &Options, (plan, outcome): (&Plan, &Outcome)) {
    let Ok(guess) = survey(input, options, Depth::Start).and_then(plan_of) else { return };
    let guessed = read_all(input, options, &guess, 1).unwrap();
    if guessed.unforeseen.is_none() {
        assert_eq!(guess.columns, plan.columns, "nothing was unforeseen");
        assert_eq!(guessed, *outcome, "nothing was unforeseen");
    }
}

/// The same columns with one type.
pub(crate) fn retyped(plan: Plan, data_type: &Type, not_null: bool) -> Plan {
    let retype = |column| Column { data_type: data_type.clone(), not_null, ..column };
    Plan { columns: plan.columns.into_iter().map(retype).collect(), ..Plan::default() }
}

/// Panics where two readings differ; errors are the same where their texts are.
pub(crate) fn check_same(one: &Result<Outcome, Error>, two: &Result<Outcome, Error>, how: &str) {
    let same = match (one, two) {
        (Ok(one), Ok(two)) => one == two,
        (Err(one), Err(two)) => one.to_string() == two.to_string(),
        _ => false,
    };
    assert!(same, "not the same {how}:\n{one:?}\n{two:?}");
}

/// The data is to blame for whatever goes wrong with bytes in memory.
fn check_blame<T>(result: &Result<T, Error>) {
    if let Err(error) = result {
        assert!(matches!(error, Error::Unreadable { .. }), "the data is to blame: {error:?}");
    }
}

/// What comes out of some bytes is accounted for and bounded, and how they come and who converts them changes nothing.
pub(crate) fn check_any_bytes(bytes: &[u8], options: &Options, sizes: Vec<usize>) {
    let whole = MemoryInput(bytes.to_vec());
    let trickle = Trickle { bytes: bytes.to_vec(), sizes };
    let plan = plan_inferred(&whole, options);
    check_blame(&plan);
    let Ok(plan) = plan else { return };
    let outcome = read_all(&whole, options, &plan, 1);
    check_blame(&outcome);
    check_same(&outcome, &read_all(&trickle, options, &plan, 2), "in small pieces, on two threads");
    if let Ok(outcome) = &outcome {
        check_guess(&whole, options, (&plan, outcome));
    }
    let settled = settle(&whole, options).unwrap();
    check_same(&outcome, &read_all(&whole, &settled, &plan, 1), "as it was found to be written");
    let surveyed = survey(&trickle, options, Depth::Values).unwrap();
    if let Ok(outcome) = &outcome {
        let records = (outcome.numbers.len() + outcome.rejects.len()) as u64;
        assert!(surveyed.records.is_none_or(|surveyed| surveyed == records), "{surveyed:?}, and {records} records");
        let reasons = outcome.rejects.iter().flat_map(|reject| &reject.reasons);
        let misfits: Vec<&String> = reasons.filter(|reason| reason.starts_with("column")).collect();
        assert!(misfits.is_empty(), "an inferred type holds every value: {misfits:?}");
    }
    let strict = retyped(plan, &Type::Integer, true);
    let outcome = read_all(&whole, options, &strict, 1);
    check_same(&outcome, &read_all(&trickle, options, &strict, 2), "in small pieces, as integers");
    if let Ok(outcome) = &outcome {
        check_bounds(&outcome.rejects);
    }
}

/// A reject keeps no more of a record than is said; what is no text takes four letters a byte.
fn check_bounds(rejects: &[Reject]) {
    for reject in rejects {
        let letters = if reject.raw_base64.is_some() { 4 * KEPT } else { KEPT };
        assert!(reject.raw.len() <= letters, "record {} keeps {}", reject.record_number, reject.raw.len());
    }
}

/// Between the records, and before and after them, nothing may stand but what parts them: no byte is passed over.
pub(crate) fn check_tiling(text: &str, options: &Options, parts: &[u8]) {
    let Ok(outcome) = read_all(&MemoryInput(text.as_bytes().to_vec()), options, &refuse_all(), 1) else { return };
    if outcome.rejects.iter().any(|reject| reject.reasons[0].starts_with("is longer than")) {
        // Such a record is not shown whole.
        return;
    }
    let mut position = 0;
    for reject in &outcome.rejects {
        let start = usize::try_from(reject.byte_offset.unwrap()).unwrap();
        let gap = &text.as_bytes()[position..start];
        assert!(gap.iter().all(|byte| parts.contains(byte)), "{gap:?} before record {}", reject.record_number);
        assert_eq!(&text[start..start + reject.raw.len()], reject.raw);
        let lines = text[..start]
            .replace("\r\n", "\n")
            .matches(if options.format == Format::Csv { &['\n', '\r'][..] } else { &['\n'] })
            .count();
        assert_eq!(reject.line, Some(lines as u64 + 1), "the line of record {}", reject.record_number);
        position = start + reject.raw.len();
    }
    assert!(text.as_bytes()[position..].iter().all(|byte| parts.contains(byte)), "after the last record");
}

/// The same records further down the object are the same records.
pub(crate) fn check_shift(bytes: &[u8], shifted: &[u8], options: &Options) {
    let distance = (shifted.len() - bytes.len()) as u64;
    let (near, far) = (MemoryInput(bytes.to_vec()), MemoryInput(shifted.to_vec()));
    let Ok(plan) = plan_inferred(&near, options) else { return };
    let mut expected = read_all(&near, options, &plan, 1);
    for reject in expected.iter_mut().flat_map(|outcome| &mut outcome.rejects) {
        reject.byte_offset = reject.byte_offset.map(|offset| offset + distance);
    }
    check_same(&expected, &read_all(&far, options, &plan, 1), &format!("{distance} bytes later"));
}
