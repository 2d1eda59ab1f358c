//! Numbers as nearly all are written: a sign, and up to 19 digits with at most one point among them, read in one walk.

/// Such a number. There is at least one digit.
pub(crate) struct Few {
    /// `-` or `+`, where it has one.
    pub(crate) sign: Option<u8>,
    /// All digits as an integer.
    pub(crate) digits: u64,
    /// How many digits there are before the point.
    pub(crate) whole: usize,
    /// How many there are behind it, where there is a point.
    pub(crate) fraction: Option<usize>,
}

impl Few {
    /// Reads a number; `None` for whatever else a text may be.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, unsigned) = match text.as_bytes() {
            [sign @ (b'-' | b'+'), unsigned @ ..] => (Some(*sign), unsigned),
            unsigned => (None, unsigned),
        };
        if unsigned.len() > 19 {
            return None;
        }
        let (mut digits, mut point) = (0_u64, None);
        for (place, byte) in unsigned.iter().enumerate() {
            match byte {
                b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
                b'.' if point.is_none() => point = Some(place),
                _ => return None,
            }
        }
        let (whole, fraction) = (point.unwrap_or(unsigned.len()), point.map(|point| unsigned.len() - point - 1));
        (whole + fraction.unwrap_or(0) > 0).then_some(Self { sign, digits, whole, fraction })
    }

    /// Whether it is below zero, or zero with that sign.
    pub(crate) fn is_negative(&self) -> bool {
        self.sign == Some(b'-')
    }
}
