//! What holds for any bytes, and for any cut of the stream: accounting, round trips, no panic.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::io::{self, Read};
use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use proptest::prelude::*;
use records::{
    Column, Compression, Depth, Error, Format, Input, MemoryInput, Options, Plan, Reject, Type, read, survey,
};

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

#[derive(Debug, PartialEq)]
struct Outcome {
    rows: RecordBatch,
    numbers: Vec<u64>,
    rejects: Vec<Reject>,
}

/// Reads everything; panics where a record is neither row nor reject.
fn read_all(input: &dyn Input, options: &Options, plan: &Plan) -> Result<Outcome, Error> {
    let mut reader = read(input, options, plan)?;
    let (mut rows, mut numbers, mut rejects, mut records) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for batch in &mut reader {
        let batch = batch?;
        assert_eq!(batch.rows.num_rows(), batch.record_numbers.len());
        records += batch.records;
        rows.push(batch.rows);
        numbers.extend(batch.record_numbers);
        rejects.extend(batch.rejects);
    }
    let mut all: Vec<u64> = numbers.iter().copied().chain(rejects.iter().map(|reject| reject.record_number)).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=records).collect::<Vec<u64>>());
    assert!(rejects.iter().all(|reject| !reject.reasons.is_empty()));
    Ok(Outcome { rows: concat_batches(&reader.schema(), &rows).unwrap(), numbers, rejects })
}

fn column(name: &str, data_type: &str) -> Column {
    Column {
        source: Some(name.to_owned()),
        name: name.to_owned(),
        data_type: data_type.parse().unwrap(),
        format: None,
        not_null: false,
    }
}

fn plan_of(columns: &[(&str, &str)]) -> Plan {
    Plan { columns: columns.iter().map(|(name, data_type)| column(name, data_type)).collect(), ..Plan::default() }
}

/// Takes every column of an object as it was inferred.
fn plan_inferred(input: &dyn Input, options: &Options) -> Result<Plan, Error> {
    let found = survey(input, options, Depth::Values)?;
    let names: std::collections::BTreeSet<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    if names.len() < found.columns.len() {
        return Err(Error::Unreadable { reason: "two columns have the same name".to_owned() });
    }
    let columns = found.columns.into_iter().enumerate().map(|(position, column)| Column {
        name: format!("c{position}"),
        source: Some(column.name),
        data_type: column.inferred,
        format: None,
        not_null: false,
    });
    Ok(Plan { columns: columns.collect(), rescue: true, ..Plan::default() })
}

/// Text that looks like CSV and goes wrong in all places.
fn csv_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(b",".to_vec()),
        4 => Just(b"\"".to_vec()),
        2 => Just(b"\"\"".to_vec()),
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        4 => "[a-z0-9.é-]{0,6}".prop_map(String::into_bytes),
        2 => "[0-9]{1,4}".prop_map(String::into_bytes),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(b"{\"a\":1,\"b\":\"x\"}".to_vec()),
        2 => Just(b"{\"b\":[1,{\"c\":\"]\\\"\"}], \"a\": 2.5}".to_vec()),
        4 => Just(b"\n".to_vec()),
        3 => Just(b",".to_vec()),
        1 => Just(b"[".to_vec()),
        1 => Just(b"]".to_vec()),
        1 => Just(b"{".to_vec()),
        1 => Just(b"}".to_vec()),
        1 => Just(b"\"".to_vec()),
        1 => Just(b"\\".to_vec()),
        1 => Just(b" ".to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    (any::<bool>(), prop::collection::vec(piece, 0..30)).prop_map(|(array, pieces)| {
        let inside = pieces.concat();
        if array { [b"[".to_vec(), inside, b"]".to_vec()].concat() } else { inside }
    })
}

fn same(one: &Result<Outcome, Error>, two: &Result<Outcome, Error>) -> bool {
    match (one, two) {
        (Ok(one), Ok(two)) => one == two,
        (Err(one), Err(two)) => one.to_string() == two.to_string(),
        _ => false,
    }
}

