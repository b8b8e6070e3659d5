//! What a sink is: the pure half of a connector, asked by a lane.
//!
//! A lane hands the sink a [`Flight`] of effects; the sink answers with the request to send, is shown the reply,
//! and goes on until every effect of the flight has its [`Verdict`]. Queueing, order, retry, breaker and dead
//! letters are the lane's and the failure policy's business, never the sink's.

use crate::failure::{Reason, RequestFailure, Verdict};
use crate::flight::Flight;

/// A lane of one sink, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u16);

/// A request in the connector's own words: opaque to the core, understood by the connector's I/O half (and by its
/// simulated twin).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which of the connector's operations it is; numbers and meanings are the connector's.
    pub operation: u8,
    /// The bytes to send, or to act on.
    pub body: Vec<u8>,
}

/// What the I/O half brought back for one request.
#[derive(Debug)]
pub enum Reply {
    /// The system answered: its status in the connector's own numbers (for HTTP the status code) and its bytes.
    Answer {
        /// For HTTP the status code.
        status: u16,
        /// The whole answer; mutable, because fast parsers work in place.
        body: Vec<u8>,
    },
    /// The request surely had no effect: refused connection, failed resolution, failed handshake.
    NotSent(String),
    /// It may or may not have had its effect: timeout or broken connection after sending began.
    Unknown(String),
}

/// What a sink wants next for a flight.
#[derive(Debug)]
#[must_use]
pub enum Next {
    /// Send this, then show me the reply.
    Send(Request),
    /// Every effect of the flight has its verdict.
    Settled,
    /// The request as a whole failed. Effects that have no verdict yet share its fate.
    Failed(RequestFailure),
}

/// The part of a sink that lanes drive; one value per worker, with its per-lane state inside.
///
/// Contract: calls for one lane come as `begin`, then `resume` until it answers `Settled` or `Failed`, or until the
/// flight is cut short because an epoch has ended: then the next call is `begin` again. Between them other lanes'
/// calls may come. An effect that shares a request with others is judged by its own item of the
/// answer. Once `Settled`, every effect must have a verdict; the lane asserts it.
pub trait SinkMachine {
    /// Plans a flight: either the read it needs first, or the write.
    fn begin(&mut self, lane: LaneId, flight: &mut Flight) -> Next;

    /// Goes on with a flight whose last request got this reply.
    fn resume(&mut self, lane: LaneId, flight: &mut Flight, reply: Reply) -> Next;

    /// Whether a flight may hold only one effect of each order domain (see [`Sink::encode`]): true where items of
    /// one request can fail independently, so that a later one could overtake an earlier one.
    fn one_per_domain(&self) -> bool {
        true
    }

    /// Whether it matters to the sink that another worker may have sent an effect before ([`Flight::ours_for_ms`]).
    fn asks_for_others(&self) -> bool {
        false
    }

    /// The effect has failed for an unclear reason as often as is allowed, this time included: what follows from that
    /// instead of a dead letter, if anything.
    fn gave_up(&mut self, _effect: &[u8], _reason: &Reason, _attempts: u32) -> Option<FollowUp> {
        None
    }

    /// What may follow from its effects, if anything; must not change.
    fn follow_ups(&self) -> Option<FollowUps> {
        None
    }
}

/// A sink that operators can address: how one effect becomes bytes.
pub trait Sink: SinkMachine + 'static {
    /// What an operator asks for; may borrow from the record.
    type Effect<'e>;

    /// Appends the effect's bytes to `into` and names its order domain: effects with equal domains (a document, a
    /// row, a key) are applied in log order. Domains must be finer than or equal to record keys.
    fn encode(effect: Self::Effect<'_>, into: &mut Vec<u8>) -> Domain;
}

/// The order domain of an effect: a hash of the document, row or key that it touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Domain(pub u64);

/// Where a sink stands in its worker's list; given to operators so that they can send effects to it.
#[derive(Debug)]
pub struct SinkHandle<S> {
    index: u8,
    sink: std::marker::PhantomData<fn() -> S>,
}

impl<S> Clone for SinkHandle<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for SinkHandle<S> {}

impl<S> SinkHandle<S> {
    /// A handle to the sink at `index` of the worker's sinks.
    #[must_use]
    pub fn new(index: u8) -> Self {
        Self { index, sink: std::marker::PhantomData }
    }

    /// Its place in the worker's list.
    #[must_use]
    pub fn index(self) -> u8 {
        self.index
    }
}

/// What may follow from the effects of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowUps {
    /// Effects of the sink at this index, which stands further down in the worker's list.
    pub sink: u8,
    /// A [`FollowUp`] takes at most so many bytes. Each record reserves as many while it is open.
    pub bytes_max: u32,
}

/// An effect of another sink that follows from what became of an effect: the answer to a call that becomes a record.
///
/// It takes the place of the effect it follows from: the record's part ends when the follow-up has ended. Follow-ups are
/// queued at their sink in the order in which the effects ended: in the log's for each order domain, and for each key too
/// where flights hold one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    pub(crate) sink: u8,
    pub(crate) domain: Domain,
    pub(crate) bytes: Box<[u8]>,
}

impl FollowUp {
    /// That effect, of a sink that stands further down in the worker's list than the one it follows from.
    #[must_use]
    pub fn new<S: Sink>(sink: SinkHandle<S>, effect: S::Effect<'_>) -> Self {
        let mut bytes = Vec::new();
        let domain = S::encode(effect, &mut bytes);
        Self { sink: sink.index(), domain, bytes: bytes.into() }
    }

    /// What it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that [`Sink::encode`] wrote for it.
    #[must_use]
    pub fn effect(&self) -> &[u8] {
        &self.bytes
    }
}

/// Settles every effect that has no verdict yet.
pub fn settle_rest(flight: &mut Flight, verdict: &Verdict) {
    for index in 0..flight.len() {
        if !flight.is_settled(index) {
            flight.settle(index, verdict.clone());
        }
    }
}
