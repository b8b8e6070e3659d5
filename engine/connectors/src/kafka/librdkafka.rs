//! Everything that needs `unsafe`: the calls into librdkafka that its Rust wrapper does not offer, or only slower.
//!
//! What they have in common, and what each SAFETY comment builds on: librdkafka is thread-safe; a client lives as long
//! as the wrapper value (or the `Arc` of it) that we hold; pointers that a call returned are ours until we hand them
//! to the matching destroy function, exactly once.
#![allow(unsafe_code, reason = "the one file of the connector that may")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull, addr_of};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::ProducerContext;
use rdkafka::util::IntoOpaque;
use thalweg_core::headers::encode_headers;

use super::membership::Membership;
use super::produce::Produce;

/// Called from librdkafka's threads, with a lock of its own held: must not call librdkafka and not block.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The version whose private message struct [`RawMessage`] mirrors: 2.12.1 final.
const MIRRORED_VERSION: c_int = 0x020c_01ff;

/// The queue of one partition, split off the consumer's, so that the partition can be left unread.
pub(super) struct PartitionQueue {
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
    pub(super) fn split(
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
    pub(super) fn read(
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
            each(Message { message, lives: PhantomData });
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
pub(super) struct MessageArray {
    /// Valid only within [`PartitionQueue::read`].
    pointers: Vec<*mut ffi::rd_kafka_message_t>,
}

// SAFETY: outside of `read` the pointers are never looked at.
unsafe impl Send for MessageArray {}

impl MessageArray {
    /// Room for `messages_max` messages.
    pub(super) fn new(messages_max: usize) -> Self {
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

/// A message, or an error in its place, while it is being shown.
pub(super) struct Message<'m> {
    message: NonNull<ffi::rd_kafka_message_t>,
    lives: PhantomData<&'m ffi::rd_kafka_message_t>,
}

/// The beginning of librdkafka's private `rd_kafka_msg_t` (rdkafka_msg.h), whose first field is the public message.
#[repr(C)]
struct RawMessage {
    public: ffi::rd_kafka_message_t,
    link: [*const c_void; 2],
    flags: c_int,
    timestamp_type: c_int,
    timestamp: i64,
    parsed_headers: *const c_void,
    status: c_int,
    broker: i32,
    /// `rkm_u.consumer.binhdrs`: length and place of the headers as they came off the wire.
    headers_len: i32,
    headers: *const u8,
}

impl<'m> Message<'m> {
    /// The error code, 0 for a record. Kept as a number: brokers may send codes that the bindings' enum does not have.
    pub(super) fn error_code(&self) -> i32 {
        // SAFETY: the message lives; the enum is represented as a C int, so reading it as one is always valid.
        unsafe { addr_of!((*self.message.as_ptr()).err).cast::<i32>().read() }
    }

    /// What the error says.
    pub(super) fn error_text(&self) -> String {
        // SAFETY: the message lives; the text is a C string that lives as long.
        let text = unsafe { ffi::rd_kafka_message_errstr(self.message.as_ptr()) };
        text_of(text)
    }

    pub(super) fn offset(&self) -> i64 {
        // SAFETY: the message lives.
        unsafe { addr_of!((*self.message.as_ptr()).offset).read() }
    }

    /// In ms since 1970; -1 when there is none.
    pub(super) fn timestamp_ms(&self) -> i64 {
        // SAFETY: the message lives; no type is asked for.
        unsafe { ffi::rd_kafka_message_timestamp(self.message.as_ptr(), ptr::null_mut()) }
    }

    pub(super) fn key(&self) -> Option<&'m [u8]> {
        // SAFETY: the message lives; pointer and length belong together.
        unsafe {
            let message = self.message.as_ptr();
            slice_of(addr_of!((*message).key).read(), addr_of!((*message).key_len).read())
        }
    }

    pub(super) fn value(&self) -> Option<&'m [u8]> {
        // SAFETY: as for the key.
        unsafe {
            let message = self.message.as_ptr();
            slice_of(addr_of!((*message).payload).read(), addr_of!((*message).len).read())
        }
    }

    /// The headers as they came off the wire, which is the encoding of [`thalweg_core::headers::Headers`]; `None`
    /// when that can't be told for this message (ask [`Message::public_headers`]).
    ///
    /// They are believed only where they begin exactly where the record format has them: behind the value, or, when
    /// that is null or empty, one byte (its length) behind the key.
    pub(super) fn raw_headers(&self) -> Option<&'m [u8]> {
        let place = self.headers_place()?;
        let raw = self.message.as_ptr().cast::<RawMessage>();
        // SAFETY: the message lives and is the first field of the mirrored struct (the version was checked:
        // `raw_headers_supported`), which is never smaller than the mirror.
        let (len, headers) =
            unsafe { (addr_of!((*raw).headers_len).read(), addr_of!((*raw).headers).read()) };
        let len = usize::try_from(len).ok()?;
        if headers != place {
            return None;
        }
        // SAFETY: the reader set pointer and length together, from the buffer that the message keeps alive; nothing
        // writes to it, parsed or not.
        Some(unsafe { std::slice::from_raw_parts(headers, len) })
    }

    /// Where this record's headers must begin; `None` when that can't be told.
    pub(super) fn headers_place(&self) -> Option<*const u8> {
        let filled = |bytes: Option<&'m [u8]>| bytes.filter(|bytes| !bytes.is_empty());
        match (filled(self.value()), filled(self.key())) {
            (Some(value), _) => Some(value.as_ptr_range().end),
            (None, Some(key)) => Some(key.as_ptr_range().end.wrapping_add(1)),
            (None, None) => None,
        }
    }

    /// Writes the headers through the public interface: slower, one allocation or more per header.
    pub(super) fn public_headers(&self, into: &mut Vec<u8>) {
        let mut list = ptr::null_mut();
        // SAFETY: the message lives, and so do its parsed headers with it.
        let error = unsafe { ffi::rd_kafka_message_headers(self.message.as_ptr(), &raw mut list) };
        if error != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        let mut pairs = Vec::new();
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        loop {
            // SAFETY: the headers live; the call fills all three or answers with an error past the last header.
            let error = unsafe {
                ffi::rd_kafka_header_get_all(list, pairs.len(), &raw mut name, &raw mut value, &raw mut len)
            };
            if error != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                break;
            }
            // SAFETY: name is a C string, value is null or `len` bytes; both live as long as the message.
            pairs.push(unsafe { (CStr::from_ptr(name).to_bytes(), slice_of(value, len)) });
        }
        encode_headers(pairs.into_iter(), into);
    }
}

