//! The versioned document sink: `plan -> [read the bases that are missing] -> bulk -> verdict item by item`.

use thalweg_core::failure::{Reason, RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Sink, SinkMachine};

use super::document::{self, Document};
use super::lane::Lane;
use super::rules::{Kept, Rule, Rules};
use super::version::Generation;

/// What a [`DocumentSink`] needs to know.
#[derive(Debug, Clone, Copy)]
pub struct DocumentOptions {
    /// The generation of the log under the index.
    pub generation: Generation,
    /// Bytes of documents each lane remembers for merging; 0: every merge reads.
    pub bases_bytes: usize,
    /// A document above this is refused (`document_too_large`) before it is sent. Elasticsearch takes no request above
    /// 100 MB (`http.max_content_length`).
    pub document_bytes_max: usize,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self { generation: Generation::FIRST, bases_bytes: 4 << 20, document_bytes_max: 10 << 20 }
    }
}

/// Documents in one index, written with versions from the log (design D9), so that replays, zombies and late requests
/// change nothing. `R` is what the simulator breaks on purpose.
#[derive(Debug)]
pub struct DocumentSink<R = Kept> {
    terms: Terms<R>,
    /// By lane number; made when a lane is first used.
    lanes: Vec<Lane>,
}

/// What all lanes go by.
#[derive(Debug, Clone)]
pub(super) struct Terms<R> {
    pub(super) options: DocumentOptions,
    pub(super) rules: R,
}

impl<R: Rules> Terms<R> {
    /// Whether a base is forgotten when a write on it was not acknowledged.
    pub(super) fn forgets_bases(&self) -> bool {
        self.rules.keep(Rule::BaseInDoubt) && self.rules.keep(Rule::BaseAcknowledged)
    }
}

impl DocumentSink {
    /// A sink with no lane used yet.
    #[must_use]
    pub fn new(options: DocumentOptions) -> Self {
        Self::with_rules(options, Kept)
    }

    /// What a lane that remembers `bases_bytes` keeps at most between two flights.
    #[must_use]
    pub fn lane_bytes_max(bases_bytes: usize) -> usize {
        Lane::bytes_max(bases_bytes)
    }
}

impl<R: Rules> DocumentSink<R> {
    /// A sink that keeps those rules: for the simulator.
    #[must_use]
    pub fn with_rules(options: DocumentOptions, rules: R) -> Self {
        Self { terms: Terms { options, rules }, lanes: Vec::new() }
    }

    fn lane(&mut self, lane: LaneId) -> (&Terms<R>, &mut Lane) {
        let index = usize::from(lane.0);
        while self.lanes.len() <= index {
            self.lanes.push(Lane::new(self.terms.options.bases_bytes));
        }
        (&self.terms, &mut self.lanes[index])
    }
}

impl<R: Rules> SinkMachine for DocumentSink<R> {
    fn begin(&mut self, lane: LaneId, flight: &mut Flight) -> Next {
        let (terms, lane) = self.lane(lane);
        lane.plan(terms, flight)
    }

    fn resume(&mut self, lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let (terms, lane) = self.lane(lane);
        match reply {
            Reply::Answer { status, body } => lane.answered(terms, flight, status, body),
            Reply::NotSent(message) => {
                let reason = Reason::new("elasticsearch_unreachable", message);
                lane.fail(terms, flight, RequestFailure::SinkDown(reason))
            }
            Reply::Unknown(message) => {
                let reason = Reason::new("elasticsearch_unknown", message);
                lane.fail(terms, flight, RequestFailure::Unknown(reason))
            }
        }
    }
}

impl<R: Rules> Sink for DocumentSink<R> {
    type Effect<'e> = Document<'e>;

    fn encode(effect: Document<'_>, into: &mut Vec<u8>) -> Domain {
        document::encode(effect, into)
    }
}

/// The verdict for a document that is too large, if it is.
pub(super) fn too_large(options: &DocumentOptions, document: &[u8]) -> Option<Verdict> {
    let max = options.document_bytes_max;
    (document.len() > max).then(|| {
        Verdict::Refused(Reason::new("document_too_large", format!("{} of {max} bytes", document.len())))
    })
}
