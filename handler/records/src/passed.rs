//! What stands between the records and is none itself: counted, so that nothing is passed over in silence.

use serde::{Deserialize, Serialize};

/// How many lines of an object are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Passed {
    /// Lines before the header, as declared.
    pub preamble_lines: u64,
    /// Lines that begin with the declared comment character.
    pub comment_lines: u64,
    /// Lines with nothing on them.
    pub blank_lines: u64,
    /// Records that repeat the header, byte for byte (a byte order mark before it aside).
    pub repeated_headers: u64,
}

impl Passed {
    /// Whether nothing was passed over.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}
