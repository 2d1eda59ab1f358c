use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
};

use crate::trial::{Trial, options, read_all, reasons, shown, texts};
use crate::{Depth, Error, Format, MemoryInput, Plan, survey};

fn write(columns: Vec<(&str, ArrayRef)>, group: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Trial {
    Trial::new(&write(columns, 1000), options(Format::Parquet))
}

#[test]
fn values_convert_exactly_or_their_row_is_rejected() {
    let trial = parquet(vec![
        ("i", Arc::new(Int64Array::from(vec![Some(1), Some(3_000_000_000), None]))),
        ("d", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.5]))),
        ("t", Arc::new(TimestampNanosecondArray::from(vec![1000, 2000, 1001]))),
        ("s", Arc::new(StringArray::from(vec!["7", "x", "9"]))),
    ]);
    let outcome = trial.plan(&[("i", "INTEGER"), ("t", "TIMESTAMP"), ("s", "INTEGER")]).read();
    assert_eq!(outcome.rows[0].column(0).as_primitive::<Int32Type>().values(), &[1]);
    assert_eq!(
        reasons(&outcome),
        [
            (
                2,
                "column \"i\": 3000000000 is not INTEGER (out of range); column \"s\": \"x\" is not INTEGER".to_owned()
            ),
            (3, "column \"t\": \"1970-01-01 00:00:00.000001001\" has digits beyond microseconds".to_owned()),
        ]
    );
    assert_eq!(outcome.rejects[1].raw, r#"{"i":null,"d":3.5,"t":"1970-01-01 00:00:00.000001001","s":"9"}"#);
}

#[test]
fn families_do_not_mix() {
    let decimal = Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap();
    let trial = parquet(vec![
        ("f", Arc::new(Float64Array::from(vec![1.0]))),
        ("d", Arc::new(decimal)),
        ("z", Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"))),
        ("b", Arc::new(BinaryArray::from(vec![&b"ab"[..]]))),
    ]);
    let refused = trial
        .plan(&[("f", "INTEGER"), ("f", "DECIMAL(10,2)"), ("z", "TIMESTAMP"), ("d", "INTEGER"), ("d", "DECIMAL(3,0)")])
        .read();
    assert_eq!(refused.rejects[0].reasons.len(), 5, "{refused:?}");
    let trial = Trial {
        plan: Plan::default(),
        ..parquet(vec![("d", Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap()))])
    };
    let accepted = trial.plan(&[("d", "DECIMAL(3,1)"), ("d", "VARCHAR"), ("d", "DOUBLE")]).read();
    assert_eq!((0..3).map(|column| shown(&accepted, column).concat()).collect::<Vec<_>>(), ["1.5", "1.50", "1.5"]);
}

/// Each value of an array as a type: how it is shown, or what is wrong with it.
fn convert(array: ArrayRef, data_type: &str) -> Vec<String> {
    let outcome = parquet(vec![("v", array)]).plan(&[("v", data_type)]).read();
    let accepted = outcome.record_numbers.iter().copied().zip(shown(&outcome, 0));
    let refused = reasons(&outcome).into_iter().map(|(number, reason)| (number, reason.replace("column \"v\": ", "")));
    let mut all: Vec<(u64, String)> = accepted.chain(refused).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, text)| text).collect()
}

fn check(cases: Vec<(ArrayRef, &str, &[&str])>) {
    for (array, data_type, expected) in cases {
        let from = array.data_type().clone();
        assert_eq!(convert(array, data_type), expected, "{from} as {data_type}");
    }
}

