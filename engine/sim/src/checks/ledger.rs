//! The truth about every record: what must become of it, and what has.

use std::collections::{BTreeMap, BTreeSet};

use thalweg_core::commit_metadata;

use crate::broker::log::LogRecord;
use crate::broker::offsets::Start;
use crate::checks::sightings::Sightings;
use crate::checks::{Checked, Violation};
use crate::flow::{Fate, Holds, Touch};

/// One record's entry.
#[derive(Debug)]
struct Entry {
    offset: i64,
    key: Option<Vec<u8>>,
    fate: Fate,
    appended_ms: u64,
    /// Retention removed it before it was finished.
    lost: bool,
}

/// What is left of a partition after [`Ledger::lose_below`].
pub(crate) struct Remaining {
    /// How many records were lost.
    pub(crate) lost: u64,
    /// Offsets of the records that remain, with when they were appended.
    pub(crate) appended_ms: BTreeMap<i64, u64>,
}

#[derive(Debug, Default)]
struct PartitionLedger {
    entries: Vec<Entry>,
    /// Entries before this one are settled.
    settled: usize,
    /// Offsets on the dead-letter topic.
    letters: BTreeSet<i64>,
    /// Offsets of rejected records by key, for what waits for their letters.
    rejected: BTreeMap<Vec<u8>, Vec<i64>>,
}

/// One order domain: the offsets that must have an effect in it, and how many of them had.
#[derive(Debug, Default)]
struct Chain {
    offsets: Vec<i64>,
    applied: usize,
    /// Offsets that the sink must refuse.
    refused: Vec<i64>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Ledger {
    partitions: Vec<PartitionLedger>,
    chains: BTreeMap<(u32, String), Chain>,
    pub(crate) sightings: Sightings,
}

impl Ledger {
    pub(crate) fn new(partitions: u32, window: u64) -> Self {
        Self {
            partitions: (0..partitions).map(|_| PartitionLedger::default()).collect(),
            chains: BTreeMap::new(),
            sightings: Sightings::new(partitions, window),
        }
    }

    pub(crate) fn append(&mut self, record: &LogRecord, fate: Fate, now_ms: u64) {
        let partition = &mut self.partitions[record.partition as usize];
        match &fate {
            Fate::Applied { domain } => {
                let chain = self.chains.entry((record.partition, domain.clone())).or_default();
                chain.offsets.push(record.offset);
            }
            Fate::DeadLettered { holds: Holds::Domain(domain) } => {
                let chain = self.chains.entry((record.partition, domain.clone())).or_default();
                chain.refused.push(record.offset);
            }
            Fate::DeadLettered { holds: Holds::Key } => {
                let key = record.key.clone().unwrap_or_default();
                partition.rejected.entry(key).or_default().push(record.offset);
            }
            _ => {}
        }
        let (offset, key) = (record.offset, record.key.clone());
        partition.entries.push(Entry { offset, key, fate, appended_ms: now_ms, lost: false });
    }

    /// Retention has removed everything below `low`, and nothing at or above it was ever read: what is unfinished
    /// below is lost, and no loss of the engine's. What remains has no fate any more and must be appended again: some
    /// of its records refer to lost ones.
    pub(crate) fn lose_below(&mut self, partition: u32, low: i64) -> Remaining {
        let below = self.partitions[partition as usize].entries.partition_point(|entry| entry.offset < low);
        let remaining = self.partitions[partition as usize].entries.split_off(below);
        let unfinished = |entry: &Entry| !self.is_entry_settled(partition, entry);
        let lost: Vec<bool> = self.partitions[partition as usize].entries.iter().map(unfinished).collect();
        let of = &mut self.partitions[partition as usize];
        for (entry, lost) in of.entries.iter_mut().zip(&lost) {
            entry.lost |= *lost;
        }
        of.settled = of.settled.min(below);
        for rejected in of.rejected.values_mut() {
            rejected.retain(|offset| of.letters.contains(offset));
        }
        let chains = self.chains.iter_mut().filter(|((of, _), _)| *of == partition);
        for (_, chain) in chains {
            chain.offsets.truncate(chain.applied);
            chain.refused.retain(|offset| of.letters.contains(offset));
        }
        self.sightings.forget(partition);
        Remaining {
            lost: lost.into_iter().filter(|lost| *lost).count() as u64,
            appended_ms: remaining.into_iter().map(|entry| (entry.offset, entry.appended_ms)).collect(),
        }
    }

