//! What holds for any bytes, and for any cut of the stream: accounting, round trips, no panic.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use proptest::prelude::*;
use records::{Column, Compression, Format, MemoryInput, Options, Plan, Type};

mod promises;

use promises::{check_any_bytes, check_shift, check_tiling, column, read_all};

fn plan_of(columns: &[(&str, &str)]) -> Plan {
    Plan {
        columns: columns.iter().map(|(name, data_type)| column(name, data_type.parse().unwrap())).collect(),
        ..Plan::default()
    }
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
    fn any_bytes_are_accounted_for_as_json(bytes in json_like(), concatenated: bool, sizes in prop::collection::vec(1_usize..8, 1..5)) {
        check_any_bytes(&bytes, &Options { format: Format::Json, concatenated, ..Options::default() }, sizes);
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
        let json = text(json);
        for concatenated in [false, true] {
            check_tiling(&json, &Options { format: Format::Json, concatenated, ..Options::default() }, b" \t\r\n,[]");
        }
    }

    #[test]
    fn texts_come_back_from_csv(rows in prop::collection::vec(prop::collection::vec("[a-z\",\n\ré ]{0,8}", 3), 0..20)) {
        let mut text = String::from("a,b,c\n");
        for row in &rows {
            let fields: Vec<String> = row.iter().map(|field| write_field(field)).collect();
            writeln!(text, "{}", fields.join(",")).unwrap();
        }
        let outcome = read_all(&MemoryInput(text.into_bytes()), &Options::default(), &plan_of(&[("a", "VARCHAR"), ("b", "VARCHAR"), ("c", "VARCHAR")]), 1).unwrap();
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
            let outcome = read_all(&MemoryInput(text.clone().into_bytes()), &Options { format, ..Options::default() }, &plan_of(&types), 1).unwrap();
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
                let columns = vec![Column { format: Some(format.clone()), data_type, ..column("a", Type::Date) }];
                let input = MemoryInput(format!("a,b\n{text},\n{text},\n").into_bytes());
                let outcome = read_all(&input, &Options::default(), &Plan { columns, ..Plan::default() }, 1).unwrap();
                prop_assert_eq!(outcome.rows.column(0).len() + outcome.rejects.len(), 2);
            }
        }
    }
}
