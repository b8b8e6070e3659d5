//! Reading one partition: from its queue into a batch, each record copied once.

use thalweg_core::batch::Batch;
use thalweg_core::headers::Headers;
use thalweg_core::position::{Epoch, PartitionId};

use rdkafka::error::RDKafkaErrorCode;

use super::event::SourceEvent;
use super::librdkafka::{Message, MessageArray, PartitionQueue, raw_headers_supported};

/// Messages taken from a queue at once: enough to spread the call's cost (about 100 ns), and few enough that what
/// was read stays in the processor's cache until it is copied.
const MESSAGES_PER_CALL: usize = 512;

/// The raw headers are compared with the public interface for this many records after the start.
const HEADER_CHECKS: u32 = 64;

/// A started partition.
pub(super) struct Reading {
    epoch: Epoch,
    queue: PartitionQueue,
    /// Records below belong to an earlier assignment. Where ends are told, and the partition was read to its end, it is
    /// the end, also behind markers of transactions.
    next_offset: i64,
    /// The last end that was told; -1: none.
    told_end: i64,
    /// A record could not be read: nothing behind it is handed on.
    stopped: bool,
    /// Average size of a record, to guess how many fill a batch.
    record_bytes: usize,
}

/// What all partitions of a source read with.
pub(super) struct Reader {
    array: MessageArray,
    headers: HeaderSource,
    scratch: Vec<u8>,
}

/// Where headers are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeaderSource {
    /// From the wire's bytes, still compared with the public interface for so many records.
    Checked(u32),
    /// From the wire's bytes.
    Raw,
    /// From the public interface.
    Public,
}

impl Reader {
    pub(super) fn new() -> Self {
        let headers =
            if raw_headers_supported() { HeaderSource::Checked(HEADER_CHECKS) } else { HeaderSource::Public };
        Self { array: MessageArray::new(MESSAGES_PER_CALL), headers, scratch: Vec::new() }
    }

    /// Whether headers are taken from the wire's bytes (and not, or not yet, through the slower public interface).
    pub(super) fn reads_raw_headers(&self) -> bool {
        self.headers == HeaderSource::Raw
    }
}

impl Reading {
    pub(super) fn new(epoch: Epoch, queue: PartitionQueue, offset: i64) -> Self {
        Self { epoch, queue, next_offset: offset, told_end: -1, stopped: false, record_bytes: 0 }
    }

    /// Whether it is read on, if there is more.
    pub(super) fn goes_on(&self) -> bool {
        !self.stopped
    }

    /// Its epoch, and where it goes on.
    pub(super) fn progress(&self) -> (Epoch, i64) {
        (self.epoch, self.next_offset)
    }

    /// Where it goes on, behind markers of transactions too: `of_client` is the client's position, which counts them at
    /// once, but takes the notice of an end for a record.
    pub(super) fn position(&self, of_client: i64) -> i64 {
        if of_client == self.told_end + 1 { self.next_offset } else { of_client.max(self.next_offset) }
    }

    /// Fills `batch` with what is there. Asks no further once `records_max` or `bytes_max` are reached; as sizes are
    /// not known before, the bytes may be passed by what one call brings, at most what is prefetched.
    pub(super) fn read(
        &mut self,
        partition: PartitionId,
        reader: &mut Reader,
        batch: &mut Batch,
        limits: (usize, usize),
        events: &mut Vec<SourceEvent>,
    ) -> usize {
        let (records_max, bytes_max) = limits;
        batch.reset(partition, self.epoch);
        while !self.stopped && batch.len() < records_max && batch.size_bytes() < bytes_max {
            let fitting = (bytes_max - batch.size_bytes()) / self.record_bytes.max(1);
            let asked = fitting.clamp(1, MESSAGES_PER_CALL).min(records_max - batch.len());
            let Reader { array, headers, scratch } = reader;
            let (stopped, next_offset) = (&mut self.stopped, &mut self.next_offset);
            let told_end = &mut self.told_end;
            let read = self.queue.read(array, asked, |message| {
                if *stopped {
                    return;
                }
                let offset = message.offset();
                match message.error_code() {
                    0 => {}
                    code if code == RDKafkaErrorCode::PartitionEOF as i32 => {
                        *next_offset = offset.max(*next_offset);
                        *told_end = offset;
                        return;
                    }
                    _ => {
                        *stopped = report(partition, &message, events);
                        return;
                    }
                }
                if offset < *next_offset {
                    return;
                }
                *next_offset = offset + 1;
                push(&message, offset, batch, headers, scratch);
            });
            self.record_bytes = batch.size_bytes() / batch.len().max(1);
            if read < asked {
                break;
            }
        }
        batch.len()
    }
}

fn push(
    message: &Message<'_>,
    offset: i64,
    batch: &mut Batch,
    source: &mut HeaderSource,
    scratch: &mut Vec<u8>,
) {
    let raw = if *source == HeaderSource::Public { None } else { message.raw_headers() };
    let headers = match (raw, &mut *source) {
        // A count of zero: no headers. Needs no check: the byte stands right behind the value, where the count is.
        (Some([0]), _) => &[],
        (Some(raw), HeaderSource::Raw) => raw,
        (raw, source) => {
            scratch.clear();
            message.public_headers(scratch);
            if let HeaderSource::Checked(left) = *source
                && message.headers_place().is_some()
            {
                *source = compared(raw.unwrap_or_default(), scratch, left);
            }
            // The public interface ends names at their first NUL.
            raw.filter(|_| *source != HeaderSource::Public).unwrap_or(scratch)
        }
    };
    batch.push(offset, message.timestamp_ms(), message.key(), message.value(), headers);
}

/// What to do after one more comparison of the wire's bytes with the public interface.
fn compared(raw: &[u8], public: &[u8], left: u32) -> HeaderSource {
    let until_nul = |(name, value)| (<[u8]>::split(name, |byte| *byte == 0).next(), value);
    if !Headers::new(raw).iter().map(until_nul).eq(Headers::new(public).iter().map(until_nul)) {
        tracing::warn!(
            "record headers differ from the client's own reading; using the slower public interface"
        );
        return HeaderSource::Public;
    }
    match left.checked_sub(1) {
        // Records without headers prove nothing.
        _ if public.is_empty() => HeaderSource::Checked(left),
        Some(left) if left > 0 => HeaderSource::Checked(left),
        _ => HeaderSource::Raw,
    }
}

/// Turns an error in the place of a record into an event; answers whether the partition must not be read on.
fn report(partition: PartitionId, message: &Message<'_>, events: &mut Vec<SourceEvent>) -> bool {
    let code = message.error_code();
    let is = |known: RDKafkaErrorCode| code == known as i32;
    let reason = message.error_text();
    if is(RDKafkaErrorCode::AutoOffsetReset) {
        events.push(SourceEvent::OffsetOutOfRange { partition, offset: message.offset(), reason });
        return true;
    }
    // These stand for records that the client has skipped.
    let skipped = [
        RDKafkaErrorCode::BadMessage,
        RDKafkaErrorCode::BadCompression,
        RDKafkaErrorCode::InvalidMessage,
        RDKafkaErrorCode::MessageSizeTooLarge,
        RDKafkaErrorCode::NotImplemented,
    ];
    let stops = skipped.into_iter().any(is);
    events.push(if stops {
        SourceEvent::PartitionFailed { partition, reason }
    } else {
        SourceEvent::Warning(reason)
    });
    stops
}