/// What must hold for any bytes.
fn check_any_bytes(bytes: &[u8], options: &Options, sizes: Vec<usize>) {
    let whole = MemoryInput(bytes.to_vec());
    let trickle = Trickle { bytes: bytes.to_vec(), sizes };
    let Ok(plan) = plan_inferred(&whole, options) else { return };
    let outcome = read_all(&whole, options, &plan);
    assert!(same(&outcome, &read_all(&trickle, options, &plan)), "the same in small pieces");
    let surveyed = survey(&trickle, options, Depth::Values).unwrap();
    if let Ok(outcome) = &outcome {
        assert_eq!(surveyed.records, Some((outcome.numbers.len() + outcome.rejects.len()) as u64));
        let misfits: Vec<&String> = outcome
            .rejects
            .iter()
            .flat_map(|reject| &reject.reasons)
            .filter(|reason| reason.starts_with("column"))
            .collect();
        assert!(misfits.is_empty(), "an inferred type holds every value: {misfits:?}");
    }
    let strict = Plan {
        columns: plan
            .columns
            .into_iter()
            .map(|column| Column { data_type: Type::Integer, not_null: true, ..column })
            .collect(),
        ..Plan::default()
    };
    assert!(
        same(&read_all(&whole, options, &strict), &read_all(&trickle, options, &strict)),
        "the same in small pieces"
    );
}

