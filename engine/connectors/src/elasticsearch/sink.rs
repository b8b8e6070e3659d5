//! The versioned document sink: `plan -> [read the bases that are missing] -> bulk -> verdict item by item`.

use std::marker::PhantomData;

use thalweg_core::failure::{Reason, RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Sink, SinkMachine};

use super::document::{self, Document};
use super::lane::Lane;
use super::rules::{Kept, Rules};
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
    options: DocumentOptions,
    /// By lane number; made when a lane is first used.
    lanes: Vec<Lane>,
    rules: PhantomData<fn() -> R>,
}

impl<R: Rules> DocumentSink<R> {
    /// A sink with no lane used yet.
    #[must_use]
    pub fn new(options: DocumentOptions) -> Self {
        Self { options, lanes: Vec::new(), rules: PhantomData }
    }

    fn lane(&mut self, lane: LaneId) -> &mut Lane {
        let index = usize::from(lane.0);
        while self.lanes.len() <= index {
            self.lanes.push(Lane::new(&self.options));
        }
        &mut self.lanes[index]
    }
}

impl<R: Rules> SinkMachine for DocumentSink<R> {
    fn begin(&mut self, lane: LaneId, flight: &mut Flight) -> Next {
        let options = self.options;
        self.lane(lane).plan::<R>(&options, flight)
    }

    fn resume(&mut self, lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let options = self.options;
        let lane = self.lane(lane);
        let (status, body) = match reply {
            Reply::Answer { status, body } => (status, body),
            Reply::NotSent(message) => {
                let reason = Reason::new("elasticsearch_unreachable", message);
                return lane.fail(flight, RequestFailure::SinkDown(reason));
            }
            Reply::Unknown(message) => {
                return lane
                    .fail(flight, RequestFailure::Unknown(Reason::new("elasticsearch_unknown", message)));
            }
        };
        lane.answered::<R>(&options, flight, status, body)
    }

    fn forget(&mut self, partition: PartitionId, epoch: Epoch) {
        if R::BASE_OF_EPOCH {
            self.lanes.iter_mut().for_each(|lane| lane.forget(partition, epoch));
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
