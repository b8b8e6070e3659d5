//! A message as librdkafka holds it.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull, addr_of};

use rdkafka::bindings as ffi;
use rdkafka::message::BorrowedMessage;
use thalweg_core::headers::encode_headers;

use super::{slice_of, text_of};

/// The version whose private message struct [`RawMessage`] mirrors: 2.12.1 final.
const MIRRORED_VERSION: c_int = 0x020c_01ff;

/// A message, or an error in its place, while it is being shown.
pub(in crate::kafka) struct Message<'m> {
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
    /// The message must live as long as what this returns.
    pub(super) fn of(message: NonNull<ffi::rd_kafka_message_t>) -> Self {
        Self { message, lives: PhantomData }
    }

    /// The error code, 0 for a record. Kept as a number: brokers may send codes that the bindings' enum does not have.
    pub(in crate::kafka) fn error_code(&self) -> i32 {
        // SAFETY: the message lives; the enum is represented as a C int, so reading it as one is always valid.
        unsafe { addr_of!((*self.message.as_ptr()).err).cast::<i32>().read() }
    }

    /// What the error says.
    pub(in crate::kafka) fn error_text(&self) -> String {
        // SAFETY: the message lives; the text is a C string that lives as long.
        let text = unsafe { ffi::rd_kafka_message_errstr(self.message.as_ptr()) };
        text_of(text)
    }

    pub(in crate::kafka) fn offset(&self) -> i64 {
        // SAFETY: the message lives.
        unsafe { addr_of!((*self.message.as_ptr()).offset).read() }
    }

    /// In ms since 1970; -1 when there is none.
    pub(in crate::kafka) fn timestamp_ms(&self) -> i64 {
        // SAFETY: the message lives; no type is asked for.
        unsafe { ffi::rd_kafka_message_timestamp(self.message.as_ptr(), ptr::null_mut()) }
    }

    pub(in crate::kafka) fn key(&self) -> Option<&'m [u8]> {
        // SAFETY: the message lives; pointer and length belong together.
        unsafe {
            let message = self.message.as_ptr();
            slice_of(addr_of!((*message).key).read(), addr_of!((*message).key_len).read())
        }
    }

    pub(in crate::kafka) fn value(&self) -> Option<&'m [u8]> {
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
    pub(in crate::kafka) fn raw_headers(&self) -> Option<&'m [u8]> {
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
    pub(in crate::kafka) fn headers_place(&self) -> Option<*const u8> {
        let filled = |bytes: Option<&'m [u8]>| bytes.filter(|bytes| !bytes.is_empty());
        match (filled(self.value()), filled(self.key())) {
            (Some(value), _) => Some(value.as_ptr_range().end),
            (None, Some(key)) => Some(key.as_ptr_range().end.wrapping_add(1)),
            (None, None) => None,
        }
    }

    /// Writes the headers through the public interface: slower, one allocation or more per header.
    pub(in crate::kafka) fn public_headers(&self, into: &mut Vec<u8>) {
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
pub(in crate::kafka) fn headers_of_read(message: &BorrowedMessage<'_>) -> Vec<u8> {
    let mut headers = Vec::new();
    if let Some(message) = NonNull::new(message.ptr()) {
        Message::of(message).public_headers(&mut headers);
    }
    headers
}

/// Whether a record that could not be delivered may have been written all the same.
pub(in crate::kafka) fn may_be_written(failed: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message lives as long as the wrapper that was borrowed.
    let status = unsafe { ffi::rd_kafka_message_status(failed.ptr()) };
    status != ffi::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

/// Whether this librdkafka is the one that [`Message::raw_headers`] was written for.
pub(in crate::kafka) fn raw_headers_supported() -> bool {
    // SAFETY: no arguments, no state.
    let version = unsafe { ffi::rd_kafka_version() };
    version == MIRRORED_VERSION && cfg!(target_pointer_width = "64")
}
