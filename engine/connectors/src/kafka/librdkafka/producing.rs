//! Handing records over, and committing what was handed over.

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};
use rdkafka::producer::ProducerContext;
use rdkafka::util::IntoOpaque;

use super::{Failed, text_of};
use crate::kafka::produce::Produce;

/// A topic as a client knows it: found once, instead of by its name for each record.
pub(in crate::kafka) struct TopicHandle {
    topic: NonNull<ffi::rd_kafka_topic_t>,
    pub(in crate::kafka) name: String,
}

// SAFETY: librdkafka's topics may be used from any thread.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    /// Must be dropped before the client. `None` when the name can't be a topic's.
    pub(in crate::kafka) fn find<C: ClientContext>(client: &Client<C>, name: &str) -> Option<Self> {
        let text = CString::new(name).ok()?;
        // SAFETY: the client lives, the name is a C string, and no configuration means the client's own.
        let topic = unsafe { ffi::rd_kafka_topic_new(client.native_ptr(), text.as_ptr(), ptr::null_mut()) };
        Some(Self { topic: NonNull::new(topic)?, name: name.to_owned() })
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: made for us, destroyed once.
        unsafe { ffi::rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

/// Hands a record to the producer, copying it; `opaque` comes back with the delivery report, or at once with the
/// error. Names of headers may be any bytes (the wrapper's are C strings).
pub(in crate::kafka) fn produce<C, O>(
    client: &Client<C>,
    record: &Produce<'_>,
    opaque: O,
) -> Result<(), (Failed, O)>
where
    O: IntoOpaque,
    C: ProducerContext<DeliveryOpaque = O>,
{
    match CString::new(record.topic) {
        Ok(topic) => {
            let part = vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TOPIC, |u| u.cstr = topic.as_ptr());
            hand_over(client, part, record, opaque)
        }
        Err(error) => Err(((0, error.to_string()), opaque)),
    }
}

/// As [`produce`], to a topic of the same client that was found before.
pub(in crate::kafka) fn produce_to<C, O>(
    client: &Client<C>,
    topic: &TopicHandle,
    record: &Produce<'_>,
    opaque: O,
) -> Result<(), (Failed, O)>
where
    O: IntoOpaque,
    C: ProducerContext<DeliveryOpaque = O>,
{
    let part = vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic.topic.as_ptr());
    hand_over(client, part, record, opaque)
}

/// What `topic` points to must live.
fn hand_over<C, O>(
    client: &Client<C>,
    topic: ffi::rd_kafka_vu_t,
    record: &Produce<'_>,
    opaque: O,
) -> Result<(), (Failed, O)>
where
    O: IntoOpaque,
    C: ProducerContext<DeliveryOpaque = O>,
{
    let opaque = opaque.into_ptr();
    // SAFETY: the client lives; every part is as `vu` promises and is copied by the call (MSG_F_COPY). The headers
    // are the producer's after success and ours after an error; null stands for none. The opaque pointer comes back
    // exactly once: here after an error, else with the delivery report, where the wrapper turns it into `O` again.
    unsafe {
        let headers = headers_of(record);
        let parts = [
            topic,
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = record.partition.unwrap_or(-1)),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = ffi::RD_KAFKA_MSG_F_COPY),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(record.value)),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(record.key)),
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = opaque),
            // The last one, so that a record without any leaves it out.
            vu(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers),
        ];
        let count = parts.len() - usize::from(headers.is_null());
        let error = ffi::rd_kafka_produceva(client.native_ptr(), parts.as_ptr(), count);
        if error.is_null() {
            return Ok(());
        }
        if !headers.is_null() {
            ffi::rd_kafka_headers_destroy(headers);
        }
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

/// The record's headers in a list of librdkafka's, which the caller owns; null when it has none.
fn headers_of(record: &Produce<'_>) -> *mut ffi::rd_kafka_headers_t {
    if record.headers.iter().next().is_none() {
        return ptr::null_mut();
    }
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

/// Why a transaction was not committed, or not yet.
#[derive(Debug)]
pub(in crate::kafka) struct CommitFailed {
    /// librdkafka's error code.
    pub(in crate::kafka) code: i32,
    pub(in crate::kafka) text: String,
    /// Asking again goes on where this call has stopped.
    pub(in crate::kafka) is_retriable: bool,
    /// The brokers were not asked to commit, and the transaction is to be aborted.
    pub(in crate::kafka) requires_abort: bool,
}

/// Waits until every record handed over is written, and commits; for `timeout` at most. The wrapper's own call flushes in
/// steps of 100 ms before. Somebody else must serve the delivery reports of records that fail.
pub(in crate::kafka) fn commit_transaction<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<(), CommitFailed> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the client lives; the error is ours, read and destroyed once.
    unsafe {
        let error = ffi::rd_kafka_commit_transaction(client.native_ptr(), timeout_ms);
        if error.is_null() {
            return Ok(());
        }
        let failed = CommitFailed {
            code: ffi::rd_kafka_error_code(error) as i32,
            text: text_of(ffi::rd_kafka_error_string(error)),
            is_retriable: ffi::rd_kafka_error_is_retriable(error) != 0,
            requires_abort: ffi::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        ffi::rd_kafka_error_destroy(error);
        Err(failed)
    }
}