#[test]
fn each_type_takes_the_numbers_that_it_holds_exactly() {
    let decimal = |values: Vec<i128>, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap())
    };
    let integers = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let doubles = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let floats = |values: Vec<f32>| -> ArrayRef { Arc::new(Float32Array::from(values)) };
    let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
    check(vec![
        (booleans.clone(), "BOOLEAN", &["true", "false"]),
        (booleans, "TINYINT", &["true is not TINYINT", "false is not TINYINT"]),
        (integers(vec![-128, 128]), "TINYINT", &["-128", "128 is not TINYINT (out of range)"]),
        (integers(vec![1]), "BOOLEAN", &["1 is not BOOLEAN"]),
        (integers(vec![1, -1]), "UBIGINT", &["1", "-1 is not UBIGINT (out of range)"]),
        (integers(vec![1, -1]), "HUGEINT", &["1", "-1"]),
        (integers(vec![1, -1]), "UHUGEINT", &["1", "-1 is not UHUGEINT (out of range)"]),
        (integers(vec![99, 100]), "DECIMAL(4,2)", &["99.00", "100 is not DECIMAL(4,2) (out of range)"]),
        (
            integers(vec![1 << 53, (1 << 53) + 1]),
            "DOUBLE",
            &["9007199254740992.0", "9007199254740993 is not DOUBLE (no such integer is held exactly)"],
        ),
        (
            integers(vec![1 << 24, (1 << 24) + 1]),
            "FLOAT",
            &["16777216.0", "16777217 is not FLOAT (no such integer is held exactly)"],
        ),
        (integers(vec![7]), "VARCHAR", &["7"]),
        (integers(vec![7]), "JSON", &["7"]),
        (integers(vec![7]), "DATE", &["7 is not DATE"]),
        (integers(vec![7]), "BLOB", &["7 is not BLOB"]),
        (integers(vec![7]), "TIME", &["7 is not TIME"]),
        (integers(vec![7]), "INTERVAL", &["7 is not INTERVAL"]),
        (integers(vec![7]), "UUID", &["7 is not UUID"]),
        (integers(vec![7]), "TIMESTAMP", &["7 is not TIMESTAMP"]),
        (decimal(vec![150, 155], 1), "INTEGER", &["15", "15.5 is not INTEGER"]),
        (decimal(vec![150, 155], 2), "DECIMAL(3,1)", &["1.5", "1.55 is not DECIMAL(3,1) (not exactly)"]),
        (decimal(vec![150], 2), "DOUBLE", &["1.5"]),
        (decimal(vec![150], 2), "FLOAT", &["1.5"]),
        (decimal(vec![150], 2), "VARCHAR", &["1.50"]),
        (decimal(vec![-1, 100], 0), "UHUGEINT", &["-1 is not UHUGEINT (out of range)", "100"]),
        (doubles(vec![0.5, 0.1, f64::NAN]), "FLOAT", &["0.5", "0.1 is not FLOAT (not exactly)", "NaN"]),
        (doubles(vec![-0.0, 1e300]), "FLOAT", &["-0.0", "1e300 is not FLOAT (not exactly)"]),
        (floats(vec![0.1]), "DOUBLE", &["0.10000000149011612"]),
        (floats(vec![0.1]), "VARCHAR", &["0.1"]),
        (floats(vec![1.0]), "INTEGER", &["1.0 is not INTEGER"]),
    ]);
}

#[test]
fn each_type_takes_the_texts_and_times_that_it_holds_exactly() {
    let integers = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let bytes = |values: Vec<&[u8]>| -> ArrayRef { Arc::new(BinaryArray::from(values)) };
    let texts = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let moments = |values: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(values)) };
    let uuid: &[u8] = b"\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00";
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MAX]));
    check(vec![
        (texts(vec!["1.50", "x"]), "DECIMAL(3,2)", &["1.50", "\"x\" is not DECIMAL(3,2)"]),
        (texts(vec!["abc", "abcd"]), "VARCHAR(3)", &["abc", "\"abcd\" is not VARCHAR(3) (it is longer)"]),
        (integers(vec![123, 1234]), "VARCHAR(3)", &["123", "1234 is not VARCHAR(3) (it is longer)"]),
        (texts(vec!["{}", "{"]), "JSON", &["{}", "\"{\" is not JSON (it ends too early)"]),
        (bytes(vec![b"ab", b"\xff"]), "BLOB", &["6162", "ff"]),
        (bytes(vec![b"ab", b"\xff"]), "VARCHAR", &["ab", "\"\\\\xFF\" is not UTF-8 text"]),
        (bytes(vec![uuid, b"short"]), "UUID", &["123e4567-e89b-12d3-a456-426614174000", "\"short\" is not UUID"]),
        (days.clone(), "DATE", &["1970-01-01", "\"day 2147483647 of 1970\" is not DATE (out of range)"]),
        (days.slice(0, 1), "TIMESTAMP", &["1970-01-01T00:00:00"]),
        (days.slice(0, 1), "TIMESTAMPTZ", &["\"1970-01-01\" is not TIMESTAMP WITH TIME ZONE"]),
        (moments(vec![1_500_000]), "TIMESTAMP_MS", &["1970-01-01T00:00:01.500"]),
        (moments(vec![1_500_000]), "TIMESTAMP_S", &["\"1970-01-01 00:00:01.500\" is not TIMESTAMP_S (it is finer)"]),
        (moments(vec![0]), "TIMESTAMPTZ", &["\"1970-01-01 00:00:00\" carries no time zone; declare TIMESTAMP"]),
        (moments(vec![0]), "DATE", &["\"1970-01-01 00:00:00\" is not DATE"]),
    ]);
}