/// Between the records, and before and after them, nothing may stand but what parts them: no byte is passed over.
fn check_tiling(text: &str, options: &Options, parts: &[u8]) {
    let refusal = Plan { refuse: Some("all".to_owned()), ..Plan::default() };
    let Ok(outcome) = read_all(&MemoryInput(text.as_bytes().to_vec()), options, &refusal) else { return };
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
fn check_shift(bytes: &[u8], shifted: &[u8], options: &Options) {
    let distance = (shifted.len() - bytes.len()) as u64;
    let (near, far) = (MemoryInput(bytes.to_vec()), MemoryInput(shifted.to_vec()));
    let Ok(plan) = plan_inferred(&near, options) else { return };
    let mut expected = read_all(&near, options, &plan);
    for reject in expected.iter_mut().flat_map(|outcome| &mut outcome.rejects) {
        reject.byte_offset = reject.byte_offset.map(|offset| offset + distance);
    }
    let found = read_all(&far, options, &plan);
    assert!(same(&expected, &found), "{:?} at {distance}: {expected:?}\n{found:?}", String::from_utf8_lossy(bytes));
}

/// A field as one writes it.
fn write_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.is_empty() {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_accounted_for_as_csv(bytes in csv_like(), header: bool, sizes in prop::collection::vec(1_usize..8, 1..5)) {
        check_any_bytes(&bytes, &Options { header, ..Options::default() }, sizes);
    }

    #[test]
    fn any_bytes_are_accounted_for_as_csv_with_an_escape(bytes in csv_like(), sizes in prop::collection::vec(1_usize..8, 1..5)) {
        check_any_bytes(&bytes, &Options { header: false, escape: Some(b'e'), ..Options::default() }, sizes);
    }

    #[test]
    fn any_bytes_are_accounted_for_as_json(bytes in json_like(), sizes in prop::collection::vec(1_usize..8, 1..5)) {
        check_any_bytes(&bytes, &Options { format: Format::Json, ..Options::default() }, sizes);
    }

    #[test]
    fn any_bytes_may_be_packed_or_encoded(bytes in prop::collection::vec(any::<u8>(), 0..80), sizes in prop::collection::vec(1_usize..8, 1..5)) {
        for compression in [Compression::Gzip, Compression::Zstd] {
            check_any_bytes(&bytes, &Options { compression, ..Options::default() }, sizes.clone());
        }
        for label in ["utf-16le", "shift_jis", "windows-1252", "gb18030"] {
            check_any_bytes(&bytes, &Options { encoding: Some(label.to_owned()), header: false, ..Options::default() }, sizes.clone());
        }
        check_any_bytes(&bytes, &Options { format: Format::Parquet, ..Options::default() }, sizes);
    }

    #[test]
    fn records_may_lie_across_what_is_read_at_once(bytes in csv_like(), json in json_like(), cut in 1_usize..60) {
        let filler = vec![b' '; 256 * 1024 - cut];
        let preamble = Options { preamble: 1, ..Options::default() };
        let shifted = [&filler[1..], b"\n", &bytes].concat();
        check_shift(&[b"\n", &bytes[..]].concat(), &shifted, &preamble);
        let shifted = [&filler[1..], b"\n", &json].concat();
        check_shift(&[b"\n", &json[..]].concat(), &shifted, &Options { format: Format::Json, ..Options::default() });
    }

    #[test]
    fn no_byte_is_passed_over(csv in csv_like(), json in json_like()) {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(['\0', '\u{feff}'], "");
        check_tiling(&text(csv), &Options { header: false, ..Options::default() }, b"\r\n");
        check_tiling(&text(json), &Options { format: Format::Json, ..Options::default() }, b" \t\r\n,[]");
    }

    #[test]
    fn texts_come_back_from_csv(rows in prop::collection::vec(prop::collection::vec("[a-z\",\n\ré ]{0,8}", 3), 0..20)) {
        let mut text = String::from("a,b,c\n");
        for row in &rows {
            let fields: Vec<String> = row.iter().map(|field| write_field(field)).collect();
            writeln!(text, "{}", fields.join(",")).unwrap();
        }
        let outcome = read_all(&MemoryInput(text.into_bytes()), &Options::default(), &plan_of(&[("a", "VARCHAR"), ("b", "VARCHAR"), ("c", "VARCHAR")])).unwrap();
        prop_assert_eq!(outcome.rejects, vec![]);
        for (position, row) in rows.iter().enumerate() {
            for (column, text) in row.iter().enumerate() {
                prop_assert_eq!(outcome.rows.column(column).as_string::<i32>().value(position), text);
            }
        }
    }

    #[test]
    fn numbers_and_times_come_back(integer: i64, double in any::<f64>().prop_filter("finite", |value| value.is_finite()), unscaled in -999_999_999_i128..=999_999_999, days in -719_162_i32..2_932_896, microseconds in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
        let date = chrono::NaiveDate::default() + chrono::TimeDelta::days(days.into());
        let moment = chrono::DateTime::from_timestamp_micros(microseconds).unwrap();
        let decimal = format!("{}{}.{:03}", if unscaled < 0 { "-" } else { "" }, unscaled.abs() / 1000, unscaled.abs() % 1000);
        let types = [("i", "BIGINT"), ("f", "DOUBLE"), ("d", "DECIMAL(9,3)"), ("a", "DATE"), ("t", "TIMESTAMP"), ("z", "TIMESTAMPTZ")];
        let (plain, zoned) = (moment.format("%Y-%m-%d %H:%M:%S%.f"), moment.format("%Y-%m-%dT%H:%M:%S%.6fZ"));
        let csv = format!("i,f,d,a,t,z\n{integer},{double:?},{decimal},{date},{plain},{zoned}\n");
        let json = format!("{{\"i\":{integer},\"f\":{double:?},\"d\":{decimal},\"a\":\"{date}\",\"t\":\"{plain}\",\"z\":\"{zoned}\"}}");
        for (format, text) in [(Format::Csv, csv), (Format::Json, json)] {
            let outcome = read_all(&MemoryInput(text.clone().into_bytes()), &Options { format, ..Options::default() }, &plan_of(&types)).unwrap();
            prop_assert_eq!(&outcome.rejects, &vec![], "{}", text);
            let rows = outcome.rows;
            prop_assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), integer);
            prop_assert_eq!(rows.column(1).as_primitive::<Float64Type>().value(0).to_bits(), double.to_bits());
            prop_assert_eq!(rows.column(2).as_primitive::<Decimal128Type>().value(0), unscaled);
            prop_assert_eq!(rows.column(3).as_primitive::<Date32Type>().value(0), days);
            prop_assert_eq!(rows.column(4).as_primitive::<TimestampMicrosecondType>().value(0), microseconds);
            prop_assert_eq!(rows.column(5).as_primitive::<TimestampMicrosecondType>().value(0), microseconds);
        }
    }

    #[test]
    fn any_name_of_a_type_parses_or_is_refused(name in "(STRUCT|INT|DECIMAL|VARCHAR|\\(|\\)|\\[|\\]|,| |\"|é|[a-z0-9]){0,12}") {
        if let Ok(data_type) = name.parse::<Type>() {
            prop_assert_eq!(data_type.to_string().parse::<Type>(), Ok(data_type));
        }
    }

    #[test]
    fn any_format_reads_or_refuses_any_text(format in "(%[YmdHMSfgbBaApIzjyFT%-]|[ :./é-]){0,8}", text in "[0-9:./ a-zA-Zé+-]{0,20}") {
        for data_type in [Type::Date, Type::Time, Type::Timestamp, Type::TimestampTz] {
            if records::check_format(&format, &data_type).is_ok() {
                let columns = vec![Column { format: Some(format.clone()), data_type, ..column("a", "DATE") }];
                let input = MemoryInput(format!("a,b\n{text},\n{text},\n").into_bytes());
                let outcome = read_all(&input, &Options::default(), &Plan { columns, ..Plan::default() }).unwrap();
                prop_assert_eq!(outcome.rows.column(0).len() + outcome.rejects.len(), 2);
            }
        }
    }
}