    /// Whether the record had its effect.
    pub(crate) fn was_applied(&self, partition: u32, offset: i64) -> bool {
        self.entry(partition, offset).is_some_and(|entry| {
            matches!(entry.fate, Fate::Applied { .. })
                && !entry.lost
                && self.is_entry_settled(partition, entry)
        })
    }

    /// An effect reached the outside system. Answers whether it is one that had been applied before.
    pub(crate) fn touched(
        &mut self,
        touch: &Touch,
        starts: &BTreeMap<u32, Start>,
    ) -> Result<bool, Violation> {
        let Some((partition, offset)) = touch.place else { return Ok(false) };
        let Some(entry) = self.entry(partition, offset) else {
            let detail = format!("{touch:?} names a record that does not exist");
            return Err(Violation::new("only_expected_effects", detail));
        };
        if starts.get(&partition).is_some_and(|start| start.has_finished(offset)) {
            let detail = format!("{partition}/{offset} was finished when the epoch of {touch:?} began");
            return Err(Violation::new("finished_not_done_again", detail));
        }
        if entry.lost {
            let detail = format!("{touch:?}, but the record was lost to retention");
            return Err(Violation::new("only_expected_effects", detail));
        }
        match &entry.fate {
            Fate::Applied { domain } if *domain == touch.domain => {}
            Fate::Duplicate => {
                return Err(Violation::new(
                    "dedupe_exact",
                    format!("the duplicate {partition}/{offset} was sent"),
                ));
            }
            // The outside system decides these: only an application is wrong.
            Fate::DeadLettered { holds: Holds::Domain(_) } | Fate::Superseded if !touch.applied => {
                return Ok(false);
            }
            fate => {
                let detail = format!("{touch:?}, but its fate is {fate:?}");
                return Err(Violation::new("only_expected_effects", detail));
            }
        }
        if touch.applied {
            self.letters_came_first(partition, offset, touch)?;
            return self.applied(partition, offset, touch);
        }
        Ok(self.is_settled(partition, offset))
    }

    fn letters_came_first(&self, partition: u32, offset: i64, touch: &Touch) -> Checked {
        let of = &self.partitions[partition as usize];
        let key = self.entry(partition, offset).and_then(|entry| entry.key.as_ref());
        let rejected = key.and_then(|key| of.rejected.get(key)).into_iter().flatten();
        let refused = self.chains.get(&(partition, touch.domain.clone())).into_iter();
        let refused = refused.flat_map(|chain| &chain.refused);
        let mut before = rejected.chain(refused).filter(|letter| **letter < offset);
        match before.find(|letter| !of.letters.contains(letter)) {
            None => Ok(()),
            Some(letter) => Err(Violation::new(
                "key_waits_for_dead_letter",
                format!("{touch:?} was applied before {partition}/{letter} was on the dead-letter topic"),
            )),
        }
    }

    fn applied(&mut self, partition: u32, offset: i64, touch: &Touch) -> Result<bool, Violation> {
        let chain = self.chains.entry((partition, touch.domain.clone())).or_default();
        let place = chain.offsets.partition_point(|before| *before < offset);
        if place == chain.applied {
            chain.applied += 1;
            return Ok(false);
        }
        let next = chain.offsets.get(chain.applied);
        let detail = format!("{touch:?} was applied when the next in its domain was {next:?}");
        Err(Violation::new("order", detail))
    }

    /// A dead letter of that record is on the topic. Answers whether it was there before.
    pub(crate) fn lettered(&mut self, partition: u32, offset: i64) -> Result<bool, Violation> {
        match self.entry(partition, offset).map(|entry| &entry.fate) {
            Some(Fate::DeadLettered { .. }) => {
                Ok(!self.partitions[partition as usize].letters.insert(offset))
            }
            fate => {
                let detail = format!("{partition}/{offset} was dead-lettered, but its fate is {fate:?}");
                Err(Violation::new("dead_letters_exact", detail))
            }
        }
    }

