//! Keys that are held before the first operator: their last record was rejected, and its dead letter is not
//! acknowledged yet. Later records of the key queue here, in order.

use std::collections::VecDeque;

use crate::position::PartitionId;
use crate::table::Table;
use crate::tracker::Pending;

#[derive(Debug, Default)]
pub(crate) struct Admission {
    keys: Table<u64, HeldRecords>,
}

#[derive(Debug, Default)]
struct HeldRecords {
    dead_letters: u32,
    records: VecDeque<Pending>,
    congests: Option<PartitionId>,
}

/// A held key with this many records behind it stops the reading of its partition.
const HELD_PER_KEY_MAX: usize = 1_000;

impl Admission {
    pub(crate) fn holds(&self, key_hash: u64) -> bool {
        !self.keys.is_empty() && self.keys.contains_key(&key_hash)
    }

    /// Queues a record behind its held key. Answers the partition when the key now holds too much.
    pub(crate) fn queue(&mut self, key_hash: u64, pending: Pending) -> Option<PartitionId> {
        let partition = pending.position().partition;
        let held = self.keys.entry(key_hash).or_default();
        held.records.push_back(pending);
        if held.records.len() < HELD_PER_KEY_MAX || held.congests.is_some() {
            return None;
        }
        held.congests = Some(partition);
        held.congests
    }

    /// The key waits for one more dead letter.
    pub(crate) fn hold(&mut self, key_hash: u64) {
        self.keys.entry(key_hash).or_default().dead_letters += 1;
    }

    /// A dead letter of the key is acknowledged.
    pub(crate) fn dead_letter_ended(&mut self, key_hash: u64) {
        if let Some(held) = self.keys.get_mut(&key_hash) {
            held.dead_letters = held.dead_letters.saturating_sub(1);
        }
    }

    /// The next record of the key that may run now. When there is none and nothing holds the key any more, the
    /// key is forgotten; then answers the partition that it congested.
    pub(crate) fn next(&mut self, key_hash: u64) -> NextHeld {
        let Some(held) = self.keys.get_mut(&key_hash).filter(|held| held.dead_letters == 0) else {
            return NextHeld::None;
        };
        match held.records.pop_front() {
            Some(pending) => NextHeld::Record(pending),
            None => NextHeld::Free(self.keys.remove(&key_hash).and_then(|held| held.congests)),
        }
    }

    /// Gives up the queued records that `ended` names; answers the keys that have none left and wait for nothing.
    pub(crate) fn purge(&mut self, ended: impl Fn(&Pending) -> bool) {
        for held in self.keys.values_mut() {
            for pending in std::mem::take(&mut held.records) {
                if ended(&pending) {
                    pending.abandon();
                } else {
                    held.records.push_back(pending);
                }
            }
        }
    }

    /// Keys held.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Records queued behind them.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Pending> {
        self.keys.values().flat_map(|held| &held.records)
    }
}

/// See [`Admission::next`].
#[derive(Debug)]
pub(crate) enum NextHeld {
    Record(Pending),
    /// The key is free; it had congested that partition.
    Free(Option<PartitionId>),
    None,
}
