//! How many bytes of each partition were written and not read yet: whoever writes to the embedded broker waits above
//! [`UNREAD_BYTES_MAX`], because the broker drops what it can't keep.

use std::collections::VecDeque;

use crate::broker::UNREAD_BYTES_MAX;

/// Records are counted together up to so many bytes: a partition's account stays below some hundred entries.
const STEP_BYTES: u64 = 16 << 10;

/// The unread bytes of a topic. Bytes are counted before compression, so what the broker keeps is less.
#[derive(Debug)]
pub struct UnreadBytes {
    partitions: Vec<Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    unread: u64,
    /// Runs of records, oldest first.
    runs: VecDeque<Run>,
}

/// Records next to each other, up to but without `end`.
#[derive(Debug)]
struct Run {
    end: u64,
    bytes: u64,
}

impl UnreadBytes {
    /// A topic of which nothing was written.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self { partitions: (0..partitions).map(|_| Partition::default()).collect() }
    }

    /// A record of so many bytes was written, in the order of offsets.
    pub fn wrote(&mut self, partition: u32, offset: u64, bytes: u64) {
        let Some(Partition { unread, runs }) = self.partitions.get_mut(partition as usize) else { return };
        *unread += bytes;
        match runs.back_mut().filter(|run| run.bytes + bytes <= STEP_BYTES) {
            Some(run) => *run = Run { end: offset + 1, bytes: run.bytes + bytes },
            None => runs.push_back(Run { end: offset + 1, bytes }),
        }
    }

    /// Everything below `next_offset` was read.
    pub fn read(&mut self, partition: u32, next_offset: u64) {
        let Some(Partition { unread, runs }) = self.partitions.get_mut(partition as usize) else { return };
        while let Some(run) = runs.front().filter(|run| run.end <= next_offset) {
            *unread -= run.bytes;
            runs.pop_front();
        }
    }

    /// Whether a record may be written to that partition now.
    #[must_use]
    pub fn has_room(&self, partition: u32) -> bool {
        self.unread(partition) < UNREAD_BYTES_MAX
    }

    /// The unread bytes of a partition, up to 16 KiB too many.
    #[must_use]
    pub fn unread(&self, partition: u32) -> u64 {
        self.partitions.get(partition as usize).map_or(0, |partition| partition.unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_unread_until_it_is_read() {
        let mut account = UnreadBytes::new(2);
        let mut offset = 0;
        while account.has_room(1) {
            account.wrote(1, offset, 1_000);
            offset += 1;
        }
        assert_eq!((account.unread(1), account.unread(0)), (offset * 1_000, 0));
        assert!(account.partitions[1].runs.len() <= 200, "{}", account.partitions[1].runs.len());
        account.read(1, offset / 2);
        let left = account.unread(1);
        assert!(left >= (offset - offset / 2) * 1_000 && left <= (offset - offset / 2) * 1_000 + STEP_BYTES);
        account.read(1, offset);
        assert_eq!(account.unread(1), 0);
        // Larger than a step, and in no partition of ours.
        account.wrote(1, offset, 10 * STEP_BYTES);
        account.wrote(7, 0, 1);
        assert_eq!((account.unread(1), account.unread(7)), (10 * STEP_BYTES, 0));
    }
}
