//! Integers and decimals beside an independent reckoning in integers of any size.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::str::FromStr as _;

use arrow::array::AsArray;
use arrow::datatypes::Decimal128Type;
use arrow::util::display::array_value_to_string;
use num_bigint::BigInt;
use proptest::prelude::*;
use records::{Column, Format, MemoryInput, Options, Plan, read};

/// The one value that a text becomes; `None` where it is rejected.
fn convert(text: &str, data_type: &str, format: Format) -> Option<arrow::array::ArrayRef> {
    let columns = vec![Column {
        source: Some("value".to_owned()),
        name: "value".to_owned(),
        data_type: data_type.parse().unwrap(),
        format: None,
        not_null: true,
    }];
    let written = if format == Format::Csv { format!("value\n{text}\n") } else { format!("{{\"value\":{text}}}\n") };
    let (input, plan) = (MemoryInput(written.into_bytes()), Plan { columns, ..Plan::default() });
    let options = Options { format, delimiter: Some(b','), quote: Some(b'"'), ..Options::default() };
    let mut batches: Vec<_> = read(&input, &options, &plan).unwrap().map(Result::unwrap).collect();
    let batch = batches.pop().unwrap();
    (batch.rows.num_rows() == 1).then(|| batch.rows.column(0).clone())
}

fn power(exponent: usize) -> BigInt {
    BigInt::from_str(&format!("1{}", "0".repeat(exponent))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_integer_is_what_its_digits_say_or_out_of_range(sign in "-?", digits in "[0-9]{1,20}|[12][0-9]{2}|[36][0-9]{4}|[0-9]{38,40}") {
        let text = format!("{sign}{digits}");
        let value = BigInt::from_str(&text).unwrap();
        let two = |bits: usize| BigInt::from(1) << bits;
        let zero = || BigInt::from(0);
        for (data_type, least, beyond) in [
            ("TINYINT", -two(7), two(7)),
            ("SMALLINT", -two(15), two(15)),
            ("INTEGER", -two(31), two(31)),
            ("BIGINT", -two(63), two(63)),
            ("HUGEINT", BigInt::from(1) - power(38), power(38)),
            ("UTINYINT", zero(), two(8)),
            ("USMALLINT", zero(), two(16)),
            ("UINTEGER", zero(), two(32)),
            ("UBIGINT", zero(), two(64)),
            ("UHUGEINT", zero(), power(38)),
        ] {
            let found = convert(&text, data_type, Format::Csv).map(|array| array_value_to_string(&array, 0).unwrap());
            let expected = (least <= value && value < beyond).then(|| value.to_string());
            prop_assert_eq!(found, expected, "{} as {}", text, data_type);
        }
    }

    #[test]
    fn a_decimal_is_what_its_digits_say_exactly_or_is_refused(
        sign in "-?", whole in "0|[1-9][0-9]{0,20}", fraction in "[0-9]{0,12}", exponent in -6_i32..6, precision in 1_usize..=38, scale in 0_usize..=38, json: bool,
    ) {
        let scale = scale.min(precision);
        let point = if fraction.is_empty() { "" } else { "." };
        let text = if exponent == 0 { format!("{sign}{whole}{point}{fraction}") } else { format!("{sign}{whole}{point}{fraction}e{exponent}") };
        let digits = BigInt::from_str(&format!("{sign}{whole}{fraction}")).unwrap();
        let places = i64::from(exponent) + i64::try_from(scale).unwrap() - i64::try_from(fraction.len()).unwrap();
        let factor = power(usize::try_from(places.unsigned_abs()).unwrap());
        let exact = if places >= 0 { Some(digits * factor) } else { (&digits % &factor == BigInt::from(0)).then(|| digits / factor) };
        let expected = exact.filter(|value| *value < power(precision) && *value > -power(precision));
        let format = if json { Format::Json } else { Format::Csv };
        let found = convert(&text, &format!("DECIMAL({precision},{scale})"), format);
        let found = found.map(|array| BigInt::from(array.as_primitive::<Decimal128Type>().value(0)));
        prop_assert_eq!(found, expected, "{} as DECIMAL({},{})", text, precision, scale);
    }

    #[test]
    fn a_json_number_is_an_integer_by_its_value(sign in "-?", whole in "0|[1-9][0-9]{0,20}", fraction in "[0-9]{0,4}", exponent in -6_i32..20) {
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{sign}{whole}{point}{fraction}e{exponent}");
        let digits = BigInt::from_str(&format!("{sign}{whole}{fraction}")).unwrap();
        let places = i64::from(exponent) - i64::try_from(fraction.len()).unwrap();
        let factor = power(usize::try_from(places.unsigned_abs()).unwrap());
        let exact = if places >= 0 { Some(digits * factor) } else { (&digits % &factor == BigInt::from(0)).then(|| digits / factor) };
        let bound = BigInt::from(1) << 63;
        let expected = exact.filter(|value| *value < bound && *value >= -&bound).map(|value| value.to_string());
        let found = convert(&text, "BIGINT", Format::Json).map(|array| array_value_to_string(&array, 0).unwrap());
        prop_assert_eq!(found, expected, "{} as BIGINT", text);
    }
}
