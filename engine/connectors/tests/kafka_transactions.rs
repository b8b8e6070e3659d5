//! Reading what transactions write, from the real cluster: markers at the end, transactions that are still open.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kafka_cluster;

use std::time::{Duration, Instant};

use kafka_cluster::{Bell, PATIENCE, TestWorker, brokers, create_topic, delete_records, settings, unique};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::Arc;
use thalweg_connectors::kafka::changelog::{Changelogs, RestoreEvent};
use thalweg_connectors::kafka::event::SourceEvent;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};

/// A producer in a transaction that it has begun.
fn in_transaction(id: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

fn write(producer: &BaseProducer, topic: &str, values: &[&str]) {
    for value in values {
        let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(0).key("k").payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn values(batch: &Batch) -> Vec<String> {
    (0..batch.len())
        .map(|index| String::from_utf8(batch.record(index).value.unwrap().to_vec()).unwrap())
        .collect()
}

/// A changelog being read back.
struct Restoring {
    changelogs: Changelogs,
    bell: Arc<Bell>,
    read: Vec<String>,
    /// Where it ended, once it has; an error where it could not be read from its offset.
    done: Option<Result<i64, String>>,
}

impl Restoring {
    fn begin(topic: &str) -> Self {
        Self::begin_from(topic, None)
    }

    fn begin_from(topic: &str, from: Option<i64>) -> Self {
        let bell = Arc::new(Bell::default());
        let mut changelogs = Changelogs::new(&settings(&unique("restores")), topic, bell.wake());
        changelogs.begin(PartitionId(7), Epoch(3), 0, from).unwrap();
        Self { changelogs, bell, read: Vec::new(), done: None }
    }

    fn turn(&mut self) {
        self.bell.wait(Duration::from_millis(50));
        while let Some(event) = self.changelogs.poll(|| Batch::new(PartitionId(0), Epoch(0))) {
            match event {
                RestoreEvent::Records(batch) => {
                    assert_eq!((batch.partition(), batch.epoch()), (PartitionId(7), Epoch(3)));
                    self.read.extend(values(&batch));
                }
                RestoreEvent::Done(partition, epoch, end) => {
                    assert_eq!((partition, epoch), (PartitionId(7), Epoch(3)));
                    self.done = Some(Ok(end));
                }
                RestoreEvent::NotInLog(partition, epoch, reason) => {
                    assert_eq!((partition, epoch), (PartitionId(7), Epoch(3)));
                    self.done = Some(Err(reason));
                }
                event => panic!("{event:?}"),
            }
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "no {what}: {:?}", self.read);
            self.turn();
        }
    }
}

#[test]
fn a_changelog_is_read_back_beyond_transactions_that_are_still_open() {
    let topic = unique("changelog");
    create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let before = in_transaction(&unique("before"));
    write(&before, &topic, &["a", "b"]);
    before.commit_transaction(PATIENCE).unwrap();
    // Aborted: never seen.
    before.begin_transaction().unwrap();
    write(&before, &topic, &["never"]);
    before.abort_transaction(PATIENCE).unwrap();
    // Its marker is still to come, behind the last stable offset.
    let open = in_transaction(&unique("open"));
    write(&open, &topic, &["c", "d"]);

    let mut restoring = Restoring::begin(&topic);
    let left = |restoring: &Restoring| restoring.changelogs.progress().next().and_then(|one| one.left);
    restoring.until("known end, and all that can be read", |one| left(one) == Some(2) && one.read.len() == 2);
    assert!(restoring.done.is_none(), "what is open is waited for");
    open.commit_transaction(PATIENCE).unwrap();
    restoring.until("end", |one| one.done.is_some());
    assert_eq!(restoring.read, ["a", "b", "c", "d"]);
    assert!(!restoring.changelogs.is_busy());
}

#[test]
fn a_changelog_that_is_begun_again_is_read_from_its_beginning() {
    let topic = unique("begun-again");
    create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let producer = in_transaction(&unique("writes"));
    write(&producer, &topic, &["a", "b"]);
    producer.commit_transaction(PATIENCE).unwrap();
    // Holds up the first attempt.
    producer.begin_transaction().unwrap();
    write(&producer, &topic, &["c"]);
    let mut restoring = Restoring::begin(&topic);
    restoring.until("what is committed", |one| one.read.len() == 2);
    let Restoring { mut changelogs, bell, .. } = restoring;
    changelogs.begin(PartitionId(7), Epoch(4), 0, None).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    let (begun, mut read) = (Instant::now(), Vec::new());
    loop {
        assert!(begun.elapsed() < PATIENCE, "{read:?}");
        bell.wait(Duration::from_millis(50));
        match changelogs.poll(|| Batch::new(PartitionId(0), Epoch(0))) {
            Some(RestoreEvent::Records(batch)) if batch.epoch() == Epoch(4) => read.extend(values(&batch)),
            Some(RestoreEvent::Done(partition, epoch, _)) => {
                assert_eq!((partition, epoch), (PartitionId(7), Epoch(4)), "the first attempt is over");
                break;
            }
            Some(RestoreEvent::Records(_)) | None => {}
            Some(event) => panic!("{event:?}"),
        }
    }
    assert_eq!(read, ["a", "b", "c"]);
    assert!(!changelogs.is_busy());
}

#[test]
fn a_changelog_is_read_back_from_an_offset_and_its_end_is_told() {
    let topic = unique("from-offset");
    create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let producer = in_transaction(&unique("writes"));
    write(&producer, &topic, &["a", "b", "c"]);
    producer.commit_transaction(PATIENCE).unwrap();
    // Three records and a marker.
    let bell = Arc::new(Bell::default());
    let mut changelogs = Changelogs::new(&settings(&unique("asks")), &topic, bell.wake());
    changelogs.ask_end(PartitionId(7), Epoch(3), 0).unwrap();
    let begun = Instant::now();
    let ends = loop {
        assert!(begun.elapsed() < PATIENCE);
        bell.wait(Duration::from_millis(50));
        match changelogs.poll(|| Batch::new(PartitionId(0), Epoch(0))) {
            Some(RestoreEvent::Ends(partition, epoch, end)) => break (partition, epoch, end),
            Some(event) => panic!("{event:?}"),
            None => {}
        }
    };
    assert_eq!(ends, (PartitionId(7), Epoch(3), 4));
    assert!(!changelogs.is_busy());
    for (from, expected) in [(1, &["b", "c"][..]), (3, &[]), (4, &[])] {
        let mut restoring = Restoring::begin_from(&topic, Some(from));
        restoring.until("end", |one| one.done.is_some());
        assert_eq!(restoring.read, expected, "from {from}");
        assert_eq!(restoring.done, Some(Ok(4)), "from {from}");
    }
    let mut restoring = Restoring::begin_from(&topic, Some(5));
    restoring.until("refusal", |one| one.done.is_some());
    assert!(restoring.read.is_empty() && restoring.done.is_some_and(|done| done.is_err()));
    assert!(!restoring.changelogs.is_busy());
}

#[test]
fn a_changelog_that_begins_behind_the_offset_is_told() {
    let topic = unique("cut-off");
    create_topic(&topic, 1, &[("cleanup.policy", "delete")]);
    let producer = in_transaction(&unique("writes"));
    write(&producer, &topic, &["a", "b", "c"]);
    producer.commit_transaction(PATIENCE).unwrap();
    delete_records(&topic, 0, 2);
    let mut restoring = Restoring::begin_from(&topic, Some(1));
    restoring.until("refusal", |one| one.done.is_some());
    assert!(restoring.read.is_empty() && restoring.done.is_some_and(|done| done.is_err()));
    let mut restoring = Restoring::begin_from(&topic, Some(2));
    restoring.until("end", |one| one.done.is_some());
    assert_eq!(restoring.read, ["c"]);
}

#[test]
fn an_empty_changelog_is_read_back_at_once() {
    let topic = unique("empty-changelog");
    create_topic(&topic, 1, &[]);
    let mut restoring = Restoring::begin(&topic);
    restoring.until("end", |one| one.done.is_some());
    assert!(restoring.read.is_empty());
}

#[test]
fn a_changelog_that_has_no_leader_is_told_and_waited_for() {
    let (bell, topic) = (Arc::new(Bell::default()), unique("missing"));
    let mut changelogs = Changelogs::new(&settings(&unique("restores")), &topic, bell.wake());
    changelogs.begin(PartitionId(0), Epoch(0), 0, None).unwrap();
    let begun = Instant::now();
    let told = loop {
        assert!(begun.elapsed() < PATIENCE);
        bell.wait(Duration::from_millis(50));
        if let Some(RestoreEvent::Warning(text)) = changelogs.poll(|| Batch::new(PartitionId(0), Epoch(0))) {
            break text;
        }
    };
    assert!(told.contains(&format!("the end of the changelog {topic}/0 is not known")), "{told}");
    create_topic(&topic, 1, &[]);
    loop {
        assert!(begun.elapsed() < PATIENCE);
        bell.wait(Duration::from_millis(50));
        let event = changelogs.poll(|| Batch::new(PartitionId(0), Epoch(0)));
        if matches!(event, Some(RestoreEvent::Done(..))) {
            return;
        }
    }
}

#[test]
fn markers_at_the_end_of_a_partition_are_read_and_nothing_behind_them_is_skipped() {
    let topic = unique("markers");
    create_topic(&topic, 1, &[]);
    let producer = in_transaction(&unique("marks"));
    write(&producer, &topic, &["a", "b", "c"]);
    producer.commit_transaction(PATIENCE).unwrap();
    let mut worker = TestWorker::join(&settings(&unique("reads")), &topic);
    let read_until = |worker: &TestWorker| worker.source.read_until().first().map(|(_, until)| *until);
    worker.turn_until("marker", |worker| worker.records == 3 && read_until(worker) == Some(4));
    // An aborted transaction is nothing but offsets.
    producer.begin_transaction().unwrap();
    write(&producer, &topic, &["never"]);
    producer.abort_transaction(PATIENCE).unwrap();
    worker.turn_until("second marker", |worker| read_until(worker) == Some(6));
    producer.begin_transaction().unwrap();
    write(&producer, &topic, &["d"]);
    producer.commit_transaction(PATIENCE).unwrap();
    worker.turn_until("record behind them", |worker| worker.records == 4);
    assert!(worker.source.close(true).wait(PATIENCE));
}

#[test]
fn committed_offsets_are_told_once_no_transaction_can_change_them() {
    let (topic, group) = (unique("stable"), unique("stable-group"));
    create_topic(&topic, 1, &[]);
    let producer = in_transaction(&unique("commits"));
    write(&producer, &topic, &["a", "b", "c"]);
    // A consumer of the group that is no member of it: the group is empty, so its offsets are taken.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("group.id", &group);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(2)).unwrap();
    let metadata = consumer.group_metadata().unwrap();
    producer.send_offsets_to_transaction(&list, &metadata, PATIENCE).unwrap();

    let mut worker = TestWorker::join(&settings(&group), &topic);
    let is_assigned = |event: &SourceEvent| matches!(event, SourceEvent::Assigned(ids) if !ids.is_empty());
    worker.turn_until("assignment", |worker| worker.events.iter().any(is_assigned));
    // It asks; a broker that tells what is not decided does so within milliseconds.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        worker.turn(&mut |_| {});
    }
    let found = |event: &SourceEvent| match event {
        SourceEvent::Positions { found, .. } => found.first().map(|one| one.committed.clone()),
        _ => None,
    };
    assert_eq!(worker.event(found), None, "it is not decided");
    producer.commit_transaction(PATIENCE).unwrap();
    worker.turn_until("positions", |worker| worker.event(found).is_some());
    assert_eq!(worker.event(found).flatten().map(|(offset, _)| offset), Some(2));
    assert!(worker.source.close(true).wait(PATIENCE));
}
