//! Objects that are damaged on purpose, or written in a way that is not read: each is refused with its reason, before
//! anything is allocated for it.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use crate::trial::{Trial, options, read_all, shown};
use crate::{Depth, Error, Format, MemoryInput, Plan, survey};

/// One column `f` of numbers, in one page.
fn write(compression: Compression) -> Vec<u8> {
    write_as(compression, WriterVersion::PARQUET_1_0)
}

fn write_as(compression: Compression, version: WriterVersion) -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let batch = RecordBatch::try_from_iter([("f", numbers)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_encoding(Encoding::PLAIN)
        .set_dictionary_enabled(false)
        .set_write_page_header_statistics(false)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let trial = Trial::new(bytes, options(Format::Parquet)).plan(&[("f", "BIGINT")]);
    read_all(&trial.input, &trial.options, &trial.plan).unwrap_err().to_string()
}

/// Puts other bytes in the place of the only ones that are like these.
fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place..].starts_with(old)).collect();
    let [place] = places[..] else { panic!("{} places like {old:02x?}", places.len()) };
    [&bytes[..place], new, &bytes[place + old.len()..]].concat()
}

/// The object with another footer, and its length.
fn with_footer(bytes: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (rest, tail) = bytes.split_at(bytes.len() - 8);
    let length = u32::from_le_bytes(*tail.first_chunk().unwrap()) as usize;
    let (pages, footer) = rest.split_at(rest.len() - length);
    let footer = change(footer);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [pages, &footer, &length, b"PAR1"].concat()
}

#[test]
fn a_page_whose_checksum_does_not_verify_is_refused() {
    let bytes = include_bytes!("../../tests/parquet/checksum.parquet");
    let trial = Trial::new(bytes, options(Format::Parquet)).plan(&[("f", "BIGINT")]);
    assert_eq!(shown(&trial.read(), 0), ["1234567890123", "2", "3"]);
    // The statistics have the number too, and come later.
    let page = bytes
        .windows(16)
        .position(|window| window == [1_234_567_890_123_i64.to_le_bytes(), 2_i64.to_le_bytes()].concat());
    let mut damaged = bytes.to_vec();
    damaged[page.unwrap()] ^= 1;
    assert_eq!(
        refusal(&damaged),
        "unreadable: the Parquet data is damaged: Parquet argument error: Parquet error: Page CRC checksum mismatch"
    );
}

#[test]
fn no_other_number_of_rows_is_believed() {
    // A hundred as a zigzag varint, behind what says that a number follows: of the object, of its row group, of the column.
    const HUNDRED: [u8; 3] = [0x16, 0xc8, 0x01];
    let bytes = write(Compression::UNCOMPRESSED);
    let places: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place..].starts_with(&HUNDRED)).collect();
    assert!(places.len() >= 3, "{places:?}");
    for number in [0_u8, 1, 99, 100, 101, 200] {
        for chosen in 1..1_usize << places.len() {
            let mut damaged = bytes.clone();
            for (_, place) in places.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1) {
                damaged[place + 1..place + 3].copy_from_slice(&[number << 1 | 0x80, number >> 6]);
            }
            let trial = Trial::new(&damaged, options(Format::Parquet)).plan(&[("f", "BIGINT")]);
            let result = read_all(&trial.input, &trial.options, &trial.plan).map(|outcome| outcome.records);
            // What says three times to be empty is empty.
            let empty = number == 0 && chosen == (1 << places.len()) - 1;
            let right = matches!(result, Ok(100) | Err(Error::Unreadable { .. })) || (empty && matches!(result, Ok(0)));
            assert!(right, "{number} in {chosen:b}: {result:?}");
        }
    }
}

#[test]
fn an_encrypted_object_is_refused_by_name() {
    for (bytes, reason) in [
        (
            &include_bytes!("../../tests/parquet/footer.parquet")[..],
            "the Parquet object is encrypted, which is not read",
        ),
        (
            include_bytes!("../../tests/parquet/columns.parquet"),
            "the Parquet object has encrypted columns, which are not read",
        ),
    ] {
        assert_eq!(refusal(bytes), format!("unreadable: {reason}"));
        let looked_at = survey(&MemoryInput(bytes.to_vec()), &options(Format::Parquet), Depth::Names);
        assert_eq!(looked_at.unwrap_err().to_string(), format!("unreadable: {reason}"));
    }
}

#[test]
fn a_codec_that_is_not_read_is_refused_by_name() {
    // The path `f` of the column, and behind it its codec: from Snappy to LZO.
    let bytes = replace(&write(Compression::SNAPPY), b"\x19\x18\x01f\x15\x02", b"\x19\x18\x01f\x15\x06");
    assert_eq!(refusal(&bytes), "unreadable: the column \"f\" is packed with LZO, which is not read");
}

