//! The source: a member of a consumer group that reads its partitions in batches and never waits.
//!
//! Owned by one worker's thread, which polls it for events, reads its partitions, and answers its rebalances. Calls
//! that must wait (committed offsets, watermarks, commits) are made on one thread of the source's own, and come back
//! as events.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
pub use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::worker::FetchId;

use super::client;
use super::closing::{Closing, HeldAnswer, Open};
use super::event::SourceEvent;
use super::fetches::Fetches;
use super::librdkafka::{PartitionQueue, Wake, member_id, positions};
use super::membership::{Membership, Named, Notice, assign, unassign};
use super::offsets::{Commit, Fetch, Job, OffsetThread};
use super::orphans::Orphans;
use super::partitions::PartitionTable;
use super::properties;
use super::reading::{Reader, Reading};
use super::settings::{GroupProtocol, KafkaSettings, SettingError};

/// Callbacks served in one call of [`KafkaSource::poll_events`]: a chatty log must not keep the worker from reading.
const POLLS_MAX: usize = 1_000;

/// Why there is no source.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A setting can't be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The client library refused.
    #[error("the Kafka client can't be made: {0}")]
    Client(#[from] KafkaError),
    /// No thread could be started.
    #[error("no thread can be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// See the module's text.
pub struct KafkaSource {
    /// `None` only while being closed.
    open: Option<Open>,
    partitions: PartitionTable,
    reader: Reader,
    held: Held,
    fetches: Fetches,
    /// Partitions to be read anew from another offset, once no rebalance is held.
    restarts: Vec<Start>,
    /// Events that reading brought.
    found: Vec<SourceEvent>,
    wake: Wake,
    is_classic: bool,
}

/// Where reading of a partition begins, and under which epoch.
type Start = (PartitionId, Epoch, i64);

/// The rebalance that the group waits for us to answer.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    /// Answered once every partition was started.
    Assigned { missing: Vec<PartitionId>, starts: Vec<Start> },
    /// Answered once every partition was released.
    Revoked { all: Vec<PartitionId>, missing: Vec<PartitionId> },
}

impl KafkaSource {
    /// Joins the group for those topics. Does not wait: an unreachable broker shows as warnings (ask
    /// [`super::topics::Topics`] first to have a clear error at start).
    ///
    /// `wake` is called, from the client's threads and with a lock of theirs held, whenever there may be something new
    /// to poll or read; it must neither block nor call the source. Wake-ups come when a queue turns from empty to
    /// filled, so after one everything must be polled and read until nothing is left.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub fn connect(
        settings: &KafkaSettings,
        topics: &[&str],
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ConnectError> {
        settings.check()?;
        let config = client::config(properties::of_consumer(settings));
        let mut consumer: BaseConsumer<Membership> = config.create_with_context(Membership::default())?;
        let on_event = Arc::clone(&wake);
        consumer.set_nonempty_callback(move || on_event());
        let consumer = Arc::new(consumer);
        consumer.subscribe(topics)?;
        let orphans = Orphans::of(settings, topics);
        let offsets = OffsetThread::start(Arc::clone(&consumer), orphans, Arc::clone(&wake))?;
        Ok(Self {
            open: Some(Open { consumer, offsets, readings: Vec::new() }),
            partitions: PartitionTable::default(),
            reader: Reader::new(),
            held: Held::Nothing,
            fetches: Fetches::default(),
            restarts: Vec::new(),
            found: Vec::new(),
            wake,
            is_classic: settings.group.protocol == GroupProtocol::Classic,
        })
    }

    /// The table of all partitions that were ever assigned.
    #[must_use]
    pub fn partitions(&self) -> &PartitionTable {
        &self.partitions
    }

    /// Whether record headers are taken as they came off the wire, and not through the slower public interface. That
    /// begins once they were found equal for the first records that have headers.
    #[must_use]
    pub fn reads_raw_headers(&self) -> bool {
        self.reader.reads_raw_headers()
    }

    fn open(&mut self) -> &mut Open {
        let Some(open) = &mut self.open else {
            unreachable!("only closing takes it, and that consumes the source")
        };
        open
    }

