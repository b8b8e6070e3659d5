//! What a replay will do: chosen in one pass over the topic before anything is written.

use std::collections::{BTreeSet, HashSet};

use thalweg::kafka::{LoggedRecord, Span};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::filter::FilterOptions;
use super::letter::{Letter, Original};
use super::letters;
use super::offsets::Offsets;
use super::outcome::{Outcome, Reasons};
use super::replayed::Replayed;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Letters that a replay can know: 16 bytes each and as much again for the table. More than that is an incident to be
/// worked off by time, with `--until`.
const LETTERS_MAX: usize = 4_000_000;

/// Topics that letters of one topic come from.
const TOPICS_MAX: usize = 1_000;

/// One partition of the dead-letter topic.
#[derive(Debug)]
pub(crate) struct PartitionPlan {
    /// What is looked at.
    pub(crate) span: Span,
    /// What was replayed so far.
    pub(crate) replayed: Replayed,
    /// What is to be replayed.
    pub(crate) chosen: Offsets,
    /// Second letters of records that were or will be replayed: they count as replayed with them.
    twice: Offsets,
    /// One above the last record that was looked at.
    seen_end: i64,
}

/// See the module's text.
pub(crate) struct Plan<'f> {
    filter: &'f FilterOptions,
    max_replays: u32,
    /// By partition number.
    pub(crate) partitions: Vec<PartitionPlan>,
    /// The topics that the chosen letters come from.
    pub(crate) originals: BTreeSet<String>,
    /// The records, by the hash of their place, whose letter was or will be replayed.
    taken: HashSet<u128>,
    /// The reasons of all letters, chosen or not.
    there: Reasons,
}

impl<'f> Plan<'f> {
    /// Looks at every letter of those stretches, and counts in `outcome` what will become of them; `None` when somebody
    /// asked to end.
    pub(crate) fn make(
        connection: &Connection,
        partitions: Vec<(Span, Replayed)>,
        (filter, max_replays): (&'f FilterOptions, u32),
        interrupt: &Interrupt,
        outcome: &mut Outcome,
    ) -> Result<Option<Self>, Failure> {
        let spans: Vec<Span> = partitions.iter().map(|(span, _)| *span).collect();
        let partitions = partitions.into_iter().map(|(span, replayed)| PartitionPlan {
            span,
            replayed,
            chosen: Offsets::default(),
            twice: Offsets::default(),
            seen_end: span.from,
        });
        let mut plan = Self {
            filter,
            max_replays,
            partitions: partitions.collect(),
            originals: BTreeSet::new(),
            taken: HashSet::new(),
            there: Reasons::default(),
        };
        if !letters::each(connection, &spans, interrupt, |record| plan.look_at(record, outcome))? {
            return Ok(None);
        }
        for partition in &mut plan.partitions {
            // Behind the last record there may be a transaction's marker.
            partition.replayed.settle(partition.seen_end..partition.span.end);
        }
        plan.there.miss(&filter.reason).map_or(Ok(Some(plan)), |missing| Err(Failure::Usage(missing)))
    }

    fn look_at(&mut self, record: LoggedRecord, outcome: &mut Outcome) -> Result<(), Failure> {
        let Some(partition) = self.partitions.get_mut(record.partition.cast_unsigned() as usize) else {
            return Ok(());
        };
        let offset = record.offset;
        // Where no record is, none is left to be replayed.
        partition.replayed.settle(partition.seen_end..offset);
        partition.seen_end = offset + 1;
        let Some(letter) = Letter::of(record) else {
            outcome.no_letters += 1;
            return Ok(());
        };
        self.there.add(&letter.reason);
        let matches = self.filter.matches(&letter);
        outcome.matching += u64::from(matches);
        let record = hash(&letter.original);
        if partition.replayed.contains(offset) {
            outcome.replayed_before += u64::from(matches);
            self.taken.insert(record);
        } else if !matches {
            return Ok(());
        } else if self.taken.contains(&record) {
            outcome.written_twice += 1;
            partition.twice.add(offset..offset + 1);
        } else if !letter.is_whole() {
            outcome.incomplete += 1;
        } else if letter.replays >= self.max_replays {
            outcome.replayed_too_often += 1;
        } else {
            outcome.chosen += 1;
            outcome.reasons.add(&letter.reason);
            partition.chosen.add(offset..offset + 1);
            self.taken.insert(record);
            self.originals.insert(letter.original.topic);
        }
        if self.taken.len() > LETTERS_MAX || self.originals.len() > TOPICS_MAX {
            return Err(Failure::Usage(format!(
                "these are more than {LETTERS_MAX} letters or of more than {TOPICS_MAX} topics: replay them piece by \
                 piece, for example with --until"
            )));
        }
        Ok(())
    }

    /// Whether the group can remember all of it.
    ///
    /// # Errors
    /// When it can't: before anything was written.
    pub(crate) fn check_memory(&self) -> Result<(), Failure> {
        let fits = |partition: &PartitionPlan| {
            let mut after = partition.replayed.clone();
            partition.chosen.stretches().for_each(|stretch| after.settle(stretch));
            partition.settle_twice(&mut after);
            after.encode().is_some()
        };
        match self.partitions.iter().find(|partition| !fits(partition)) {
            None => Ok(()),
            Some(partition) => Err(too_scattered(partition.span.partition)),
        }
    }

    /// From the first chosen letter of each partition to the last.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let span = |of: &PartitionPlan| {
            let chosen = of.chosen.span()?;
            Some(Span { partition: of.span.partition, from: chosen.start, end: chosen.end })
        };
        self.partitions.iter().filter_map(span).collect()
    }

    /// The plan is done: second letters count as replayed.
    pub(crate) fn finish(&mut self) {
        for partition in &mut self.partitions {
            let mut replayed = partition.replayed.clone();
            partition.settle_twice(&mut replayed);
            replayed.run = None;
            partition.replayed = replayed;
        }
    }
}

impl PartitionPlan {
    fn settle_twice(&self, replayed: &mut Replayed) {
        self.twice.stretches().for_each(|stretch| replayed.settle(stretch));
    }
}

/// The letters to be replayed can't be remembered.
pub(crate) fn too_scattered(partition: i32) -> Failure {
    Failure::Usage(format!(
        "partition {partition}: the letters that these conditions choose lie too scattered among others for the group \
         to remember (about 24,000 letters per partition fit, stretches without gaps far more); replay fewer at a time, \
         oldest first, for example with --until"
    ))
}

fn hash(original: &Original) -> u128 {
    let place = original.place;
    let bytes = [i64::from(place.partition).to_le_bytes(), place.offset.to_le_bytes()].concat();
    xxh3_128_with_seed(&bytes, xxh3_64(original.topic.as_bytes()))
}
