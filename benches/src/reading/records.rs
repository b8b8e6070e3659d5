//! The records of the topics that are read: the same for every run, computed from their number.

use super::touched::Touched;

/// Partitions of the topics; record `n` lies in partition `n % PARTITIONS` at offset `n / PARTITIONS`.
pub(super) const PARTITIONS: i32 = 8;

/// Bytes of a value.
const VALUE_BYTES: usize = 300;

/// The names of the three headers, as the message events have them.
pub(super) const HEADER_NAMES: [&str; 3] = ["correlation-id", "message-id", "timestamp"];

/// Words that texts are made of: lz4 halves them, as it does real messages.
const WORDS: [&str; 16] = [
    "the", "order", "was", "shipped", "to", "your", "address", "on", "monday", "please", "confirm",
    "delivery", "thanks", "invoice", "number", "attached",
];

/// One record's bytes, filled again for the next.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) headers: [Vec<u8>; 3],
}

impl Content {
    /// Makes it record `number`.
    pub(super) fn become_record(&mut self, number: u64) {
        use std::io::Write as _;
        let mut rng = fastrand::Rng::with_seed(number);
        self.key.clear();
        self.value.clear();
        // Writing to a vector can't fail.
        let _ = write!(self.key, "conversation-{:08}", rng.u32(..100_000));
        let id = rng.u128(..);
        let _ = write!(
            self.value,
            r#"{{"type":"message.created","payload":{{"id":"{id:032x}","senderId":"{:08}","content":""#,
            rng.u32(..1_000_000)
        );
        while self.value.len() < VALUE_BYTES - 3 {
            let word = WORDS[rng.usize(..WORDS.len())].as_bytes();
            let room = VALUE_BYTES - 3 - self.value.len();
            self.value.extend(word.iter().chain(b" ").take(room));
        }
        self.value.extend_from_slice(br#""}}"#);
        for header in &mut self.headers {
            header.clear();
        }
        let [correlation, message, timestamp] = &mut self.headers;
        let _ = write!(correlation, "{:032x}", rng.u128(..));
        let _ = write!(message, "{id:032x}");
        let _ = write!(
            timestamp,
            "2023-08-15T10:{:02}:{:02}.{:03}Z",
            rng.u8(..60),
            rng.u8(..60),
            rng.u16(..1000)
        );
    }
}

/// What a reader must have touched in the end.
pub(super) fn expected(records: u64, headers: bool) -> Touched {
    let mut touched = Touched::default();
    let mut content = Content::default();
    for number in 0..records {
        content.become_record(number);
        let (partition, offset) = place(number);
        let mut record = touched.record(partition, offset);
        record.field(&content.key);
        record.field(&content.value);
        if headers {
            for (name, value) in HEADER_NAMES.iter().zip(&content.headers) {
                record.field(name.as_bytes());
                record.field(value);
            }
        }
        record.done();
    }
    touched
}

/// Partition and offset of record `number`.
pub(super) fn place(number: u64) -> (i32, i64) {
    let partitions = PARTITIONS.unsigned_abs();
    ((number % u64::from(partitions)) as i32, (number / u64::from(partitions)).cast_signed())
}