/// The headers of a message that came through the wrapper, whose own getter panics on names that are not UTF-8.
pub(super) fn headers_of_read(message: &BorrowedMessage<'_>) -> Vec<u8> {
    let mut headers = Vec::new();
    if let Some(message) = NonNull::new(message.ptr()) {
        Message { message, lives: PhantomData }.public_headers(&mut headers);
    }
    headers
}

/// Whether this librdkafka is the one that [`Message::raw_headers`] was written for.
pub(super) fn raw_headers_supported() -> bool {
    // SAFETY: no arguments, no state.
    let version = unsafe { ffi::rd_kafka_version() };
    version == MIRRORED_VERSION && cfg!(target_pointer_width = "64")
}

/// # Safety
/// `bytes` is null or points to `len` bytes that live for `'a` and are not written to.
unsafe fn slice_of<'a>(bytes: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!bytes.is_null()).then(|| unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) })
}

/// A copy of a C string that may be null.
fn text_of(text: *const c_char) -> String {
    // SAFETY: called when not null; librdkafka's texts are C strings and live while we copy.
    let copy = || unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    if text.is_null() { String::new() } else { copy() }
}

/// One partition's committed offset, as the broker told it.
pub(super) struct Committed {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Negative: none.
    pub(super) offset: i64,
    /// What was committed with it; bytes that are not UTF-8 replaced.
    pub(super) metadata: String,
    /// 0: fine.
    pub(super) error_code: i32,
}

