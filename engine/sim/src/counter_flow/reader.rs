//! The sequential reader: reads the flow's input and what readers of committed records see of its output, one by one, and
//! says what is wrong. Naive on purpose, and with nothing of the engine in it.
//!
//! When a timer runs between two records depends on time, so the output says it; everything else follows from the input.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{AGAIN, AGAIN_AFTER_MS, EVENT_ID};
use crate::broker::log::LogRecord;
use crate::broker::transactional_log::Entry;
use crate::checks::sightings::Sightings;
use crate::checks::{Checked, Violation};

/// What a changelog must hold: names and contents, without version and checksum.
pub(crate) type Items = BTreeMap<Vec<u8>, Vec<u8>>;

/// One key, as the output has told so far.
#[derive(Debug, Default)]
struct Key {
    partition: u32,
    count: Option<u64>,
    fired: u64,
    timers: BTreeMap<String, i64>,
    /// Records that must be counted, and were not yet: offset and command.
    awaited: VecDeque<(i64, String)>,
    last_offset: Option<i64>,
}

/// How many records must end how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) counted: u64,
    pub(crate) filtered: u64,
    pub(crate) duplicates: u64,
    pub(crate) letters: u64,
}

#[derive(Debug)]
pub(crate) struct Reader {
    keys: BTreeMap<Vec<u8>, Key>,
    sightings: Sightings,
    /// Records that can't be processed, until their letter is seen.
    rejected: BTreeMap<(u32, i64), LogRecord>,
    letters: BTreeSet<(u32, i64)>,
    pub(crate) fates: Fates,
    pub(crate) fired: u64,
    /// How far the clocks of machines are from the right time at most.
    skew_ms: i64,
}

fn wrong(invariant: &'static str, detail: String) -> Checked {
    Err(Violation::new(invariant, detail))
}

impl Reader {
    pub(crate) fn new(partitions: u32, window: u64, skew_ms: i64) -> Self {
        Self {
            keys: BTreeMap::new(),
            sightings: Sightings::new(partitions, window),
            rejected: BTreeMap::new(),
            letters: BTreeSet::new(),
            fates: Fates::default(),
            fired: 0,
            skew_ms,
        }
    }

    /// A record was written to the flow's input.
    pub(crate) fn appended(&mut self, record: &LogRecord) {
        let event_id = record.header(EVENT_ID);
        if event_id.is_some_and(|id| self.sightings.is_duplicate(record, id)) {
            self.fates.duplicates += 1;
            return;
        }
        let command = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        let verb = command.split(' ').next().unwrap_or_default();
        match (verb, &record.key) {
            ("add" | "set" | "cancel" | "reset", Some(name)) => {
                self.fates.counted += 1;
                let key = self.keys.entry(name.clone()).or_default();
                key.partition = record.partition;
                key.awaited.push_back((record.offset, command));
            }
            ("ignore", Some(_)) => self.fates.filtered += 1,
            _ => {
                self.fates.letters += 1;
                self.rejected.insert((record.partition, record.offset), record.clone());
            }
        }
    }

