//! What a source holds of the client, and how that ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use thalweg_core::position::PartitionId;

use super::librdkafka::member_id;
use super::membership::{Membership, assign, unassign};
use super::offsets::OffsetThread;
use super::reading::Reading;

/// How long a static member tries to leave its group before it closes without having left.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The consumer and what hangs on it; dropped in the order that it needs.
pub(super) struct Open {
    pub(super) consumer: Arc<BaseConsumer<Membership>>,
    pub(super) offsets: OffsetThread,
    /// By partition id.
    pub(super) readings: Vec<Option<Reading>>,
}

impl Open {
    pub(super) fn reading(&mut self, id: PartitionId) -> Option<&mut Reading> {
        self.readings.get_mut(id.index())?.as_mut()
    }

    pub(super) fn read_with(&mut self, id: PartitionId, reading: Reading) {
        if self.readings.len() <= id.index() {
            self.readings.resize_with(id.index() + 1, || None);
        }
        self.readings[id.index()] = Some(reading);
    }

    pub(super) fn stop_reading(&mut self, id: PartitionId) {
        if let Some(reading) = self.readings.get_mut(id.index()) {
            *reading = None;
        }
    }

    /// Closes on a thread of its own: closing waits for brokers.
    pub(super) fn close(self, leaves_first: bool) -> Closing {
        let (done, ended) = bounded(1);
        self.consumer.context().close();
        let closing = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
            self.run(leaves_first);
            // Nobody may be waiting any more.
            let _ = done.send(());
        });
        if let Err(error) = closing {
            tracing::error!("the Kafka consumer was not closed, no thread can be started: {error}");
        }
        Closing { ended }
    }

    fn run(self, leaves_first: bool) {
        let Self { consumer, mut offsets, readings } = self;
        answer_held(&consumer);
        if leaves_first {
            leave(&consumer);
        }
        drop(readings);
        offsets.stop();
        // Closes: the last one that holds it.
        drop(consumer);
    }
}

/// Answers a rebalance that is held, whichever it is; answering one that is not held does nothing.
fn answer_held(consumer: &BaseConsumer<Membership>) {
    let answers = [
        assign(consumer, &TopicPartitionList::new()),
        consumer.assignment().and_then(|all| unassign(consumer, &all)),
    ];
    for error in answers.into_iter().filter_map(Result::err) {
        tracing::debug!("while closing the Kafka consumer: {error}");
    }
}

/// Closing alone does not end a static membership; unsubscribing before does. The member has no id once it has left.
fn leave(consumer: &BaseConsumer<Membership>) {
    consumer.unsubscribe();
    let begun = Instant::now();
    while member_id(consumer.client()).is_some() {
        if begun.elapsed() > LEAVE_TIMEOUT {
            tracing::warn!("the group was not left: no answer within {LEAVE_TIMEOUT:?}");
            return;
        }
        // Serves the revocation that unsubscribing brings.
        let _ = consumer.poll(Duration::from_millis(20));
    }
}

/// A consumer that is being closed.
#[derive(Debug)]
pub struct Closing {
    ended: Receiver<()>,
}

impl Closing {
    /// Waits until the consumer is closed; answers whether it was within `timeout`.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        self.ended.recv_timeout(timeout).is_ok()
    }
}
