//! Damage to good files: what is accepted afterwards is an original record or holds the damage itself, and nothing is lost
//! further away than the documentation says.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, AsArray};
use proptest::prelude::*;
use records::{Column, Error, Format, MemoryInput, Options, Plan, Reject, read_on};

/// How many records damage may put in doubt, on each side (see `csv/split.rs`).
const REACH: usize = 32;

/// Records between two damages: what is in doubt around one must not meet the other.
const APART: usize = 80;

/// How a table is written.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: u8,
    quote: u8,
    backslash: bool,
    always: bool,
    line_end: &'static str,
}

/// What happens to the bytes.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip(u8),
    Insert(u8),
    Remove,
    LoseQuote,
    Cut,
    Join,
    Repeat,
}

type Table = Vec<Vec<String>>;

fn dialects() -> impl Strategy<Value = Dialect> {
    let delimiters = prop::sample::select(vec![b',', b';', b'\t', b'|']);
    let quotes = prop::sample::select(vec![b'"', b'\'']);
    let ends = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (delimiters, quotes, any::<bool>(), any::<bool>(), ends).prop_map(
        |(delimiter, quote, backslash, always, line_end)| Dialect { delimiter, quote, backslash, always, line_end },
    )
}

/// Damages, most of them by bytes that mean something.
fn damages(special: &'static [u8]) -> impl Strategy<Value = Damage> {
    let bytes = prop_oneof![5 => prop::sample::select(special), 1 => any::<u8>()];
    prop_oneof![
        1 => bytes.clone().prop_map(Damage::Flip),
        1 => bytes.prop_map(Damage::Insert),
        1 => Just(Damage::Remove),
        4 => Just(Damage::LoseQuote),
        1 => Just(Damage::Cut),
        1 => Just(Damage::Join),
        1 => Just(Damage::Repeat),
    ]
}

/// Tables whose fields look like anything, also like records.
fn tables() -> impl Strategy<Value = Table> {
    let field = prop_oneof![
        6 => "[a-z0-9]{1,6}",
        1 => "[a-z ,;|\"']{1,8}",
        1 => "[a-z]{0,3}(\n[a-z]{0,3}[,;|]?[a-z]{0,3}){1,3}",
        1 => "[a-z\"', ]{0,4}\n[\"',a-z]{0,4}",
    ];
    (1_usize..5)
        .prop_flat_map(move |width| prop::collection::vec(prop::collection::vec(field.clone(), width), 100..250))
}

/// The table's text, and where each record stands in it.
fn write_csv(table: &Table, dialect: &Dialect) -> (Vec<u8>, Vec<Range<usize>>) {
    let header: Vec<String> = (0..table[0].len()).map(|column| format!("column{column}")).collect();
    let (mut text, mut spans) = (Vec::new(), Vec::new());
    for row in std::iter::once(&header).chain(table) {
        let start = text.len();
        for (position, field) in row.iter().enumerate() {
            if position > 0 {
                text.push(dialect.delimiter);
            }
            write_field(field, dialect, &mut text);
        }
        spans.push(start..text.len());
        text.extend_from_slice(dialect.line_end.as_bytes());
    }
    spans.remove(0);
    (text, spans)
}

fn write_field(field: &str, dialect: &Dialect, text: &mut Vec<u8>) {
    let special = [dialect.delimiter, dialect.quote, b'\n', b'\r'];
    if !dialect.always && !field.is_empty() && !field.bytes().any(|byte| special.contains(&byte)) {
        return text.extend_from_slice(field.as_bytes());
    }
    let escape = if dialect.backslash { b'\\' } else { dialect.quote };
    text.push(dialect.quote);
    for byte in field.bytes() {
        if byte == dialect.quote || byte == escape {
            text.push(escape);
        }
        text.push(byte);
    }
    text.push(dialect.quote);
}