    /// A committed record of the output; `appended_ms` in ms since 1970.
    pub(crate) fn counted(&mut self, entry: &Entry, appended_ms: i64) -> Checked {
        let line = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default()).into_owned();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<i64>().ok()).unwrap_or(-1);
        let Some(key) = self.keys.get_mut(&entry.key) else {
            return wrong("outputs_once_in_key_order", format!("{line:?} is of no key"));
        };
        match words[0] {
            "record" => key.record(&line, number(2), number(3) as u64),
            "timer" => {
                self.fired += 1;
                let (deadline_ms, skew_ms) = (number(2), self.skew_ms);
                if appended_ms + skew_ms < deadline_ms {
                    let detail = format!("{line:?} was written at {appended_ms}");
                    return wrong("timers_never_early", detail);
                }
                key.timer(&line, words.get(1).copied().unwrap_or_default(), deadline_ms, number(3) as u64)
            }
            _ => wrong("outputs_once_in_key_order", format!("{line:?} is no output")),
        }
    }

    /// A committed dead letter of that record.
    pub(crate) fn lettered(&mut self, original: (u32, i64), letter: &Entry) -> Checked {
        if !self.letters.insert(original) {
            return wrong("letters_exactly_once", format!("a second letter of {original:?}"));
        }
        match self.rejected.remove(&original) {
            None => wrong("letters_exactly_once", format!("{original:?} is a letter, and should be none")),
            Some(record)
                if record.value != letter.value
                    || record.key.as_deref().unwrap_or_default() != letter.key =>
            {
                wrong("letters_exactly_once", format!("the letter of {original:?} has another key or value"))
            }
            Some(_) => Ok(()),
        }
    }

    /// What the output has shown, against a position that is committed with it.
    pub(crate) fn agrees_with(&self, partition: u32, position: i64) -> Checked {
        for key in self.keys.values().filter(|key| key.partition == partition) {
            let open = key.awaited.front().filter(|(offset, _)| *offset < position);
            let beyond = key.last_offset.filter(|offset| *offset >= position);
            if open.is_some() || beyond.is_some() {
                let detail = format!("{partition} stands at {position}; not seen {open:?}, seen {beyond:?}");
                return wrong("offsets_agree_with_outputs", detail);
            }
        }
        let open = self.rejected.range((partition, i64::MIN)..(partition, position)).next();
        let beyond = self.letters.range((partition, position)..(partition, i64::MAX)).next();
        if open.is_some() || beyond.is_some() {
            let detail =
                format!("{partition} stands at {position}; letters not seen {open:?}, seen {beyond:?}");
            return wrong("offsets_agree_with_outputs", detail);
        }
        Ok(())
    }

    /// What the partition's changelog must hold after the outputs seen so far.
    pub(crate) fn items(&self, partition: u32) -> Items {
        let mut items = Items::new();
        for (name, key) in self.keys.iter().filter(|(_, key)| key.partition == partition) {
            let row = |table: u8| [&[1, table][..], name].concat();
            if let Some(count) = key.count {
                items.insert(row(0), count.to_le_bytes().to_vec());
            }
            if key.fired > 0 {
                items.insert(row(1), key.fired.to_le_bytes().to_vec());
            }
            for (id, deadline_ms) in &key.timers {
                let timer = [&[2, name.len() as u8][..], name, id.as_bytes()].concat();
                items.insert(timer, deadline_ms.to_le_bytes().to_vec());
            }
        }
        items
    }

    /// A timer that was due at that time and has not fired.
    pub(crate) fn overdue(&self, unix_ms: i64) -> Option<String> {
        let timers =
            self.keys.iter().flat_map(|(name, key)| key.timers.iter().map(move |timer| (name, timer)));
        let mut due = timers.filter(|(_, (_, deadline_ms))| **deadline_ms <= unix_ms);
        due.next().map(|(name, (id, ms))| format!("{id} of {}, due at {ms}", String::from_utf8_lossy(name)))
    }

    /// Something that was not seen yet and must be.
    pub(crate) fn missing(&self) -> Option<String> {
        let mut open = self.keys.values().filter_map(|key| key.awaited.front().map(|at| (key.partition, at)));
        let record =
            open.next().map(|(partition, (offset, command))| format!("{partition}/{offset}: {command}"));
        record.or_else(|| self.rejected.keys().next().map(|original| format!("the letter of {original:?}")))
    }
}

impl Key {
    fn record(&mut self, line: &str, offset: i64, count: u64) -> Checked {
        let next = self.awaited.pop_front();
        let Some((_, command)) = next.as_ref().filter(|(next, _)| *next == offset) else {
            return wrong("outputs_once_in_key_order", format!("{line:?} came when the next was {next:?}"));
        };
        self.last_offset = Some(offset);
        let words: Vec<&str> = command.split(' ').collect();
        self.count = Some(self.count.unwrap_or(0) + 1);
        match words[..] {
            ["set", id, deadline] => {
                self.timers.insert(id.to_owned(), deadline.parse().unwrap_or(0));
            }
            ["cancel", id] => {
                self.timers.remove(id);
            }
            ["reset"] => self.count = None,
            _ => {}
        }
        let expected = self.count.unwrap_or(0);
        if expected != count {
            return wrong("tables_exact", format!("{line:?}, but the count is {expected}"));
        }
        Ok(())
    }

    fn timer(&mut self, line: &str, id: &str, deadline_ms: i64, fired: u64) -> Checked {
        if self.timers.remove(id) != Some(deadline_ms) {
            let detail = format!("{line:?} was not pending: fired already, cancelled, or replaced");
            return wrong("timers_fire_once", detail);
        }
        if let Some(earlier) = self.timers.iter().find(|(_, other)| **other < deadline_ms) {
            return wrong("timers_in_deadline_order", format!("{line:?} came before {earlier:?}"));
        }
        let left = id.strip_prefix(AGAIN).and_then(|left| left.parse::<u32>().ok()).filter(|left| *left > 0);
        if let Some(left) = left {
            self.timers.insert(format!("{AGAIN}{}", left - 1), deadline_ms + AGAIN_AFTER_MS);
        }
        self.fired += 1;
        if self.fired != fired {
            return wrong("tables_exact", format!("{line:?}, but {} have fired", self.fired));
        }
        Ok(())
    }
}
