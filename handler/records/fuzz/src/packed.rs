//! Compression and encodings: packed bytes that are damaged are refused or give what they were; unpacked, they are what
//! was packed, and never more than is allowed.

use std::io::Write as _;

use records::{Bounds, Compression, Error, MemoryInput, Options};

use super::choices::Choices;
use super::promises::{Outcome, check_same, read_all, refuse_all};

/// What an input may unpack to here.
const BOUNDS: Bounds = Bounds { bytes: 256 * 1024, ratio: 1000 };

const PACKINGS: [Compression; 6] =
    [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz, Compression::Snappy];

/// Encodings that can write any text, and some that write only a part of it.
const ENCODINGS: [Option<&str>; 8] = [
    None,
    Some("utf-16le"),
    Some("utf-16be"),
    Some("windows-1252"),
    Some("shift_jis"),
    Some("gb18030"),
    Some("iso-2022-jp"),
    Some("euc-kr"),
];

/// Checks some bytes, the first five of which say what they are.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let given = choices.pick(&[true, false]);
    let options = Options {
        compression: choices.pick(&PACKINGS),
        encoding: choices.pick(&ENCODINGS).map(str::to_owned),
        header: false,
        bounds: BOUNDS,
        ..Options::default()
    };
    let damage = (choices.byte(), choices.byte());
    if given { check_unpacked(choices.0, &options) } else { check_packed(choices.0, &options, damage) }
}

fn read(bytes: Vec<u8>, options: &Options) -> Result<Outcome, Error> {
    let outcome = read_all(&MemoryInput(bytes), options, &refuse_all(), 1);
    assert!(!matches!(outcome, Err(Error::Io(_))), "the data is to blame: {outcome:?}");
    outcome
}

/// Bytes that may be anything.
fn check_unpacked(bytes: &[u8], options: &Options) {
    if let Ok(outcome) = read(bytes.to_vec(), options) {
        let kept: usize = outcome.rejects.iter().map(|reject| reject.raw.len()).sum();
        // A byte becomes three of UTF-8 at most, and one that is no text four letters.
        let most = 4 * 3 * if options.compression == Compression::None { bytes.len() } else { 256 * 1024 };
        assert!(kept <= most, "{kept} bytes of {}", bytes.len());
    }
}

/// A text that is encoded and packed reads as the text does; one bit of it changed or its end lost is refused, or is
/// nothing that counts.
fn check_packed(bytes: &[u8], options: &Options, (place, bit): (u8, u8)) {
    let text = String::from_utf8_lossy(bytes).replace('\u{feff}', "");
    let Some(encoded) = encode(&text, options.encoding.as_deref()) else { return };
    if options.compression == Compression::Snappy && encoded.len().is_multiple_of(65_536) {
        // Full chunks only, or none: refused, since nothing tells where such a stream ends.
        return;
    }
    let packed = pack(&encoded, options.compression);
    let plain = Options { compression: Compression::None, ..options.clone() };
    let expected = read(encoded.clone(), &plain);
    check_same(&expected, &read(packed.clone(), options), "packed");
    // A text that looks like another format is refused as UTF-8 only.
    let decoded = read(text.into_bytes(), &Options { encoding: None, ..plain });
    if expected.is_ok() && decoded.is_ok() {
        check_same(&expected, &decoded, "encoded");
    }
    if options.compression == Compression::None || expected.is_err() {
        return;
    }
    let short = read(packed[..packed.len() - 1 - usize::from(place) % packed.len()].to_vec(), options);
    assert!(short.is_err(), "an end is missing: {short:?}");
    let mut damaged = packed;
    let place = usize::from(place) % damaged.len();
    damaged[place] ^= 1 << (bit % 8);
    if let Ok(outcome) = read(damaged, options) {
        check_same(&expected, &Ok(outcome), "with a bit changed");
    }
}

/// The text in an encoding, where it can be written there and read back.
fn encode(text: &str, label: Option<&str>) -> Option<Vec<u8>> {
    let Some(label) = label else { return Some(text.as_bytes().to_vec()) };
    match label {
        "utf-16le" => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf-16be" => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        _ => {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes())?;
            let (encoded, _, lossy) = encoding.encode(text);
            let back = encoding.decode_without_bom_handling(&encoded).0;
            (!lossy && back == text).then(|| encoded.into_owned())
        }
    }
}

fn pack(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Snappy => {
            let mut encoder = snap::write::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.into_inner().unwrap()
        }
        Compression::None => bytes.to_vec(),
    }
}
