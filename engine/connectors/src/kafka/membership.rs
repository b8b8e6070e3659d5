//! What the group tells a member, and how the member answers. It replaces the client's own handling of rebalances:
//! they are noted, and answered only when the worker is ready (design D7).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::client;

/// Topic and partition number.
pub(super) type Named = (String, i32);

/// What the client said while it was polled.
#[derive(Debug)]
pub(super) enum Notice {
    /// To be answered with [`assign`].
    Assigned(Vec<Named>),
    /// To be answered with [`unassign`].
    Revoked(Vec<Named>),
    /// Answered already.
    Lost(Vec<Named>),
    Error {
        code: Option<RDKafkaErrorCode>,
        text: String,
    },
}

/// The consumer's context: collects notices until the worker's thread takes them.
#[derive(Debug, Default)]
pub(super) struct Membership {
    notices: Mutex<Vec<Notice>>,
    closing: AtomicBool,
    /// Callbacks served so far: a poll that served one may have more behind it.
    served: AtomicU64,
}

impl Membership {
    /// What was said since the last call.
    pub(super) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on every rebalance is answered at once; otherwise closing would wait for ever.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether [`Membership::close`] was called.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    fn serve(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, notice: Notice) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.serve();
        client::log(level, facility, line);
    }

    fn stats_raw(&self, _json: &[u8]) {
        self.serve();
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.serve();
        self.note(Notice::Error { code: error.rdkafka_error_code(), text: reason.to_owned() });
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.serve();
        let closing = self.is_closing();
        let named: Vec<Named> =
            list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let answered = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                // An empty assignment needs no positions: answered here. While closing it is taken without offsets,
                // so that nothing is fetched and the revocation that follows fits.
                let answer = (named.is_empty() || closing).then(|| assign(consumer, list));
                self.note(Notice::Assigned(named));
                answer
            }
            _ if consumer.assignment_lost() => {
                self.note(Notice::Lost(named));
                Some(unassign(consumer, list))
            }
            _ => {
                let answer = (named.is_empty() || closing).then(|| unassign(consumer, list));
                self.note(Notice::Revoked(named));
                answer
            }
        };
        if let Some(Err(error)) = answered {
            self.note(Notice::Error { code: error.rdkafka_error_code(), text: error.to_string() });
        }
    }

    fn commit_callback(&self, _result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.serve();
    }
}

/// Answers an assignment; the list has the offsets to start from.
pub(super) fn assign(consumer: &BaseConsumer<Membership>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    }
}

/// Answers a revocation of the partitions in the list (with the eager protocol: of all there are).
pub(super) fn unassign(consumer: &BaseConsumer<Membership>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}
