//! The sink: a call in each flight, judged by its answer, and what follows from that.

use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::sink::{Domain, FollowUp, FollowUps, LaneId, Next, Reply, Request, Sink, SinkMachine};

use super::answer::HttpAnswer;
use super::call::Call;
use super::judge::{self, Class, Conflict};

/// Makes a call: the body is an encoded [`Call`], the reply's body an encoded [`HttpAnswer`].
pub(super) const CALL: u8 = 1;

/// Looks up what became of a call: a GET for its `lookup`. Body and reply as with [`CALL`].
pub const LOOK_UP: u8 = 2;

/// How a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<'a> {
    /// It was made before: so the lookup says.
    Found {
        /// The whole body of the lookup's answer, which was a 2xx.
        body: &'a [u8],
    },
    /// It was made, and this is the answer.
    Done {
        /// 2xx; or 409 where that means that it was made before.
        status: u16,
        /// The whole body.
        body: &'a [u8],
    },
    /// It was refused for what it is, and would be again.
    Refused {
        /// 4xx.
        status: u16,
        /// The whole body.
        body: &'a [u8],
    },
    /// It has failed for unclear reasons as often as is allowed. Whether it was made is not known.
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// Why, the last time.
        reason: &'a Reason,
    },
}

/// What follows from the end of a call; the flow says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// This: the call's record is finished when this is.
    FollowUp(FollowUp),
    /// Nothing: what was done is done; the record of a call that was refused or given up becomes a dead letter.
    Nothing,
    /// The answer makes no sense, for this reason: the call is made again, and given up after some attempts.
    Unreadable(String),
}

/// What a call's end leads to: the flow's part of the sink.
type Concludes = dyn Fn(&Call<'_>, Ended<'_>) -> Conclusion;

/// What an [`HttpSink`] goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What 409 means.
    pub conflict: Conflict,
    /// The header that has the idempotency key.
    pub idempotency_header: String,
    /// Where what follows goes, and how large it may be; `None`: nothing follows.
    pub follow_ups: Option<FollowUps>,
    /// How long a call that was given up may still have its effect.
    pub settle_ms: u64,
    /// How long who makes a call waits for its answer.
    pub request_timeout_ms: u64,
}

/// Makes [`Call`]s, one in each flight.
pub struct HttpSink {
    pub(super) limits: Limits,
    concludes: Box<Concludes>,
    /// By lane: whether what it waits for is the answer to a lookup.
    looking: Vec<bool>,
}

impl HttpSink {
    /// A sink whose calls lead to what `concludes` says.
    #[must_use]
    pub fn new(limits: Limits, concludes: Box<Concludes>) -> Self {
        Self { limits, concludes, looking: Vec::new() }
    }

    fn answered(&self, call: &Call<'_>, status: u16, body: &[u8]) -> Verdict {
        let Some(HttpAnswer { retry_after_ms, whole, body }) = HttpAnswer::decode(body) else {
            return Verdict::Unknown(Reason::new("http_unknown", "the client's answer can't be read"));
        };
        let ended = match judge::classify(status, self.limits.conflict) {
            Class::Load => return Verdict::ComeBack { after_ms: retry_after_ms.unwrap_or(0) },
            Class::State => return Verdict::SinkDown(judge::reason("http_state", status, body)),
            Class::Unknown => return Verdict::Unknown(judge::reason("http_unknown", status, body)),
            Class::Unclear => return Verdict::Unclear(judge::reason("http_unclear", status, body)),
            Class::Done | Class::Refused if !whole => {
                let why = format!("{status}, and its answer is longer than {} bytes", body.len());
                return Verdict::Unclear(Reason::new("answer_too_long", why));
            }
            Class::Done => Ended::Done { status, body },
            Class::Refused => Ended::Refused { status, body },
        };
        self.concluded(call, ended, status, body)
    }

