//! A partition that transactions write to: what readers of committed records see of it, and what compaction leaves.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::transactions::TransactionNumber;

/// A record of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    pub(crate) transaction: TransactionNumber,
    /// When it arrived, in ms of simulated time.
    pub(crate) appended_ms: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<u8>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct TransactionalLog {
    entries: Vec<Entry>,
    /// One above the newest offset there is, markers included.
    pub(crate) high: i64,
    /// Transactions without a marker: their first offset here, and when it arrived.
    open: BTreeMap<TransactionNumber, (i64, u64)>,
    aborted: BTreeSet<TransactionNumber>,
    /// When records without a value may go, by offset.
    removable_ms: BTreeMap<i64, u64>,
}

impl TransactionalLog {
    pub(crate) fn append(&mut self, entry: Entry) {
        let (offset, appended_ms) = (self.high, entry.appended_ms);
        self.high += 1;
        self.open.entry(entry.transaction).or_insert((offset, appended_ms));
        self.entries.push(Entry { offset, ..entry });
    }

    /// The marker of a transaction: its records are committed or aborted from now on.
    pub(crate) fn mark(&mut self, transaction: TransactionNumber, committed: bool) {
        self.high += 1;
        self.open.remove(&transaction);
        if !committed {
            self.aborted.insert(transaction);
        }
    }

    /// Readers of committed records see nothing at or above it.
    pub(crate) fn last_stable(&self) -> i64 {
        self.open.values().map(|(first, _)| *first).min().unwrap_or(self.high)
    }

    /// Since when readers of committed records are held up.
    pub(crate) fn blocked_since_ms(&self) -> Option<u64> {
        self.open.values().map(|(_, since_ms)| *since_ms).min()
    }

    /// What a reader of committed records gets, and where it stands then. Markers and gaps are passed over.
    pub(crate) fn read_committed(&self, from: i64, most: usize) -> (Vec<&Entry>, i64) {
        let end = self.last_stable();
        let start = self.entries.partition_point(|entry| entry.offset < from);
        let below = self.entries[start..].iter().take_while(|entry| entry.offset < end);
        let read: Vec<&Entry> =
            below.filter(|entry| !self.aborted.contains(&entry.transaction)).take(most).collect();
        let next = match read.last() {
            Some(last) if read.len() == most => last.offset + 1,
            _ => end.max(from),
        };
        (read, next)
    }

    /// What a reader gets who does not ask whether it is committed.
    pub(crate) fn read_uncommitted(&self, from: i64, most: usize) -> (Vec<&Entry>, i64) {
        let start = self.entries.partition_point(|entry| entry.offset < from);
        let read: Vec<&Entry> = self.entries[start..].iter().take(most).collect();
        let next = match read.last() {
            Some(last) if read.len() == most => last.offset + 1,
            _ => self.high,
        };
        (read, next)
    }

    /// Below `end`, only the last committed record of each key stays. One without a value stays for `retention_ms` after
    /// the first compaction that left nothing before it, for readers who have seen what was there. Answers how many of those
    /// are gone.
    pub(crate) fn compact(&mut self, end: i64, now_ms: u64, retention_ms: u64) -> u64 {
        let end = end.min(self.last_stable());
        let mut last: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        let committed = |entry: &&Entry| entry.offset < end && !self.aborted.contains(&entry.transaction);
        for entry in self.entries.iter().filter(committed) {
            last.insert(entry.key.clone(), entry.offset);
        }
        let mut gone = 0;
        self.entries.retain(|entry| {
            if entry.offset >= end {
                return true;
            }
            if last.get(&entry.key) != Some(&entry.offset) {
                return false;
            }
            if entry.value.is_some() {
                return true;
            }
            let stays = now_ms <= *self.removable_ms.entry(entry.offset).or_insert(now_ms + retention_ms);
            gone += u64::from(!stays);
            stays
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(records: &[(u64, &str, Option<&str>)]) -> TransactionalLog {
        let mut log = TransactionalLog::default();
        for (transaction, key, value) in records {
            log.append(Entry {
                offset: 0,
                transaction: TransactionNumber(*transaction),
                appended_ms: log.high as u64,
                key: key.as_bytes().to_vec(),
                value: value.map(|value| value.as_bytes().to_vec()),
                headers: Vec::new(),
            });
        }
        log
    }

    fn offsets((read, next): (Vec<&Entry>, i64)) -> (Vec<i64>, i64) {
        (read.iter().map(|entry| entry.offset).collect(), next)
    }

    #[test]
    fn readers_of_committed_records_wait_for_markers_and_pass_over_them() {
        let mut log = log(&[(1, "a", Some("1")), (2, "a", Some("2")), (1, "b", Some("3"))]);
        assert_eq!(offsets(log.read_committed(0, 9)), (vec![], 0));
        log.mark(TransactionNumber(2), true);
        assert_eq!((log.last_stable(), log.high), (0, 4), "the first one has no marker yet");
        log.mark(TransactionNumber(1), false);
        assert_eq!(offsets(log.read_committed(0, 9)), (vec![1], 5), "the marker of the end is passed over");
        assert_eq!(offsets(log.read_committed(0, 1)), (vec![1], 2));
    }

    #[test]
    fn compaction_leaves_the_last_committed_record_of_each_key() {
        let mut log = log(&[(1, "a", Some("1")), (1, "b", None), (1, "a", Some("2")), (2, "a", Some("3"))]);
        log.mark(TransactionNumber(1), true);
        assert_eq!(log.compact(9, 5, 10), 0);
        assert_eq!(offsets(log.read_committed(0, 9)), (vec![1, 2], 3));
        log.mark(TransactionNumber(2), false);
        assert_eq!(log.compact(9, 15, 10), 0, "the tombstone stays for a while after the first compaction");
        assert_eq!(log.compact(9, 16, 10), 1);
        assert_eq!(offsets(log.read_committed(0, 9)), (vec![2], 6));
    }
}
