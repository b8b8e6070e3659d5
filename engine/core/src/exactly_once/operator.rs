//! What an operator of an exactly-once flow sees and says.

use crate::exactly_once::interface::Outputs;
use crate::operator::Step;
use crate::record::Record;
use crate::sink::{Sink, SinkHandle};
use crate::state::RunState;
use crate::timers::TimerRef;
use crate::worker::SinkIndex;

/// A sink whose effects can be part of a transaction: records on topics of the cluster that is read from. An
/// exactly-once flow has no others; what concerns the world outside is a second flow that reads this one's output.
pub trait TransactionalSink: Sink {}

/// An operator with state and timers. Only exactly-once flows have such operators: an at-least-once flow would meet its own
/// half-applied past after a crash.
pub trait StatefulOperator {
    /// Looks at one record.
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step;

    /// A timer is due. It is gone; setting it again is a new one.
    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>);
}

/// The timer that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueNow<'r> {
    /// Which one.
    pub timer: TimerRef<'r>,
    /// Its deadline, in ms since 1970.
    pub deadline_ms: i64,
}

/// One record's or timer's run: what it reads, writes and sends. Counts only if its chain ends without rejecting or
/// filtering the record, and only together with its whole transaction.
#[derive(Debug)]
pub struct Run<'r> {
    /// The state of the run's partition.
    pub state: RunState<'r>,
    outputs: &'r mut Outputs,
    now_ms: i64,
}

impl<'r> Run<'r> {
    pub(super) fn new(state: RunState<'r>, outputs: &'r mut Outputs, now_ms: i64) -> Self {
        Self { state, outputs, now_ms }
    }

    /// The time that timers go by, in ms since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Sends an effect; encoded at once, so it may borrow from the record.
    pub fn send<S: TransactionalSink>(&mut self, sink: SinkHandle<S>, effect: S::Effect<'_>) {
        self.outputs.push(SinkIndex(sink.index()), |bytes| S::encode(effect, bytes));
    }
}