/// Damages a record, `at` a share of its length; says where the damage is then, and how many bytes came or went.
fn hurt(text: &mut Vec<u8>, span: &Range<usize>, (damage, at): (Damage, usize), quote: u8) -> Option<Range<usize>> {
    let place = span.start + at % span.len().max(1);
    // Adjacent records have no line end.
    let line_end = |from: usize, text: &[u8]| {
        let length = text[from..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        Some(from + length).filter(|end| *end <= span.end + 1)
    };
    Some(match damage {
        Damage::Flip(byte) => {
            text[place] = byte;
            place..place + 1
        }
        Damage::Insert(byte) => {
            text.insert(place, byte);
            place..place + 1
        }
        Damage::Remove => {
            text.remove(place);
            place..place
        }
        Damage::LoseQuote => {
            let quotes: Vec<usize> = span.clone().filter(|position| text[*position] == quote).collect();
            let place = *quotes.get(at % quotes.len().max(1))?;
            text.remove(place);
            place..place
        }
        Damage::Cut => {
            text.drain(place..line_end(place, text).unwrap_or(span.end));
            place..place
        }
        Damage::Join => {
            let place = line_end(span.end, text)?;
            text.remove(place);
            place..place
        }
        Damage::Repeat => {
            let end = line_end(span.end, text).map_or(span.end, |end| end + 1);
            let copy = text[span.start..end].to_vec();
            text.splice(span.start..span.start, copy.iter().copied());
            span.start..span.start + copy.len()
        }
    })
}

struct Outcome {
    rows: BTreeMap<u64, Vec<Option<String>>>,
    rejects: Vec<Reject>,
}

fn read_all(text: &[u8], options: &Options, plan: &Plan, threads: usize) -> Result<Outcome, Error> {
    let input = MemoryInput(text.to_vec());
    let (mut rows, mut rejects, mut records) = (BTreeMap::new(), Vec::new(), 0);
    for batch in read_on(&input, options, plan, threads)? {
        let batch = batch?;
        records += batch.records;
        for (row, number) in batch.record_numbers.iter().enumerate() {
            let value = |column: &arrow::array::ArrayRef| {
                let texts = column.as_string::<i32>();
                texts.is_valid(row).then(|| texts.value(row).to_owned())
            };
            rows.insert(*number, batch.rows.columns().iter().map(value).collect::<Vec<_>>());
        }
        rejects.extend(batch.rejects);
    }
    assert_eq!(records, (rows.len() + rejects.len()) as u64, "rows and rejects are all records");
    Ok(Outcome { rows, rejects })
}

fn plan_of(width: usize) -> Plan {
    let column = |position: usize| Column {
        source: Some(format!("column{position}")),
        name: format!("column{position}"),
        data_type: records::Type::Varchar,
        format: None,
        not_null: false,
    };
    Plan { columns: (0..width).map(column).collect(), ..Plan::default() }
}

/// A table, damaged.
struct Hurt {
    text: Vec<u8>,
    /// Where the damages are in the text.
    places: Vec<Range<usize>>,
    /// Which records were damaged.
    records: Vec<usize>,
}

/// How JSON records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Array,
    Pretty,
    /// An array whose lines are not indented.
    Flat,
    /// An array whose elements begin on the line on which those before end.
    Joined,
    /// Objects that follow each other: with a line end after each, with nothing between them, and each on several lines.
    Concatenated,
    Adjacent,
    ConcatenatedPretty,
    AdjacentPretty,
}

impl Layout {
    const ALL: [Self; 9] = [
        Self::Lines,
        Self::Array,
        Self::Pretty,
        Self::Flat,
        Self::Joined,
        Self::Concatenated,
        Self::Adjacent,
        Self::ConcatenatedPretty,
        Self::AdjacentPretty,
    ];

    fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::Pretty | Self::Flat | Self::Joined)
    }

    fn is_concatenated(self) -> bool {
        !self.is_array() && self != Self::Lines
    }

    /// A record of entries, in which there are two that look like records.
    fn write(self, entries: &[String]) -> String {
        let children = "{\"column0\": \"in\"}";
        let within = match self {
            Self::Flat => format!("{{{},\n\"n\": [\n{children},\n{children}\n]}}", entries.join(",\n")),
            Self::Lines | Self::Array => return format!("{{{}}}", entries.join(", ")),
            Self::Concatenated | Self::Adjacent => {
                return format!("{{{}, \"n\": [{children}, {children}]}}", entries.join(", "));
            }
            _ => format!("{{\n  {},\n  \"n\": [\n    {children},\n    {children}\n  ]\n}}", entries.join(",\n  ")),
        };
        if self == Self::Pretty { format!("  {}", within.replace('\n', "\n  ")) } else { within }
    }

    /// What stands between two records.
    fn parting(self) -> &'static str {
        match self {
            Self::Array | Self::Pretty | Self::Flat => ",\n",
            Self::Joined => ", ",
            Self::Adjacent | Self::AdjacentPretty => "",
            _ => "\n",
        }
    }
}

/// The table's text as JSON, and where each record stands in it.
fn write_json(table: &Table, layout: Layout) -> (Vec<u8>, Vec<Range<usize>>) {
    let (before, after) = match layout {
        Layout::Joined => ("[", "]\n"),
        _ if layout.is_array() => ("[\n", "\n]\n"),
        _ => ("", "\n"),
    };
    let (mut text, mut spans) = (before.to_owned(), Vec::new());
    for (number, row) in table.iter().enumerate() {
        let entries: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, field)| format!("\"column{column}\": {}", serde_json::Value::from(field.as_str())))
            .collect();
        if number > 0 {
            text += layout.parting();
        }
        let start = text.len();
        text += &layout.write(&entries);
        spans.push(start..text.len());
    }
    (format!("{text}{after}").into_bytes(), spans)
}

