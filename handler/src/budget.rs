//! The budget of a run: how much time it has. What cannot end in it is not begun, and what has begun is given up while
//! there still is time to say so.

use std::time::{Duration, Instant};

use crate::error::Error;

/// Bytes a second that a slow function reads, types and writes: what does not fit at this speed waits for a fresh run.
const SLOW: u64 = 15_000_000;

/// Bytes a second that none exceeds: what does not fit into a whole fresh run at this speed never will.
const FAST: u64 = 400_000_000;

/// The time of a run.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    began: Instant,
    end: Option<Instant>,
}

impl Budget {
    /// As long as it takes.
    pub fn unlimited() -> Self {
        Self { began: Instant::now(), end: None }
    }

    /// From now until `end`.
    pub fn until(end: Instant) -> Self {
        Self { began: Instant::now(), end: Some(end) }
    }

    /// When everything has to be over.
    pub fn end(&self) -> Option<Instant> {
        self.end
    }

    /// How much time there is until then.
    pub fn left(&self) -> Option<Duration> {
        Some(self.end?.saturating_duration_since(Instant::now()))
    }

    /// When reading has to be over: a fifth of the time, and at most a minute, is for commits and gold.
    fn end_of_reading(&self) -> Option<Instant> {
        let end = self.end?;
        end.checked_sub((end.saturating_duration_since(self.began) / 5).min(Duration::from_mins(1)))
    }

    /// Whether almost all of the time is left.
    fn is_fresh(&self) -> bool {
        self.end_of_reading().is_none_or(|end| self.began.elapsed() < end.saturating_duration_since(self.began) / 10)
    }

    /// Whether a whole run of a function is before it: what fails then for want of time or room always will.
    pub fn is_at_its_best(&self) -> bool {
        self.end.is_some() && self.is_fresh()
    }

    /// Whether an object of so many bytes is worth beginning now.
    ///
    /// # Errors
    /// [`Error::OutOfTime`] when a fresh run has to do it, [`Error::TooLarge`] when none can.
    pub fn admit(&self, key: &str, bytes: u64) -> Result<(), Error> {
        let Some(end) = self.end_of_reading() else { return Ok(()) };
        let whole = end.saturating_duration_since(self.began);
        let at = |speed| Duration::from_secs(bytes / speed);
        if at(FAST) > whole {
            let (estimate, whole) = (at(FAST).as_secs(), whole.as_secs());
            let reason = format!("reading it takes more than {estimate} s, a whole run has {whole} s for it");
            return Err(Error::TooLarge { key: key.to_owned(), bytes, reason });
        }
        if !self.is_fresh() && at(SLOW) > end.saturating_duration_since(Instant::now()) {
            return Err(Error::OutOfTime { key: key.to_owned() });
        }
        self.check(key)
    }

    /// Whether there is no time for reading any more.
    pub fn is_over(&self) -> bool {
        self.end_of_reading().is_some_and(|end| Instant::now() >= end)
    }

    /// Whether there still is time for reading.
    ///
    /// # Errors
    /// [`Error::OutOfTime`].
    pub fn check(&self, key: &str) -> Result<(), Error> {
        if self.is_over() { Err(Error::OutOfTime { key: key.to_owned() }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: u64) -> Budget {
        Budget::until(Instant::now() + Duration::from_secs(seconds))
    }

    #[test]
    fn what_no_run_can_end_is_too_large() {
        let began = Instant::now();
        let budget = Budget { began, end: Some(began + Duration::from_secs(100)) };
        assert_eq!(
            budget.admit("big.csv", 100 << 30).unwrap_err().to_string(),
            "raw object \"big.csv\" (107374182400 bytes) is too large for this function: reading it takes more than 268 s, a \
             whole run has 80 s for it; ingest it from a command line"
        );
        assert!(Budget::unlimited().admit("big.csv", u64::MAX).is_ok());
    }

    #[test]
    fn only_a_function_is_told_to_be_too_small() {
        let late = Budget { began: Instant::now().checked_sub(Duration::from_secs(90)).unwrap(), ..of(10) };
        assert_eq!([of(10), late, Budget::unlimited()].map(|budget| budget.is_at_its_best()), [true, false, false]);
    }

    #[test]
    fn a_fresh_run_begins_what_a_late_one_leaves() {
        let bytes = 10 * SLOW;
        assert!(of(11).admit("a.csv", bytes).is_ok());
        let late = Budget { began: Instant::now().checked_sub(Duration::from_secs(90)).unwrap(), ..of(10) };
        assert_eq!(
            late.admit("a.csv", bytes).unwrap_err().to_string(),
            "raw object \"a.csv\" could not be read in time"
        );
    }

    #[test]
    fn there_is_no_time_left_after_the_end() {
        assert_eq!(Budget::unlimited().left(), None);
        assert_eq!(Budget::until(Instant::now()).left(), Some(Duration::ZERO));
        assert!(Budget::until(Instant::now() + Duration::from_mins(1)).left() > Some(Duration::from_secs(50)));
    }
}
