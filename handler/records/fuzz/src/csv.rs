//! CSV in any dialect, beside the `csv` crate: it reads each accepted record in the same way.

use arrow::array::{Array, AsArray};
use records::{Compression, Error, Format, MemoryInput, Options, Ragged, Type, settle};

use super::choices::Choices;
use super::promises::{check_any_bytes, check_shift, check_tiling, plan_inferred, read_all, refuse_all, retyped};

/// How much of a record is shown whole.
const SHOWN: usize = 64 * 1024;

/// Checks some bytes, the first ten of which are the dialect.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let options = Options {
        format: Format::Csv,
        compression: Compression::None,
        header: choices.pick(&[true, false]),
        delimiter: choices.pick(&[Some(b','), None, Some(b';'), Some(b'\t')]),
        quote: choices.pick(&[Some(b'"'), None, Some(b'\''), Some(0)]),
        escape: choices.pick(&[None, Some(b'\\')]),
        comment: choices.pick(&[None, Some(b'#')]),
        ragged: choices.pick(&[Ragged::Reject, Ragged::Pad]),
        trim: choices.pick(&[false, true]),
        ..Options::default()
    };
    let (sizes, distance) = (choices.sizes(), choices.distance());
    let text = choices.0;
    check_any_bytes(text, &options, sizes);
    let preamble = Options { preamble: 1, ..options.clone() };
    let line = [&vec![b' '; distance][..], b"\n"].concat();
    check_shift(&[b"\n", text].concat(), &[&line, text].concat(), &preamble);
    if options.comment.is_none() {
        let text = String::from_utf8_lossy(text).replace(['\0', '\u{feff}'], "");
        // Where fields are trimmed, a line of spaces is blank.
        let parts: &[u8] = if options.trim { b"\r\n \t" } else { b"\r\n" };
        check_tiling(&text, &Options { header: false, ..options.clone() }, parts);
    }
    if options.escape.is_none() && !options.trim {
        // What is no CSV for us need not be any for the peer.
        let _refused = check_peer(text, &options);
    }
}

/// Another reader gives the same texts for what we accept.
fn check_peer(text: &[u8], options: &Options) -> Result<(), Error> {
    let input = MemoryInput(text.to_vec());
    let options = &settle(&input, options)?;
    let texts = retyped(plan_inferred(&input, options)?, &Type::Varchar, false);
    let shown = read_all(&input, options, &refuse_all(), 1)?.rejects;
    let outcome = read_all(&input, options, &texts, 1)?;
    for (row, number) in outcome.numbers.iter().enumerate() {
        let record = &shown[usize::try_from(number - 1).unwrap()].raw;
        if record.len() < SHOWN && !record.starts_with('\u{feff}') {
            let columns = outcome.rows.columns().iter().map(AsArray::as_string::<i32>);
            let ours: Vec<&str> =
                columns.map(|column| if column.is_null(row) { "" } else { column.value(row) }).collect();
            let mut theirs = read_by_peer(record, options);
            if options.ragged == Ragged::Pad {
                theirs.resize(ours.len().max(theirs.len()), String::new());
            }
            assert_eq!(ours, theirs, "record {number}: {record:?}");
        }
    }
    Ok(())
}

fn read_by_peer(record: &str, options: &Options) -> Vec<String> {
    let quote = options.quote.unwrap_or(b'"');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(options.delimiter.unwrap_or(b','))
        .quote(quote)
        .quoting(quote != 0)
        .has_headers(false)
        .flexible(true)
        .from_reader(record.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1, "one record: {record:?}");
    records[0].iter().map(str::to_owned).collect()
}
