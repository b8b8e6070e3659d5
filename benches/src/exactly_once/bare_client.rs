//! What the bare loop needs of the client beside batch reads: to hand a record over with the least that it costs, and to
//! commit without the wrapper's flush in steps of 100 ms.
#![allow(unsafe_code, reason = "a bare comparison loop; the pipeline never sees this crate")]

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::bindings as ffi;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::batch_queue::{Message, NO_ERROR, bytes};

/// The header that names a record.
const MESSAGE_ID: &CStr = c"message-id";

/// How long the coordinator may take.
const COORDINATOR_MS: i32 = 30_000;

/// How often a client whose queue is full is offered a record again.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// A topic as the producer knows it.
pub(super) struct Topic<'p> {
    producer: &'p BaseProducer,
    topic: *mut ffi::rd_kafka_topic_t,
}

/// Headers taken out of a message: the producer's as soon as they are handed over.
pub(super) struct Taken(*mut ffi::rd_kafka_headers_t);

/// The id that a message's headers name, as a hash; and the headers, taken out of it.
pub(super) fn take_headers(message: &Message<'_>) -> Result<(u64, Taken)> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is live; its headers are ours after this, and the value lives with them.
    let hash = unsafe {
        if ffi::rd_kafka_message_detach_headers(message.as_ptr(), &raw mut headers) != NO_ERROR {
            bail!("a record has no headers");
        }
        let (mut value, mut size) = (ptr::null(), 0);
        let found =
            ffi::rd_kafka_header_get_last(headers, MESSAGE_ID.as_ptr(), &raw mut value, &raw mut size);
        (found == NO_ERROR).then(|| hash_of(bytes(value, size).unwrap_or_default()))
    };
    Ok((hash.context("a record has no message-id")?, Taken(headers)))
}

fn hash_of(id: &[u8]) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::quality::FixedState::with_seed(0).hash_one(id)
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: nobody else has them.
            unsafe { ffi::rd_kafka_headers_destroy(self.0) };
        }
    }
}

impl<'p> Topic<'p> {
    pub(super) fn find(producer: &'p BaseProducer, name: &str) -> Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: the client lives, the name is a C string, and no configuration means the client's own.
        let topic = unsafe {
            ffi::rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut())
        };
        if topic.is_null() {
            bail!("{name:?} can't be a topic's name");
        }
        Ok(Self { producer, topic })
    }

    /// Hands a record over; the client copies it. Without a partition the key decides.
    pub(super) fn send(
        &self,
        partition: Option<i32>,
        key: &[u8],
        value: &[u8],
        headers: Option<Taken>,
    ) -> Result<()> {
        let mut headers = headers;
        let list = headers.as_ref().map_or(ptr::null_mut(), |headers| headers.0);
        let part = |kind, set: &dyn Fn(&mut ffi::rd_kafka_vu_s__bindgen_ty_1)| {
            let mut value = ffi::rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
            set(&mut value);
            ffi::rd_kafka_vu_t { vtype: kind, u: value }
        };
        let memory = |bytes: &[u8]| ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: bytes.as_ptr().cast_mut().cast(),
            size: bytes.len(),
        };
        use ffi::rd_kafka_vtype_t as Kind;
        let parts = [
            part(Kind::RD_KAFKA_VTYPE_RKT, &|u| u.rkt = self.topic),
            part(Kind::RD_KAFKA_VTYPE_PARTITION, &|u| u.i32_ = partition.unwrap_or(-1)),
            part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, &|u| u.i = ffi::RD_KAFKA_MSG_F_COPY),
            part(Kind::RD_KAFKA_VTYPE_VALUE, &|u| u.mem = memory(value)),
            part(Kind::RD_KAFKA_VTYPE_KEY, &|u| u.mem = memory(key)),
            // The last one, so that a record without any leaves it out.
            part(Kind::RD_KAFKA_VTYPE_HEADERS, &|u| u.headers = list),
        ];
        let count = parts.len() - usize::from(list.is_null());
        loop {
            // SAFETY: the client lives; every part points to what lives, and is copied; the headers are the client's after
            // success, and still ours after an error, which is ours to destroy.
            let code = unsafe {
                let error =
                    ffi::rd_kafka_produceva(self.producer.client().native_ptr(), parts.as_ptr(), count);
                if error.is_null() {
                    if let Some(headers) = &mut headers {
                        headers.0 = ptr::null_mut();
                    }
                    return Ok(());
                }
                let code = ffi::rd_kafka_error_code(error);
                ffi::rd_kafka_error_destroy(error);
                code
            };
            if code != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL {
                bail!("the client refuses a record: {code:?}");
            }
            self.producer.poll(QUEUE_FULL_PAUSE);
        }
    }
}

impl Drop for Topic<'_> {
    fn drop(&mut self) {
        // SAFETY: made for us, destroyed once, before its client.
        unsafe { ffi::rd_kafka_topic_destroy(self.topic) };
    }
}

/// Waits until everything is written, and commits.
pub(super) fn commit(producer: &BaseProducer) -> Result<()> {
    // SAFETY: the client lives; the error is ours, read and destroyed once.
    unsafe {
        let error = ffi::rd_kafka_commit_transaction(producer.client().native_ptr(), COORDINATOR_MS);
        if error.is_null() {
            return Ok(());
        }
        let text = CStr::from_ptr(ffi::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        ffi::rd_kafka_error_destroy(error);
        bail!("a transaction was not committed: {text}");
    }
}
