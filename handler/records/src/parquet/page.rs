//! The header of a page, looked at before its decoder believes it.

use super::layout::PAGE_HEADER;
use super::thrift::look_through;

/// The most bytes that a page may unpack to.
const BYTES: u64 = 256 * 1024 * 1024;

/// What a page may unpack to even if its column states less: not all writers count well.
const SLACK: u64 = 16 * 1024 * 1024;

/// The most values of a page: NULLs need no bytes, and still a place each.
const VALUES: u64 = 64 * 1024 * 1024;

/// What a header says of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// The bytes that it unpacks to, with its levels.
    pub(super) size: u64,
    /// The bytes of its levels, where they are not packed and stand first.
    pub(super) levels: u64,
}

/// The fields of a page header that are data pages and dictionaries; the first part of each is its number of values.
const DATA: i64 = 5;
const DICTIONARY: i64 = 7;
const DATA_V2: i64 = 8;

/// Checks a header against what its column states to unpack to; the error says what is wrong.
pub(super) fn check_header(header: &[u8], column: u64) -> Result<Page, String> {
    let (mut size, mut values, mut entries, mut definitions, mut repetitions) = (0, 0, 0, 0, 0_u64);
    let rest = look_through(header, PAGE_HEADER, |fact| {
        let value = u64::try_from(fact.value).unwrap_or(u64::MAX);
        // Should a field stand twice, the larger one is to be feared.
        match (fact.field, fact.part) {
            (2, None) => size = value.max(size),
            (DATA | DATA_V2, Some(1)) => values = value.max(values),
            (DICTIONARY, Some(1)) => entries = value.max(entries),
            (DATA_V2, Some(5)) => definitions = value,
            (DATA_V2, Some(6)) => repetitions = value,
            _ => {}
        }
    });
    if rest.is_none_or(|rest| !rest.is_empty()) {
        return Err("a page header is none".to_owned());
    }
    let most = BYTES.min(column.max(SLACK));
    if size > most {
        return Err(format!("a page would unpack to {size} bytes, {most} at most are allowed"));
    }
    let values = values.max(entries);
    // An entry of a dictionary has a byte at least.
    if values > VALUES || entries > size {
        return Err(format!("a page of {size} bytes would hold {values} values"));
    }
    Ok(Page { size, levels: repetitions.saturating_add(definitions) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dictionary page of 21 bytes, packed to 20, with so many entries.
    fn dictionary(entries: u8) -> Vec<u8> {
        vec![0x15, 4, 0x15, 42, 0x15, 40, 0x4c, 0x15, entries * 2, 0x15, 0, 0, 0]
    }

    /// A data page that says to unpack to some bytes, whose zigzag form is given.
    fn data(size: &[u8]) -> Vec<u8> {
        [&[0x15, 0, 0x15], size, &[0x15, 40, 0x2c, 0x15, 10, 0, 0]].concat()
    }

    #[test]
    fn a_header_may_not_promise_more_than_a_page_can_hold() {
        assert_eq!(check_header(&dictionary(21), 100), Ok(Page { size: 21, levels: 0 }));
        let reason = "a page of 21 bytes would hold 22 values".to_owned();
        assert_eq!(check_header(&dictionary(22), 100), Err(reason));
        assert_eq!(check_header(&[0x15], 100), Err("a page header is none".to_owned()));
        let (sixteen, more, most) =
            (&[0x80, 0x80, 0x80, 0x10][..], &[0x82, 0x80, 0x80, 0x10], [0xfe, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(check_header(&data(sixteen), 100), Ok(Page { size: 16_777_216, levels: 0 }));
        let reason = "a page would unpack to 16777217 bytes, 16777216 at most are allowed".to_owned();
        assert_eq!(check_header(&data(more), 100), Err(reason));
        assert_eq!(check_header(&data(more), 20_000_000), Ok(Page { size: 16_777_217, levels: 0 }));
        let reason = "a page would unpack to 2147483647 bytes, 268435456 at most are allowed".to_owned();
        assert_eq!(check_header(&data(&most), u64::MAX), Err(reason));
    }
}
