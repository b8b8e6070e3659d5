//! The bare loop of batch reads on partition queues: the least that reading can cost with this client.
#![allow(unsafe_code, reason = "a bare comparison loop; the pipeline never sees this crate")]

use std::ffi::CStr;
use std::ptr;

use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer};
use thalweg_connectors::kafka::properties;

use super::arm::{ArmSettings, Done};
use super::bare_poll::whole_topic;
use super::records::PARTITIONS;
use super::touched::RecordSum;
use crate::batch_queue::{BatchQueue, Message, NO_ERROR, bytes};
use crate::waking::Waker;

/// Reads the whole topic.
pub(super) fn read(settings: &ArmSettings, ended: &mut dyn FnMut()) -> Result<Done> {
    let mut config = ClientConfig::new();
    for (name, value) in properties::of_consumer(&settings.kafka()) {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create()?;
    let waker = Waker::of_this_thread();
    let topic = settings.topic();
    let mut queues: Vec<BatchQueue<'_>> = (0..PARTITIONS)
        .map(|partition| BatchQueue::of(&consumer, &topic, partition, &waker))
        .collect::<Result<_>>()?;
    consumer.assign(&whole_topic(&topic, PARTITIONS)?)?;
    let headers = settings.case.reads_headers();
    let mut done = Done::default();
    while done.touched.records < settings.records {
        let mut any = false;
        for queue in &mut queues {
            let read = queue.read(|message| touch(message, headers, &mut done))?;
            done.batches += u64::from(read > 0);
            any |= read > 0;
        }
        if !any {
            if let Some(event) = consumer.poll(std::time::Duration::ZERO) {
                bail!("unexpected: {:?}", event.map(|_| "a record beside its queue"));
            }
            done.waits += 1;
            waker.sleep();
        }
    }
    ended();
    Ok(done)
}

fn touch(message: &Message<'_>, headers: bool, done: &mut Done) -> Result<()> {
    let mut record = done.touched.record(message.partition(), message.offset());
    record.field(message.key().unwrap_or_default());
    record.field(message.value().unwrap_or_default());
    if headers {
        touch_headers(message, &mut record).context("the headers of a record")?;
    }
    record.done();
    Ok(())
}

fn touch_headers(message: &Message<'_>, record: &mut RecordSum<'_>) -> Result<()> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is live; the headers live with it, names and values with the headers.
    unsafe {
        if ffi::rd_kafka_message_headers(message.as_ptr(), &raw mut headers) != NO_ERROR {
            bail!("there are none");
        }
        let (mut name, mut value, mut size, mut index) = (ptr::null(), ptr::null(), 0, 0);
        while ffi::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size)
            == NO_ERROR
        {
            record.field(CStr::from_ptr(name).to_bytes());
            record.field(bytes(value, size).unwrap_or_default());
            index += 1;
        }
    }
    Ok(())
}
