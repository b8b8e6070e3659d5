//! The bare loop of batch reads on partition queues: the least that reading can cost with this client.
//!
//! `unsafe`, because the client's Rust wrapper offers no batch read; the engine's own is what is being measured, so
//! this loop shares nothing with it.
#![allow(unsafe_code, reason = "a bare comparison loop; the pipeline never sees this crate")]

use std::ffi::{CStr, CString, c_void};
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
use super::waking::Waker;

/// Messages per call; more do not make it cheaper.
const BATCH: usize = 1_000;

const NO_ERROR: ffi::rd_kafka_resp_err_t = ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Reads the whole topic.
pub(super) fn read(settings: &ArmSettings, ended: &mut dyn FnMut()) -> Result<Done> {
    let mut config = ClientConfig::new();
    for (name, value) in properties::of_consumer(&settings.kafka()) {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create()?;
    let waker = Waker::of_this_thread();
    let topic = settings.topic();
    let queues: Vec<Queue> = (0..PARTITIONS)
        .map(|partition| Queue::of(&consumer, &topic, partition, &waker))
        .collect::<Result<_>>()?;
    consumer.assign(&whole_topic(&topic)?)?;
    let mut done = Done::default();
    let mut messages = vec![ptr::null_mut(); BATCH];
    while done.touched.records < settings.records {
        let mut any = false;
        for queue in &queues {
            let read = queue.read(&mut messages, settings.case.reads_headers(), &mut done)?;
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

/// One partition's queue; lives as long as its consumer at most.
struct Queue {
    queue: *mut ffi::rd_kafka_queue_t,
    _waker: Box<Waker>,
}

impl Queue {
    fn of(consumer: &BaseConsumer, topic: &str, partition: i32, waker: &Waker) -> Result<Self> {
        let topic = CString::new(topic)?;
        let waker = Box::new(waker.clone());
        // SAFETY: the client lives, the name is a C string; the callback's argument is kept beside the queue.
        let queue = unsafe {
            let queue =
                ffi::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition);
            if queue.is_null() {
                bail!("there is no such partition");
            }
            ffi::rd_kafka_queue_forward(queue, ptr::null_mut());
            let argument = ptr::from_ref::<Waker>(&waker).cast_mut().cast::<c_void>();
            ffi::rd_kafka_queue_cb_event_enable(queue, Some(filled), argument);
            queue
        };
        Ok(Self { queue, _waker: waker })
    }

    fn read(
        &self,
        messages: &mut [*mut ffi::rd_kafka_message_t],
        headers: bool,
        done: &mut Done,
    ) -> Result<usize> {
        // SAFETY: the queue is ours, and there is room for as many messages as are asked for.
        let read = unsafe {
            ffi::rd_kafka_consume_batch_queue(self.queue, 0, messages.as_mut_ptr(), messages.len())
        };
        let read = usize::try_from(read)?;
        for message in messages.iter().take(read) {
            // SAFETY: the read gave us live messages, each destroyed once, after it was touched.
            unsafe {
                touch(*message, headers, done)?;
                ffi::rd_kafka_message_destroy(*message);
            }
        }
        Ok(read)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: after disabling, the callback never runs again; the queue is destroyed once.
        unsafe {
            ffi::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            ffi::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// # Safety
/// `waker` must point to a live [`Waker`].
unsafe extern "C" fn filled(_client: *mut ffi::rd_kafka_t, waker: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { &*waker.cast::<Waker>() }.wake();
}

/// # Safety
/// `message` must be live.
unsafe fn touch(message: *mut ffi::rd_kafka_message_t, headers: bool, done: &mut Done) -> Result<()> {
    // SAFETY: the caller's promise; pointers and lengths belong together and live with the message.
    unsafe {
        let live = &*message;
        if live.err != NO_ERROR {
            bail!("the client reports {:?}", live.err);
        }
        let mut record = done.touched.record(live.partition, live.offset);
        record.field(slice_of(live.key, live.key_len));
        record.field(slice_of(live.payload, live.len));
        if headers {
            touch_headers(message, &mut record).context("the headers of a record")?;
        }
        record.done();
    }
    Ok(())
}

/// # Safety
/// `message` must be live.
unsafe fn touch_headers(message: *mut ffi::rd_kafka_message_t, record: &mut RecordSum<'_>) -> Result<()> {
    let mut headers = ptr::null_mut();
    // SAFETY: the caller's promise; the headers live with the message, names and values with the headers.
    unsafe {
        if ffi::rd_kafka_message_headers(message, &raw mut headers) != NO_ERROR {
            bail!("there are none");
        }
        let (mut name, mut value, mut size, mut index) = (ptr::null(), ptr::null(), 0, 0);
        while ffi::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size)
            == NO_ERROR
        {
            record.field(CStr::from_ptr(name).to_bytes());
            record.field(slice_of(value, size));
            index += 1;
        }
    }
    Ok(())
}

/// # Safety
/// `bytes` is null or points to `len` bytes that live for `'a`.
unsafe fn slice_of<'a>(bytes: *const c_void, len: usize) -> &'a [u8] {
    if bytes.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }
}
