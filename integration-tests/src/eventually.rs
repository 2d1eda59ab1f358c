//! Waiting for what takes a while: by looking again, never by sleeping and hoping.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

use crate::Error;

const PAUSE: Duration = Duration::from_millis(200);

/// Looks until `holds` says that what is seen is what was waited for.
///
/// # Errors
/// When looking fails, or the deadline passes: with what was seen last.
pub async fn eventually<T: Debug, F: Future<Output = Result<T, Error>>>(
    (what, deadline): (&str, Duration),
    mut look: impl FnMut() -> F,
    holds: impl Fn(&T) -> bool,
) -> Result<T, Error> {
    let begin = Instant::now();
    loop {
        let seen = look().await?;
        if holds(&seen) {
            return Ok(seen);
        }
        if begin.elapsed() > deadline {
            return Err(Error::Late { what: what.to_owned(), deadline, last: format!("{seen:?}") });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::eventually;

    #[tokio::test]
    async fn it_ends_as_soon_as_it_holds() {
        let looks = Cell::new(0);
        let look = || async {
            looks.set(looks.get() + 1);
            Ok(looks.get())
        };
        assert_eq!(eventually(("three looks", Duration::from_secs(5)), look, |seen| *seen == 3).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn it_gives_up_with_what_it_saw_last() {
        let error =
            eventually(("the impossible", Duration::ZERO), || async { Ok("a message") }, |_| false).await.unwrap_err();
        assert_eq!(error.to_string(), "the impossible did not come true within 0ns; at last: \"a message\"");
    }
}