    /// Everything that happened since the last call. Must be called after each wake-up, and at least once in
    /// `max_poll_interval_ms` or the group takes the partitions away.
    pub fn poll_events(&mut self) -> Vec<SourceEvent> {
        let mut events = std::mem::take(&mut self.found);
        for _ in 0..POLLS_MAX {
            let consumer = &self.open().consumer;
            let served = consumer.context().served();
            match consumer.poll(Duration::ZERO) {
                None if consumer.context().served() == served => break,
                None => {}
                // Its partition's queue was split off before anything was fetched.
                Some(Ok(_)) => {
                    events.push(SourceEvent::Fatal("a record took the way of the events".to_owned()));
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    events.push(match code {
                        RDKafkaErrorCode::UnreleasedInstanceId => {
                            SourceEvent::InstanceIdTaken(code.to_string())
                        }
                        code => self.fatal(code.to_string()),
                    });
                }
                // The context has noted it with more words.
                Some(Err(_)) => {}
            }
        }
        for notice in self.open().consumer.context().take() {
            self.translate(notice, &mut events);
        }
        self.notice_loss(&mut events);
        self.restart();
        events.append(&mut self.found);
        while let Some(event) = self.open().offsets.event() {
            events.push(event);
        }
        events
    }

    fn translate(&mut self, notice: Notice, events: &mut Vec<SourceEvent>) {
        match notice {
            Notice::Assigned(named) => {
                let ids = self.ids(&named);
                if ids.is_empty() {
                    self.rouse();
                } else {
                    self.held = Held::Assigned { missing: ids.clone(), starts: Vec::new() };
                }
                events.push(SourceEvent::Assigned(ids));
            }
            Notice::Revoked(named) if named.is_empty() => {}
            Notice::Revoked(named) => {
                let ids = self.ids(&named);
                self.fetches.taken_away(&ids);
                self.held = Held::Revoked { all: ids.clone(), missing: ids.clone() };
                events.push(SourceEvent::Revoked(ids));
            }
            Notice::Lost(named) => {
                let ids = self.ids(&named);
                self.drop_lost(ids, events);
            }
            Notice::Error { code: Some(RDKafkaErrorCode::Fatal), text } => events.push(self.fatal(text)),
            Notice::Error { text, .. } => events.push(SourceEvent::Warning(text)),
        }
    }

    /// The client has reported that it can't go on; it knows why in more detail.
    fn fatal(&mut self, text: String) -> SourceEvent {
        match self.open().consumer.client().fatal_error() {
            Some((RDKafkaErrorCode::FencedInstanceId, why)) => SourceEvent::Fenced(why),
            Some((_, why)) => SourceEvent::Fatal(why),
            None => SourceEvent::Fatal(text),
        }
    }

    fn ids(&mut self, named: &[Named]) -> Vec<PartitionId> {
        named.iter().map(|(topic, number)| self.partitions.id(topic, *number)).collect()
    }

    /// A revocation that we hold may turn into a loss without another callback.
    fn notice_loss(&mut self, events: &mut Vec<SourceEvent>) {
        if let Held::Revoked { all, .. } = &self.held
            && self.open.as_ref().is_some_and(|open| open.consumer.assignment_lost())
        {
            let all = all.clone();
            self.answer_revocation(&all);
            self.drop_lost(all, events);
        }
    }

    fn drop_lost(&mut self, ids: Vec<PartitionId>, events: &mut Vec<SourceEvent>) {
        self.held = Held::Nothing;
        self.fetches.taken_away(&ids);
        for id in &ids {
            self.open().stop_reading(*id);
        }
        events.push(SourceEvent::Lost(ids));
    }

    /// Asks for the committed offsets and the ends of those partitions; the answer is one
    /// [`SourceEvent::Positions`] with that number. Repeated without end (with warnings) until it succeeds or the group
    /// has taken all of the partitions away again; an answer may still come then.
    pub fn fetch_positions(&mut self, id: FetchId, partitions: &[PartitionId]) {
        let moot = self.fetches.begin(partitions);
        let partitions = partitions.iter().map(|id| (*id, self.named(*id))).collect();
        self.open().offsets.ask(Job::Fetch(Fetch { id, partitions, moot }));
    }

    fn named(&self, id: PartitionId) -> Named {
        let Some((topic, number)) = self.partitions.name(id) else {
            unreachable!("ids come from this source's table")
        };
        (topic.to_owned(), number)
    }

