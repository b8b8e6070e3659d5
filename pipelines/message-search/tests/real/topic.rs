//! The topic's side: records in, dead letters out, committed offsets.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use thalweg_testbed::instance::{PATIENCE, until};
use thalweg_testbed::servers;

/// A record to be written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Event<'e> {
    pub(crate) partition: i32,
    pub(crate) key: Option<&'e str>,
    pub(crate) value: Option<&'e str>,
    pub(crate) event_id: &'e str,
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers::kafka());
    config
}

fn admin<T>(ask: impl AsyncFnOnce(AdminClient<DefaultClientContext>, AdminOptions) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    runtime.block_on(ask(config().create().unwrap(), options))
}

pub(crate) fn create(name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    admin(async |admin, options| admin.create_topics([&topic], &options).await.unwrap().remove(0).unwrap());
    // Known to the broker that is asked next.
    until("the new topic", || {
        let Ok(found) = consumer("nobody").fetch_metadata(Some(name), PATIENCE) else { return false };
        let is_new = |topic: &MetadataTopic| topic.partitions().len() == partitions as usize;
        found.topics().first().is_some_and(|topic| topic.error().is_none() && is_new(topic))
    });
}

pub(crate) fn delete(names: &[&str]) {
    // What was never made can't be deleted, and that is fine.
    let _ = admin(async |admin, options| admin.delete_topics(names, &options).await);
}

pub(crate) fn grow(name: &str, partitions: usize) {
    let wanted = NewPartitions::new(name, partitions);
    admin(async |admin, options| {
        admin.create_partitions([&wanted], &options).await.unwrap().remove(0).unwrap()
    });
}

pub(crate) fn write(topic: &str, events: &[Event<'_>]) {
    let producer: BaseProducer = config().set("message.max.bytes", "4000000").create().unwrap();
    write_with(&producer, topic, events);
}

/// Writes them in one transaction, whose marker then ends the partition.
pub(crate) fn write_in_transaction(topic: &str, events: &[Event<'_>]) {
    let producer: BaseProducer = config().set("transactional.id", topic).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    write_with(&producer, topic, events);
    producer.commit_transaction(PATIENCE).unwrap();
}

fn write_with(producer: &BaseProducer, topic: &str, events: &[Event<'_>]) {
    for event in events {
        let header = Header { key: "message-id", value: Some(event.event_id) };
        let headers =
            OwnedHeaders::new().insert(header).insert(Header { key: "correlation-id", value: Some("c") });
        let mut record: BaseRecord<'_, str, str> =
            BaseRecord::to(topic).partition(event.partition).headers(headers);
        record.key = event.key;
        record.payload = event.value;
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn consumer(group: &str) -> BaseConsumer {
    config().set("group.id", group).create().unwrap()
}

/// Whether the group (of the topic's name) has committed up to the end of every partition.
pub(crate) fn is_drained(topic: &str, partitions: i32) -> bool {
    let consumer = consumer(topic);
    let mut list = TopicPartitionList::new();
    for number in 0..partitions {
        list.add_partition(topic, number);
    }
    let Ok(committed) = consumer.committed_offsets(list, PATIENCE) else { return false };
    (0..partitions).all(|number| {
        // A new topic is not known everywhere at once.
        let Ok((_, high)) = consumer.fetch_watermarks(topic, number, PATIENCE) else { return false };
        let found = committed.find_partition(topic, number).map(|element| element.offset());
        high == 0 || found == Some(Offset::Offset(high))
    })
}

/// Everything on the topic now, by partition and offset.
pub(crate) fn read_all(topic: &str, partitions: i32) -> Vec<OwnedMessage> {
    let consumer = consumer("nobody");
    let (mut list, mut missing) = (TopicPartitionList::new(), 0);
    for number in 0..partitions {
        list.add_partition_offset(topic, number, Offset::Beginning).unwrap();
        let (low, high) = consumer.fetch_watermarks(topic, number, PATIENCE).unwrap();
        missing += high - low;
    }
    consumer.assign(&list).unwrap();
    let mut found: Vec<OwnedMessage> = Vec::new();
    while (found.len() as i64) < missing {
        let message = consumer.poll(PATIENCE).expect("a record is missing").unwrap();
        found.push(message.detach());
    }
    found.sort_by_key(|message| (message.partition(), message.offset()));
    found
}

pub(crate) fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    Some(String::from_utf8(found.value?.to_vec()).unwrap())
}
