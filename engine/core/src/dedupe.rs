//! Dedupe as a function of the log (design D11).
//!
//! A record is a duplicate when its event id was seen at a lower offset of the same partition, at most `window`
//! offsets below. Every sighting counts, also of duplicates and of records that end as dead letters, so the answer
//! depends on the log alone, and re-reading `window` offsets rebuilds the set exactly: nothing is stored.
//!
//! A replayed dead letter carries how often it was replayed ([`REPLAY_COUNT`]), and that count is part of its id: the
//! record that failed was a sighting too, and without the count its replay would be a duplicate. The same letter
//! replayed twice has the same count, and is one.

use std::collections::VecDeque;

use hashbrown::HashTable;

use crate::dead_letter::REPLAY_COUNT;
use crate::headers::Headers;

/// The widest window: two of them must fit into the 32 bits that are kept of an offset.
pub const WINDOW_MAX: u64 = 1 << 30;

/// The ring grows by this part (one of so many) of itself: doubling would leave up to half of it empty, in every
/// partition, for good.
const GROWTH_SHARE: usize = 8;

/// What has left the window is forgotten this many at a time (or a sixteenth of a narrow window): each finds its place in
/// the table by a hash, and the waits for memory of one loop overlap.
const FORGOTTEN_AT_ONCE: u64 = 1_024;

/// 96 bits of an event id: among the 10^5 ids of a window a chance collision has probability 10^-24 a record.
type Fingerprint = [u32; 3];

/// An offset without an event id; no id has this fingerprint.
const NONE: Fingerprint = [0; 3];

/// The ids seen in one partition, within the window.
///
/// A ring with a place for every offset of the window, and a table of the last sighting of each id.
#[derive(Debug)]
pub struct Dedupe {
    window: u64,
    /// By offset, from `first` on: what is out of the window leaves at the front, some time later.
    seen: VecDeque<Fingerprint>,
    first: i64,
    /// The low bits of the offset where each id was seen last.
    latest: HashTable<u32>,
}

/// What a record is told by: the id that its producer gave the event, and how often it was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId<'r> {
    /// The value of the flow's id header.
    pub id: &'r [u8],
    /// The value of [`REPLAY_COUNT`], any bytes; `None`: not a replay.
    pub replay_count: Option<&'r [u8]>,
}

impl<'r> EventId<'r> {
    /// The event id of a record with those headers; `None` when it has none of that name.
    #[must_use]
    #[inline]
    pub fn of(headers: Headers<'r>, name: &str) -> Option<Self> {
        let [id, replay_count] = headers.get_both([name, REPLAY_COUNT]);
        id.map(|id| Self { id, replay_count })
    }

    fn fingerprint(self) -> Fingerprint {
        use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};
        let bits = match self.replay_count {
            None => xxh3_128(self.id),
            // The seed 0 is the one of ids without a count.
            Some(count) => xxh3_128_with_seed(self.id, xxh3_64(count).max(1)),
        };
        [bits as u32 | 1, (bits >> 32) as u32, (bits >> 64) as u32]
    }
}

/// What the table sorts ids by.
fn hash_of([_, middle, high]: Fingerprint) -> u64 {
    u64::from(high) << 32 | u64::from(middle)
}

impl Dedupe {
    /// An empty set that looks `window` offsets back.
    ///
    /// # Panics
    /// When the window is above [`WINDOW_MAX`].
    #[must_use]
    pub fn new(window: u64) -> Self {
        assert!(window <= WINDOW_MAX, "settings allow no wider window");
        Self { window, seen: VecDeque::new(), first: 0, latest: HashTable::new() }
    }

    /// What a set with that window takes at most: 1.9 MB for 100,000 offsets.
    #[must_use]
    pub fn bytes_max(window: u64) -> u64 {
        let kept = window.saturating_add(late(window));
        // A place is a word and a control byte, and at most 7 of 8 are taken.
        let places = kept.saturating_mul(8).div_ceil(7).checked_next_power_of_two().unwrap_or(u64::MAX);
        kept.saturating_mul(size_of::<Fingerprint>() as u64).saturating_add(places.saturating_mul(5))
    }

    /// Notes a sighting of the id at `offset`, and answers whether it is a duplicate.
    ///
    /// # Panics
    /// When `offset` is not above the last one.
    pub fn sees(&mut self, event_id: EventId<'_>, offset: i64) -> bool {
        self.move_on_to(offset);
        let fingerprint = event_id.fingerprint();
        self.seen.push_back(fingerprint);
        let (seen, first) = (&self.seen, self.first as u32);
        let at = |offset: &u32| seen[offset.wrapping_sub(first) as usize];
        match self.latest.find_mut(hash_of(fingerprint), |offset| at(offset) == fingerprint) {
            Some(latest) => {
                let before = std::mem::replace(latest, offset as u32);
                // What has left the window may still be there.
                u64::from((offset as u32).wrapping_sub(before)) <= self.window
            }
            None => {
                self.latest.insert_unique(hash_of(fingerprint), offset as u32, |offset| hash_of(at(offset)));
                false
            }
        }
    }