/// The elements of a list, with metadata that need not be UTF-8 (the wrapper's getter panics on such).
pub(super) fn committed_of(list: &TopicPartitionList) -> Vec<Committed> {
    let list = list.ptr();
    // SAFETY: the list lives while borrowed, and holds `cnt` elements; texts and metadata live with it. The error is
    // read as the C int that it is.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count)
            .map(|index| {
                let element = (*list).elems.add(index);
                let metadata =
                    slice_of(addr_of!((*element).metadata).read(), addr_of!((*element).metadata_size).read());
                Committed {
                    topic: text_of((*element).topic),
                    partition: (*element).partition,
                    offset: (*element).offset,
                    metadata: String::from_utf8_lossy(metadata.unwrap_or_default()).into_owned(),
                    error_code: addr_of!((*element).err).cast::<i32>().read(),
                }
            })
            .collect()
    }
}

/// The id that the group knows this member by; `None` before it has joined and after it has left.
pub(super) fn member_id<C: ClientContext>(client: &Client<C>) -> Option<String> {
    let client = client.native_ptr();
    // SAFETY: the client lives; the text is ours to free.
    unsafe {
        let id = ffi::rd_kafka_memberid(client);
        let text = text_of(id);
        if !id.is_null() {
            ffi::rd_kafka_mem_free(client, id.cast());
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A topic as its broker describes it: id (most significant half first) and number of partitions.
pub(super) type Described = ([i64; 2], usize);

/// A failed call: librdkafka's error code and text.
pub(super) type Failed = (i32, String);

/// Something of librdkafka's that is destroyed at the end of its scope.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    fn new(made: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Result<Self, Failed> {
        let made = NonNull::new(made).ok_or_else(|| (0, "librdkafka made nothing".to_owned()))?;
        Ok(Self(made, destroy))
    }

    fn ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: made for us, destroyed once, by its own function.
        unsafe { (self.1)(self.ptr()) };
    }
}

/// Asks that broker about a topic; waits for `timeout` at most.
pub(super) fn describe_topic<C: ClientContext>(
    client: &Client<C>,
    broker: i32,
    topic: &str,
    timeout: Duration,
) -> Result<Described, Failed> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let topic = CString::new(topic).map_err(|error| (0, error.to_string()))?;
    let native = client.native_ptr();
    // SAFETY: the client lives; every argument is made above the call that uses it and destroyed after; the request
    // copies the names. What the result points to lives as long as the event.
    unsafe {
        let queue = Owned::new(ffi::rd_kafka_queue_new(native), ffi::rd_kafka_queue_destroy)?;
        let mut name = topic.as_ptr();
        let names = ffi::rd_kafka_TopicCollection_of_topic_names(&raw mut name, 1);
        let names = Owned::new(names, ffi::rd_kafka_TopicCollection_destroy)?;
        let kind = ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options =
            Owned::new(ffi::rd_kafka_AdminOptions_new(native, kind), ffi::rd_kafka_AdminOptions_destroy)?;
        // Every kind of request has these two.
        ffi::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), timeout_ms, ptr::null_mut(), 0);
        ffi::rd_kafka_AdminOptions_set_broker(options.ptr(), broker, ptr::null_mut(), 0);
        ffi::rd_kafka_DescribeTopics(native, names.ptr(), options.ptr(), queue.ptr());
        // The request times out by itself; a second more for its answer to arrive here.
        let event = ffi::rd_kafka_queue_poll(queue.ptr(), timeout_ms.saturating_add(1_000));
        let event = Owned::new(event, ffi::rd_kafka_event_destroy)?;
        let code = ffi::rd_kafka_event_error(event.ptr()) as i32;
        if code != 0 {
            return Err((code, text_of(ffi::rd_kafka_event_error_string(event.ptr()))));
        }
        first_description(event.ptr())
    }
}

