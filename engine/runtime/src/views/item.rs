//! One thing of a view.

use bytes::Bytes;

use crate::commands::Answer;

/// The latest record of a key.
#[derive(Debug, PartialEq, Eq)]
pub struct Item<V> {
    /// The record's value as it was decoded; nothing in a view of bytes.
    pub value: V,
    /// The record's value as it was written.
    pub bytes: Bytes,
    /// Where it lies, and when it was written: to tell which of two partitions has the latest.
    pub(super) partition: u32,
    pub(super) timestamp_ms: i64,
}

impl<V> Item<V> {
    /// The record's value as it was written, which should be JSON, with status 200.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer::new(200, "application/json", self.bytes.clone())
    }
}
