//! Readers of committed records: what they see is given to the sequential reader, and is all that is judged.

use thalweg_core::headers::Headers;
use thalweg_core::outcome::Outcome;

use crate::broker::transactional_log::Entry;
use crate::broker::transactions::Topic;
use crate::checks::{Checked, Violation};
use crate::counter_flow::reader::Items;
use crate::life::UNIX_MS;
use crate::tally::Count;
use crate::transactional::requests::LATE_MS_MAX;
use crate::transactional::{LOOK_EVERY_MS, World};

/// A value in a changelog: a byte of version before the content, and a checksum behind it.
const VERSION_BYTES: usize = 1;
const CHECKSUM_BYTES: usize = 4;

impl World {
    /// Shows what was committed since the last time to the sequential reader.
    pub(super) fn read_what_is_committed(&mut self) -> Checked {
        for partition in 0..self.plan.outputs {
            for topic in [Topic::Output, Topic::Letters] {
                let from = self.seen.entry((topic, partition)).or_default();
                let (entries, next) = self.cluster.log(topic, partition).read_committed(*from, usize::MAX);
                *from = next;
                for entry in entries {
                    if topic == Topic::Output {
                        self.tally.one(Count::Outputs);
                        self.reader.counted(entry, UNIX_MS + entry.appended_ms as i64)?;
                    } else {
                        self.tally.one(Count::DeadLetters);
                        self.reader.lettered(original(entry), entry)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Nothing holds a reader of committed records up for longer than a transaction may last.
    pub(super) fn readers_go_on(&mut self) -> Checked {
        let at_most_ms = self.plan.transaction_timeout_ms + LOOK_EVERY_MS + LATE_MS_MAX;
        for (topic, partition, log) in self.cluster.logs() {
            let blocked_ms = log.blocked_since_ms().map_or(0, |since_ms| self.now_ms - since_ms);
            if blocked_ms > at_most_ms {
                let detail = format!("{topic:?}/{partition} has been blocked for {blocked_ms} ms");
                return Err(Violation::new("readers_not_blocked", detail));
            }
        }
        Ok(())
    }

    /// While nothing is open, outputs, offsets and changelogs are of one mind.
    pub(super) fn all_agrees(&mut self) -> Checked {
        if !self.cluster.transactions.are_complete() {
            return Ok(());
        }
        self.tally.one(Count::Comparisons);
        for partition in 0..self.plan.partitions {
            let committed = self.cluster.offsets.committed[partition as usize].as_ref();
            if let Some((position, _)) = committed {
                self.reader.agrees_with(partition, *position)?;
            }
            let (found, expected) = (self.changelog_items(partition), self.reader.items(partition));
            if found != expected {
                let differs = |name: &&Vec<u8>| found.get(*name) != expected.get(*name);
                let name = found.keys().chain(expected.keys()).find(differs).cloned().unwrap_or_default();
                let (found, expected) = (found.get(&name), expected.get(&name));
                let name = String::from_utf8_lossy(&name).into_owned();
                let detail = format!("{partition}: {name:?} is {found:?}, and should be {expected:?}");
                return Err(Violation::new("changelog_equals_reader", detail));
            }
        }
        Ok(())
    }

    fn changelog_items(&self, partition: u32) -> Items {
        let mut items = Items::new();
        let (entries, _) = self.cluster.log(Topic::Changelog, partition).read_committed(0, usize::MAX);
        for entry in entries {
            match &entry.value {
                Some(value) => {
                    let content = VERSION_BYTES..value.len().saturating_sub(CHECKSUM_BYTES);
                    items.insert(entry.key.clone(), value.get(content).unwrap_or_default().to_vec());
                }
                None => {
                    items.remove(&entry.key);
                }
            }
        }
        items
    }

    /// All have stopped, and what the last of them has left open has had its time.
    pub(super) fn final_checks(&mut self) -> Checked {
        self.read_what_is_committed()?;
        if !self.cluster.transactions.are_complete() {
            let open: Vec<_> = self.cluster.transactions.ongoing().collect();
            let detail = format!("all have stopped, and transactions are open (id, since): {open:?}");
            return Err(Violation::new("no_transaction_left_open", detail));
        }
        self.all_agrees()?;
        self.add_up()
    }

    /// What the lives of all processes say to have done is no more than what was to be done. It may be less: a life can end
    /// before it knows that it has committed.
    fn add_up(&mut self) -> Checked {
        let fates = self.reader.fates;
        let said = |outcome| self.ended.of(outcome);
        let pairs = [
            ("delivered", said(Outcome::Delivered), fates.counted),
            ("filtered", said(Outcome::Filtered), fates.filtered),
            ("duplicates", said(Outcome::Duplicate), fates.duplicates),
            ("dead letters", said(Outcome::DeadLettered), fates.letters),
            ("timers", self.fired, self.reader.fired),
        ];
        self.tally.add(Count::Duplicates, fates.duplicates);
        self.tally.add(Count::TimersFired, self.reader.fired);
        match pairs.iter().find(|(_, said, expected)| said > expected) {
            None => Ok(()),
            Some((what, said, expected)) => {
                let detail = format!("{said} {what} were counted, {expected} there are");
                Err(Violation::new("accounts_add_up", detail))
            }
        }
    }
}

/// The record that the letter says it is of.
fn original(letter: &Entry) -> (u32, i64) {
    let headers = Headers::new(&letter.headers);
    let text = |name: &str| headers.get(name).and_then(|value| std::str::from_utf8(value).ok());
    let partition = text("dlq.original.partition").and_then(|text| text.parse().ok());
    let offset = text("dlq.original.offset").and_then(|text| text.parse().ok());
    (partition.unwrap_or(u32::MAX), offset.unwrap_or(-1))
}