#[test]
fn a_null_is_refused_where_there_must_be_a_value() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    for data_type in ["BIGINT", "DECIMAL(3,1)"] {
        let mut trial = parquet(vec![("v", numbers.clone())]).plan(&[("v", data_type)]);
        trial.plan.columns[0].not_null = true;
        assert_eq!(reasons(&trial.read()), [(2, "column \"v\": NULL is not allowed".to_owned())]);
    }
    assert_eq!(convert(numbers, "DECIMAL(3,1)"), ["1.0", ""]);
}

#[test]
fn nested_values_pass() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None]);
    let pair = StructArray::from(vec![(
        Arc::new(arrow::datatypes::Field::new("a", arrow::datatypes::DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![Some("x"), None])) as ArrayRef,
    )]);
    let doubles = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![Some(vec![Some(0.1), Some(0.5)])]);
    let floats = ListArray::from_iter_primitive::<Float32Type, _, _>(vec![Some(vec![Some(0.1), None])]);
    assert_eq!(convert(Arc::new(doubles.clone()), "DOUBLE[]"), ["[0.1, 0.5]"]);
    assert_eq!(convert(Arc::new(doubles), "FLOAT[]"), ["[0.1,0.5] is not FLOAT[] (0.1 is not FLOAT (not exactly))"]);
    assert_eq!(convert(Arc::new(floats), "FLOAT[]"), ["[0.1, ]"]);
    let trial = parquet(vec![("l", Arc::new(list)), ("p", Arc::new(pair))]);
    let outcome = trial.plan(&[("l", "BIGINT[]"), ("l", "JSON"), ("p", "STRUCT(a VARCHAR)"), ("p", "JSON")]).read();
    assert_eq!(
        (0..4).map(|column| shown(&outcome, column).join("|")).collect::<Vec<_>>(),
        ["[1, ]|", "[1,null]|", "{a: x}|{a: }", "{\"a\":\"x\"}|{\"a\":null}"]
    );
}

#[test]
fn row_groups_are_read_one_after_the_other() {
    let numbers: Vec<i64> = (0..25_000).collect();
    let words: Vec<String> = numbers.iter().map(|number| format!("word {}", number % 700)).collect();
    let bytes = write(
        vec![("n", Arc::new(Int64Array::from(numbers.clone()))), ("w", Arc::new(StringArray::from(words.clone())))],
        10_000,
    );
    let mut trial = Trial::new(&bytes, options(Format::Parquet)).plan(&[("n", "BIGINT"), ("w", "VARCHAR")]);
    trial.plan.verdicts.insert(12_346, vec!["late".to_owned()]);
    trial.plan.columns[0].not_null = true;
    let outcome = trial.read();
    assert_eq!((outcome.records, outcome.rejects.len()), (25_000, 1));
    assert_eq!(outcome.rejects[0].raw, "{\"n\":12345,\"w\":\"word 445\"}");
    let values: Vec<i64> = outcome.rows[0].column(0).as_primitive::<Int64Type>().values().to_vec();
    assert!(
        values.iter().zip(&outcome.record_numbers).all(|(value, number)| u64::try_from(*value + 1) == Ok(*number)),
        "numbers follow the rows"
    );
    assert_eq!(texts(&outcome, 1)[24_998].as_deref(), Some(words[24_999].as_str()));
}

