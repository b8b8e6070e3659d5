//! Batch reads on a partition's queue, for the bare loops: the least that reading can cost with this client.
//!
//! `unsafe`, because the client's Rust wrapper offers no batch read; the engine's own is what is being measured, so
//! this shares nothing with it.
#![allow(unsafe_code, reason = "for bare comparison loops; the pipeline never sees this crate")]

use std::ffi::{CString, c_void};
use std::ptr;

use anyhow::{Result, bail};
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::waking::Waker;

/// Messages per call; more do not make it cheaper.
const BATCH: usize = 1_000;

pub(crate) const NO_ERROR: ffi::rd_kafka_resp_err_t = ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// One partition's queue.
pub(crate) struct BatchQueue<'c> {
    queue: *mut ffi::rd_kafka_queue_t,
    messages: Vec<*mut ffi::rd_kafka_message_t>,
    _waker: Box<Waker>,
    _consumer: &'c BaseConsumer,
}

/// A message that was read; it lives until whoever looks at it is done.
pub(crate) struct Message<'m> {
    message: *mut ffi::rd_kafka_message_t,
    live: &'m ffi::rd_kafka_message_t,
}

impl<'c> BatchQueue<'c> {
    /// Of that partition; `waker` is called when it fills.
    pub(crate) fn of(consumer: &'c BaseConsumer, topic: &str, partition: i32, waker: &Waker) -> Result<Self> {
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
        Ok(Self { queue, messages: vec![ptr::null_mut(); BATCH], _waker: waker, _consumer: consumer })
    }

    /// Shows each message that is there to `each`; answers how many there were.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&Message<'_>) -> Result<()>) -> Result<usize> {
        // SAFETY: the queue is ours, and there is room for as many messages as are asked for.
        let read = unsafe {
            ffi::rd_kafka_consume_batch_queue(self.queue, 0, self.messages.as_mut_ptr(), self.messages.len())
        };
        let read = usize::try_from(read)?;
        for message in self.messages.iter().take(read) {
            // SAFETY: the read gave us live messages, each destroyed once, after it was looked at.
            unsafe {
                let live = &**message;
                if live.err != NO_ERROR {
                    bail!("the client reports {:?}", live.err);
                }
                each(&Message { message: *message, live })?;
                ffi::rd_kafka_message_destroy(*message);
            }
        }
        Ok(read)
    }
}

impl Drop for BatchQueue<'_> {
    fn drop(&mut self) {
        // SAFETY: after disabling, the callback never runs again; the queue is destroyed once.
        unsafe {
            ffi::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            ffi::rd_kafka_queue_destroy(self.queue);
        }
    }
}

impl Message<'_> {
    pub(crate) fn partition(&self) -> i32 {
        self.live.partition
    }

    pub(crate) fn offset(&self) -> i64 {
        self.live.offset
    }

    /// `None`: the key is null.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        // SAFETY: pointers and lengths belong together and live with the message.
        unsafe { bytes(self.live.key, self.live.key_len) }
    }

    /// `None`: a tombstone.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        // SAFETY: as above.
        unsafe { bytes(self.live.payload, self.live.len) }
    }

    /// For what this offers no method for.
    pub(crate) fn as_ptr(&self) -> *mut ffi::rd_kafka_message_t {
        self.message
    }
}

/// # Safety
/// `waker` must point to a live [`Waker`].
unsafe extern "C" fn filled(_client: *mut ffi::rd_kafka_t, waker: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { &*waker.cast::<Waker>() }.wake();
}

/// # Safety
/// `start` is null or points to `len` bytes that live for `'a`.
pub(crate) unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) })
}