    /// Sets where reading of assigned partitions begins; may be below the committed offset. Once all partitions of the
    /// assignment are started, it is answered and records begin to come.
    ///
    /// A partition that was started before is read anew from that offset (after [`SourceEvent::OffsetOutOfRange`], or
    /// after a commit that was fenced). Partitions that the group has taken back meanwhile are passed over.
    pub fn start(&mut self, starts: &[(PartitionId, Epoch, i64)]) {
        for start in starts {
            if let Held::Assigned { missing, starts } = &mut self.held
                && missing.contains(&start.0)
            {
                missing.retain(|id| *id != start.0);
                starts.push(*start);
            } else if self.open().reading(start.0).is_some() {
                self.restarts.retain(|restart| restart.0 != start.0);
                self.restarts.push(*start);
            }
        }
        if let Held::Assigned { missing, starts } = &mut self.held
            && missing.is_empty()
        {
            let starts = std::mem::take(starts);
            self.held = Held::Nothing;
            let begun = self.begin(&starts);
            self.tell_failure(begun);
            self.rouse();
        }
        if !self.restarts.is_empty() {
            (self.wake)();
        }
    }

    fn tell_failure(&mut self, begun: Result<(), KafkaError>) {
        if let Err(reason) = begun {
            self.found.push(SourceEvent::Fatal(format!("partitions can't be started: {reason}")));
            (self.wake)();
        }
    }

    /// Takes the partitions out of the client's assignment and in again: a seek does not revive a partition whose
    /// offset was out of range. Not while a rebalance is held, which this would answer.
    fn restart(&mut self) {
        if self.restarts.is_empty() || !matches!(self.held, Held::Nothing) {
            return;
        }
        let mut restarts = std::mem::take(&mut self.restarts);
        restarts.retain(|(id, ..)| self.open().reading(*id).is_some());
        if !self.open().is_cooperative() {
            // An eager assignment is replaced as a whole: the others go on where they are.
            let others = self.open().progress();
            restarts.extend(
                others
                    .into_iter()
                    .filter(|other| restarts.iter().all(|(id, ..)| *id != other.0))
                    .collect::<Vec<_>>(),
            );
        }
        let ids: Vec<_> = restarts.iter().map(|(id, ..)| *id).collect();
        let list = self.list_of(&ids);
        let begun = unassign(&self.open().consumer, &list).and_then(|()| self.begin(&restarts));
        self.tell_failure(begun);
    }

    fn begin(&mut self, starts: &[Start]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (id, epoch, offset) in starts {
            let (topic, number) = self.named(*id);
            list.add_partition_offset(&topic, number, Offset::Offset(*offset))?;
            let wake = Arc::clone(&self.wake);
            let open = self.open();
            open.stop_reading(*id);
            let queue = PartitionQueue::split(&open.consumer, &topic, number, wake)
                .ok_or(KafkaError::Subscription(topic))?;
            open.read_with(*id, Reading::new(*epoch, queue, *offset));
        }
        assign(&self.open().consumer, &list)
    }

    /// The partitions, without offsets.
    fn list_of(&self, ids: &[PartitionId]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(ids.len());
        for id in ids {
            let (topic, number) = self.named(*id);
            list.add_partition(&topic, number);
        }
        list
    }

    /// Fills `batch` with records of the partition that are there already, under the partition's epoch; answers how
    /// many. 0 when there are none, or when the partition is not started (the batch is as it was then). Stops asking at `records_max` records or
    /// `bytes_max` bytes; the bytes may be passed by at most what is prefetched.
    ///
    /// When it filled the batch to a limit there may be more, for which no further wake-up comes.
    pub fn read(
        &mut self,
        partition: PartitionId,
        batch: &mut Batch,
        records_max: usize,
        bytes_max: usize,
    ) -> usize {
        let Self { open, reader, found, wake, .. } = self;
        let Some(reading) = open.as_mut().and_then(|open| open.reading(partition)) else { return 0 };
        let known = found.len();
        let read = reading.read(partition, reader, batch, (records_max, bytes_max), found);
        if found.len() > known {
            wake();
        }
        read
    }