#[test]
fn a_survey_reads_the_footer() {
    let trial = parquet(vec![
        ("f", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ("i", Arc::new(Int32Array::from(vec![1, 2]))),
    ]);
    let found = survey(&trial.input, &trial.options, Depth::Values).unwrap();
    assert_eq!(
        found.columns.iter().map(|column| format!("{} {}", column.name, column.inferred)).collect::<Vec<_>>(),
        ["f DOUBLE", "i INTEGER"]
    );
    assert_eq!(found.records, Some(2));
}

#[test]
fn a_damaged_object_is_unreadable() {
    let values: Vec<f64> = (0..5000).map(f64::from).collect();
    let whole = write(vec![("f", Arc::new(Float64Array::from(values)))], 1000);
    let mut trial = Trial::new(&whole, options(Format::Parquet)).plan(&[("f", "DOUBLE")]);
    for cut in [0, 1, 4, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        trial.input = MemoryInput(whole[..cut].to_vec());
        let result = read_all(&trial.input, &trial.options, &trial.plan);
        assert!(matches!(result, Err(Error::Unreadable { .. })), "cut at {cut}: {result:?}");
    }
    for position in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0xff;
        trial.input = MemoryInput(damaged);
        let result = read_all(&trial.input, &trial.options, &trial.plan);
        assert!(matches!(result, Ok(_) | Err(Error::Unreadable { .. })), "byte {position}: {result:?}");
    }
}

#[test]
fn values_beyond_their_own_type_are_rejected() {
    use arrow::array::Time64MicrosecondArray;

    let decimal = Decimal128Array::from(vec![1234, 123_456]).with_precision_and_scale(4, 2).unwrap();
    let trial = parquet(vec![
        ("d", Arc::new(decimal)),
        ("t", Arc::new(Time64MicrosecondArray::from(vec![0, 86_400_000_000]))),
        ("n", Arc::new(arrow::array::NullArray::new(2))),
    ]);
    let outcome = trial.plan(&[("d", "DECIMAL(4,2)"), ("t", "TIME"), ("n", "VARCHAR")]).read();
    assert_eq!((outcome.record_numbers.as_slice(), outcome.rejects[0].reasons.len()), (&[1][..], 2));
    assert_eq!(texts(&outcome, 2), [None]);
}

