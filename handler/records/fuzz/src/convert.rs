//! Each conversion: a text is one value of the type or is refused, in every way in which it can be written; the value is
//! the one that another reckoning finds, and written out it is that value again.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use records::{Column, Format, MemoryInput, Options, Plan, Type};

use super::choices::Choices;
use super::promises::{column, read_all};

/// The types, with a format where one is declared.
const TYPES: [(&str, Option<&str>); 42] = [
    ("BOOLEAN", None),
    ("TINYINT", None),
    ("SMALLINT", None),
    ("INTEGER", None),
    ("BIGINT", None),
    ("HUGEINT", None),
    ("UTINYINT", None),
    ("USMALLINT", None),
    ("UINTEGER", None),
    ("UBIGINT", None),
    ("UHUGEINT", None),
    ("DECIMAL(4,1)", None),
    ("DECIMAL(18,3)", None),
    ("DECIMAL(38,10)", None),
    ("FLOAT", None),
    ("DOUBLE", None),
    ("VARCHAR", None),
    ("VARCHAR(3)", None),
    ("ENUM('low', 'high')", None),
    ("DATE", None),
    ("DATE", Some("%d.%m.%Y")),
    ("DATE", Some("%a, %d %b %y")),
    ("DATE", Some("%Y-%j")),
    ("TIME", None),
    ("TIME", Some("%I:%M:%S %p")),
    ("TIMESTAMP", None),
    ("TIMESTAMP", Some("%d/%m/%Y %H:%M:%S.%f")),
    ("TIMESTAMP_S", None),
    ("TIMESTAMP_MS", None),
    ("TIMESTAMP WITH TIME ZONE", None),
    ("TIMESTAMP WITH TIME ZONE", Some("%F %T%z")),
    ("INTERVAL", None),
    ("UUID", None),
    ("BLOB", None),
    ("BLOB", Some("hex")),
    ("BLOB", Some("base64")),
    ("JSON", None),
    ("INTEGER[]", None),
    ("VARCHAR[][]", None),
    ("STRUCT(a INTEGER, b VARCHAR[])", None),
    ("MAP(VARCHAR, DOUBLE)", None),
    ("MAP(INTEGER, STRUCT(a DATE))", None),
];

/// Checks a text, the first two bytes of which say what it is to be.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let (data_type, format) = choices.pick(&TYPES);
    let decimal = choices.pick(&[None, Some(b',')]);
    let Ok(text) = std::str::from_utf8(choices.0) else { return };
    // A record of it must not be too long, three times escaped.
    if text.contains('\0') || text.len() > 128 {
        return;
    }
    let column = Column { format: format.map(str::to_owned), ..column("value", data_type.parse().unwrap()) };
    let value = read_csv(text, &column, decimal);
    if !is_json(&column.data_type) && (!text.is_empty() || is_textual(&column.data_type)) && decimal.is_none() {
        let quoted = read_json(&serde_json::Value::from(text).to_string(), &column);
        assert_eq!(show(value.as_ref()), show(quoted.as_ref()), "{text:?} as {data_type}, in CSV and in JSON");
    }
    let Some(value) = value.filter(|value| value.is_valid(0)) else { return };
    check_value(text, &value, &column.data_type, decimal);
    if let Some(written) = write(&value, &column) {
        let again = read_csv(&written, &column, None);
        assert_eq!(show(Some(&value)), show(again.as_ref()), "{text:?} as {data_type}, written as {written:?}");
    }
}

/// The value of a quoted CSV field, which stands in three records so that one cannot disturb another; `None` where it is
/// refused.
fn read_csv(text: &str, column: &Column, decimal: Option<u8>) -> Option<ArrayRef> {
    let field = format!("\"{}\"\n", text.replace('"', "\"\""));
    let options = Options { delimiter: Some(b'|'), quote: Some(b'"'), decimal, ..Options::default() };
    read(&format!("value\n{}", field.repeat(3)), &options, column)
}

/// The same for a JSON value.
fn read_json(json: &str, column: &Column) -> Option<ArrayRef> {
    let record = format!("{{\"value\":{json}}}\n");
    read(&record.repeat(3), &Options { format: Format::Json, ..Options::default() }, column)
}

