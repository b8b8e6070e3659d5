//! The transactions of a replay.

use std::collections::BTreeMap;
use std::time::Instant;

use thalweg::kafka::{ItemAnswer, Polled, Position, SpanReader, Transactions, Written};

use super::super::letter::Letter;
use super::super::letters::POLL;
use super::super::outcome::Outcome;
use super::super::plan::Plan;
use super::super::progress::Progress;
use super::super::replayed::Replayed;
use super::super::rewrite::{Rewritten, Targets};
use super::{due, position};
use crate::command_line::ReplayOptions;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Letters of one transaction at most: enough that its ten milliseconds do not count, few enough that readers of
/// what is committed need not wait.
const LETTERS_MAX: usize = 1_000;

/// Bytes of them at most; one letter may pass it.
const BYTES_MAX: usize = 4 << 20;

/// See the module's text.
pub(super) struct Transfer<'t> {
    pub(super) connection: &'t Connection,
    pub(super) transactions: Transactions,
    pub(super) targets: Targets,
    pub(super) options: &'t ReplayOptions,
    pub(super) interrupt: Interrupt,
    pub(super) progress: Progress,
}

impl Transfer<'_> {
    /// Does what the plan says; counts in `outcome`.
    ///
    /// # Errors
    /// When it can't go on: what was committed is done, and the same command goes on.
    pub(super) fn run(mut self, mut plan: Plan<'_>, outcome: &mut Outcome) -> Result<(), Failure> {
        if outcome.chosen > 0 {
            if !outcome.resumed {
                self.note(&plan)?;
            }
            self.replay(&mut plan, outcome)?;
        }
        if outcome.interrupted {
            return Ok(());
        }
        let before: Vec<Replayed> =
            plan.partitions.iter().map(|partition| partition.replayed.clone()).collect();
        plan.finish();
        let settled = plan.partitions.iter().zip(&before).any(|(partition, before)| {
            partition.replayed.encode().map(|(at, _)| at) != before.encode().map(|(at, _)| at)
        });
        // What has nothing to do writes nothing.
        if outcome.chosen > 0 || outcome.resumed || settled { self.note(&plan) } else { Ok(()) }
    }

    fn replay(&mut self, plan: &mut Plan<'_>, outcome: &mut Outcome) -> Result<(), Failure> {
        let Connection { kafka, topic, .. } = self.connection;
        let mut reader = SpanReader::open(kafka, topic, &plan.spans())?;
        let rate = self.options.rate.map_or(u32::MAX, std::num::NonZero::get);
        let letters_max = LETTERS_MAX.min(rate as usize);
        let (begun, mut letters, mut bytes, mut ended) = (Instant::now(), Vec::new(), 0, false);
        while !ended && !self.interrupt.is_asked() {
            let waited = match reader.poll(POLL)? {
                Polled::Record(record) => {
                    let chosen = plan.partitions.get(record.partition.cast_unsigned() as usize);
                    if chosen.is_some_and(|partition| partition.chosen.contains(record.offset)) {
                        letters.extend(Letter::of(record));
                        bytes += letters.last().map_or(0, Letter::size_bytes);
                    }
                    false
                }
                Polled::Nothing => true,
                Polled::End => {
                    ended = true;
                    true
                }
            };
            let full = letters.len() >= letters_max || bytes >= BYTES_MAX;
            if full || (waited && !letters.is_empty()) {
                self.write(&mut letters, plan, outcome)?;
                letters.clear();
                bytes = 0;
                self.interrupt.wait_until(due(begun, outcome.replayed, rate));
            }
        }
        outcome.interrupted = !ended;
        Ok(())
    }

    /// Letters in one transaction with the memory of them.
    ///
    /// They go in the order of their records. On the dead-letter topic they lie in the order in which they failed, which
    /// differs where an operator refused a record while its key's last one was still being tried by a sink: those two
    /// lie close together, and are in order again here, unless the end of a transaction falls between them.
    fn write(
        &mut self,
        letters: &mut [Letter],
        plan: &mut Plan<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        letters.sort_by(|one, other| one.original.cmp(&other.original));
        let mut replayed: BTreeMap<i32, Replayed> = BTreeMap::new();
        for Letter { place, .. } in letters.iter() {
            let before = || plan.partitions[place.partition.cast_unsigned() as usize].replayed.clone();
            replayed.entry(place.partition).or_insert_with(before).settle(place.offset..place.offset + 1);
        }
        let topic = &self.connection.topic;
        let positions: Vec<Position<'_>> = replayed
            .iter()
            .map(|(number, after)| position(topic, *number, after))
            .collect::<Result<_, _>>()?;
        let rewritten: Vec<Rewritten<'_>> = letters.iter().map(Rewritten::of).collect();
        let records: Vec<_> = rewritten.iter().map(|letter| self.targets.record(letter)).collect();
        let written = self.transactions.write(&records, &positions);
        match written.map_err(|error| Failure::of_transaction(error, &outcome.group))? {
            Written::Refused(refused) => self.divide(letters, &refused, plan, outcome),
            Written::Committed => {
                outcome.replayed += letters.len() as u64;
                for (number, after) in replayed {
                    plan.partitions[number.cast_unsigned() as usize].replayed = after;
                }
                self.progress.show(outcome.replayed);
                Ok(())
            }
        }
    }

    /// Looks for those that are refused for what they are: a letter may only have been in one batch with such a one.
    fn divide(
        &mut self,
        letters: &mut [Letter],
        refused: &[(usize, ItemAnswer)],
        plan: &mut Plan<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let why = refused.iter().find_map(|(_, answer)| match answer {
            ItemAnswer::TooLarge(why) | ItemAnswer::Invalid(why) => Some(why),
            _ => None,
        });
        match (why, letters) {
            (None, letters) => {
                let why = refused.first().map_or_else(String::new, |(_, answer)| format!("{answer:?}"));
                let topic = letters.first().map_or_else(String::new, |letter| self.targets.topic(letter));
                Err(Failure::Failed(format!(
                    "{topic} takes no letters: {why}; the same command goes on where it ended"
                )))
            }
            (Some(why), [letter]) => {
                outcome.refused += 1;
                let topic = self.targets.topic(letter);
                self.progress.say(&format!("letter {}: {} does not take it: {why}", letter.place, topic));
                Ok(())
            }
            (Some(_), letters) => {
                let (first, second) = letters.split_at_mut(letters.len() / 2);
                self.write(first, plan, outcome)?;
                self.write(second, plan, outcome)
            }
        }
    }

    /// Remembers the state of every partition.
    fn note(&mut self, plan: &Plan<'_>) -> Result<(), Failure> {
        let topic = &self.connection.topic;
        let of = |number: i32, replayed| position(topic, number, replayed);
        let positions: Vec<Position<'_>> = plan
            .partitions
            .iter()
            .map(|partition| of(partition.span.partition, &partition.replayed))
            .collect::<Result<_, _>>()?;
        let group = &self.connection.kafka.group.id;
        self.transactions
            .write(&[], &positions)
            .map(drop)
            .map_err(|error| Failure::of_transaction(error, group))
    }
}