fn hurt_all(text: Vec<u8>, spans: &[Range<usize>], damages: &[(Damage, usize, usize)], quote: u8) -> Hurt {
    let mut hurt_text = Hurt { text, places: Vec::new(), records: Vec::new() };
    let mut record = 0;
    let mut chosen: Vec<(usize, Damage, usize)> = Vec::new();
    for (damage, skip, at) in damages {
        record += skip;
        if record < spans.len() {
            chosen.push((record, *damage, *at));
        }
        record += APART;
    }
    // From the back, so that the places before stay what they are.
    for (record, damage, at) in chosen.into_iter().rev() {
        let before = hurt_text.text.len();
        if let Some(place) = hurt(&mut hurt_text.text, &spans[record], (damage, at), quote) {
            let (grown, after) = (hurt_text.text.len(), &mut hurt_text.places);
            for later in after.iter_mut() {
                *later = later.start + grown - before..later.end + grown - before;
            }
            after.push(place);
            hurt_text.records.push(record);
        }
    }
    hurt_text
}

/// Where each record stands in the text, by its number.
fn locate(text: &[u8], options: &Options) -> BTreeMap<u64, Range<usize>> {
    let refusal = Plan { refuse: Some("all".to_owned()), ..Plan::default() };
    let all = read_all(text, options, &refusal, 1).unwrap();
    let starts: Vec<usize> =
        all.rejects.iter().map(|reject| usize::try_from(reject.byte_offset.unwrap()).unwrap()).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    (1..).zip(starts.iter().copied().zip(ends).map(|(start, end)| start..end)).collect()
}

fn options_of(dialect: &Dialect) -> Options {
    Options {
        delimiter: Some(dialect.delimiter),
        quote: Some(dialect.quote),
        escape: dialect.backslash.then_some(b'\\'),
        ..Options::default()
    }
}

fn check_damage(table: &Table, hurt: &Hurt, options: &Options, reach: usize) -> Result<(), TestCaseError> {
    let plan = plan_of(table[0].len());
    let outcome = match read_all(&hurt.text, options, &plan, 1) {
        Err(Error::Unreadable { .. }) if options.format == Format::Json => return Ok(()),
        outcome => outcome.unwrap(),
    };
    let two = read_all(&hurt.text, options, &plan, 2).unwrap();
    prop_assert!(outcome.rows == two.rows && outcome.rejects == two.rejects, "one thread and two agree");
    let places = locate(&hurt.text, options);
    let originals: Vec<Vec<Option<String>>> = table.iter().map(|row| row.iter().cloned().map(Some).collect()).collect();
    let shown = String::from_utf8_lossy(&hurt.text);
    // As `write_json` has it.
    let child: Vec<Option<String>> = (0..table[0].len()).map(|column| (column == 0).then(|| "in".to_owned())).collect();
    for (number, row) in &outcome.rows {
        let span = &places[number];
        let holds_damage = hurt.places.iter().any(|place| place.start <= span.end && span.start <= place.end);
        prop_assert!(
            originals.contains(row) || (holds_damage && *row != child),
            "record {number} {row:?} at {span:?} is none of the originals, damage {:?}: {shown:?}",
            hurt.places
        );
    }
    let accepted: Vec<&Vec<Option<String>>> = outcome.rows.values().collect();
    // Two lost quotes may make a field of all that is between them; one never does.
    for (record, row) in originals.iter().enumerate().filter(|_| hurt.records.len() < 2) {
        let far = hurt.records.iter().all(|damaged| damaged.abs_diff(record) > reach);
        prop_assert!(
            !far || accepted.contains(&row),
            "record {record} {row:?} is lost, damaged are {:?}: {shown:?}\n{:?}",
            hurt.records,
            outcome.rejects
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn damage_to_csv_stays_where_it_is(
        table in tables(),
        dialect in dialects(),
        damages in prop::collection::vec((damages(b"\"',\n;"), 0_usize..100, any::<usize>()), 1..4),
    ) {
        let (text, spans) = write_csv(&table, &dialect);
        let options = options_of(&dialect);
        let whole = read_all(&text, &options, &plan_of(table[0].len()), 1).unwrap();
        prop_assert_eq!(whole.rows.len(), table.len(), "{:?}", whole.rejects);
        let hurt = hurt_all(text, &spans, &damages, dialect.quote);
        check_damage(&table, &hurt, &options, REACH + 1)?;
    }

    #[test]
    fn damage_to_json_stays_where_it_is(
        table in tables(),
        layout in prop::sample::select(Layout::ALL.to_vec()),
        damages in prop::collection::vec((damages(b"\",:\n{}[]"), 0_usize..100, any::<usize>()), 1..4),
    ) {
        let (text, spans) = write_json(&table, layout);
        let options = Options { format: Format::Json, concatenated: layout.is_concatenated(), ..Options::default() };
        let whole = read_all(&text, &options, &plan_of(table[0].len()), 1).unwrap();
        prop_assert_eq!(whole.rows.len(), table.len(), "{:?}", whole.rejects);
        let hurt = hurt_all(text, &spans, &damages, b'"');
        // An object that is cut may take the next one for its value, and shows its damage only where another one follows.
        check_damage(&table, &hurt, &options, if layout.is_concatenated() { 2 } else { 1 })?;
    }
}
