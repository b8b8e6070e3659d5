//! Everything that needs `unsafe`: the calls into librdkafka that its Rust wrapper does not offer, or only slower.
//!
//! What they have in common, and what each SAFETY comment builds on: librdkafka is thread-safe; a client lives as long
//! as the wrapper value (or the `Arc` of it) that we hold; pointers that a call returned are ours until we hand them
//! to the matching destroy function, exactly once.
#![allow(unsafe_code, reason = "the one folder of the connector that may")]

mod admin;
mod asking;
mod message;
mod partition_queue;
mod producing;

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

pub(super) use admin::{assigned_in_group, describe_topic, high_watermark, high_watermarks};
pub(super) use asking::{Committed, committed_of, member_id, positions};
pub(super) use message::{Message, headers_of_read, may_be_written, raw_headers_supported};
pub(super) use partition_queue::{MessageArray, PartitionQueue};
pub(super) use producing::{CommitFailed, TopicHandle, commit_transaction, produce, produce_to};

/// Called from librdkafka's threads, with a lock of its own held: must not call librdkafka and not block.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// A failed call: librdkafka's error code and text.
pub(super) type Failed = (i32, String);

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
