use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use crate::trial::{Trial, options, read_all, reasons, shown, texts};
use crate::{Depth, Error, Format, MemoryInput, Type, read, survey};

fn json(text: &str) -> Trial {
    Trial::new(text.as_bytes(), options(Format::Json))
}

#[test]
fn lines_and_arrays_are_the_same_records() {
    let lines = json("\u{feff}\n{\"a\":1,\"b\":\"x\"}\r\n\n  {\"b\":\"y\\u00e9\"}  \n{\"a\":null,\"b\":2.50}")
        .plan(&[("a", "BIGINT"), ("b", "VARCHAR")])
        .read();
    let array = json(" [ {\"a\":1,\"b\":\"x\"} ,\n{\"b\":\"yé\"},{\"a\":null,\"b\":2.50}\n]\n ")
        .plan(&[("a", "BIGINT"), ("b", "VARCHAR")])
        .read();
    assert_eq!(lines, array);
    assert_eq!(lines.rows[0].column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None, None]);
    assert_eq!(texts(&lines, 1), [Some("x".to_owned()), Some("yé".to_owned()), Some("2.50".to_owned())]);
}

#[test]
fn what_is_no_object_is_rejected() {
    let outcome = json("{\"a\":1}\n{\"a\":}\n5\n{\"a\":1,\"a\":2}\n{\"a\":2}{\"a\":3}\n[1]\nnull\n{\"a\":4}\n")
        .plan(&[("a", "BIGINT")])
        .read();
    assert_eq!(outcome.record_numbers, [1, 8]);
    assert_eq!(reasons(&outcome)[2], (4, "has the key \"a\" twice".to_owned()));
    assert_eq!(
        (outcome.rejects[1].raw.as_str(), outcome.rejects[1].line, outcome.rejects[1].byte_offset),
        ("5", Some(3), Some(15))
    );
    let outcome = json("[{\"a\":1},\n5,\n{\"a\":},,{\"a\":\"]\"}]").plan(&[("a", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [1, 5]);
    assert_eq!(
        outcome.rejects.iter().map(|reject| (reject.line, reject.byte_offset)).collect::<Vec<_>>(),
        [(Some(2), Some(10)), (Some(3), Some(13)), (Some(3), Some(20))]
    );
}

#[test]
fn numbers_keep_their_digits() {
    let outcome = json("{\"a\":12345678901234567890123456789.125,\"b\":18446744073709551615,\"c\":\"5\",\"d\":[ 1,\t2 ],\"e\":{\"f\": 1.50}}")
        .plan(&[("a", "DECIMAL(38,3)"), ("b", "UBIGINT"), ("c", "INTEGER"), ("d", "INTEGER[]"), ("d", "VARCHAR"), ("e", "JSON"), ("e", "STRUCT(f DECIMAL(3,2))")])
        .read();
    let values: Vec<String> = (0..7).map(|column| shown(&outcome, column).concat()).collect();
    assert_eq!(
        values,
        [
            "12345678901234567890123456789.125",
            "18446744073709551615",
            "5",
            "[1, 2]",
            "[ 1,\t2 ]",
            "{\"f\": 1.50}",
            "{f: 1.50}"
        ]
    );
}

#[test]
fn a_value_of_another_kind_is_rejected() {
    let text = "{\"a\":1.5}\n{\"a\":true}\n{\"a\":[1]}\n{\"a\":\" 1\"}\n{\"a\":\"\"}\n{\"a\":\"1e2\"}\n{\"b\":\"yes\"}\n{\"b\":1}\n";
    let outcome = json(text).plan(&[("a", "INTEGER"), ("b", "BOOLEAN")]).read();
    assert_eq!(reasons(&outcome)[0], (1, "column \"a\": 1.5 is not INTEGER".to_owned()));
    assert_eq!(reasons(&outcome)[6], (7, "column \"b\": \"yes\" is not BOOLEAN".to_owned()));
    assert_eq!(outcome.rejects.len(), 8);
    let outcome = json("{\"a\":1e2}\n{\"a\":2.0}\n").plan(&[("a", "BIGINT")]).read();
    assert_eq!(shown(&outcome, 0), ["100", "2"]);
}

#[test]
fn an_array_that_does_not_end_is_unreadable() {
    for text in [
        "[",
        "[{\"a\":1}",
        "[{\"a\":1},",
        "[{\"a\":1},]",
        "[{\"a\":1}] x",
        "[] []",
        "[{\"a\":\"1",
        "[{\"a\":1}\n{\"a\":2}",
    ] {
        let trial = json(text).plan(&[("a", "BIGINT")]);
        let result = read_all(&trial.input, &trial.options, &trial.plan);
        assert!(matches!(result, Err(Error::Unreadable { .. })), "{text}: {result:?}");
    }
    for text in ["", " \n", "[]", " [ ] \n"] {
        assert_eq!(json(text).plan(&[("a", "BIGINT")]).read().records, 0, "{text}");
    }
}

#[test]
fn keys_that_nobody_takes_are_rescued() {
    let mut trial = json("{\"x\": [1, 2], \"a\":1}\n{\"a\":2}\n").plan(&[("a", "BIGINT")]);
    trial.plan.rescue = true;
    assert_eq!(texts(&trial.read(), 1), [Some("{\"x\":[1, 2]}".to_owned()), None]);
}

#[test]
fn keys_are_surveyed_in_the_order_of_appearance() {
    let input = MemoryInput(b"{\"a\":1}\n{\"b\":true,\"a\":2.5}\nbad\n{\"c\":null}\n".to_vec());
    let found = survey(&input, &options(Format::Json), Depth::Values).unwrap();
    let columns: Vec<(&str, &Type)> =
        found.columns.iter().map(|column| (column.name.as_str(), &column.inferred)).collect();
    assert_eq!(columns, [("a", &Type::Double), ("b", &Type::Boolean), ("c", &Type::Varchar)]);
    assert_eq!(found.records, Some(4));
}

#[test]
fn a_damaged_element_ends_at_its_line() {
    let plan = &[("a", "VARCHAR")];
    for (text, accepted, rejected) in [
        ("[{\"a\":1},\n{\"a\":\"open},\n{\"a\":3}]", vec![1, 3], vec![2]),
        ("[{\"a\":1},\n{\"a\":{\"b\":2},\n{\"a\":3}\n]", vec![1, 3], vec![2]),
        ("[{\"a\":1}\n,{\"a\":]\n,{\"a\":3}\n]", vec![1, 3], vec![2]),
        ("[{\"a\":1} {\"a\":2},\n{\"a\":3}]", vec![2], vec![1]),
        ("[{\"a\":1},{\"a\":2,},{\"a\":3}]", vec![1, 3], vec![2]),
        ("[{\"a\":1},\n{\"a\":\"2}]", vec![1], vec![2]),
        (
            "[\n  {\n    \"b\": [\n      {\"a\": 1},,\n      {\"a\": 2}\n    ]\n  },\n  {\"a\": 3}\n]",
            vec![5],
            vec![1, 2, 3, 4],
        ),
    ] {
        let outcome = json(text).plan(plan).read();
        assert_eq!(outcome.record_numbers, accepted, "{text}: {outcome:?}");
        let numbers: Vec<u64> = outcome.rejects.iter().map(|reject| reject.record_number).collect();
        assert_eq!(numbers, rejected, "{text}: {outcome:?}");
    }
}

#[test]
fn one_bracket_too_many_costs_none_of_the_other_elements() {
    for (text, accepted, records) in [
        ("[\n{\"a\":1},\n]\"a\":2},\n{\"a\":3}\n]", vec!["1", "3"], 3),
        ("[\n{\"a\":1}]\n{\"a\":2},\n{\"a\":3}\n]", vec!["1", "2", "3"], 4),
        ("[\n{\"a\":1},\n[{\"a\":2},\n{\"a\":3},\n{\"a\":4}\n]", vec!["1", "3", "4"], 4),
        ("[\n[1],{\"a\":1},[[2]]\n,[\n{\"a\":3}\n]", vec!["1", "3"], 5),
        ("[{\"a\":1},\n{\"a\":2,\n]\"b\":1},\n{\"a\":3}]", vec!["1", "3"], 4),
    ] {
        let outcome = json(text).plan(&[("a", "BIGINT")]).read();
        assert_eq!((shown(&outcome, 0), outcome.records), (accepted.into_iter().map(str::to_owned).collect(), records));
    }
    for text in [
        "[{\"a\":1}]\n[{\"a\":2}]",
        "[{\"a\":1}]\n{\"a\":2}",
        "[{\"a\":1},\n]\n{\"a\":2}\n",
        "[{\"a\":1}]{\"a\":2},{\"a\":3}]\n",
        "[{\"a\":1},]\"a\":2},{\"a\":3}]\n",
    ] {
        let trial = json(text).plan(&[("a", "BIGINT")]);
        assert!(matches!(read_all(&trial.input, &trial.options, &trial.plan), Err(Error::Unreadable { .. })), "{text}");
    }
}

#[test]
fn a_damaged_element_costs_none_of_the_others_on_its_line_however_long_that_is() {
    let many = format!("{{\"a\":\"{}\"}},", "x".repeat(1 << 20)).repeat(20);
    let text = format!("[{{\"a\":\"1\"}},{{\"a\":NaN}},{{\"a\":\"]\\q\"}},{many}{{\"a\":\"3\"}}]");
    let outcome = json(&text).plan(&[("a", "VARCHAR")]).read();
    let rejected: Vec<&str> = outcome.rejects.iter().map(|reject| reject.raw.as_str()).collect();
    assert_eq!((outcome.records, rejected), (24, vec!["{\"a\":NaN}", "{\"a\":\"]\\q\"}"]));
}

#[test]
fn objects_may_follow_each_other_where_that_is_declared() {
    let mut trial = json("{\"a\":1}{\"a\":\n2} [3] {\"a\":}\n{\"a\":5}").plan(&[("a", "BIGINT")]);
    trial.options.concatenated = true;
    let outcome = trial.read();
    assert_eq!(outcome.record_numbers, [1, 2, 5], "{outcome:?}");
    trial.options.concatenated = false;
    assert_eq!(trial.read().record_numbers, [3]);
}

/// What is accepted of objects that follow each other.
fn concatenated(text: &str) -> Vec<String> {
    let mut trial = json(text).plan(&[("id", "BIGINT")]);
    trial.options.concatenated = true;
    shown(&trial.read(), 0)
}

#[test]
fn a_damaged_object_costs_few_of_those_that_follow_on_its_line() {
    let all = |damaged: &str| -> String {
        let object = |number| if number == 3 { damaged.to_owned() } else { format!("{{\"id\":{number}}}") };
        (1..=9).map(object).collect()
    };
    for damaged in [
        r#"{"id":}"#,
        r#"{"id":3"}"#,
        r#""id":3}"#,
        r#"{"id":3,"kids":[{"id":70}}{"id":71}]}"#,
        r#"{"id":3,"s:"x"}"#,
        r#"{"id":3,"s":"x,"kids":[{"id":70},{"id":71}]}"#,
        r#"{"id":3,"s":bad,"t":"{}{}","u":"}{","v":"} {","w":"{\"id\":72}{\"id\":73}"} "#,
    ] {
        assert_eq!(concatenated(&all(damaged)), ["1", "2", "4", "5", "6", "7", "8", "9"], "{damaged}");
    }
    for damaged in [r#"{"id":3"#, r#"{"id":3,"s":"x}"#] {
        assert_eq!(concatenated(&all(damaged)), ["1", "2", "5", "6", "7", "8", "9"], "{damaged}");
    }
    assert_eq!(concatenated("{\n  \"id\": bad\n}{\n  \"id\": 2\n} {\n  \"id\": 3\n}"), ["2", "3"]);
}

#[test]
fn the_rest_of_a_damaged_object_is_told_by_its_indentation_where_objects_follow_each_other() {
    let object = |number: u32| format!("{{\n  \"id\": {number},\n  \"kids\": [\n    {{\"id\": 70}}\n  ]\n}}");
    let twice = object(2).replace(": 2", ": bad").replace("70}", "70}\n    {\"id\": 71}");
    for damaged in [object(2).replace(": 2", ": bad"), object(2).replacen('"', "", 2), twice] {
        for parted in ["\n", "", " "] {
            let objects = [object(1), damaged.clone(), object(3), damaged.clone(), damaged.clone(), object(4)];
            assert_eq!(concatenated(&objects.join(parted)), ["1", "3", "4"], "{damaged}");
            let objects = ["\u{feff}", &damaged, parted, &object(5), parted, &damaged, parted, &object(6)];
            assert_eq!(concatenated(&objects.concat()), ["5", "6"], "{damaged}");
        }
    }
    assert_eq!(concatenated("{\"id\":1}\n  {\"id\":}\n  {\"id\":3}"), ["1", "3"]);
    assert_eq!(concatenated("{\"id\":bad,\n  \"a\":2}{\"id\":3}"), ["3"]);
}

#[test]
fn a_line_that_is_too_long_is_one_reject() {
    let long = "x".repeat(crate::window::LIMIT + 10);
    for text in [
        format!("{{\"a\":\"1\"}}\n{{\"a\":\"{long}\"}}\n{{\"a\":\"3\"}}\n"),
        format!("[{{\"a\":\"1\"}},\n{{\"a\":\"{long}\"}},\n{{\"a\":\"3\"}}]\n"),
    ] {
        let outcome = json(&text).plan(&[("a", "VARCHAR")]).read();
        assert_eq!(outcome.record_numbers, [1, 3]);
        assert_eq!(reasons(&outcome), [(2, "is longer than 16777216 bytes".to_owned())]);
    }
}

#[test]
fn a_record_that_is_too_long_ends_where_its_brackets_do() {
    let long = "x{]\\\"".repeat(crate::window::LIMIT / 4);
    let record = |sep: &str| {
        format!(
            "{{{sep}\"id\":1,{sep}\"s\":\"{long}\",{sep}\"kids\":[{sep}{{\"id\":70}},{sep}{{\"id\":71}}{sep}]{sep}}}"
        )
    };
    for sep in ["", "\n"] {
        let text = format!("[{{\"id\":0}},{},{{\"id\":2}}, {}]", record(sep), record(sep));
        let outcome = json(&text).plan(&[("id", "BIGINT")]).read();
        assert_eq!((shown(&outcome, 0), outcome.records), (vec!["0".to_owned(), "2".to_owned()], 4));
        let mut trial = json(&format!("{{\"id\":0}}{}{{\"id\":2}}{sep}{}{{\"id\":3}}", record(sep), record(sep)))
            .plan(&[("id", "BIGINT")]);
        trial.options.concatenated = true;
        let outcome = trial.read();
        assert_eq!((shown(&outcome, 0).concat(), outcome.records), ("023".to_owned(), 5));
    }
}

#[test]
fn a_record_that_is_too_long_and_damaged_ends_with_its_line() {
    let long = "x".repeat(crate::window::LIMIT);
    for (end, records) in [
        ("\n", 3),
        (",\"kids\":[{\"id\":70},\n{\"id\":71}}\n", 3),
        ("},\"kids\":[{\"id\":70}]}\n", 4),
        (",\"t\":\"\n\"kids\":[{\"id\":70},{\"id\":71}]}\n", 4),
    ] {
        let mut trial =
            json(&format!("{{\"id\":0,\"s\":\"{long}\"{end}{{\"id\":2}}{{\"id\":3}}\n")).plan(&[("id", "BIGINT")]);
        trial.options.concatenated = true;
        let outcome = trial.read();
        let raws: Vec<&str> = outcome.rejects.iter().skip(1).map(|reject| reject.raw.as_str()).collect();
        assert_eq!(
            (shown(&outcome, 0).concat(), records),
            ("23".to_owned(), 2 + outcome.rejects.len()),
            "{end}: {raws:?}"
        );
    }
    let array = |end: &str| json(&format!("[{{\"id\":0,\"s\":\"{long}\"{end}")).plan(&[("id", "BIGINT")]);
    assert_eq!(shown(&array(",,{\"id\":1},\n{\"id\":2}]").read(), 0), ["2"]);
    assert_eq!(array("{]").read().records, 1);
    let trial = array("},");
    assert!(matches!(read_all(&trial.input, &trial.options, &trial.plan), Err(Error::Unreadable { .. })));
}

#[test]
fn an_object_that_is_closed_too_early_is_no_record() {
    let read = |text: &str, concatenated: bool| {
        let mut trial = json(text).plan(&[("a", "BIGINT"), ("b", "BIGINT")]);
        trial.options.concatenated = concatenated;
        let outcome = trial.read();
        let raws: Vec<String> = outcome.rejects.iter().map(|reject| reject.raw.clone()).collect();
        (shown(&outcome, 0).concat(), raws)
    };
    for (text, kept, damaged) in [
        ("[{\"a\":1},\"b\":2},\n{\"a\":3,\"b\":4}]", "3", "{\"a\":1},\"b\":2}"),
        ("[\n{\"a\":1}\n\"b\":2},\n{\"a\":3,\"b\":4}\n]", "3", "{\"a\":1}\n\"b\":2}"),
        ("[{\"a\":0},{\"a\":1}, \"b\" : {\"c\":[2]}},{\"a\":3},{\"a\":4}]", "034", "{\"a\":1}, \"b\" : {\"c\":[2]}}"),
        ("[{\"a\":0},{\"a\":1}\"b\":2},{\"a\":3},{\"a\":4}]", "034", "{\"a\":1}\"b\":2}"),
        ("[{\"a\":0},{\"a\":1},\"b\",{\"a\":3}]", "013", "\"b\""),
    ] {
        assert_eq!(read(text, false), (kept.to_owned(), vec![damaged.to_owned()]), "{text}");
    }
    for (text, kept, damaged) in [
        ("{\"a\":1}\"b\":2}\n{\"a\":3,\"b\":4}", "3", "{\"a\":1}\"b\":2}"),
        ("{\"a\":1}\"b\":2}{\"a\":3}{\"a\":4}", "34", "{\"a\":1}\"b\":2}"),
        ("{\"a\":1}\n\"b\":2}\n{\"a\":3}", "3", "{\"a\":1}\n\"b\":2}"),
        ("{\"a\":1}\"a\":2}\n{\"a\":3}", "13", "\"a\":2}"),
    ] {
        assert_eq!(read(text, true), (kept.to_owned(), vec![damaged.to_owned()]), "{text}");
    }
}

#[test]
fn brackets_that_agree_by_chance_end_no_element_before_lines_that_are_its_own() {
    let element = "  {\n    \"a\": 1,\n    \"n\": [\n      {\"a\": 7},\n      {\"a\": 8}\n    ]\n  }";
    let damaged = element.replace("{\"a\": 7", "]\"a\": 7");
    let outcome = json(&format!("[\n{element},\n{damaged},\n{element}\n]")).plan(&[("a", "BIGINT")]).read();
    assert_eq!(shown(&outcome, 0), ["1", "1"]);
}

#[test]
fn a_part_of_a_damaged_record_does_not_tell_how_deep_records_are() {
    let elements = ["  {\n    \"a\": 1,\n    \"b\": 2\n  }"; 5];
    let damaged = elements.join(",\n").replacen("    \"b\"", " {   \"b\"", 1);
    let outcome = json(&format!("[\n{damaged}\n]")).plan(&[("a", "BIGINT"), ("b", "BIGINT")]).read();
    assert_eq!((shown(&outcome, 0).concat(), shown(&outcome, 1).concat()), ("1111".to_owned(), "22222".to_owned()));
    assert_eq!(outcome.records, 6);
}

#[test]
fn damage_in_an_array_costs_no_element_further_on() {
    let ids = |text: &str| shown(&json(text).plan(&[("id", "BIGINT")]).read(), 0);
    for (text, kept) in [
        // A comma that became a colon, or one too many.
        ("[{\"id\":1}:{\"id\":2},{\"id\":3},{\"id\":4}]", &["3", "4"][..]),
        ("[{\"id\":1}:,{\"id\":2},{\"id\":3}]", &["2", "3"]),
        ("[,\n  {\"id\":1},\n  {\"id\":2}\n]", &["1", "2"]),
        // Lines are not indented as the first element is, or as the damage is.
        ("[{\"id\":bad},\n  {\"id\":2},\n  {\"id\":3}]", &["2", "3"]),
        ("[x\n  {\"id\":1},\n  {\"id\":2}\n]", &["1", "2"]),
        (
            "[\n  {\n    \"id\": 1\n  },\n{  {\n    \"id\": 2\n  },\n  {\n    \"id\": 3\n  },\n  {\n    \"id\": 4\n  }\n]",
            &["1", "3", "4"],
        ),
        // The next element begins behind the brace.
        ("[{\n  \"id\": bad\n}, {\n  \"id\": 2\n}, {\n  \"id\": 3\n}]", &["2", "3"]),
        ("[{\n  \"id\": 1\n}, \n  \"id\": 2\n}, {\n  \"id\": 3\n}, {\n  \"id\": 4\n}]", &["1", "3", "4"]),
        ("[{\n  \"id\": 1\n}, {\n  \"id\": [2\n}, {\n  \"id\": 3\n}, {\n  \"id\": 4\n}]", &["1", "3", "4"]),
        ("[{\n  \"id\": 1\n}, {\n  \"id\"\n 2\n}, {\n  \"id\": 3\n}, {\n  \"id\": 4\n}]", &["1", "3", "4"]),
        // A bracket that closes nothing.
        ("[\n]{\"id\":1},\n{\"id\":2},\n{\"id\":3}\n]", &["2", "3"]),
        ("[\n{\"id\":1},\n{\n\"c\": [\n[\n1\n][\n],\n[\n3\n]\n]\n},\n{\n\"id\":3\n},\n{\"id\":4}\n]", &["1", "3", "4"]),
        // What is no element, on the line of all others.
        ("[{\"id\": 1},:{\"id\": 2}, {\"id\": 3}, {\"id\": 4}]", &["1", "3", "4"]),
        ("[{\"id\": 1}, x\"id\": 2}, {\"id\": 3}, {\"id\": 4}]", &["1", "3", "4"]),
        ("[{\"id\": 1}, NaN, {\"id\": 3}, {\"id\": 4}]", &["1", "3", "4"]),
        // A brace that is lost, or one too many, on the line of all others.
        ("[{\"id\":1},\"id\":2},{\"id\":3},{\"id\":4}]", &["1", "3", "4"]),
        ("[{\"id\":1},{\"id\":2}},{\"id\":3},{\"id\":4}]", &["1", "3", "4"]),
    ] {
        assert_eq!(ids(text), kept, "{text}");
    }
}

#[test]
fn children_behind_brackets_that_agree_by_chance_are_no_elements() {
    for damaged in [
        "{\"id\":1,\n\"n\": [\n]\"id\":70},\n{\"id\":71}\n]}",
        "{\"id\":1,\"n\":[]\"id\":70},{\"id\":71}]}",
        "{\"id\":1,\"n\":}{\"id\":70},{\"id\":71}]}",
        "{\"id\":bad,\n\"kids\":\n{\"id\":70},\n{\"id\":71},\n\"z\":1}",
    ] {
        let outcome = json(&format!("[\n{damaged},\n{{\"id\":2}}\n]")).plan(&[("id", "BIGINT")]).read();
        assert_eq!(shown(&outcome, 0), ["2"], "{damaged}");
    }
}

#[test]
fn children_are_deeper_than_elements_that_begin_on_the_line_of_others() {
    let children: Vec<String> = (70..90).map(|id| format!("    {{\"id\": {id}}}")).collect();
    for between in [", ", "\n,", ",\n"] {
        let damaged = format!("{{\n  \"id\": bad,\n  \"n\": [\n{}\n  ]\n}}", children.join(",\n"));
        let elements = ["{\n  \"id\": 1\n}", &damaged, "{\n  \"id\": 3\n}", "{\n  \"id\": 4\n}"].join(between);
        let outcome = json(&format!("[{elements}]")).plan(&[("id", "BIGINT")]).read();
        assert_eq!(shown(&outcome, 0), ["1", "3", "4"], "{between:?}");
    }
}

#[test]
fn half_of_an_object_is_none_where_a_brace_stands_for_another_byte() {
    for damaged in ["{\"id\":1}34,\"s\":\"x\"}", "{}id\":1,\"s\":\"x\"}", "{\n  }id\": 1,\n  \"s\": 2\n}"] {
        assert_eq!(concatenated(&format!("{damaged}\n{{\"id\":2}}\n{{\"id\":3}}")), ["2", "3"], "{damaged}");
    }
    assert_eq!(concatenated("{}{}[]{} {\"id\":1}").len(), 4);
}

#[test]
fn what_has_no_end_in_sight_is_looked_at_once() {
    let length = crate::window::LIMIT + 1024 * 1024;
    for (unit, concatenated) in [("{\"id\":1} ", false), ("{1}", true), ("{'id':1}", true)] {
        let begin = if concatenated { "" } else { "[" };
        let mut trial =
            json(&format!("{begin}{}\n{{\"id\":2}}", unit.repeat(length / unit.len()))).plan(&[("id", "BIGINT")]);
        trial.options.concatenated = concatenated;
        if concatenated {
            let outcome = trial.read();
            assert_eq!((shown(&outcome, 0), outcome.records), (vec!["2".to_owned()], 2));
        } else {
            assert!(matches!(read_all(&trial.input, &trial.options, &trial.plan), Err(Error::Unreadable { .. })));
        }
    }
    for between in [",", "\n"] {
        let text = format!("[{{\"id\":1}}{between}\"s\":\"{}\"}},{{\"id\":2}},\n{{\"id\":3}}]", "x".repeat(length));
        assert_eq!(shown(&json(&text).plan(&[("id", "BIGINT")]).read(), 0), ["3"]);
    }
}

#[test]
fn one_bracket_too_many_before_much_is_shown_alone() {
    let rows = "{\"id\":1},\n".repeat(crate::window::LIMIT / 10 + 10);
    let outcome = json(&format!("[\n[\n{rows}{{\"id\":2}}]\n")).plan(&[("id", "BIGINT")]).read();
    let shown: Vec<(&str, String)> =
        outcome.rejects.iter().map(|reject| (reject.raw.as_str(), reject.reasons.concat())).collect();
    assert_eq!(shown, [("[\n", "is not a JSON object: it ends too early".to_owned())]);
    assert_eq!(outcome.records, crate::window::LIMIT as u64 / 10 + 12);
}

#[test]
fn the_rest_of_a_damaged_record_is_told_by_its_indentation() {
    let element = |number: u32| format!("  {{\n    \"a\": {number},\n    \"n\": [\n      {{\"a\": 0}}\n    ]\n  }}");
    let elements: Vec<String> = (1..=4).map(element).collect();
    for damaged in [
        elements[1].replacen('{', "\"{", 1),
        elements[1].replacen('{', "", 1),
        elements[1].replacen(':', "", 1),
        elements[1].replacen("\"a\": ", "\"a\"\n", 1),
    ] {
        let text =
            format!("[\n{}\n]", [&elements[0], &damaged, &elements[2], &elements[3]].map(String::as_str).join(",\n"));
        let outcome = json(&text).plan(&[("a", "BIGINT")]).read();
        assert_eq!(shown(&outcome, 0), ["1", "3", "4"], "{text}: {:?}", outcome.rejects);
    }
}

#[test]
fn parts_of_a_damaged_element_are_no_records_where_lines_are_not_indented() {
    let kids = |count: u32| (1..=count).map(|id| format!("{{\"id\":7{id}}}")).collect::<Vec<_>>().join(",\n");
    for damaged in [
        "{\"id\":bad,\n\"kid\":\n{\"id\":7},\n\"z\":1}".to_owned(),
        "{\"id\":bad,\n\"kid\":\n{\"id\":7}\n}".to_owned(),
        format!("{{\"id\":bad,\n\"kids\":[\n{}\n]}}", kids(3)),
        format!("{{\"id\":9,\n\"kids:[\n{}\n],\n\"z\":1}}", kids(15)),
        format!("{{\"id\":9,\n\"kids\":\n{}\n]\n}}", kids(4)),
        format!("{{\"id\":9,\n\"kids\"[\n{}\n]\n,\"z\":[{{\"id\":70}}]}}", kids(4)),
    ] {
        let sound = |from: u32| (from..from + 20).map(|id| format!("{{\"id\":{id}}}")).collect::<Vec<_>>().join(",\n");
        for text in [
            format!("[\n{damaged},\n{{\"id\":2}}\n]"),
            format!("[\n{},\n{damaged},\n{}\n]\n\n", sound(100), sound(200)),
            format!("[\n{damaged},\n{{\"id\":2}},\n{damaged},\n{damaged},\n{}\n,{damaged}\n]", sound(100)),
        ] {
            let outcome = json(&text).plan(&[("id", "BIGINT")]).read();
            let accepted = shown(&outcome, 0);
            assert!(accepted.iter().all(|id| !id.starts_with('7')), "{text}: {accepted:?}");
            let meant = (100..120).chain(200..220).filter(|id| text.contains(&format!("{{\"id\":{id}}}")));
            assert!(meant.clone().all(|id| accepted.contains(&id.to_string())), "{text}: {accepted:?}");
        }
    }
    let nested = json(&format!("[\n[\n{}\n],\n[{}]\n]", kids(30), kids(30))).plan(&[("id", "BIGINT")]).read();
    assert_eq!((shown(&nested, 0).len(), nested.records), (0, 2));
    let text = format!("[\n{{\"id\":bad,\n\"kids\":[\n{}\n]}},\n{{\"id\":2}}\n]", kids(2));
    let outcome = json(&text).plan(&[("id", "BIGINT")]).read();
    assert_eq!(shown(&outcome, 0), ["2"]);
    assert_eq!(reasons(&outcome)[2], (3, "is a part of the damaged record at line 2".to_owned()));
}

#[test]
fn missing_keys_of_a_wide_plan_take_no_more_room_than_written_ones() {
    let columns: Vec<(String, &str)> = (0..10_000).map(|number| (format!("k{number}"), "BIGINT")).collect();
    let columns: Vec<(&str, &str)> = columns.iter().map(|(name, data_type)| (name.as_str(), *data_type)).collect();
    let trial = json(&"{\"k1\":1}\n".repeat(1000)).plan(&columns);
    let batches = read(&trial.input, &trial.options, &trial.plan).unwrap().map(Result::unwrap);
    let sizes: Vec<usize> = batches.map(|batch| batch.rows.num_rows()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1000);
    assert!(sizes.iter().all(|size| size * 10_000 <= 1 << 20), "{sizes:?}");
}