    /// A commit has reached the broker.
    pub(crate) fn committed(&mut self, partition: u32, position: i64, metadata: &str) -> Checked {
        self.settle(partition);
        if let Some(open) = self.first_open(partition).filter(|open| *open < position) {
            let detail = format!("{partition} was committed at {position}, but {open} is unfinished");
            return Err(Violation::new("commit_only_finished", detail));
        }
        let finished = commit_metadata::decode(position, metadata).unwrap_or_default();
        let entries = &self.partitions[partition as usize].entries;
        for run in &finished {
            let from = entries.partition_point(|entry| entry.offset < run.start);
            let inside = entries[from..].iter().take_while(|entry| entry.offset < run.end);
            if let Some(open) = inside.into_iter().find(|entry| !self.is_entry_settled(partition, entry)) {
                let offset = open.offset;
                let detail =
                    format!("{partition}: {run:?} above {position} are called finished, {offset} is not");
                return Err(Violation::new("metadata_only_finished", detail));
            }
        }
        Ok(())
    }

    fn settle(&mut self, partition: u32) {
        let mut settled = self.partitions[partition as usize].settled;
        while let Some(entry) = self.partitions[partition as usize].entries.get(settled) {
            if !self.is_entry_settled(partition, entry) {
                break;
            }
            settled += 1;
        }
        self.partitions[partition as usize].settled = settled;
    }

    /// The first record, as of the last [`Ledger::settle`], that is not settled.
    fn first_open(&self, partition: u32) -> Option<i64> {
        let of = &self.partitions[partition as usize];
        of.entries.get(of.settled).map(|entry| entry.offset)
    }

    fn entry(&self, partition: u32, offset: i64) -> Option<&Entry> {
        let entries = &self.partitions.get(partition as usize)?.entries;
        entries.binary_search_by_key(&offset, |entry| entry.offset).ok().map(|index| &entries[index])
    }

    fn is_settled(&self, partition: u32, offset: i64) -> bool {
        self.entry(partition, offset).is_some_and(|entry| self.is_entry_settled(partition, entry))
    }

    fn is_entry_settled(&self, partition: u32, entry: &Entry) -> bool {
        match &entry.fate {
            _ if entry.lost => true,
            Fate::Filtered | Fate::Duplicate | Fate::Superseded => true,
            Fate::DeadLettered { .. } => self.partitions[partition as usize].letters.contains(&entry.offset),
            Fate::Applied { domain } => self
                .chains
                .get(&(partition, domain.clone()))
                .and_then(|chain| chain.offsets.get(chain.applied))
                .is_none_or(|next| entry.offset < *next),
        }
    }

    /// The last record of the partition.
    pub(crate) fn last(&self, partition: u32) -> Option<i64> {
        self.partitions[partition as usize].entries.last().map(|entry| entry.offset)
    }

    /// Whatever is not settled in the end.
    pub(crate) fn nothing_is_open(&mut self) -> Checked {
        for partition in 0..self.partitions.len() as u32 {
            self.settle(partition);
            if let Some(offset) = self.first_open(partition) {
                let fate = self.entry(partition, offset).map(|entry| &entry.fate);
                let detail = format!("{partition}/{offset} is unfinished at lag 0; its fate is {fate:?}");
                return Err(Violation::new("nothing_lost", detail));
            }
        }
        Ok(())
    }

    /// The oldest record above the broker's knowledge that is not settled, and neither of the key of `domain`.
    pub(crate) fn waits_needlessly(&mut self, domain: &str, older_than_ms: u64) -> Option<(u32, i64)> {
        let faulty = self.chains.iter().find(|((_, name), _)| name == domain);
        let faulty = faulty.and_then(|((partition, _), chain)| {
            let first = chain.offsets.first().or(chain.refused.first())?;
            self.entry(*partition, *first).map(|entry| (*partition, entry.key.clone()))
        });
        for partition in 0..self.partitions.len() as u32 {
            self.settle(partition);
            let of = &self.partitions[partition as usize];
            let old = of.entries[of.settled..].iter().take_while(|entry| entry.appended_ms < older_than_ms);
            for entry in old {
                let is_faulty =
                    faulty.as_ref().is_some_and(|(at, key)| *at == partition && *key == entry.key);
                if !is_faulty && !self.is_entry_settled(partition, entry) {
                    return Some((partition, entry.offset));
                }
            }
        }
        None
    }
}