    pub(super) fn concluded(&self, call: &Call<'_>, ended: Ended<'_>, status: u16, body: &[u8]) -> Verdict {
        match ((self.concludes)(call, ended), ended) {
            (Conclusion::FollowUp(follow_up), _) => self.fitting(follow_up),
            (Conclusion::Nothing, Ended::Refused { .. }) => {
                Verdict::Refused(judge::reason("call_refused", status, body))
            }
            (Conclusion::Nothing, _) => Verdict::Done,
            (Conclusion::Unreadable(why), _) => {
                Verdict::Unclear(Reason::new("answer_unreadable", format!("{status}: {why}")))
            }
        }
    }

    /// What the reply to the call itself says.
    fn made(&self, call: &Call<'_>, reply: Reply) -> Verdict {
        let (verdict, credentials) = match reply {
            // Verdicts of the call, not of the request: only its own key waits.
            Reply::NotSent(why) => return Verdict::SinkDown(Reason::new("http_unreachable", why)),
            Reply::Unknown(why) => (Verdict::Unknown(Reason::new("http_unknown", why)), false),
            Reply::Answer { status, body } => (self.answered(call, status, &body), status < 500),
        };
        match verdict {
            Verdict::SinkDown(_) if credentials => verdict,
            verdict if call.lookup.is_some() => self.unsettled(verdict),
            verdict => verdict,
        }
    }

    fn is_looking(&mut self, lane: LaneId) -> &mut bool {
        let index = usize::from(lane.0);
        if self.looking.len() <= index {
            self.looking.resize(index + 1, false);
        }
        &mut self.looking[index]
    }

    fn fitting(&self, follow_up: FollowUp) -> Verdict {
        let size = follow_up.size_bytes();
        let max = self.limits.follow_ups.map_or(0, |follow_ups| follow_ups.bytes_max as usize);
        if size <= max {
            return Verdict::Answered(follow_up);
        }
        let why = format!("what follows from the answer takes {size} of {max} bytes");
        Verdict::Refused(Reason::new("follow_up_too_large", why))
    }
}

impl SinkMachine for HttpSink {
    fn begin(&mut self, lane: LaneId, flight: &mut Flight) -> Next {
        assert!(flight.len() == 1, "the sink's settings say one call a flight");
        let body = flight.effect(0).to_vec();
        let call = Call::decode(&body).ok_or_else(|| "the bytes are no call".to_owned());
        let checked = call.and_then(|call| call.check(&self.limits.idempotency_header).map(|()| call.lookup));
        match checked.map(|lookup| lookup.is_some()) {
            Ok(looks_up) => {
                *self.is_looking(lane) = looks_up;
                Next::Send(Request { operation: if looks_up { LOOK_UP } else { CALL }, body })
            }
            Err(why) => {
                flight.settle(0, Verdict::Refused(Reason::new("call_invalid", why)));
                Next::Settled
            }
        }
    }

    fn resume(&mut self, lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let Some(call) = Call::decode(flight.effect(0)) else {
            unreachable!("the call was read before it was made")
        };
        let verdict = if std::mem::take(self.is_looking(lane)) {
            match self.looked_up(&call, reply, flight.ours_for_ms()) {
                Some(verdict) => verdict,
                None => return Next::Send(Request { operation: CALL, body: flight.effect(0).to_vec() }),
            }
        } else {
            self.made(&call, reply)
        };
        flight.settle(0, verdict);
        Next::Settled
    }

    fn gave_up(&mut self, effect: &[u8], reason: &Reason, attempts: u32) -> Option<FollowUp> {
        let call = Call::decode(effect)?;
        match (self.concludes)(&call, Ended::GaveUp { attempts, reason }) {
            Conclusion::FollowUp(follow_up) => match self.fitting(follow_up) {
                Verdict::Answered(follow_up) => Some(follow_up),
                _ => None,
            },
            Conclusion::Nothing | Conclusion::Unreadable(_) => None,
        }
    }

    fn follow_ups(&self) -> Option<FollowUps> {
        self.limits.follow_ups
    }

    fn asks_for_others(&self) -> bool {
        true
    }
}

impl Sink for HttpSink {
    type Effect<'e> = Call<'e>;

    fn encode(effect: Call<'_>, into: &mut Vec<u8>) -> Domain {
        effect.encode(into);
        effect.domain()
    }
}

impl std::fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSink").field("limits", &self.limits).finish_non_exhaustive()
    }
}
