use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;

use crate::infer::Guess;
use crate::trial::{Trial, column, options, reasons, shown, texts};
use crate::window::CHUNK;
use crate::{
    Depth, Error, Format, MemoryInput, Options, Passed, Plan, Ragged, Type, Unforeseen, read, read_on, survey,
};

fn csv(text: &str) -> Trial {
    Trial::new(text.as_bytes(), options(Format::Csv))
}

#[test]
fn rows_are_typed_by_name() {
    let outcome = csv("b,a\nx,1\ny,2\n").plan(&[("a", "BIGINT"), ("b", "VARCHAR")]).read();
    assert_eq!(outcome.rows[0].column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(texts(&outcome, 1), [Some("x".to_owned()), Some("y".to_owned())]);
    assert_eq!((outcome.records, outcome.record_numbers), (2, vec![1, 2]));
}

#[test]
fn a_shifted_row_is_rejected() {
    let outcome = csv("a,b\n1,2\n1,2,\n1\n3,4\n").plan(&[("a", "BIGINT"), ("b", "BIGINT")]).read();
    assert_eq!(
        reasons(&outcome),
        [(2, "has 3 fields, the header has 2".to_owned()), (3, "has 1 field, the header has 2".to_owned())]
    );
    assert_eq!(outcome.record_numbers, [1, 4]);
    let reject = &outcome.rejects[0];
    assert_eq!((reject.line, reject.byte_offset, reject.raw.as_str()), (Some(3), Some(8), "1,2,"));
}

#[test]
fn a_record_gets_all_its_reasons() {
    let outcome =
        csv("a,b,c\n1.5,\"12,5\",x\n").plan(&[("a", "INTEGER"), ("b", "DECIMAL(10,2)"), ("c", "BOOLEAN")]).read();
    assert_eq!(
        outcome.rejects[0].reasons,
        [
            "column \"a\": \"1.5\" is not INTEGER",
            "column \"b\": \"12,5\" is not DECIMAL(10,2)",
            "column \"c\": \"x\" is not BOOLEAN"
        ]
    );
}

#[test]
fn null_and_the_empty_string_are_two_things() {
    let mut trial = csv("a,b\n,\n\"\",\"\"\nNA,NA\n\"NA\",\"NA\"\n").plan(&[("a", "VARCHAR"), ("b", "BIGINT")]);
    trial.options.null_tokens = vec![String::new(), "NA".to_owned()];
    let outcome = trial.read();
    assert_eq!(texts(&outcome, 0), [None, Some(String::new()), None, Some("NA".to_owned())]);
    assert_eq!(outcome.rows[0].column(1).null_count(), 4);
}

#[test]
fn a_missing_value_is_refused_where_there_must_be_one() {
    let mut trial = csv("a,b\n,x\n").plan(&[("a", "BIGINT"), ("b", "VARCHAR")]);
    trial.plan.columns[0].not_null = true;
    assert_eq!(reasons(&trial.read()), [(1, "column \"a\": NULL is not allowed".to_owned())]);
}

#[test]
fn what_is_no_record_is_counted() {
    let mut trial =
        csv("made by us\n\n#note\na,b\n1,2\n\n\r\n#3,4\na,b\n\"#5\",6\n\n").plan(&[("a", "VARCHAR"), ("b", "VARCHAR")]);
    trial.options = Options { preamble: 1, comment: Some(b'#'), ..Options::default() };
    let mut reader = read(&trial.input, &trial.options, &trial.plan).unwrap();
    let numbers: Vec<u64> = reader.by_ref().flat_map(|batch| batch.unwrap().record_numbers).collect();
    assert_eq!(numbers, [1, 2]);
    let passed = Passed { preamble_lines: 1, comment_lines: 2, blank_lines: 4, repeated_headers: 1 };
    assert_eq!(reader.passed(), passed);
    assert_eq!(csv("a\n1\n\n3\n").plan(&[("a", "BIGINT")]).read().record_numbers, [1, 2]);
    let mut trial = csv("a\n1\n \t\n3\n").plan(&[("a", "BIGINT")]);
    trial.options.trim = true;
    assert_eq!(trial.read().record_numbers, [1, 2], "a line of spaces is blank where they are trimmed");
    let trial = csv("a\n\n\n").plan(&[("a", "BIGINT")]);
    let mut reader = read(&trial.input, &trial.options, &trial.plan).unwrap();
    assert!(reader.next().is_none(), "no batch without records");
    assert_eq!(reader.passed().blank_lines, 2);
}

#[test]
fn a_quote_in_a_comment_opens_nothing() {
    let mut trial = csv("a,b\n#1,\"x\n2,y\"\n3,z\n").plan(&[("b", "VARCHAR")]);
    trial.options.comment = Some(b'#');
    let outcome = trial.read();
    assert_eq!((outcome.records, outcome.record_numbers), (2, vec![2]));
}

#[test]
fn a_header_behind_a_second_byte_order_mark_is_a_repeated_one() {
    let trial = csv("\u{feff}a,b\n1,x\n\u{feff}a,b\n2,y\n\u{feff}3,z\n").plan(&[("a", "VARCHAR")]);
    let outcome = trial.read();
    let expected = ["1", "2", "\u{feff}3"].map(|text| Some(text.to_owned()));
    assert_eq!(texts(&outcome, 0), expected, "what is no header is taken as it is");
}

#[test]
fn a_lost_quote_puts_what_may_be_its_field_in_doubt() {
    let outcome =
        csv("a,b\n1,x\n2,\"open\n3,y\n4,z\n5,\"good\"\n6,w\n").plan(&[("a", "BIGINT"), ("b", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [1, 5, 6]);
    let doubt = "may be the inside of a quoted field: the quotes at line 3 are damaged".to_owned();
    let open = "field 2 begins with a quote, and has no closing one at its end".to_owned();
    assert_eq!(reasons(&outcome), [(2, open), (3, doubt.clone()), (4, doubt)]);
    let outcome = csv("a,b\n0,w\n1,\"x\"\n2,first\n3,half\n4,end\",\n5,y\n").plan(&[("b", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [1, 6], "{:?}", reasons(&outcome));
    let outcome = csv("a,b\n1,x\n2,\"a\"b\n3,half\n4,end\"\n5,y\n").plan(&[("b", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [1, 5], "{:?}", reasons(&outcome));
}

#[test]
fn a_doubt_reaches_no_further_than_it_may() {
    let rows = |count: usize| "1,x\n".repeat(count);
    let text = format!("a,b\n{}1,y\"\n{}1,\"open\n{}", rows(30), rows(30), rows(30));
    let outcome = csv(&text).plan(&[("b", "VARCHAR")]).read();
    let rejected: Vec<u64> = outcome.rejects.iter().map(|reject| reject.record_number).collect();
    assert_eq!(rejected, (15..=31).chain(62..=78).collect::<Vec<u64>>());
}

#[test]
fn one_stray_quote_inside_a_line_costs_that_line() {
    let outcome = csv("a,b\n1,x\n2,5\" disk\n3,y\n4,\"a \"b\" c\"\n5,z\n").plan(&[("b", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [1, 3, 5], "{:?}", reasons(&outcome));
}

#[test]
fn fields_may_be_missing_where_that_is_declared() {
    let mut trial = csv("a,b,c\n1,2\n1\n1,2,3,4\n1,2,3\n").plan(&[("a", "BIGINT"), ("b", "BIGINT"), ("c", "BIGINT")]);
    trial.options.ragged = Ragged::Pad;
    let outcome = trial.read();
    assert_eq!(outcome.record_numbers, [1, 2, 4]);
    assert_eq!(outcome.rows[0].column(2).null_count(), 2);
}

#[test]
fn a_missing_field_is_null_whatever_means_that_where_it_is_written() {
    let mut trial = csv("a,b,c,d\n1\n2,NA,NA,x\n3,,4,\n").plan(&[("b", "VARCHAR"), ("c", "BIGINT"), ("d", "VARCHAR")]);
    (trial.options.ragged, trial.options.null_tokens) = (Ragged::Pad, vec!["NA".to_owned()]);
    trial.plan.columns.pop();
    trial.plan.rescue = true;
    let outcome = trial.read();
    assert_eq!(texts(&outcome, 0), [None, None, Some(String::new())], "{:?}", reasons(&outcome));
    assert_eq!(shown(&outcome, 1), ["", "", "4"]);
    let rescued = [r#"{"a":"1","d":null}"#, r#"{"a":"2","d":"x"}"#, r#"{"a":"3","d":""}"#];
    assert_eq!(texts(&outcome, 2), rescued.map(|text| Some(text.to_owned())));
}

#[test]
fn missing_fields_take_no_more_room_than_others() {
    let columns = 4_000;
    let names: Vec<String> = (0..columns).map(|number| format!("c{number}")).collect();
    let mut trial = csv(&format!("{}\n{}", names.join(","), "1\n".repeat(5_000))).plan(&[("c0", "BIGINT")]);
    trial.options.ragged = Ragged::Pad;
    let batches = read(&trial.input, &trial.options, &trial.plan).unwrap().map(|batch| batch.unwrap().records);
    let records: Vec<u64> = batches.collect();
    assert_eq!(records.iter().sum::<u64>(), 5_000);
    assert!(records.iter().all(|records| records * columns <= (1 << 20) + 17 * columns), "{records:?}");
}

#[test]
fn a_record_that_is_too_long_is_one_reject() {
    let long = "x".repeat(crate::window::LIMIT + 10);
    let outcome = csv(&format!("a,b\n1,y\n2,{long}\n3,z\n")).plan(&[("b", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [1, 3]);
    assert_eq!(reasons(&outcome), [(2, "is longer than 16777216 bytes".to_owned())]);
    assert_eq!((outcome.rejects[0].raw.len(), outcome.rejects[0].line), (64 * 1024, Some(3)));
}

#[test]
fn a_long_record_with_line_ends_in_quotes_is_one_reject() {
    let lines = "7,x\n".repeat(crate::window::LIMIT / 4 + 100_000);
    let letters = "x".repeat(crate::window::LIMIT + 10);
    let rows = "3,y\n".repeat(20);
    for (long, name) in [
        (format!("1,\"{lines}\"\n"), "lines that look like records"),
        (format!("1,\"{letters}\"\n"), "one line"),
        (format!("\"a\r\nb\",\"{letters}\r\n\"\r\n"), "a quoted field before it"),
        (format!("{letters},\"{lines}\"\n"), "a line that is long before the quote"),
        (format!("1,\"{letters}\"\"\n7,x\n\"\"\"\n"), "quotes in it"),
        (format!("1,\"{letters}\n\",\"7\n7,x\n\"\n"), "a field too many"),
        (format!("\"a\"b\",\"{lines}\"\n"), "a bad quote before it"),
    ] {
        let outcome = csv(&format!("a,b\n0,ok\n{long}{rows}4,\"z\"\n")).plan(&[("b", "VARCHAR")]).read();
        assert_eq!(reasons(&outcome), [(2, "is longer than 16777216 bytes".to_owned())], "{name}");
        assert_eq!(outcome.records, 23, "{name}");
        let text = format!("a,b\n0,ok\n{long}3,bad,row\n");
        let line = crate::csv::scan::count_lines(&text.as_bytes()[..text.len() - 1]);
        let outcome = csv(&text).plan(&[("b", "VARCHAR")]).read();
        assert_eq!(outcome.rejects[1].line, Some(line + 1), "{name}");
    }
}

#[test]
fn a_quote_that_is_lost_late_in_a_long_record_ends_it_with_its_line() {
    let letters = "x".repeat(crate::window::LIMIT + 10);
    let text = format!("a,b\n0,ok\n\"{letters}\r\n\",\"open\n{}", "3,y\n".repeat(20));
    let outcome = csv(&text).plan(&[("b", "VARCHAR")]).read();
    let doubt = "may be the inside of a quoted field: the quotes at line 4 are damaged".to_owned();
    let expected: Vec<(u64, String)> = (3..=18).map(|number| (number, doubt.clone())).collect();
    assert_eq!(reasons(&outcome)[0], (2, "is longer than 16777216 bytes".to_owned()));
    assert_eq!((&reasons(&outcome)[1..], outcome.records), (&expected[..], 22));
    assert_eq!(outcome.rejects[1].line, Some(5));
}

#[test]
fn lines_are_counted_in_a_long_record_wherever_what_was_read_ends() {
    let lines = "\r\n".repeat(crate::window::LIMIT);
    for lead in ["", "x"] {
        let outcome = csv(&format!("a,b\n1,\"{lead}{lines}\"\n3,bad,row\n")).plan(&[("b", "VARCHAR")]).read();
        let found: Vec<Option<u64>> = outcome.rejects.iter().map(|reject| reject.line).collect();
        assert_eq!(found, [Some(2), Some(crate::window::LIMIT as u64 + 3)], "{lead:?}");
    }
}

#[test]
fn a_lost_quote_hides_no_long_record_behind_it() {
    let lines = "7,x\r\n".repeat(crate::window::LIMIT / 5 + 100_000);
    let text = format!("a,b\n0,ok\n1,\"open\n{lines}8,\"{lines}\"\n9,z\n");
    let outcome = csv(&text).plan(&[("b", "VARCHAR")]).read();
    let before = crate::window::LIMIT as u64 / 5 + 100_000 + 2;
    assert_eq!((outcome.records, outcome.rejects.len()), (before + 2, 18));
    let long = &outcome.rejects[17];
    assert_eq!((long.record_number, long.reasons.concat().as_str()), (before + 1, "is longer than 16777216 bytes"));
    assert_eq!(outcome.record_numbers.last(), Some(&(before + 2)));
}

#[test]
fn a_lost_quote_is_not_taken_for_a_long_record() {
    let lines = "7,x\n".repeat(crate::window::LIMIT / 4 + 100_000);
    for (rest, more) in [("", 0), ("8,\"good\"\n", 1), ("8,\"bad\"ly\n", 1)] {
        let outcome = csv(&format!("a,b\n0,ok\n1,\"open\n{lines}{rest}")).plan(&[("b", "VARCHAR")]).read();
        let expected = crate::window::LIMIT / 4 + 100_002 + more;
        assert_eq!(outcome.records, expected as u64, "{rest:?}");
        let rejected: Vec<u64> = outcome.rejects.iter().map(|reject| reject.record_number).take(17).collect();
        assert_eq!(rejected, (2..=18).collect::<Vec<u64>>(), "{rest:?}");
        assert_eq!(outcome.rejects.len(), if rest.contains("bad") { 18 } else { 17 }, "{rest:?}");
    }
    let headless = Options { header: false, ..Options::default() };
    let trial = Trial::new(format!("1,\"open\n{lines}").as_bytes(), headless).plan(&[("column1", "VARCHAR")]);
    assert_eq!(trial.read().rejects.len(), 17, "the first record, too");
}

#[test]
fn where_what_was_read_ends_changes_nothing() {
    let rest = "1,\"a\"\"b\"\r\n\r\n2,\"two\r\nlines\"\r\n#note\"\r\n3,\"a\"b\"\r\na,b\r\n4,\"open\r\n5,x\r\n\"6\",y\r\n\r7,z\"\n8,\"x\"y\r\n\"9\",\"\"";
    let read = |padding: usize| {
        let mut trial = csv(&format!("a,b\n0,{}\n{rest}", "x".repeat(padding))).plan(&[("b", "VARCHAR")]);
        trial.options.comment = Some(b'#');
        let mut reader = read(&trial.input, &trial.options, &trial.plan).unwrap();
        let batches: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        let mut outcome = trial.read();
        outcome.rows = vec![outcome.rows[0].slice(1, outcome.rows[0].num_rows() - 1)];
        for reject in &mut outcome.rejects {
            reject.byte_offset = reject.byte_offset.map(|offset| offset - padding as u64);
        }
        (outcome, batches.len(), reader.passed())
    };
    let expected = read(1);
    assert_eq!(expected.0.record_numbers, [1, 2, 3, 10], "{:?}", reasons(&expected.0));
    for padding in CHUNK - rest.len() - 10..=CHUNK {
        assert_eq!(read(padding), expected, "{padding} bytes before it");
    }
}

#[test]
fn bytes_that_are_no_text_reject_their_record() {
    let outcome = Trial::new(b"a,b\n1,x\n2,\xff\n3,\0\n4,y\n", options(Format::Csv))
        .plan(&[("a", "BIGINT"), ("b", "VARCHAR")])
        .read();
    assert_eq!(outcome.record_numbers, [1, 4]);
    assert_eq!(outcome.rejects.iter().map(|reject| reject.raw.as_str()).collect::<Vec<_>>(), ["2,\\xFF", "3,\\x00"]);
    assert_eq!(outcome.rejects[0].raw_base64.as_deref(), Some("Miz/"));
    assert_eq!(outcome.rejects[0].reasons, ["is not valid text: the byte 0xFF at byte 2 of the record"]);
}

#[test]
fn the_dialect_is_as_declared() {
    let mut trial = Trial::new(b"made by us\n\"not a header\n;a;'b c'\n1;2;'x\\';\\\\'\n", options(Format::Csv))
        .plan(&[("b c", "VARCHAR")]);
    trial.options =
        Options { delimiter: Some(b';'), quote: Some(b'\''), escape: Some(b'\\'), preamble: 2, ..Options::default() };
    assert_eq!(texts(&trial.read(), 0), [Some("x';\\".to_owned())]);
    let latin = Options { encoding: Some("latin1".to_owned()), ..Options::default() };
    assert_eq!(
        texts(&Trial::new(b"a\nZ\xfcrich\n", latin).plan(&[("a", "VARCHAR")]).read(), 0),
        [Some("Zürich".to_owned())]
    );
    assert_eq!(csv("\u{feff}a\n1\n").plan(&[("a", "BIGINT")]).read().record_numbers, [1]);
}

#[test]
fn quotes_may_mean_nothing() {
    let mut trial = csv("a,b\n5\" disk,\"x\n\"\",y\n").plan(&[("a", "VARCHAR"), ("b", "VARCHAR")]);
    trial.options.quote = Some(0);
    let outcome = trial.read();
    assert_eq!(texts(&outcome, 0), [Some("5\" disk".to_owned()), Some("\"\"".to_owned())]);
    assert_eq!(texts(&outcome, 1), [Some("\"x".to_owned()), Some("y".to_owned())]);
}

#[test]
fn columns_without_names_are_counted() {
    let headless = Options { header: false, ..Options::default() };
    let found = survey(&MemoryInput(b"1,x\n2,y\n".to_vec()), &headless, Depth::Values).unwrap();
    let columns: Vec<(&str, &Type)> =
        found.columns.iter().map(|column| (column.name.as_str(), &column.inferred)).collect();
    assert_eq!(columns, [("column0", &Type::BigInt), ("column1", &Type::Varchar)]);
    assert_eq!((found.records, found.positional), (Some(2), true));
    let outcome = Trial::new(b"1,x\n2\n", headless).plan(&[("column0", "BIGINT")]).read();
    assert_eq!(reasons(&outcome), [(2, "has 1 field, the first record has 2".to_owned())]);
}

#[test]
fn columns_are_counted_in_the_first_sound_record() {
    let headless = Options { header: false, ..Options::default() };
    let outcome = Trial::new(b"1,x\"y,2\n1,x\n2,y\n", headless.clone()).plan(&[("column1", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [2, 3]);
    // Which is not looked for beyond the first MiB.
    let late = format!("{}1,x\n1,2,3\n", "x\"y,1\n".repeat(200_000));
    let outcome = Trial::new(late.as_bytes(), headless).plan(&[("column1", "VARCHAR")]).read();
    assert_eq!(outcome.record_numbers, [200_001]);
}

#[test]
fn what_is_passed_over_while_columns_are_counted_leaves_nothing_behind() {
    let text = format!("1,x\"y\n{}2,z\n3,w\n", "\n".repeat(1024 * 1024 + 10));
    let columns = [("column0", "BIGINT"), ("column1", "VARCHAR")];
    let headless = Options { header: false, ..Options::default() };
    let outcome = Trial::new(text.as_bytes(), headless).plan(&columns).read();
    assert_eq!((shown(&outcome, 0), shown(&outcome, 1)), (vec!["2".into(), "3".into()], vec!["z".into(), "w".into()]));
}

#[test]
fn a_header_may_name_so_many_columns() {
    let names = |count| (0..count).map(|number| format!("c{number}")).collect::<Vec<_>>().join(",");
    assert_eq!(csv(&names(65_535)).plan(&[("c65534", "BIGINT")]).read().records, 0);
    let trial = csv(&names(65_536)).plan(&[("c0", "BIGINT")]);
    let error = read(&trial.input, &trial.options, &trial.plan).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("unreadable: the header has 65536 columns, more than 65535"));
}

#[test]
fn a_null_token_may_be_a_columns_name() {
    let mut trial = csv("NA,b\n1,NA\n").plan(&[("NA", "BIGINT"), ("b", "VARCHAR")]);
    trial.options.null_tokens = vec!["NA".to_owned()];
    let outcome = trial.read();
    assert_eq!((shown(&outcome, 0), texts(&outcome, 1)), (vec!["1".to_owned()], vec![None]));
}

#[test]
fn a_value_that_a_guess_does_not_hold_is_unforeseen_where_it_is_text() {
    let mut guess = Guess::default();
    guess.0.add_text("1", b'.');
    for (records, unforeseen) in [
        ("x,1\nx,\nx,2\n", None),
        ("x,1\nx,x\nx,2\n", Some("a")),
        ("x,x\nx,1\n", Some("a")),
        ("x,1\n\0,x\nx,2\n", None),
        ("\0,1\nx,x\nx,2\n", Some("a")),
    ] {
        let mut trial = csv(&format!("b,a\n{records}")).plan(&[("b", "VARCHAR"), ("a", "BIGINT")]);
        trial.plan.guesses.insert(1, guess);
        let mut reader = read(&trial.input, &trial.options, &trial.plan).unwrap();
        assert!(reader.by_ref().all(|batch| batch.is_ok()));
        let expected = unforeseen.map(|name| Unforeseen::Value(name.to_owned()));
        assert_eq!(reader.unforeseen(), expected.as_ref(), "{records:?}");
    }
}

#[test]
fn columns_that_nobody_takes_are_rescued() {
    let mut trial = csv("a,b,c\n1,\"x\"\"y\",\n2,z,w\n").plan(&[("a", "BIGINT")]);
    trial.plan.rescue = true;
    let rescued = [r#"{"b":"x\"y","c":null}"#, r#"{"b":"z","c":"w"}"#];
    assert_eq!(texts(&trial.read(), 1), rescued.map(|text| Some(text.to_owned())));
}

#[test]
fn verdicts_and_a_refusal_make_rejects() {
    let mut trial = csv("a\n1\n2\nx\n").plan(&[("a", "BIGINT")]);
    trial.plan.verdicts.insert(2, vec!["two".to_owned()]);
    assert_eq!(trial.read().record_numbers, [1]);
    trial.plan.refuse = Some("no".to_owned());
    let outcome = trial.read();
    assert_eq!(
        outcome.rejects.iter().map(|reject| reject.reasons.join("|")).collect::<Vec<_>>(),
        ["no", "no|two", "column \"a\": \"x\" is not BIGINT|no"]
    );
}

#[test]
fn an_object_without_records_is_no_error() {
    for text in ["", "\u{feff}", "a,b", "a,b\r\n", "\n\n"] {
        let outcome = csv(text).plan(if text.contains('a') { &[("a", "BIGINT")] } else { &[] }).read();
        assert_eq!(outcome.records, 0, "{text:?}");
    }
    let found = survey(&MemoryInput(Vec::new()), &Options::default(), Depth::Values).unwrap();
    assert_eq!((found.columns.len(), found.records), (0, Some(0)));
}

#[test]
fn a_column_that_is_not_there_is_an_error() {
    let plan = Plan { columns: vec![column("z", "BIGINT")], ..Plan::default() };
    let input = MemoryInput(b"a\n1\n".to_vec());
    let error = read(&input, &Options::default(), &plan).err();
    assert!(
        matches!(&error, Some(Error::Unreadable { reason }) if reason == "the file has no column \"z\""),
        "{error:?}"
    );
}

#[test]
fn a_quote_that_is_never_closed_costs_few_records_of_a_large_object() {
    let mut text = String::from("a,b\n1,\"open\n");
    for number in 0..300_000 {
        text += &number.to_string();
        text += ",some text to fill the line\n";
    }
    let outcome = csv(&text).plan(&[("a", "BIGINT"), ("b", "VARCHAR")]).read();
    assert_eq!((outcome.records, outcome.rejects.len()), (300_001, 17));
}

#[test]
fn names_are_surveyed_as_they_are() {
    let found = survey(&MemoryInput(b"a,\"b,c\",a,\n1,2,3,4\n".to_vec()), &Options::default(), Depth::Names).unwrap();
    assert_eq!(found.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["a", "b,c", "a", ""]);
    assert_eq!(found.records, None);
}

#[test]
fn the_mark_of_the_fraction_and_the_space_around_fields_are_as_declared() {
    let mut trial =
        csv("a;b;c\n1,5;2,25; x \n1.5;1;y\n").plan(&[("a", "DOUBLE"), ("b", "DECIMAL(4,2)"), ("c", "VARCHAR")]);
    trial.options = Options { decimal: Some(b','), trim: true, ..Options::default() };
    let outcome = trial.read();
    assert_eq!((shown(&outcome, 0), shown(&outcome, 1)), (vec!["1.5".to_owned()], vec!["2.25".to_owned()]));
    assert_eq!(texts(&outcome, 2), [Some("x".to_owned())]);
    assert_eq!(reasons(&outcome), [(2, "column \"a\": \"1.5\" is not DOUBLE".to_owned())]);
}

#[test]
fn two_columns_of_one_name_are_refused_by_name() {
    let trial = csv("a,b,a\n1,2,3\n").plan(&[("a", "BIGINT"), ("b", "BIGINT")]);
    let error = read(&trial.input, &trial.options, &trial.plan).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("unreadable: the file has more than one column \"a\""));
}

#[test]
fn one_thread_and_several_give_the_same() {
    let mut text = String::from("a,b\n");
    for number in 0..60_000 {
        let record = match number % 1000 {
            7 => format!("{number},\"open\n"),
            11 => format!("{number},x,y\n"),
            13 => format!("x{number},\"two\nlines\"\n"),
            17 => "\n".to_owned(),
            _ => format!("{number},some text {number}\n"),
        };
        text += &record;
    }
    let trial = csv(&text).plan(&[("a", "BIGINT"), ("b", "VARCHAR")]);
    let read_with = |threads| {
        let reader = read_on(&trial.input, &trial.options, &trial.plan, threads).unwrap();
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        batches
            .iter()
            .map(|batch| (batch.rows.clone(), batch.record_numbers.clone(), batch.rejects.clone()))
            .collect::<Vec<_>>()
    };
    let alone = read_with(1);
    assert!(alone.len() > 4, "{} batches", alone.len());
    assert!(alone.iter().map(|(_, _, rejects)| rejects.len()).sum::<usize>() > 300);
    for threads in [2, 3] {
        assert!(read_with(threads) == alone, "{threads} threads");
    }
}

#[test]
fn a_field_of_several_lines_is_read_anew_when_what_follows_contradicts_it() {
    let columns = [("a", "VARCHAR"), ("b", "VARCHAR")];
    let raws = |text: &str| -> Vec<String> {
        csv(text).plan(&columns).read().rejects.iter().map(|reject| reject.raw.clone()).collect()
    };
    assert_eq!(raws("a,b\n\"p,1\n2,3\n\",4\n7,8\n"), Vec::<String>::new());
    assert_eq!(raws("a,b\n\"p,1\n2,3\n\",4\n5\",6\n7,8\n"), ["\"p,1", "2,3", "\",4\n5\",6", "7,8"]);
}

#[test]
fn escapes_in_a_row_are_taken_one_by_one() {
    let columns = [("a", "VARCHAR"), ("b", "VARCHAR")];
    let doubled = csv("a,b\n\"\"\"\"\"\",\"x\"\"\"\"\"\"y\"\n").plan(&columns).read();
    assert_eq!((shown(&doubled, 0).concat(), shown(&doubled, 1).concat()), ("\"\"".into(), "x\"\"\"y".into()));
    let mut trial = csv("a,b\n\"\\\\\\\"\",\"\\\\\\\\\\x\"\n").plan(&columns);
    trial.options.escape = Some(b'\\');
    let escaped = trial.read();
    assert_eq!((shown(&escaped, 0).concat(), shown(&escaped, 1).concat()), ("\\\"".into(), "\\\\\\x".into()));
}

#[test]
fn damage_reaches_as_far_wherever_blocks_end() {
    let kept = |rows: usize| {
        let text = format!("a,b\n{}p,\"\n\"\n{}2,y\"\n3,z\n", "1,x\n".repeat(rows), "1,x\n".repeat(15));
        let outcome = csv(&text).plan(&[("a", "VARCHAR"), ("b", "VARCHAR")]).read();
        outcome.rejects.iter().map(|reject| reject.record_number.abs_diff(rows as u64)).collect::<Vec<_>>()
    };
    let expected = kept(100);
    assert_eq!(expected.len(), 19, "16 before it, and 3 behind: {expected:?}");
    for rows in [8_175, 8_192, 8_200] {
        assert_eq!(kept(rows), expected, "{rows}");
    }
}

#[test]
fn a_line_end_where_what_was_read_ends_is_no_blank_line() {
    let text = format!("a,b\n0,{}\n", "x".repeat(CHUNK - 7));
    let trial = csv(&text).plan(&[("a", "BIGINT"), ("b", "VARCHAR")]);
    let mut reader = read(&trial.input, &trial.options, &trial.plan).unwrap();
    assert_eq!((text.len(), reader.by_ref().map(|batch| batch.unwrap().records).sum()), (CHUNK, 1_u64));
    assert_eq!(reader.passed(), Passed::default());
}

#[test]
fn a_header_is_found_behind_much_that_is_none() {
    let mut trial = csv(&format!("x\n{}a,b\n1,2\n", "#c\n".repeat(400_000))).plan(&[("a", "BIGINT"), ("b", "BIGINT")]);
    (trial.options.preamble, trial.options.comment) = (1, Some(b'#'));
    assert_eq!(shown(&trial.read(), 1), ["2"]);
}

#[test]
fn a_file_without_a_header_has_no_more_columns_than_one_with_a_header() {
    let headless = Options { header: false, delimiter: Some(b','), ..Options::default() };
    let trial = Trial::new(&[&b",".repeat(65_535)[..], b"\n"].concat(), headless);
    let error = read(&trial.input, &trial.options, &trial.plan).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("unreadable: the first record has 65536 columns, more than 65535"));
}

#[test]
fn a_doubt_goes_on_behind_a_long_record() {
    let rows = |open: &str| {
        let text = format!("a,b\n1,{open}\n2,{}\n3,y\n4,z\n", "x".repeat(crate::window::LIMIT + 1024 * 1024));
        csv(&text).plan(&[("a", "BIGINT"), ("b", "VARCHAR")]).read().record_numbers
    };
    assert_eq!((rows("open"), rows("\"open")), (vec![1, 3, 4], vec![]));
}
