//! From plain bytes to UTF-8: the declared encoding, and the byte order mark.
//!
//! UTF-8 passes unchanged (only the mark goes) and is checked record by record; UTF-16 is known by its mark where nothing is
//! declared, or only UTF-16. A declaration that the first bytes contradict is refused, not guessed over. Any other encoding is decoded as a
//! stream; then byte offsets count the decoded UTF-8 bytes, and a malformed sequence becomes the byte `0xFF`, which is
//! never UTF-8, so that exactly the record around it is rejected.

use std::fmt::Write as _;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::Error;
use crate::signature::refuse_binary;

/// The byte that stands for a malformed sequence.
const MALFORMED: u8 = 0xFF;

/// Bytes decoded at a time.
const CHUNK: usize = 64 * 1024;

/// Room for what they become: any of them may become three.
const ROOM: usize = 4 * CHUNK;

/// How many bytes that go on with a letter are not all right for UTF-8 by chance, where an encoding writes letters in several.
const GOING_ON: usize = 4;

/// Says what is wrong with an encoding's label, for whoever declared it.
///
/// # Errors
/// When the label is none of the WHATWG's.
pub fn check_encoding(label: &str) -> Result<(), String> {
    find_encoding(label).map(|_| ())
}

fn find_encoding(label: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(label.as_bytes())
        .filter(|encoding| *encoding != REPLACEMENT)
        .ok_or_else(|| format!("unknown encoding {label:?}"))
}

/// Whether a label of UTF-16 leaves the order of the bytes open. Then the mark decides; where there is none, the lower byte
/// comes first, as the WHATWG has it.
fn leaves_order_open(label: &str) -> bool {
    let open = ["utf-16", "ucs-2", "iso-10646-ucs-2", "unicode", "csunicode"];
    open.iter().any(|open| label.trim_ascii().eq_ignore_ascii_case(open))
}

/// Decodes a stream into UTF-8, as the declared encoding says.
pub(crate) fn open_text(mut plain: Box<dyn Read + Send>, label: Option<&str>) -> Result<Box<dyn Read + Send>, Error> {
    let declared = label.map(find_encoding).transpose().map_err(Error::unreadable)?;
    let mut sample = Vec::with_capacity(CHUNK);
    (&mut plain).take(CHUNK as u64).read_to_end(&mut sample)?;
    refuse_binary(&sample)?;
    let marked = Encoding::for_bom(&sample).map(|(encoding, _)| encoding);
    let turned = marked == Some(UTF_16BE) && label.is_some_and(leaves_order_open);
    let encoding = declared.filter(|_| !turned).or(marked).unwrap_or(UTF_8);
    if let Some(marked) = marked.filter(|marked| *marked != encoding) {
        let (declared, found) = (encoding.name(), marked.name());
        return Err(Error::unreadable(format!("declared as {declared}, and it has the byte order mark of {found}")));
    }
    if encoding != UTF_8 && is_rather_utf_8(encoding, &sample) {
        let declared = encoding.name();
        return Err(Error::unreadable(format!("declared as {declared}, and it is UTF-8")));
    }
    let plain = io::Cursor::new(sample).chain(plain);
    if encoding == UTF_8 {
        return Ok(Box::new(plain));
    }
    Ok(Box::new(Decoding::new(Box::new(plain), encoding.new_decoder_with_bom_removal())))
}

/// Whether a text is UTF-8, and not by chance while it is of another encoding.
fn is_rather_utf_8(encoding: &'static Encoding, sample: &[u8]) -> bool {
    let text = match std::str::from_utf8(sample) {
        Ok(text) => text,
        // The last letter may be cut.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&sample[..error.valid_up_to()]).unwrap_or(""),
        Err(_) => return false,
    };
    if encoding == UTF_16LE || encoding == UTF_16BE {
        // Its line ends, digits and delimiters have a NUL each.
        return !text.is_empty() && memchr::memchr(0, sample).is_none();
    }
    // Any two bytes may be a letter of an encoding that writes letters in two.
    let few = if encoding.is_single_byte() { 1 } else { GOING_ON };
    text.bytes().filter(|byte| (0x80..0xc0).contains(byte)).nth(few - 1).is_some()
}

/// A stream on its way through an encoding.
struct Decoding {
    plain: Box<dyn Read + Send>,
    decoder: Decoder,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    over: bool,
    /// What is decoded, from `taken` up to `written`.
    text: Vec<u8>,
    taken: usize,
    written: usize,
}

impl Decoding {
    fn new(plain: Box<dyn Read + Send>, decoder: Decoder) -> Self {
        let (bytes, text) = (vec![0; CHUNK], vec![0; ROOM]);
        Self { plain, decoder, bytes, start: 0, end: 0, over: false, text, taken: 0, written: 0 }
    }

    /// Decodes the next bytes where all are taken; there are none after it only at the end.
    fn decode(&mut self) -> io::Result<()> {
        while self.taken == self.written {
            (self.taken, self.written) = (0, 0);
            if self.start == self.end && !self.over {
                self.start = 0;
                self.end = self.plain.read(&mut self.bytes)?;
            }
            let last = self.end == 0;
            if last && self.over {
                return Ok(());
            }
            self.decode_chunk(last);
        }
        Ok(())
    }

