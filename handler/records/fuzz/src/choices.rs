//! How an input is to be read, as its first bytes say: a fuzzer finds the ways that matter by changing them.

/// The bytes of an input that are not used up yet.
pub(crate) struct Choices<'b>(pub(crate) &'b [u8]);

impl Choices<'_> {
    /// The next byte; 0 where there is none.
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// One of some values, the first one for a byte of 0.
    pub(crate) fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        let index = usize::from(self.byte()) % values.len();
        values[index].clone()
    }

    /// How many bytes come at a time.
    pub(crate) fn sizes(&mut self) -> Vec<usize> {
        (0..2).map(|_| usize::from(self.byte() % 8) + 1).collect()
    }

    /// Bytes to stand before an object, up to a whole read of them, so that its records lie across two reads.
    pub(crate) fn distance(&mut self) -> usize {
        /// What the reader reads at a time.
        const CHUNK: usize = if cfg!(fuzzing) { 64 } else { 256 * 1024 };
        CHUNK - 1 - usize::from(self.byte() % 64)
    }
}
