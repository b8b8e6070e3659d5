//! Reading one partition's queue in batches, and being woken by it.

use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Wake;
use super::message::Message;
use crate::kafka::membership::Membership;

/// The queue of one partition, split off the consumer's, so that the partition can be left unread.
pub(in crate::kafka) struct PartitionQueue {
    queue: NonNull<ffi::rd_kafka_queue_t>,
    /// What librdkafka calls; boxed, so that its address stays.
    _wake: Box<Wake>,
    /// The queue must not outlive its client.
    _consumer: Arc<BaseConsumer<Membership>>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for PartitionQueue {}

impl PartitionQueue {
    /// Splits the partition's queue off; before the partition is assigned, so that no record takes the other way.
    /// `None` when the topic's name can't be one.
    pub(in crate::kafka) fn split(
        consumer: &Arc<BaseConsumer<Membership>>,
        topic: &str,
        partition: i32,
        wake: Wake,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives (we hold the consumer) and the name is a C string.
        let queue =
            NonNull::new(unsafe { ffi::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition) })?;
        let wake = Box::new(wake);
        // SAFETY: the queue is ours. The callback's argument is the boxed `Wake`, which this value keeps until it
        // has disabled the callback.
        unsafe {
            ffi::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            let argument = ptr::from_ref::<Wake>(&wake).cast_mut().cast::<c_void>();
            ffi::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(wake_up), argument);
        }
        Some(Self { queue, _wake: wake, _consumer: Arc::clone(consumer) })
    }

    /// Takes up to `max` messages that are there already, shows each to `each`, and destroys it. Never waits.
    pub(in crate::kafka) fn read(
        &self,
        array: &mut MessageArray,
        max: usize,
        mut each: impl FnMut(Message<'_>),
    ) -> usize {
        let max = max.min(array.pointers.len());
        // SAFETY: the array has room for `max` pointers; timeout 0 returns at once.
        let read = unsafe {
            ffi::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, array.pointers.as_mut_ptr(), max)
        };
        // Negative only for an unknown queue, which ours is not.
        let read = usize::try_from(read).unwrap_or(0);
        let mut unread = Unread { messages: array.pointers[..read].iter() };
        while let Some(message) = unread.messages.as_slice().first().copied().and_then(NonNull::new) {
            each(Message::of(message));
            unread.destroy_first();
        }
        read
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: disabling takes the queue's lock, under which the callback runs: afterwards it is not running and
        // never will, so the boxed `Wake` may go. The queue is destroyed once, here.
        unsafe {
            ffi::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            ffi::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// # Safety
/// `argument` must point to a live [`Wake`].
unsafe extern "C" fn wake_up(_client: *mut ffi::rd_kafka_t, argument: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { (*argument.cast::<Wake>())() };
}

/// Room for the messages of one read, used again for the next.
pub(in crate::kafka) struct MessageArray {
    /// Valid only within [`PartitionQueue::read`].
    pointers: Vec<*mut ffi::rd_kafka_message_t>,
}

// SAFETY: outside of `read` the pointers are never looked at.
unsafe impl Send for MessageArray {}

impl MessageArray {
    /// Room for `messages_max` messages.
    pub(in crate::kafka) fn new(messages_max: usize) -> Self {
        Self { pointers: vec![ptr::null_mut(); messages_max] }
    }
}

/// The messages of a read that have not been destroyed; destroys them when something panics meanwhile.
struct Unread<'a> {
    messages: std::slice::Iter<'a, *mut ffi::rd_kafka_message_t>,
}

impl Unread<'_> {
    fn destroy_first(&mut self) -> bool {
        let Some(message) = self.messages.next() else { return false };
        // SAFETY: the message came from the read, and leaves the iterator here, so it is destroyed once.
        unsafe { ffi::rd_kafka_message_destroy(*message) };
        true
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        while self.destroy_first() {}
    }
}
