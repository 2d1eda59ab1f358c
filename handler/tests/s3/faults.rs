//! Faults: what may go wrong with one request to S3, and which requests it makes sense for.

use std::time::Duration;

use crate::wire::Message;

/// How long an answer is held back.
pub(crate) const DELAY: Duration = Duration::from_millis(700);

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error instead of the effect.
    Before(u16, &'static str),
    /// The effect, and an error as the answer.
    After(u16, &'static str),
    /// The effect, and the connection ends without an answer.
    Lost,
    /// The connection is reset instead of the effect.
    Reset,
    /// The effect, later.
    Delayed,
    /// No effect, and no answer.
    Silent,
    /// The connection ends in the middle of the answer's body.
    Truncated,
    /// A byte in the middle of the answer's body is another one.
    Corrupted,
    /// The process is killed before the request has its effect.
    KilledBefore,
    /// The process is killed when the request had its effect, before it sees the answer.
    KilledAfter,
    /// The process is stopped until it is woken; the request has its effect only then.
    AsleepBefore,
    /// The process is stopped until it is woken, when the request had its effect.
    AsleepAfter,
}

/// A fault, and whether it befalls every further request for the same.
pub(crate) type Turn = (Fault, bool);

/// What may happen to a request once, in turns.
pub(crate) const PASSING: [Turn; 10] = [
    (Fault::Before(500, "InternalError"), false),
    (Fault::Corrupted, false),
    (Fault::After(500, "InternalError"), false),
    (Fault::Before(403, "AccessDenied"), false),
    (Fault::Lost, false),
    (Fault::Before(412, "PreconditionFailed"), false),
    (Fault::Truncated, false),
    (Fault::Before(409, "ConditionalRequestConflict"), false),
    (Fault::Delayed, false),
    (Fault::Before(400, "BadDigest"), false),
];

/// All that may happen on the way, in turns: what lasts outlives every further try of the process.
pub(crate) const ON_THE_WAY: [Turn; 16] = [
    (Fault::Before(503, "SlowDown"), true),
    PASSING[0],
    PASSING[1],
    (Fault::After(500, "InternalError"), true),
    PASSING[2],
    PASSING[3],
    (Fault::Corrupted, true),
    PASSING[4],
    PASSING[5],
    (Fault::Reset, true),
    PASSING[6],
    PASSING[7],
    (Fault::Truncated, true),
    PASSING[8],
    PASSING[9],
    (Fault::Lost, true),
];

/// The two ways to be killed.
pub(crate) const KILLED: [Turn; 2] = [(Fault::KilledBefore, false), (Fault::KilledAfter, false)];

/// The two ways to fall asleep.
pub(crate) const ASLEEP: [Turn; 2] = [(Fault::AsleepBefore, false), (Fault::AsleepAfter, false)];

impl Fault {
    /// Whether S3 or the network could do this to the request.
    pub(crate) fn suits(self, request: &Message) -> bool {
        let is_put = request.method() == "PUT";
        let is_conditional = request.header("if-match").is_some() || request.header("if-none-match").is_some();
        match self {
            Self::Before(412, _) => is_conditional,
            Self::Before(409, _) => is_put && is_conditional,
            Self::Before(400, _) => is_put,
            // A listing is protected by TLS alone.
            Self::Corrupted => request.method() == "GET" && !is_listing(request),
            Self::Truncated => request.method() == "GET",
            _ => true,
        }
    }
}

/// Whether a request lists keys.
pub(crate) fn is_listing(request: &Message) -> bool {
    request.path().contains("list-type=2")
}
