//! The topic: partitions of records, with the gaps that compaction and transaction markers leave.

use thalweg_core::headers::{Headers, encode_headers};

/// A record to be appended.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// The partition it goes to; taken modulo the number of partitions.
    pub partition: u32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A record of the log.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, ms since 1970.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in the encoding of [`Headers`].
    pub headers: Vec<u8>,
}

impl LogRecord {
    /// The value of that header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        Headers::new(&self.headers).get(name)
    }

    /// Bytes of key, value and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        len(&self.key) + len(&self.value) + self.headers.len()
    }
}

/// One partition.
#[derive(Debug, Default)]
pub struct PartitionLog {
    /// The oldest offset there is.
    pub low: i64,
    /// One above the newest offset there is, markers included.
    pub high: i64,
    pub(crate) records: Vec<LogRecord>,
}

impl PartitionLog {
    /// Every record ever appended, also those that retention has removed.
    #[must_use]
    pub fn records(&self) -> &[LogRecord] {
        &self.records
    }

    /// Index of the first record at or above `offset`.
    #[must_use]
    pub fn index_of(&self, offset: i64) -> usize {
        self.records.partition_point(|record| record.offset < offset)
    }

    /// The record at that offset.
    #[must_use]
    pub fn get(&self, offset: i64) -> Option<&LogRecord> {
        self.records.get(self.index_of(offset)).filter(|record| record.offset == offset)
    }
}

/// The topic.
#[derive(Debug)]
pub(crate) struct Log {
    /// Its partitions, by number.
    pub(crate) partitions: Vec<PartitionLog>,
}

impl Log {
    /// An empty topic whose partitions begin at random offsets, as one does whose old records are gone.
    pub(crate) fn new(partitions: u32, rng: &mut fastrand::Rng) -> Self {
        let partition = |_| {
            let start = if rng.bool() { 0 } else { rng.i64(0..1_000_000) };
            PartitionLog { low: start, high: start, records: Vec::new() }
        };
        Self { partitions: (0..partitions).map(partition).collect() }
    }

    /// Appends a record after `gap` offsets that hold none. Answers where it lies.
    pub(crate) fn append(&mut self, new: NewRecord, gap: i64, timestamp_ms: i64) -> &LogRecord {
        let number = new.partition % self.partitions.len() as u32;
        let partition = &mut self.partitions[number as usize];
        let mut headers = Vec::new();
        let pairs = new.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_slice())));
        encode_headers(pairs, &mut headers);
        let offset = partition.high + gap;
        partition.high = offset + 1;
        partition.records.push(LogRecord {
            partition: number,
            offset,
            timestamp_ms,
            key: new.key,
            value: new.value,
            headers,
        });
        &partition.records[partition.records.len() - 1]
    }

    /// Appends offsets without records: a transaction marker at the end of the partition.
    pub(crate) fn mark(&mut self, partition: u32, offsets: i64) {
        self.partitions[partition as usize].high += offsets;
    }
}