fn read(text: &str, options: &Options, column: &Column) -> Option<ArrayRef> {
    let plan = Plan { columns: vec![column.clone()], ..Plan::default() };
    let outcome = read_all(&MemoryInput(text.as_bytes().to_vec()), options, &plan, 1).unwrap();
    let shown: Vec<Option<String>> =
        (0..outcome.numbers.len()).map(|row| show_row(outcome.rows.column(0), row)).collect();
    assert!(shown.is_empty() || shown.len() == 3, "three times the same: {text:?}");
    assert!(shown.windows(2).all(|pair| pair[0] == pair[1]), "three times the same: {text:?}, {shown:?}");
    assert!(
        outcome
            .rejects
            .iter()
            .all(|reject| reject.reasons.len() == 1 && reject.reasons[0].starts_with("column \"value\": ")),
        "each refusal names the column: {:?}",
        outcome.rejects
    );
    (!shown.is_empty()).then(|| outcome.rows.column(0).slice(0, 1))
}

/// A value as text, for comparing.
fn show(value: Option<&ArrayRef>) -> String {
    value.map_or_else(|| "refused".to_owned(), |value| format!("{:?}", show_row(value, 0)))
}

/// A value as text; floating point to the last bit, and with an exponent: without one only what is held exactly is read.
fn show_row(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(if let Some(floats) = array.as_primitive_opt::<Float32Type>() {
        format!("{:e}", floats.value(row))
    } else if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        format!("{:e}", doubles.value(row))
    } else if let (DataType::Timestamp(_, Some(_)), Some(moments)) = (array.data_type(), array.as_primitive_opt()) {
        let moments: PrimitiveArray<TimestampMicrosecondType> = moments.clone();
        array_value_to_string(&moments.with_timezone("+00:00"), row).unwrap()
    } else {
        array_value_to_string(array, row).unwrap()
    })
}

/// Types whose texts are JSON.
fn is_json(data_type: &Type) -> bool {
    matches!(data_type, Type::Json | Type::List(_) | Type::Struct(_) | Type::Map(..))
}

/// Types of which an empty text is a value.
fn is_textual(data_type: &Type) -> bool {
    matches!(data_type, Type::Varchar | Type::Text(_) | Type::Enum(_) | Type::Blob)
}

/// The value is what its text says by another reckoning, where there is one.
fn check_value(text: &str, value: &ArrayRef, data_type: &Type, decimal: Option<u8>) {
    let number = decimal.map_or_else(|| text.to_owned(), |mark| text.replace(char::from(mark), "."));
    match data_type {
        Type::Varchar | Type::Json => assert_eq!(value.as_string::<i32>().value(0), text),
        Type::Text(length) => {
            assert_eq!(value.as_string::<i32>().value(0), text);
            assert!(text.chars().count() <= *length as usize, "{text:?}");
        }
        Type::Boolean => assert_eq!(text.to_ascii_lowercase(), value.as_boolean().value(0).to_string()),
        Type::Double => {
            let double = value.as_primitive::<Float64Type>().value(0);
            assert_eq!(number.parse().map(f64::to_bits), Ok(double.to_bits()), "{text:?}");
        }
        Type::Float => {
            let float = value.as_primitive::<Float32Type>().value(0);
            assert_eq!(number.parse().map(f32::to_bits), Ok(float.to_bits()), "{text:?}");
        }
        Type::Decimal { scale, .. } => check_decimal(&number, value, *scale),
        Type::Date => assert!((-719_162..2_932_897).contains(&value.as_primitive::<Date32Type>().value(0)), "{text:?}"),
        _ if value.data_type().is_integer() => {
            let shown = array_value_to_string(value, 0).unwrap();
            assert_eq!(text.parse::<i128>().map(|value| value.to_string()), Ok(shown), "{text:?}");
        }
        _ => {}
    }
}

/// The nearest double of the text is the nearest double of the decimal.
fn check_decimal(text: &str, value: &ArrayRef, scale: u8) {
    let unscaled = value.as_primitive::<Decimal128Type>().value(0);
    let written: f64 = text.parse().unwrap();
    let held: f64 = format!("{unscaled}e-{scale}").parse().unwrap();
    assert!(written.to_bits() == held.to_bits() || (written == 0.0 && held == 0.0), "{text:?} is {unscaled}e-{scale}");
}

/// The value as a text that means it; `None` where nothing but its reader writes it.
fn write(value: &ArrayRef, column: &Column) -> Option<String> {
    let plain =
        !matches!(column.data_type, Type::Interval | Type::Blob | Type::List(_) | Type::Struct(_) | Type::Map(..));
    let text = show_row(value, 0).filter(|_| plain && column.format.is_none())?;
    (!text.is_empty()).then_some(text)
}