#[test]
fn old_timestamps_reach_the_year_9999() {
    use ::parquet::data_type::{Int96, Int96Type};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let schema = Arc::new(parse_message_type("message m { optional int96 t; required int32 i; }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // The Julian day of 9999-12-31, and half of a second.
    let far = Int96::from(vec![500_000_000, 0, 5_373_484]);
    column.typed::<Int96Type>().write_batch(&[far], Some(&[1]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<::parquet::data_type::Int32Type>().write_batch(&[7], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let trial = Trial::new(&writer.into_inner().unwrap(), options(Format::Parquet));
    let found = survey(&trial.input, &trial.options, Depth::Names).unwrap();
    assert_eq!(found.columns[0].inferred, crate::Type::Timestamp);
    let outcome = trial.plan(&[("t", "TIMESTAMP"), ("i", "INTEGER")]).read();
    assert_eq!(
        (shown(&outcome, 0).concat(), shown(&outcome, 1).concat()),
        ("9999-12-31T00:00:00.500".to_owned(), "7".to_owned())
    );
}

#[test]
fn old_timestamps_in_lists_and_structs_reach_the_year_9999() {
    use ::parquet::data_type::{Int96, Int96Type};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let schema = "message m { required group l (LIST) { repeated group list { required int96 element; } }
        required group s { required int32 i; required int96 t; } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let far = Int96::from(vec![500_000_000, 0, 5_373_484]);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&[far], Some(&[1]), Some(&[0])).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<::parquet::data_type::Int32Type>().write_batch(&[7], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&[far], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let trial = Trial::new(&writer.into_inner().unwrap(), options(Format::Parquet));
    let outcome = trial.plan(&[("l", "TIMESTAMP[]"), ("s", "STRUCT(i INTEGER, t TIMESTAMP)")]).read();
    assert_eq!(outcome.rejects, []);
    assert_eq!(
        (shown(&outcome, 0).concat(), shown(&outcome, 1).concat()),
        ("[9999-12-31T00:00:00.500]".to_owned(), "{i: 7, t: 9999-12-31T00:00:00.500}".to_owned())
    );
}

/// A column of a schema, and the same one in a struct, with a NULL and these values.
fn behind_a_null<T: ::parquet::data_type::DataType>(schema: &str, values: &[T::T]) -> Trial {
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for present in [1, 2] {
        let mut column = group.next_column().unwrap().unwrap();
        let levels: Vec<i16> = std::iter::once(0).chain(values.iter().map(|_| present)).collect();
        column.typed::<T>().write_batch(values, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    Trial::new(&writer.into_inner().unwrap(), options(Format::Parquet))
}

#[test]
fn no_digit_of_an_old_timestamp_is_cut() {
    use ::parquet::data_type::{Int96, Int96Type};

    let read = |days: &[(u32, u32)], data_type| {
        let values: Vec<Int96> = days.iter().map(|(day, time)| Int96::from(vec![*time, 0, *day])).collect();
        let schema = "message m { optional int96 t; optional group s { optional int96 t; } }";
        let trial = behind_a_null::<Int96Type>(schema, &values);
        trial.plan(&[("t", data_type), ("s", &format!("STRUCT(t {data_type})"))]).read()
    };
    let (today, before_1970, last) = (2_460_312, 2_440_587, 5_373_484);
    let outcome = read(&[(today, 1_500_000), (before_1970, 999_000), (last, 7_000)], "TIMESTAMP");
    let expected = ["", "2024-01-02T00:00:00.001500", "1969-12-31T00:00:00.000999", "9999-12-31T00:00:00.000007"];
    assert_eq!((outcome.rejects.len(), shown(&outcome, 0)), (0, expected.map(str::to_owned).to_vec()));
    assert_eq!(shown(&outcome, 1)[1..], expected[1..].iter().map(|text| format!("{{t: {text}}}")).collect::<Vec<_>>());
    // A nanosecond too much, here and where nanoseconds do not reach; and a day that no calendar has.
    let fine = [(today, 1_500_000), (today, 1_500_001), (before_1970, 999), (last, 7_001), (u32::MAX / 2, 0)];
    let outcome = read(&fine, "TIMESTAMP");
    assert_eq!(outcome.record_numbers, [1, 2]);
    assert!(outcome.rejects[2].raw.contains("9999-12-31 00:00:00.000007001"), "{:?}", outcome.rejects[2]);
    let reason = "column \"t\": \"2024-01-02 00:00:00.001500001\" has digits beyond microseconds";
    assert_eq!(outcome.rejects[0].reasons[0], reason);
    let expected = [
        "",
        "2024-01-02 00:00:00.001500",
        "2024-01-02 00:00:00.001500001",
        "1969-12-31 00:00:00.000000999",
        "9999-12-31 00:00:00.000007001",
    ];
    assert_eq!(shown(&read(&fine[..4], "VARCHAR"), 0), expected);
}

#[test]
fn a_map_has_each_key_once() {
    use arrow::array::{MapBuilder, StringBuilder};

    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for keys in [["1", "2"], ["1", "1"], ["1", "01"]] {
        for key in keys {
            maps.keys().append_value(key);
            maps.values().append_value("x");
        }
        maps.append(true).unwrap();
    }
    let maps: ArrayRef = Arc::new(maps.finish());
    for (data_type, accepted) in [("MAP(VARCHAR, VARCHAR)", &[1, 3][..]), ("MAP(INTEGER, VARCHAR)", &[1])] {
        let outcome = parquet(vec![("m", Arc::clone(&maps))]).plan(&[("m", data_type)]).read();
        assert_eq!(outcome.record_numbers, accepted, "{data_type}: {:?}", outcome.rejects);
    }
}

#[test]
fn a_date_that_no_timestamp_reaches_is_rejected() {
    let days = Date32Array::from(vec![0, 106_751_992, i32::MAX, i32::MIN]);
    let outcome = parquet(vec![("d", Arc::new(days))]).plan(&[("d", "TIMESTAMP")]).read();
    assert_eq!((shown(&outcome, 0), outcome.rejects.len()), (vec!["1970-01-01T00:00:00".to_owned()], 3));
    let reason = "column \"d\": \"day 2147483647 of 1970\" is not TIMESTAMP (out of range)";
    assert_eq!(outcome.rejects[1].reasons, [reason]);
}

#[test]
fn dates_and_timestamps_are_those_of_the_years_1_to_9999() {
    use arrow::array::TimestampMillisecondArray;

    // The days before, at and behind both ends.
    let days = [-719_163, -719_162, 2_932_896, 2_932_897];
    let milliseconds = days.map(|day| i64::from(day) * 86_400_000);
    let microseconds = || TimestampMicrosecondArray::from_iter_values(milliseconds.map(|value| value * 1000));
    let lists = ListArray::from_iter_primitive::<Date32Type, _, _>(days.map(|day| Some(vec![Some(day)])));
    let columns: [(ArrayRef, &[&str]); 5] = [
        (Arc::new(Date32Array::from_iter_values(days)), &["DATE", "TIMESTAMP"]),
        (Arc::new(microseconds()), &["TIMESTAMP", "TIMESTAMP_S"]),
        (Arc::new(microseconds().with_timezone("UTC")), &["TIMESTAMPTZ"]),
        (Arc::new(TimestampMillisecondArray::from_iter_values(milliseconds)), &["TIMESTAMP"]),
        (Arc::new(lists), &["DATE[]"]),
    ];
    for (array, types) in columns {
        for data_type in types {
            let outcome = parquet(vec![("t", Arc::clone(&array))]).plan(&[("t", data_type)]).read();
            assert_eq!(outcome.record_numbers, [2, 3], "{:?} as {data_type}", array.data_type());
            let reason = &outcome.rejects[0].reasons[0];
            assert!(reason.contains("out of range"), "{reason}");
        }
    }
}

#[test]
fn a_time_is_not_turned_round_the_clock() {
    use arrow::array::Time64MicrosecondArray;

    let day = 86_400_000_000;
    let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1_500_000, day, day + 1, -1, i64::MAX]));
    let outcome = parquet(vec![("t", Arc::clone(&times))]).plan(&[("t", "VARCHAR")]).read();
    assert_eq!(shown(&outcome, 0), ["00:00:01.500", "24:00:00"]);
    let reason = "column \"t\": \"86400000001000 ns of the day\" is not VARCHAR (out of range)";
    assert_eq!((outcome.rejects.len(), outcome.rejects[0].reasons[0].as_str()), (3, reason));
    let outcome = parquet(vec![("t", times)]).plan(&[("t", "TIME")]).read();
    assert_eq!((shown(&outcome, 0), outcome.rejects.len()), (vec!["00:00:01.500".to_owned()], 4));
    assert_eq!(outcome.rejects[0].reasons, ["column \"t\": \"24:00:00\" is not TIME (out of range)"]);
}

#[test]
fn bytes_that_are_no_text_are_no_json() {
    use arrow::array::{BinaryBuilder, MapBuilder, StringBuilder};

    let read = |array: ArrayRef| parquet(vec![("b", array)]).plan(&[("b", "JSON")]).read();
    let bytes = BinaryArray::from(vec![&b"{\"a\":1}"[..], b"\xff\xfe", b"{", b"\"\\ud800\""]);
    let outcome = read(Arc::new(bytes));
    assert_eq!((shown(&outcome, 0), outcome.rejects.len()), (vec!["{\"a\":1}".to_owned()], 3));
    assert_eq!(outcome.rejects[0].reasons, ["column \"b\": \"\\\\xFF\\\\xFE\" is not UTF-8 text"]);

    let mut keys = MapBuilder::new(None, BinaryBuilder::new(), StringBuilder::new());
    let mut values = MapBuilder::new(None, StringBuilder::new(), BinaryBuilder::new());
    for bytes in [&b"\xff"[..], b"\0\xff", b"\\x00\\xFF"] {
        keys.keys().append_value(bytes);
        keys.values().append_value("x");
        keys.append(true).unwrap();
        values.keys().append_value("x");
        values.values().append_value(bytes);
        values.append(true).unwrap();
    }
    let (keys, values) = (read(Arc::new(keys.finish())), read(Arc::new(values.finish())));
    assert_eq!((shown(&keys, 0), keys.rejects.len()), (vec![r#"{"\\x00\\xFF":"x"}"#.to_owned()], 2));
    assert_eq!((shown(&values, 0), values.rejects.len()), (vec![r#"{"x":"\\x00\\xFF"}"#.to_owned()], 2));
    assert_eq!(keys.rejects[0].raw, r#"{"b":{"\\xFF":"x"}}"#);
}

#[test]
fn what_is_rescued_is_told_exactly() {
    let column = |value: &[u8]| Arc::new(BinaryArray::from(vec![b"a", value])) as ArrayRef;
    let mut trial = parquet(vec![("b", column(b"\xff")), ("n", column(b"1"))]).plan(&[("n", "VARCHAR")]);
    trial.plan.rescue = true;
    let outcome = trial.read();
    assert_eq!(texts(&outcome, 1), [Some(r#"{"b":"a"}"#.to_owned())]);
    assert_eq!(outcome.rejects[0].reasons, [r#"column "_rescued": {"b":"\\xFF"} is not UTF-8 text"#]);
    let mut trial = parquet(vec![("n", column(b"1"))]).plan(&[("n", "VARCHAR")]);
    trial.plan.rescue = true;
    assert_eq!(texts(&trial.read(), 1), [None, None]);
}

#[test]
fn an_interval_keeps_its_months() {
    use ::parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType};

    let schema = "message m { optional fixed_len_byte_array(12) v (INTERVAL);
        optional group s { optional fixed_len_byte_array(12) v (INTERVAL); } }";
    let write = |intervals: &[[u32; 3]]| {
        let bytes = |parts: &[u32; 3]| FixedLenByteArray::from(parts.map(u32::to_le_bytes).concat());
        let values: Vec<FixedLenByteArray> = intervals.iter().map(bytes).collect();
        behind_a_null::<FixedLenByteArrayType>(schema, &values)
    };
    let sound = [[14, 0, 0], [1, 2, 3000], [0, 0, 0], [2_147_483_647, 2_147_483_647, u32::MAX]];
    let trial = write(&sound);
    let found = survey(&trial.input, &trial.options, Depth::Names).unwrap();
    let inferred = found.columns.iter().map(|column| column.inferred.to_string()).collect::<Vec<_>>();
    assert_eq!(inferred, ["INTERVAL", "STRUCT(\"v\" INTERVAL)"]);
    let outcome = trial.plan(&[("v", "INTERVAL"), ("v", "VARCHAR"), ("s", "STRUCT(v INTERVAL)")]).read();
    let values = outcome.rows[0].column(0).as_primitive::<IntervalMonthDayNanoType>();
    let expected = |[months, days, milliseconds]: [u32; 3]| {
        let [months, days] = [months, days].map(|part| i32::try_from(part).unwrap());
        IntervalMonthDayNano::new(months, days, i64::from(milliseconds) * 1_000_000)
    };
    assert_eq!(values.iter().collect::<Vec<_>>(), [&[None][..], &sound.map(expected).map(Some)].concat());
    let written = ["", "P14M0DT0S", "P1M2DT3S", "P0M0DT0S", "P2147483647M2147483647DT4294967.295S"];
    assert_eq!(shown(&outcome, 1), written);
    assert_eq!(shown(&outcome, 2)[2], "{v: 1 mons 2 days 3.000000000 secs}");
    // More months than the type has.
    let outcome = write(&[[14, 0, 500], [u32::MAX, 0, 0]]).plan(&[("v", "INTERVAL")]).read();
    assert_eq!(outcome.record_numbers, [1, 2]);
    let reason = "column \"v\": \"P4294967295M0DT0S\" is not INTERVAL (out of range)";
    assert_eq!(outcome.rejects[0].reasons, [reason]);
}

/// How many rows the batches of an object have, and the bytes of the longest one of text.
fn batches(trial: &Trial) -> (Vec<usize>, usize) {
    let batches: Vec<_> =
        crate::read(&trial.input, &trial.options, &trial.plan).unwrap().map(|batch| batch.unwrap().rows).collect();
    let bytes = |batch: &RecordBatch| batch.column(0).as_string::<i32>().value_data().len();
    (batches.iter().map(RecordBatch::num_rows).collect(), batches.iter().map(bytes).max().unwrap_or_default())
}

#[test]
fn a_batch_is_as_large_as_its_rows_allow() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..20_000));
    let trial = Trial::new(&write(vec![("n", numbers)], 20_000), options(Format::Parquet)).plan(&[("n", "VARCHAR")]);
    assert_eq!(batches(&trial).0, [8_192, 8_192, 3_616]);
    // One text of a dictionary, again and again; and first rows that are far longer than the others.
    let (long, short) = ("x".repeat(200_000), "y".repeat(60_000));
    let repeated: ArrayRef = Arc::new(StringArray::from_iter_values((0..2_000).map(|_| long.as_str())));
    let uneven = (0..12_000).map(|row| if row < 3_000 { short.as_str() } else { "z" });
    let uneven: ArrayRef = Arc::new(StringArray::from_iter_values(uneven));
    for (texts, count) in [(repeated, 2_000), (uneven, 12_000)] {
        let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let trial = Trial::new(&writer.into_inner().unwrap(), options(Format::Parquet)).plan(&[("t", "VARCHAR")]);
        let (rows, bytes) = batches(&trial);
        assert_eq!(rows.iter().sum::<usize>(), count);
        assert!(bytes <= 512 * 200_000, "{bytes} bytes in one of {rows:?}");
    }
}
