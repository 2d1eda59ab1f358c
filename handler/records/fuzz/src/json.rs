//! JSON as lines, as an array, or one object after the other, beside `serde_json`: it can read each accepted record.

use std::collections::BTreeMap;

use records::{Error, Format, MemoryInput, Options};
use serde_json::value::RawValue;

use super::choices::Choices;
use super::promises::{check_any_bytes, check_shift, check_tiling, plan_inferred, read_all, refuse_all};

/// How much of a record is shown whole.
const SHOWN: usize = 64 * 1024;

/// Checks some bytes, the first four of which say how they are read.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let options = Options { format: Format::Json, concatenated: choices.pick(&[false, true]), ..Options::default() };
    let (sizes, distance) = (choices.sizes(), choices.distance());
    let text = choices.0;
    check_any_bytes(text, &options, sizes);
    let line = [&vec![b' '; distance][..], b"\n"].concat();
    check_shift(&[b"\n", text].concat(), &[&line, text].concat(), &options);
    let clean = String::from_utf8_lossy(text).replace(['\0', '\u{feff}'], "");
    check_tiling(&clean, &options, b" \t\r\n,[]");
    // What is no JSON for us need not be any for the peer.
    let _refused = check_peer(text, &options);
}

/// Another parser finds an object in what we accept.
fn check_peer(text: &[u8], options: &Options) -> Result<(), Error> {
    let input = MemoryInput(text.to_vec());
    let shown = read_all(&input, options, &refuse_all(), 1)?.rejects;
    let outcome = read_all(&input, options, &plan_inferred(&input, options)?, 1)?;
    for number in &outcome.numbers {
        let record = &shown[usize::try_from(number - 1).unwrap()].raw;
        let object: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(record);
        assert!(record.len() >= SHOWN || object.is_ok(), "record {number}: {record:?} is no object: {object:?}");
    }
    Ok(())
}