/// # Safety
/// `event` must be the live answer to a topic description.
unsafe fn first_description(event: *mut ffi::rd_kafka_event_t) -> Result<Described, Failed> {
    // SAFETY: the caller's promise; counts and pointers are set together, and all lives as long as the event.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let topics = ffi::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count == 0 {
            return Err((0, "the broker's answer names no topic".to_owned()));
        }
        let topic = *topics;
        let error = ffi::rd_kafka_TopicDescription_error(topic);
        let code = ffi::rd_kafka_error_code(error) as i32;
        if code != 0 {
            return Err((code, text_of(ffi::rd_kafka_error_string(error))));
        }
        let mut partitions = 0;
        ffi::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let id = ffi::rd_kafka_TopicDescription_topic_id(topic);
        let halves =
            [ffi::rd_kafka_Uuid_most_significant_bits(id), ffi::rd_kafka_Uuid_least_significant_bits(id)];
        Ok((halves, partitions))
    }
}

/// Hands a record to the producer, copying it; `opaque` comes back with the delivery report, or at once with the
/// error. Names of headers may be any bytes (the wrapper's are C strings).
pub(super) fn produce<C, O>(client: &Client<C>, record: &Produce<'_>, opaque: O) -> Result<(), (Failed, O)>
where
    O: IntoOpaque,
    C: ProducerContext<DeliveryOpaque = O>,
{
    let topic = match CString::new(record.topic) {
        Ok(topic) => topic,
        Err(error) => return Err(((0, error.to_string()), opaque)),
    };
    let opaque = opaque.into_ptr();
    // SAFETY: the client lives; every part is as `vu` promises and is copied by the call (MSG_F_COPY). The headers
    // are the producer's after success and ours after an error. The opaque pointer comes back exactly once: here
    // after an error, else with the delivery report, where the wrapper turns it into `O` again.
    unsafe {
        let headers = headers_of(record);
        let parts = [
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TOPIC, |u| u.cstr = topic.as_ptr()),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = record.partition.unwrap_or(-1)),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = ffi::RD_KAFKA_MSG_F_COPY),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(record.value)),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(record.key)),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = opaque),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers),
        ];
        let error = ffi::rd_kafka_produceva(client.native_ptr(), parts.as_ptr(), parts.len());
        if error.is_null() {
            return Ok(());
        }
        ffi::rd_kafka_headers_destroy(headers);
        let failed = (ffi::rd_kafka_error_code(error) as i32, text_of(ffi::rd_kafka_error_string(error)));
        ffi::rd_kafka_error_destroy(error);
        Err((failed, O::from_ptr(opaque)))
    }
}

/// One argument of `rd_kafka_produceva`.
fn vu(
    kind: ffi::rd_kafka_vtype_t,
    set: impl FnOnce(&mut ffi::rd_kafka_vu_s__bindgen_ty_1),
) -> ffi::rd_kafka_vu_t {
    let mut value = ffi::rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
    set(&mut value);
    ffi::rd_kafka_vu_t { vtype: kind, u: value }
}

/// Null for `None`; anything but null for an empty slice.
fn memory(bytes: Option<&[u8]>) -> ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: bytes.map_or(ptr::null_mut(), |bytes| bytes.as_ptr().cast_mut().cast()),
        size: bytes.map_or(0, <[u8]>::len),
    }
}

/// The record's headers in a list of librdkafka's, which the caller owns.
fn headers_of(record: &Produce<'_>) -> *mut ffi::rd_kafka_headers_t {
    // SAFETY: the list is made here; names and values are copied, by the lengths given (-1: null).
    unsafe {
        let headers = ffi::rd_kafka_headers_new(16);
        for (name, value) in record.headers.iter() {
            let (bytes, len) =
                value.map_or((ptr::null(), 0), |value| (value.as_ptr().cast(), value.len().cast_signed()));
            ffi::rd_kafka_header_add(headers, name.as_ptr().cast(), name.len().cast_signed(), bytes, len);
        }
        headers
    }
}