    /// Forgets what is out of the window of `offset`, if it is worth it, and makes its place the next one.
    fn move_on_to(&mut self, offset: i64) {
        let end = self.first + self.seen.len() as i64;
        assert!(self.seen.is_empty() || end <= offset, "sightings come in log order");
        if self.seen.is_empty() || offset.abs_diff(end) > self.window {
            self.seen.clear();
            self.latest.clear();
            self.first = offset;
        }
        let oldest = offset.saturating_sub_unsigned(self.window);
        if self.first.saturating_add_unsigned(late(self.window)) < oldest {
            self.forget_below(oldest);
        }
        let places = (offset - self.first) as usize + 1;
        if places > self.seen.capacity() {
            let most = (self.window + late(self.window)) as usize + 1;
            let grown = (places + places / GROWTH_SHARE).min(most).max(places);
            self.seen.reserve_exact(grown - self.seen.len());
        }
        self.seen.resize(places - 1, NONE);
    }

    fn forget_below(&mut self, oldest: i64) {
        let count = (oldest.abs_diff(self.first) as usize).min(self.seen.len());
        let mut low = self.first as u32;
        for forgotten in self.seen.drain(..count) {
            // A later sighting of the same id has taken its place in the table: then only the ring forgets.
            if forgotten != NONE
                && let Ok(entry) = self.latest.find_entry(hash_of(forgotten), |latest| *latest == low)
            {
                entry.remove();
            }
            low = low.wrapping_add(1);
        }
        self.first += count as i64;
    }
}

/// How many offsets may have left the window and not be forgotten.
fn late(window: u64) -> u64 {
    (window / 16).min(FORGOTTEN_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Offset, id, and the replay count if there is one.
    type Sighted = (i64, u8, Option<u8>);

    /// The rule, written down naively.
    fn naive(log: &[Sighted], window: u64) -> Vec<bool> {
        let mut last = HashMap::new();
        log.iter()
            .map(|(offset, id, count)| {
                let before = last.insert((*id, *count), *offset);
                before.is_some_and(|before: i64| (*offset - before) as u64 <= window)
            })
            .collect()
    }

    /// Mostly small steps; some leave the window, or the 32 bits that are kept of an offset, behind.
    fn log() -> impl Strategy<Value = Vec<Sighted>> {
        let step = prop_oneof![50 => 1i64..4, 2 => 40i64..80, 1 => Just(1 << 32), 1 => Just((1 << 32) - 1)];
        let count = prop_oneof![4 => Just(None), 1 => (0u8..3).prop_map(Some)];
        let beginning = prop_oneof![Just(0), Just((1i64 << 32) - 100)];
        (beginning, prop::collection::vec((step, 0u8..30, count), 0..400)).prop_map(|(mut offset, steps)| {
            steps
                .into_iter()
                .map(|(step, id, count)| {
                    offset += step;
                    (offset, id, count)
                })
                .collect()
        })
    }

    fn sees(dedupe: &mut Dedupe, (offset, id, count): &Sighted) -> bool {
        let count = count.map(|count| [count]);
        let event_id = EventId { id: &[*id], replay_count: count.as_ref().map(<[u8; 1]>::as_slice) };
        dedupe.sees(event_id, *offset)
    }

    proptest! {
        #[test]
        fn answers_as_the_rule_says(log in log(), window in 1u64..60) {
            let mut dedupe = Dedupe::new(window);
            let seen: Vec<bool> = log.iter().map(|sighted| sees(&mut dedupe, sighted)).collect();
            prop_assert_eq!(seen, naive(&log, window));
            prop_assert!(dedupe.seen.len() as u64 <= window + late(window) + 1);
            prop_assert!(dedupe.seen.capacity() as u64 <= window + late(window) + 1);
        }

        #[test]
        fn rereading_the_window_rebuilds_it(log in log(), window in 1u64..60, cut in 0usize..400) {
            let cut = cut.min(log.len());
            let expected = naive(&log, window);
            let mut dedupe = Dedupe::new(window);
            let committed = log.get(cut).map_or(0, |(offset, ..)| *offset);
            for sighted in log[..cut].iter().filter(|(offset, ..)| *offset >= committed - window as i64) {
                sees(&mut dedupe, sighted);
            }
            let after: Vec<bool> = log[cut..].iter().map(|sighted| sees(&mut dedupe, sighted)).collect();
            prop_assert_eq!(&after[..], &expected[cut..]);
        }
    }

    #[test]
    fn a_replay_is_no_duplicate_of_what_failed_and_one_of_itself() {
        let mut dedupe = Dedupe::new(10);
        let mut seen = |count: Option<&'static str>, offset| {
            let replay_count = count.map(str::as_bytes);
            dedupe.sees(EventId { id: b"e", replay_count }, offset)
        };
        assert_eq!([seen(None, 0), seen(Some("1"), 1), seen(Some("2"), 2)], [false; 3]);
        assert_eq!([seen(None, 3), seen(Some("1"), 4), seen(Some("2"), 5)], [true; 3]);
        assert!(!seen(Some(""), 6), "an empty count is a count");
    }
}