    /// Decodes what was read, as far as there is room for it.
    fn decode_chunk(&mut self, last: bool) {
        loop {
            let chunk = &self.bytes[self.start..self.end];
            // One byte stays for the mark.
            let room = &mut self.text[self.written..ROOM - 1];
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(chunk, room, last);
            self.start += read;
            self.written += written;
            match result {
                DecoderResult::Malformed(..) => {
                    self.text[self.written] = MALFORMED;
                    self.written += 1;
                }
                DecoderResult::InputEmpty => {
                    self.over = last;
                    return;
                }
                DecoderResult::OutputFull => return,
            }
            if self.written == ROOM {
                return;
            }
        }
    }
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decode()?;
        let text = &self.text[self.taken..self.written];
        let count = buffer.len().min(text.len());
        buffer[..count].copy_from_slice(&text[..count]);
        self.taken += count;
        Ok(count)
    }
}

/// The first bytes, so many at most, without a character that would be cut.
pub(crate) fn cut_text(bytes: &[u8], most: usize) -> &[u8] {
    let goes_on = |place: usize| bytes.get(place).is_some_and(|byte| (0x80..0xc0).contains(byte));
    let end = (most.saturating_sub(3)..=most).rev().find(|place| !goes_on(*place)).unwrap_or(most);
    &bytes[..end.min(bytes.len())]
}

/// A record's bytes as text: what is no UTF-8, and NUL, is written as `\xNN`.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().contains('\0') {
            text.push_str(&chunk.valid().replace('\0', "\\x00"));
        } else {
            text.push_str(chunk.valid());
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

/// Replaces each byte that is no text, so that the others can be looked at as text where they stand.
pub(crate) fn blank_out(mut bytes: Vec<u8>) -> String {
    let mut start = 0;
    while let Err(error) = std::str::from_utf8(&bytes[start..]) {
        let first = start + error.valid_up_to();
        let end = error.error_len().map_or(bytes.len(), |length| first + length);
        bytes[first..end].fill(b'?');
        start = end;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], label: &str) -> Vec<u8> {
        let mut text = Vec::new();
        open_text(Box::new(io::Cursor::new(bytes.to_vec())), Some(label)).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn declared_encodings_are_decoded() {
        assert_eq!(decode(b"Z\xfcrich", "latin1"), "Zürich".as_bytes());
        assert_eq!(decode(b"\xff\xfea\0\n\0", "utf-16le"), b"a\n");
        assert_eq!(decode("日本".as_bytes(), "utf8"), "日本".as_bytes());
        let long: Vec<u8> = std::iter::repeat_n(0xfc, 300_000).collect();
        assert_eq!(decode(&long, "windows-1252"), "ü".repeat(300_000).as_bytes());
    }

    #[test]
    fn a_wrong_declaration_is_found() {
        let open = |bytes: &[u8], label| open_text(Box::new(io::Cursor::new(bytes.to_vec())), label);
        for (bytes, label, reason) in [
            (&b"\xff\xfea\0"[..], Some("utf-8"), "declared as UTF-8, and it has the byte order mark of UTF-16LE"),
            (b"\xef\xbb\xbfa", Some("latin1"), "declared as windows-1252, and it has the byte order mark of UTF-8"),
            ("Zürich".as_bytes(), Some("latin1"), "declared as windows-1252, and it is UTF-8"),
            ("Zürich, Köln, Gießen, Döbeln".as_bytes(), Some("shift_jis"), "declared as Shift_JIS, and it is UTF-8"),
            ("1,東京".as_bytes(), Some("shift_jis"), "declared as Shift_JIS, and it is UTF-8"),
            ("1,日本".as_bytes(), Some("gbk"), "declared as GBK, and it is UTF-8"),
            (b"a,b\n1,2\n", Some("utf-16le"), "declared as UTF-16LE, and it is UTF-8"),
        ] {
            let error = open(bytes, label).err().map(|error| error.to_string());
            assert_eq!(error, Some(format!("unreadable: {reason}")));
        }
        let mut text = Vec::new();
        open(b"\xfe\xff\0a\0b", None).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(text, b"ab");
    }

    #[test]
    fn a_malformed_sequence_is_marked() {
        assert!(decode(b"a\xd8\0b\0", "utf-16be").contains(&MALFORMED));
        assert_eq!(decode(b"a\0b", "utf-16le"), b"a\xff");
        assert_eq!(escape_bytes(b"a\xffb\0"), "a\\xFFb\\x00");
    }

    #[test]
    fn malformed_text_takes_no_longer_than_other_text() {
        let lines = b"1,\xff\xff\xff\xff\xff\xff\xff\n".repeat(2_000_000);
        assert!(decode(&lines, "shift_jis") == lines);
    }

    #[test]
    fn the_mark_says_what_a_declaration_leaves_open() {
        for label in ["utf-16", "UTF-16", "ucs-2"] {
            assert_eq!(decode(b"\xfe\xff\0a\0b", label), b"ab", "{label}");
            assert_eq!(decode(b"\xff\xfea\0b\0", label), b"ab", "{label}");
            assert_eq!(decode(b"a\0b\0", label), b"ab", "{label}");
        }
        for (bytes, label, found) in
            [(&b"\xfe\xff\0a"[..], "utf-16le", "UTF-16BE"), (b"\xef\xbb\xbfa\0", "utf-16", "UTF-8")]
        {
            let error = open_text(Box::new(bytes), Some(label)).err().map(|error| error.to_string());
            let reason = format!("unreadable: declared as UTF-16LE, and it has the byte order mark of {found}");
            assert_eq!(error, Some(reason));
        }
    }

    #[test]
    fn no_character_is_cut() {
        let text = "aé日𝄞".as_bytes();
        let lengths = [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10];
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(|most| cut_text(text, most).len()), lengths);
        assert_eq!(cut_text(&[0x80; 9], 5), [0x80; 5], "what is no text has no characters");
    }

    #[test]
    fn an_unknown_label_is_refused() {
        assert_eq!(check_encoding("klingon"), Err("unknown encoding \"klingon\"".to_owned()));
    }
}