    /// Of the partitions that are being read, where they are read on: everything below was handed to the worker, or is no
    /// record (the client counts the markers of transactions that it has passed over).
    #[must_use]
    pub fn read_until(&self) -> Vec<(PartitionId, i64)> {
        let Some(open) = &self.open else { return Vec::new() };
        let readings = (0..).map(PartitionId).zip(&open.readings);
        let going_on = readings.filter_map(|(id, reading)| {
            let reading = reading.as_ref().filter(|reading| reading.goes_on())?;
            Some((id, reading.progress().1))
        });
        let mut found: Vec<_> = going_on.collect();
        let mut list = TopicPartitionList::with_capacity(found.len());
        for (id, _) in &found {
            let (topic, number) = self.named(*id);
            list.add_partition(&topic, number);
        }
        for ((_, until), position) in found.iter_mut().zip(positions(open.consumer.client(), &mut list)) {
            *until = position.max(*until);
        }
        found
    }

    /// The group's data as it stands, to commit offsets with a transaction: it is of use once every event was handled that
    /// [`KafkaSource::poll_events`] brings. `None` when this is no member of the group: brokers take offsets that come
    /// in a transaction without a member's id from anybody (Kafka 4.1, `ClassicGroup.validateOffsetCommit`).
    #[must_use]
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        let consumer = &self.open.as_ref()?.consumer;
        let before = member_id(consumer.client())?;
        let found = consumer.group_metadata()?;
        // A member that loses its id gets another only after its loss was heard of, on this thread.
        (member_id(consumer.client())? == before).then_some(found)
    }

    /// Commits, for each partition, the next offset to be read and the metadata that goes with it. Ends as
    /// [`SourceEvent::Committed`], for all of them together; commits end in the order they were asked for.
    pub fn commit(&mut self, commits: Vec<(PartitionId, i64, String)>) {
        let commits = commits
            .into_iter()
            .map(|(partition, next_offset, metadata)| Commit {
                partition,
                named: self.named(partition),
                next_offset,
                metadata,
            })
            .collect();
        self.open().offsets.ask(Job::Commit(commits));
    }

    /// Gives revoked partitions up: they are not read any more. Once all partitions of the revocation are released it
    /// is answered, and the group goes on.
    pub fn release(&mut self, partitions: &[PartitionId]) {
        let Held::Revoked { all, missing } = &mut self.held else { return };
        missing.retain(|id| !partitions.contains(id));
        if !missing.is_empty() {
            return;
        }
        let all = std::mem::take(all);
        self.held = Held::Nothing;
        self.answer_revocation(&all);
        for id in all {
            self.open().stop_reading(id);
        }
        self.rouse();
    }

    /// A rebalance was answered: what we keep is to be fetched on without a pause.
    fn rouse(&mut self) {
        let kept: Vec<_> = self.open().progress().into_iter().map(|(id, ..)| self.named(id)).collect();
        if !kept.is_empty() {
            self.open().offsets.ask(Job::Rouse(kept));
        }
    }

    fn answer_revocation(&mut self, ids: &[PartitionId]) {
        let list = self.list_of(ids);
        if let Err(error) = unassign(&self.open().consumer, &list) {
            self.found.push(SourceEvent::Warning(format!("a revocation can't be answered: {error}")));
        }
    }

    /// Closes the consumer on a thread of its own; whatever rebalance is held or comes is answered at once. What was
    /// not committed before is read again by the next owner.
    ///
    /// With `leave_group` a member leaves the group, so that its partitions move at once. Without, a static member of
    /// the classic protocol does not, and one without partitions may not: the group waits for it until its session
    /// times out. With the protocol `consumer` a static member's partitions always wait (KIP-848's epoch -2): the
    /// client has no call that ends a static membership for good.
    #[must_use = "the consumer closes in the background; wait for it before the process ends"]
    pub fn close(mut self, leave_group: bool) -> Closing {
        let leaves_first = leave_group && self.is_classic;
        let held = self.held_answer();
        let Some(open) = self.open.take() else { unreachable!("closing consumes the source") };
        open.close(held, leaves_first)
    }

    /// What is still to be answered.
    fn held_answer(&mut self) -> Option<HeldAnswer> {
        match std::mem::take(&mut self.held) {
            Held::Nothing => None,
            Held::Assigned { missing, starts } => {
                let ids: Vec<_> = missing.into_iter().chain(starts.into_iter().map(|(id, ..)| id)).collect();
                Some(HeldAnswer::Assign(self.list_of(&ids)))
            }
            Held::Revoked { all, .. } => Some(HeldAnswer::Unassign(self.list_of(&all))),
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        let held = self.held_answer();
        if let Some(open) = self.open.take() {
            // Nobody waits: the worker has given up.
            drop(open.close(held, false));
        }
    }
}
