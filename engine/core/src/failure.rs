//! The failure policy (design D8): causes, and the one table that says what is done about each.

use std::borrow::Cow;

use crate::sink::FollowUp;

/// Why a record was refused, for its dead letter: a stable class and a message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word: `undecodable`, `document_missing`, `document_refused`, ...
    pub class: &'static str,
    /// What exactly; names no payload beyond what the outside system said.
    pub message: Cow<'static, str>,
}

impl Reason {
    /// A reason of that class.
    pub fn new(class: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { class, message: message.into() }
    }
}

/// What an outside system made of one effect. Connectors classify by cause; what follows is [`Verdict::policy`]'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Applied, durable.
    Done,
    /// It has its answer, and that must become an effect of another sink: it ends when that one has ended.
    Answered(FollowUp),
    /// Nothing to do: something newer has been applied already.
    Superseded,
    /// Refused for what it is; sending it again can't help.
    Refused(Reason),
    /// Refused for load: 429, throttled, overloaded.
    Overloaded,
    /// Refused for load by a system that says so of itself, whatever the item (429 of a request of one item): the whole
    /// sink is asked less.
    ComeBack {
        /// How long it wants to be left alone with this item at least (`Retry-After`); 0: it does not say.
        after_ms: u64,
    },
    /// The outside system is not in a state to take it: down, forbidden, index missing, blocked, shard unavailable.
    SinkDown(Reason),
    /// It is not known whether it was applied.
    Unknown(Reason),
    /// It is not known, and it must not be sent again while it may still be applied.
    Unsettled {
        /// What happened.
        reason: Reason,
        /// How long that is.
        after_ms: u64,
    },
    /// The system answers; it is not to be sent yet, because somebody else may have sent it.
    NotYet {
        /// Why it may have been.
        reason: Reason,
        /// How long theirs may still be applied.
        after_ms: u64,
    },
    /// Refused, and we can't tell why; worth some more attempts.
    Unclear(Reason),
}

/// An outside system that asks to be left alone for longer is asked again after this: keys must not wait for days because
/// of one wrong header.
const COME_BACK_MS_MAX: u64 = 10 * 60 * 1_000;

/// Why a request failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
    /// Refused for load (429 of the request).
    Overloaded,
    /// Refused for its content (400, 413 of the request): some item in it is the culprit.
    Refused(Reason),
    /// The sink's state: refused connection, TLS, 401, 403, 5xx.
    SinkDown(Reason),
    /// Timeout or broken connection after sending.
    Unknown(Reason),
}

/// What is done with an effect that has its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Its slot closes: applied, or superseded.
    Close {
        /// Whether something newer had been applied.
        superseded: bool,
    },
    /// Its slot stays open for what follows from it, which is queued at its sink.
    Follow(FollowUp),
    /// Its record goes to the dead letters; its key waits for their acknowledgement.
    DeadLetter(Reason),
    /// Its key is parked, and it goes out again after a backoff.
    Park {
        /// Whether this counts towards `attempts_max`.
        counts: bool,
        /// What the retry waits for, for people.
        reason: Option<Reason>,
        /// The outside system asks for at least this wait.
        at_least_ms: u64,
    },
}

impl Verdict {
    /// The table of D8, for one effect that has failed `attempts` counted times before.
    ///
    /// | verdict | what is done | counted |
    /// |---|---|---|
    /// | done, superseded | close | |
    /// | answered | queue what follows | |
    /// | refused for what it is | dead letter | |
    /// | refused for load | park, as long as it asks for | no |
    /// | sink's state | park (the breaker watches) | no |
    /// | unknown outcome | park: effects are idempotent | no |
    /// | unknown, and a repeat would not be harmless | park until it is settled | no |
    /// | may have been sent by somebody else | park until that is settled | no |
    /// | unclear | park, dead letter at `attempts_max` | yes |
    #[must_use]
    pub fn policy(self, attempts: u32, attempts_max: Option<u32>) -> Action {
        match self {
            Self::Done => Action::Close { superseded: false },
            Self::Superseded => Action::Close { superseded: true },
            Self::Answered(follow_up) => Action::Follow(follow_up),
            Self::Refused(reason) => Action::DeadLetter(reason),
            Self::Overloaded => Action::Park { counts: false, reason: None, at_least_ms: 0 },
            Self::ComeBack { after_ms } => {
                Action::Park { counts: false, reason: None, at_least_ms: after_ms.min(COME_BACK_MS_MAX) }
            }
            Self::SinkDown(reason) | Self::Unknown(reason) => {
                Action::Park { counts: false, reason: Some(reason), at_least_ms: 0 }
            }
            Self::Unsettled { reason, after_ms } | Self::NotYet { reason, after_ms } => {
                Action::Park { counts: false, reason: Some(reason), at_least_ms: after_ms }
            }
            Self::Unclear(reason) if attempts_max.is_some_and(|max| attempts + 1 >= max) => {
                Action::DeadLetter(reason)
            }
            Self::Unclear(reason) => Action::Park { counts: true, reason: Some(reason), at_least_ms: 0 },
        }
    }
}
