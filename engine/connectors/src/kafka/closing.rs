//! What a source holds of the client, and how that ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use thalweg_core::position::{Epoch, PartitionId};

use super::librdkafka::member_id;
use super::membership::{Membership, assign, unassign};
use super::offsets::OffsetThread;
use super::reading::Reading;

/// How long a member tries to leave its group before it closes without having left.
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

    /// Whether partitions are assigned one by one (and not all together).
    pub(super) fn is_cooperative(&self) -> bool {
        matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
    }

    /// Where every partition would be read on.
    pub(super) fn progress(&self) -> Vec<(PartitionId, Epoch, i64)> {
        let readings = (0..).zip(&self.readings);
        readings
            .filter_map(|(id, reading)| {
                let (epoch, next_offset) = reading.as_ref()?.progress();
                Some((PartitionId(id), epoch, next_offset))
            })
            .collect()
    }

    /// Closes on a thread of its own: closing waits for brokers.
    pub(super) fn close(self, held: Option<HeldAnswer>, leaves_first: bool) -> Closing {
        let (done, ended) = bounded(1);
        self.consumer.context().close();
        let closing = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
            self.run(held, leaves_first);
            // Nobody may be waiting any more.
            let _ = done.send(());
        });
        if let Err(error) = closing {
            tracing::error!("the Kafka consumer was not closed, no thread can be started: {error}");
        }
        Closing { ended }
    }

    fn run(self, held: Option<HeldAnswer>, leaves_first: bool) {
        let Self { consumer, mut offsets, readings } = self;
        let answered = held.map_or(Ok(()), |held| match held {
            HeldAnswer::Assign(list) => assign(&consumer, &list),
            HeldAnswer::Unassign(list) => unassign(&consumer, &list),
        });
        if let Err(error) = answered {
            tracing::warn!("a rebalance can't be answered before closing: {error}");
        }
        if leaves_first {
            leave(&consumer);
        }
        drop(readings);
        offsets.stop();
        // Closes: the last one that holds it.
        drop(consumer);
    }
}

/// The answer to a rebalance that is held when the source closes. It must be the one that the client waits for: any
/// other makes its later ones fail, and closing hang.
pub(super) enum HeldAnswer {
    /// Without offsets: nothing is fetched.
    Assign(TopicPartitionList),
    Unassign(TopicPartitionList),
}

/// Closing alone ends neither a static membership nor that of a cooperative member without partitions (librdkafka 2.12
/// leaves when the last one is unassigned, and forgets to when there is none), and the next rebalance would wait for a
/// member that is gone; unsubscribing before ends both. The member has no id once it has left.
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
