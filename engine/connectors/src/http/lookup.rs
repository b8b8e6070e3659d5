//! Calls that are looked up before they are made, because the system does not know a call again by its key.
//!
//! A call whose outcome is open may be made again only when it is known that it was not made, and won't be. The lookup
//! alone does not say so: a request may still be on its way, or be worked on. So nothing is believed that is said before
//! that time is over ([`Limits::settle_ms`](super::Limits)), counted from when whoever made the call gave it up:
//!
//! - a call of our own that was not answered, or by something that leaves it open: from then on;
//! - a call that another worker may have made, which had the partition before: from when it must have noticed that it lost
//!   it, and as much longer as who makes a call waits for its answer.
//!
//! A call of a record that came later is nobody else's: it is made at once when nothing is known of it.
//!
//! What the system must promise: a call can be looked up as soon as it has its effect, and has it within that time or
//! never.

use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::sink::Reply;

use super::answer::HttpAnswer;
use super::call::Call;
use super::judge::{self, Class, Conflict};
use super::sink::{Ended, HttpSink};

/// Nothing is known of the call.
const NOT_FOUND: u16 = 404;

impl HttpSink {
    /// What the answer to the lookup says of the call; `None`: it is to be made now. `ours_for_ms`: for how long it has been
    /// ours alone; `None`: for ever.
    pub(super) fn looked_up(
        &self,
        call: &Call<'_>,
        reply: Reply,
        ours_for_ms: Option<u64>,
    ) -> Option<Verdict> {
        let others_ms = self.limits.settle_ms + self.limits.request_timeout_ms;
        let after_ms = ours_for_ms.map_or(0, |ours_ms| others_ms.saturating_sub(ours_ms));
        Some(match reply {
            Reply::Answer { status: NOT_FOUND, .. } if after_ms > 0 => {
                let why = "nothing is known of it; who had the partition before may have made it just now";
                Verdict::NotYet { reason: Reason::new("call_unsettled", why), after_ms }
            }
            Reply::Answer { status: NOT_FOUND, .. } => return None,
            Reply::Answer { status, body } => self.found(call, status, &body),
            Reply::NotSent(why) => Verdict::SinkDown(Reason::new("http_unreachable", why)),
            Reply::Unknown(why) => Verdict::SinkDown(Reason::new("lookup_unanswered", why)),
        })
    }

    fn found(&self, call: &Call<'_>, status: u16, body: &[u8]) -> Verdict {
        let Some(HttpAnswer { retry_after_ms, whole, body }) = HttpAnswer::decode(body) else {
            return Verdict::SinkDown(Reason::new("http_unknown", "the client's answer can't be read"));
        };
        match judge::classify(status, Conflict::InProgress) {
            Class::Done if whole => self.concluded(call, Ended::Found { body }, status, body),
            Class::Load => Verdict::ComeBack { after_ms: retry_after_ms.unwrap_or(0) },
            Class::State | Class::Unknown => Verdict::SinkDown(judge::reason("http_state", status, body)),
            Class::Done | Class::Refused | Class::Unclear => {
                Verdict::Unclear(judge::reason("lookup_unclear", status, body))
            }
        }
    }

    /// What an answer that leaves the call's outcome open means for a call that is looked up.
    pub(super) fn unsettled(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Unknown(reason) | Verdict::SinkDown(reason) | Verdict::Unclear(reason) => {
                Verdict::Unsettled { reason, after_ms: self.limits.settle_ms }
            }
            verdict => verdict,
        }
    }
}
