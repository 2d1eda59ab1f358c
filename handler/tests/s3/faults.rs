//! Faults: what may go wrong with one request to S3, and which requests it makes sense for.

use std::time::Duration;

use crate::http::Message;

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
    /// The connection ends in the middle of the answer's body.
    Truncated,
    /// A byte in the middle of the answer's body is another one.
    Corrupted,
    /// The process is killed before the request has its effect.
    KilledBefore,
    /// The process is killed when the request had its effect, before it sees the answer.
    KilledAfter,
}

/// A fault, and whether it befalls every further request for the same.
pub(crate) type Turn = (Fault, bool);

/// All that may happen on the way, in turns.
pub(crate) const ON_THE_WAY: [Turn; 16] = [
    (Fault::Before(500, "InternalError"), false),
    (Fault::Corrupted, false),
    (Fault::After(500, "InternalError"), false),
    (Fault::Before(403, "AccessDenied"), false),
    (Fault::Lost, false),
    (Fault::Before(412, "PreconditionFailed"), false),
    (Fault::Corrupted, true),
    (Fault::Before(503, "SlowDown"), true),
    (Fault::Before(409, "ConditionalRequestConflict"), false),
    (Fault::Truncated, false),
    (Fault::After(500, "InternalError"), true),
    (Fault::Delayed, false),
    (Fault::Reset, true),
    (Fault::Before(400, "BadDigest"), false),
    (Fault::Truncated, true),
    (Fault::Lost, true),
];

/// The two ways to be killed.
pub(crate) const KILLED: [Turn; 2] = [(Fault::KilledBefore, false), (Fault::KilledAfter, false)];

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
