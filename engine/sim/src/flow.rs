//! What a flow brings to be simulated: its operator and sinks as they run in production, and a small world around
//! them: traffic, the outside systems, and a naive sequential reader that says what must come out.

use thalweg_core::SinkSettings;
use thalweg_core::operator::Operator;
use thalweg_core::sink::{Request, SinkMachine};

use crate::broker::log::{LogRecord, NewRecord};
use crate::checks::Violation;
use crate::sabotage::Behaviour;
use crate::weather::Weather;

/// A flow under test. See [`crate::message_flow`] for one to learn from.
pub trait Flow: Clone + Send + Sync {
    /// Its operators, as one.
    type Operator: Operator;
    /// What is around it.
    type Outside: Outside;

    /// Its name.
    fn name(&self) -> &'static str;
    /// The header that names the event, if the flow deduplicates.
    fn event_id_header(&self) -> Option<&'static str>;
    /// A new operator, for a new worker.
    fn operator(&self) -> Self::Operator;
    /// The sinks of a new worker, in the order of the operator's handles: names and pure halves. A sink whose rules
    /// can be broken takes them from `behaviour`.
    fn sinks(&self, behaviour: Behaviour) -> Vec<(&'static str, Box<dyn SinkMachine>)>;
    /// Whether each key is kept up with in a calm history. Not where the sink takes one item a request: then the records of a
    /// busy key may come faster than their requests can follow each other.
    fn keeps_up_with_each_key(&self) -> bool {
        true
    }
    /// How that sink is driven; `drawn` is what the seed says of sinks.
    fn sink_settings(&self, _sink: usize, drawn: SinkSettings) -> SinkSettings {
        drawn
    }
    /// The world around one run; `window` is the dedupe window in offsets.
    fn outside(&self, partitions: u32, window: u64) -> Self::Outside;
}

/// The world around a flow, for one run.
pub trait Outside {
    /// The next record that is produced.
    fn next_record(&mut self, rng: &mut fastrand::Rng) -> NewRecord;

    /// The sequential reader: shown every record once, in the order of each partition, it says what must become of
    /// it. Duplicates are not shown.
    fn read(&mut self, record: &LogRecord) -> Fate;

    /// The sequential reader forgets all that it made of that partition's records: retention has removed records that
    /// nobody had read. It is then shown those that were applied before, and those that remain.
    fn forget(&mut self, partition: u32);

    /// The outside system behind sink number `sink` takes a request: answers status and body, and notes in `touches`
    /// what became of each effect in it.
    fn serve(
        &mut self,
        sink: usize,
        request: &Request,
        weather: &mut Weather,
        touches: &mut Vec<Touch>,
    ) -> (u16, Vec<u8>);

    /// Whether a request to that sink may hold only one effect of each order domain.
    fn one_per_domain(&self, _sink: usize) -> bool {
        true
    }

    /// A rule of its own that the outside world has seen broken since it was last asked.
    fn broken(&mut self) -> Option<Violation> {
        None
    }

    /// The outside system behind that sink restarts: what it keeps in memory only is gone.
    fn restart(&mut self, sink: usize);

    /// Compares what the outside systems hold with what the sequential reader would have left: the first difference.
    fn difference(&self) -> Option<String>;
}

/// What must become of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is to be done.
    Filtered,
    /// Its event id was seen before.
    Duplicate,
    /// Something newer makes it void.
    Superseded,
    /// It has an effect in that order domain.
    Applied {
        /// The domain, by name.
        domain: String,
    },
    /// It becomes a dead letter.
    DeadLettered {
        /// What may not overtake the letter.
        holds: Holds,
    },
}

/// What waits until a dead letter is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All later records of its key: an operator rejected it.
    Key,
    /// Later effects in that domain: the sink refused it.
    Domain(String),
    /// Nothing: it has no key.
    Nothing,
}

/// One effect in a request that reached the outside system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Its order domain, by name.
    pub domain: String,
    /// The record it says it comes from, where the request tells.
    pub place: Option<(u32, i64)>,
    /// Whether it was applied (and not refused, nor found to be done before).
    pub applied: bool,
}