#[test]
fn a_page_that_says_to_be_huge_is_refused_before_it_is_unpacked() {
    let bytes = write(Compression::SNAPPY);
    // Behind the first four letters the header of the page: its type, its size, its packed size.
    let [0x15, 0, 0x15, _, _, 0x15, low, high] = bytes[4..12] else { panic!("{:02x?}", &bytes[4..12]) };
    let packed = (usize::from(low & 0x7f) | usize::from(high) << 7) / 2;
    // The size takes three bytes more, so three are taken from the end of the page.
    let sizes = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, low - 6, high];
    let (page, end) = (&bytes[12..12 + packed - 3], &bytes[12 + packed..]);
    let huge = [&bytes[..7], &sizes, page, end].concat();
    let reason = "the Parquet data is damaged: Parquet argument error: External: a page would unpack to 2147483647 bytes, 16777216 at most are allowed";
    assert_eq!(refusal(&huge), format!("unreadable: {reason}"));
}

#[test]
fn a_page_that_unpacks_to_more_than_it_states_is_refused_before_all_of_it_is_in_memory() {
    let codecs = [Compression::GZIP(GzipLevel::default()), Compression::ZSTD(ZstdLevel::default())];
    for codec in codecs.into_iter().chain([Compression::BROTLI(BrotliLevel::default())]) {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let bytes = write_as(codec, version);
            assert!(
                read_all(&MemoryInput(bytes.clone()), &options(Format::Parquet), &Plan::default()).is_ok(),
                "{codec}"
            );
            // The header of the page: its type, and its size of two bytes.
            let [0x15, _, 0x15, low, high, 0x15] = bytes[4..10] else { panic!("{:02x?}", &bytes[4..10]) };
            let size = (u16::from(low & 0x7f) | u16::from(high) << 7) / 2;
            // As a zigzag number the size is twice as large.
            let less = [&bytes[..7], &[low - 2, high], &bytes[9..]].concat();
            assert!(
                refusal(&less).ends_with(&format!("a page unpacks to more than the {} bytes that it states", size - 1))
            );
        }
    }
}

#[test]
fn a_schema_that_says_to_have_more_columns_than_bytes_is_refused() {
    let bytes = write(Compression::UNCOMPRESSED);
    // The root has one child: `num_children` is field 5, an i32 whose value 1 is written as 2.
    let root = [&[0x48, 0x0c][..], b"arrow_schema", &[0x15]].concat();
    let many = [&root[..], &[0x80, 0x80, 0x80, 0x80, 0x08]].concat();
    let hostile = with_footer(&bytes, |footer| replace(footer, &[&root[..], &[0x02]].concat(), &many));
    assert_eq!(refusal(&hostile), "unreadable: the Parquet data is damaged: its footer is none");
}

#[test]
fn a_schema_of_groups_that_stand_too_deep_in_each_other_is_refused_before_it_is_decoded() {
    // A group `g` of one element, and a number `x`.
    let (group, number) = (&[0x35, 2, 0x18, 1, b'g', 0x15, 2, 0][..], &[0x15, 2, 0x25, 2, 0x18, 1, b'x', 0][..]);
    let survey = |groups: u16| {
        let [low, high] = [(groups + 1) & 0x7f | 0x80, (groups + 1) >> 7].map(|part| u8::try_from(part).unwrap());
        let groups = group.repeat(groups.into());
        let footer = [&[0x15, 2, 0x19, 0xfc, low, high][..], &groups, number, &[0x16, 0, 0x19, 0x0c, 0]];
        let bytes = with_footer(&write(Compression::UNCOMPRESSED), |_| footer.concat());
        survey(&MemoryInput(bytes), &options(Format::Parquet), Depth::Names).map_err(|error| error.to_string())
    };
    assert_eq!(survey(128).map(|found| found.columns.len()), Ok(1));
    for groups in [129, 10_000] {
        let reason = "unreadable: its Parquet schema has more than 128 groups in each other";
        assert_eq!(survey(groups), Err(reason.to_owned()));
    }
}

#[test]
fn a_footer_that_says_to_be_huge_is_refused_before_it_is_decoded() {
    let bytes = write(Compression::SNAPPY);
    // The field of the row groups, of which there is one: two thousand million of them.
    let many = with_footer(&bytes, |footer| {
        replace(footer, &[0x19, 0x1c, 0x19], &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x19])
    });
    assert_eq!(refusal(&many), "unreadable: the Parquet data is damaged: its footer is none");
    // Found by fuzzing: the list of the schema says to be an integer, and would be read as a list all the same.
    let disguised = with_footer(&bytes, |_| vec![0x25, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0]);
    assert_eq!(refusal(&disguised), "unreadable: the Parquet data is damaged: its footer is none");
    let long = [&bytes[..bytes.len() - 8], &[0xff, 0xff, 0xff, 0x7f], b"PAR1"].concat();
    assert_eq!(refusal(&long), "unreadable: its Parquet footer has 2147483647 bytes, more than 33554432");
    let longer = [&bytes[..bytes.len() - 8], &[0xff, 0xff, 0, 0], b"PAR1"].concat();
    assert_eq!(refusal(&longer), "unreadable: the Parquet data is damaged: its footer is longer than itself");
    for short in [&b""[..], b"PAR1", b"PAR1\0\0\0\0PAR2"] {
        assert_eq!(refusal(short), "unreadable: the Parquet data is damaged: it does not end as Parquet does");
    }
    assert!(matches!(
        survey(&MemoryInput(many), &options(Format::Parquet), Depth::Names),
        Err(Error::Unreadable { .. })
    ));
}
