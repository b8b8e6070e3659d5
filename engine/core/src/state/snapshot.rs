//! A snapshot of a partition's state, so that restoring costs the changelog's tail: its items as they were while it was taken,
//! and an offset of the changelog that is not beyond any of them.
//!
//! It is taken part by part, while the flow goes on, so its items are not of one moment. They need not be: whoever restores
//! reads the changelog from that offset to its end, in order, and every record of it says what an item *is*, not how it
//! changed. An item that has changed since the offset has its last record there, and that is what stays; one that has not is
//! the same in the snapshot, whenever its part was taken. For the same reason an offset that is too low costs time and nothing
//! else, and one that is too high loses what lies between.
//!
//! What is gone must be told by the changelog too. Compaction removes the record that says so some time after it was written
//! (`delete.retention.ms`), and the item would rise again from a snapshot that still has it. So a snapshot says as of when it
//! is complete: every deletion that it does not know of came later. Who restores refuses one that is older than half of that
//! time; the other half is for reading, and for clocks that differ.
//!
//! # Form
//! `TWSS`, a byte of version (1), and frames. A frame is its payload's length in 4 bytes, the payload, and 8 bytes of checksum
//! over the payload and the frame before, so that none can be missing, twice, or another snapshot's. Numbers have the lowest
//! byte first. A payload begins with a byte that says what it is:
//! - 1, the first: offset and time (8 bytes each), the partition's number (4 bytes), the changelog's topic id;
//! - 2, items: for each, the name as the changelog has it and the content (a row's value, or 8 bytes of deadline), both with
//!   their length before them as LEB128;
//! - 3, the last: how many items there are (8 bytes).

mod reader;
mod writer;

pub use reader::SnapshotReader;
pub(crate) use reader::Trusts;
pub use writer::SnapshotWriter;

const MAGIC: [u8; 4] = *b"TWSS";
const VERSION: u8 = 1;

const HEADER: u8 = 1;
const ITEMS: u8 = 2;
const END: u8 = 3;

/// What the first frame's checksum goes on from.
const CHAIN_START: u64 = 0x7477_7373_0000_0001;

/// Items are written in frames of about that size; a frame with one large row is as large as that.
const FRAME_BYTES: usize = 64 << 10;

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The changelog's topic, by the id that no other topic of the cluster ever has.
    pub topic_id: String,
    /// The number of its partition.
    pub number: i32,
    /// Where to read on: everything committed below is in the snapshot.
    pub next_offset: i64,
    /// Every deletion that the snapshot does not know of came after this time, in ms since 1970.
    pub complete_ms: i64,
}

/// What a snapshot must be to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotTerms {
    /// The changelog's topic id.
    pub topic_id: String,
    /// The number of its partition.
    pub number: i32,
    /// The time now, in ms since 1970.
    pub now_ms: i64,
    /// How old it may be.
    pub age_ms_max: u64,
}

/// Why a snapshot is not used. None of these is an error of the flow: its state is restored from the whole changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotRefusal {
    /// It ends before its end.
    CutOff,
    /// It is no snapshot, or not as it was written.
    Damaged(&'static str),
    /// It has a form that this version does not know.
    Newer(u8),
    /// It is of a changelog of another id: the topic was made anew.
    OtherTopic(String),
    /// It is of the partition with that number.
    OtherPartition(i32),
    /// Deletions since may be gone from the changelog.
    TooOld {
        /// How old it is.
        age_ms: u64,
        /// How old it may be.
        age_ms_max: u64,
    },
    /// It says to be of a time to come, by so many ms: a clock was wrong, and its age is not known.
    FromTheFuture(u64),
    /// With what has changed since, the state passes its limit on the way. The whole changelog may fit.
    TooLarge,
    /// The changelog can't be read from its offset on.
    NotInLog(String),
}

impl std::fmt::Display for SnapshotRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CutOff => write!(f, "it is cut off"),
            Self::Damaged(what) => write!(f, "it is damaged: {what}"),
            Self::Newer(form) => write!(f, "it has form {form}, which this version does not know"),
            Self::OtherTopic(id) => {
                write!(f, "it is of a changelog with the id {id:?}: the topic was made anew")
            }
            Self::OtherPartition(number) => write!(f, "it is of partition {number}"),
            Self::TooOld { age_ms, age_ms_max } => write!(
                f,
                "it is {} s old, and may be {} s (half of the changelog's delete.retention.ms): what was deleted since \
                 would rise again",
                age_ms / 1_000,
                age_ms_max / 1_000
            ),
            Self::FromTheFuture(by_ms) => write!(f, "it is from {by_ms} ms after now: a clock was wrong"),
            Self::TooLarge => {
                write!(f, "with what has changed since, it does not fit into the state's limit")
            }
            Self::NotInLog(reason) => write!(f, "the changelog does not hold its offset: {reason}"),
        }
    }
}

impl std::error::Error for SnapshotRefusal {}

impl SnapshotTerms {
    /// Whether the snapshot may be used.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, header: &SnapshotHeader) -> Result<(), SnapshotRefusal> {
        if header.topic_id != self.topic_id {
            return Err(SnapshotRefusal::OtherTopic(header.topic_id.clone()));
        }
        if header.number != self.number {
            return Err(SnapshotRefusal::OtherPartition(header.number));
        }
        let age_ms = self.now_ms.saturating_sub(header.complete_ms);
        match u64::try_from(age_ms) {
            Err(_) => Err(SnapshotRefusal::FromTheFuture(age_ms.unsigned_abs())),
            Ok(age_ms) if age_ms > self.age_ms_max => {
                Err(SnapshotRefusal::TooOld { age_ms, age_ms_max: self.age_ms_max })
            }
            Ok(_) => Ok(()),
        }
    }
}

/// The checksum of a frame; the next one's goes on from it.
fn checksum(payload: &[u8], before: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(payload, before)
}
