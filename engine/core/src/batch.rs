//! A batch: what one read of one partition brought, in one arena.

use crate::headers::Headers;
use crate::position::{Epoch, PartitionId, Position};
use crate::record::Record;

/// Records of ONE partition and ONE epoch, in log order, their bytes side by side in one arena.
///
/// The source fills it ([`Batch::push`]), the worker keeps it until its last record has its outcome, and hands it
/// back cleared, so that steady reading allocates nothing.
#[derive(Debug)]
pub struct Batch {
    partition: PartitionId,
    epoch: Epoch,
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

/// 32 bytes a record: two to a cache line.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: i64,
    timestamp_ms: i64,
    start: u32,
    key_len: u32,
    value_len: u32,
    headers_len: u32,
}

/// Stands for null in `key_len` and `value_len`; no record is that long.
const NULL: u32 = u32::MAX;

/// An arena holds at most this many bytes: starts and lengths are 32-bit numbers.
const ARENA_BYTES_MAX: usize = u32::MAX as usize - 1;

impl Batch {
    /// An empty batch for records of `partition` read under `epoch`.
    #[must_use]
    pub fn new(partition: PartitionId, epoch: Epoch) -> Self {
        Self { partition, epoch, arena: Vec::new(), entries: Vec::new() }
    }

    /// Empties the batch for another read, keeping its buffers.
    pub fn reset(&mut self, partition: PartitionId, epoch: Epoch) {
        self.partition = partition;
        self.epoch = epoch;
        self.arena.clear();
        self.entries.clear();
    }

    /// Appends a record, copying its bytes once. `headers` is in the encoding of [`Headers`].
    ///
    /// # Panics
    /// When offsets do not increase or the arena would pass 4 GiB: the source must start another batch before.
    pub fn push(
        &mut self,
        offset: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[u8],
    ) {
        assert!(
            self.entries.last().is_none_or(|last| last.offset < offset),
            "offsets increase within a batch"
        );
        let start = self.arena.len();
        for bytes in [key.unwrap_or_default(), value.unwrap_or_default(), headers] {
            self.arena.extend_from_slice(bytes);
        }
        assert!(self.arena.len() <= ARENA_BYTES_MAX, "the source limits a batch to far less");
        self.entries.push(Entry {
            offset,
            timestamp_ms,
            start: start as u32,
            key_len: key.map_or(NULL, |key| key.len() as u32),
            value_len: value.map_or(NULL, |value| value.len() as u32),
            headers_len: headers.len() as u32,
        });
    }

    /// The partition all its records are of.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The epoch they were read under.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys, values and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.arena.len()
    }

    /// Bytes that it holds when empty, to be filled again without an allocation.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.arena.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Option<i64> {
        self.entries.last().map(|entry| entry.offset)
    }

    /// The record at `index`, counted from 0.
    ///
    /// # Panics
    /// When `index` is not below [`Batch::len`].
    #[must_use]
    pub fn record(&self, index: usize) -> Record<'_> {
        let entry = &self.entries[index];
        let position = Position { partition: self.partition, epoch: self.epoch, offset: entry.offset };
        let mut rest = &self.arena[entry.start as usize..];
        let mut take = |len: u32| {
            let (bytes, after) = rest.split_at(if len == NULL { 0 } else { len as usize });
            rest = after;
            bytes
        };
        let (key, value, headers) = (take(entry.key_len), take(entry.value_len), take(entry.headers_len));
        Record {
            position,
            timestamp_ms: entry.timestamp_ms,
            key: (entry.key_len != NULL).then_some(key),
            value: (entry.value_len != NULL).then_some(value),
            headers: Headers::new(headers),
        }
    }

    /// The record with that offset, if the batch holds it.
    #[must_use]
    pub fn find(&self, offset: i64) -> Option<Record<'_>> {
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok().map(|index| self.record(index))
    }
}
