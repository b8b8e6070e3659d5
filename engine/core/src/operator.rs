//! What an operator sees and says.

use std::ops::Range;

use crate::failure::Reason;
use crate::record::Record;
use crate::sink::{Domain, Sink, SinkHandle};

/// What became of a record at one operator. Closed: there is no "error, carry on".
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// On to the next operator.
    Forward,
    /// The chain ends here; what was sent is done.
    Done,
    /// Nothing is to be done for this record, and why.
    Filtered(&'static str),
    /// This record can't be processed: it becomes a dead letter.
    Rejected(Reason),
}

/// A step of a flow. Runs to completion, does no I/O.
///
/// What it sends counts only once the whole chain has ended without rejecting or filtering the record.
pub trait Operator {
    /// Looks at one record.
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step;
}

/// Two operators in a row, as one; static, so a chain costs no dynamic call.
#[derive(Debug)]
pub struct Then<A, B>(pub A, pub B);

impl<A: Operator, B: Operator> Operator for Then<A, B> {
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        match self.0.process(record, out) {
            Step::Forward => self.1.process(record, out),
            end => end,
        }
    }
}

/// Any function from record and output to step is an operator.
impl<F> Operator for F
where
    F: FnMut(&Record<'_>, &mut Output<'_>) -> Step,
{
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        self(record, out)
    }
}

/// The effects one record's run asks for.
#[derive(Debug)]
pub struct Output<'w> {
    collected: &'w mut Collected,
}

impl<'w> Output<'w> {
    pub(crate) fn new(collected: &'w mut Collected) -> Self {
        Self { collected }
    }

    /// Asks `sink` for `effect`; encoded at once, so it may borrow from the record.
    pub fn send<S: Sink>(&mut self, sink: SinkHandle<S>, effect: S::Effect<'_>) {
        let start = self.collected.bytes.len();
        let domain = S::encode(effect, &mut self.collected.bytes);
        let bytes = start..self.collected.bytes.len();
        self.collected.effects.push(CollectedEffect { sink: sink.index(), domain, bytes });
    }
}

/// Where a run's effects wait until its chain has ended; reused from record to record.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) effects: Vec<CollectedEffect>,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct CollectedEffect {
    pub(crate) sink: u8,
    pub(crate) domain: Domain,
    pub(crate) bytes: Range<usize>,
}

impl Collected {
    pub(crate) fn clear(&mut self) {
        self.effects.clear();
        self.bytes.clear();
    }
}
