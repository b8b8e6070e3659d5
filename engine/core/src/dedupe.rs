//! Dedupe as a function of the log (design D11).
//!
//! A record is a duplicate when its event id was seen at a lower offset of the same partition, at most `window`
//! offsets below. Every sighting counts, also of duplicates and of records that end as dead letters, so the answer
//! depends on the log alone, and re-reading `window` offsets rebuilds the set exactly: nothing is stored.

use std::collections::VecDeque;

use hashbrown::HashTable;

/// The ids seen in one partition, within the window.
///
/// Costs about 32 bytes an id: a ring of sightings in log order, and a table of places in that ring.
#[derive(Debug)]
pub struct Dedupe {
    window: u64,
    /// Sightings in log order; the front leaves when it falls out of the window.
    sightings: VecDeque<Sighting>,
    /// Number of the first sighting in the ring; numbers wrap, the ring is far shorter than 2^32.
    first: u32,
    /// Numbers of the last sighting of each id.
    latest: HashTable<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    // Two words rather than a u128, whose alignment would pad a sighting from 24 to 32 bytes.
    fingerprint: [u64; 2],
    offset: i64,
}

/// 128 bits of an event id: among the 10^5 ids of a window a chance collision has probability 10^-29.
#[must_use]
pub fn fingerprint(event_id: &[u8]) -> [u64; 2] {
    let bits = xxhash_rust::xxh3::xxh3_128(event_id);
    [bits as u64, (bits >> 64) as u64]
}

impl Dedupe {
    /// An empty set that looks `window` offsets back.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self { window, sightings: VecDeque::new(), first: 0, latest: HashTable::new() }
    }

    /// Notes a sighting of the id at `offset`, and answers whether it is a duplicate.
    ///
    /// # Panics
    /// When `offset` is not above the last one.
    pub fn sees(&mut self, event_id: &[u8], offset: i64) -> bool {
        assert!(self.sightings.back().is_none_or(|last| last.offset < offset), "sightings come in log order");
        self.forget_below(offset.saturating_sub_unsigned(self.window));
        let fingerprint = fingerprint(event_id);
        let number = self.first.wrapping_add(self.sightings.len() as u32);
        self.sightings.push_back(Sighting { fingerprint, offset });
        let (sightings, first) = (&self.sightings, self.first);
        let of = |number: &u32| sightings[number.wrapping_sub(first) as usize].fingerprint;
        match self.latest.find_mut(fingerprint[0], |number| of(number) == fingerprint) {
            Some(latest) => {
                *latest = number;
                true
            }
            None => {
                self.latest.insert_unique(fingerprint[0], number, |number| of(number)[0]);
                false
            }
        }
    }

    /// How many sightings it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sightings.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty()
    }

    fn forget_below(&mut self, offset: i64) {
        while let Some(oldest) = self.sightings.front().filter(|sighting| sighting.offset < offset) {
            let (fingerprint, number) = (oldest.fingerprint, self.first);
            // A later sighting of the same id has taken its place in the table: then only the ring forgets.
            if let Ok(entry) = self.latest.find_entry(fingerprint[0], |latest| *latest == number) {
                entry.remove();
            }
            self.sightings.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// The rule, written down naively.
    fn naive(log: &[(i64, u8)], window: u64) -> Vec<bool> {
        let mut last = HashMap::new();
        log.iter()
            .map(|(offset, id)| {
                let before = last.insert(*id, *offset);
                before.is_some_and(|before: i64| (*offset - before) as u64 <= window)
            })
            .collect()
    }

    fn log() -> impl Strategy<Value = Vec<(i64, u8)>> {
        prop::collection::vec((1i64..4, 0u8..30), 0..400).prop_map(|steps| {
            let mut offset = 0;
            steps
                .into_iter()
                .map(|(step, id)| {
                    offset += step;
                    (offset, id)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn answers_as_the_rule_says(log in log(), window in 1u64..60) {
            let mut dedupe = Dedupe::new(window);
            let seen: Vec<bool> = log.iter().map(|(offset, id)| dedupe.sees(&[*id], *offset)).collect();
            prop_assert_eq!(seen, naive(&log, window));
            prop_assert!(dedupe.len() as u64 <= window + 1);
        }

        #[test]
        fn rereading_the_window_rebuilds_it(log in log(), window in 1u64..60, cut in 0usize..400) {
            let cut = cut.min(log.len());
            let expected = naive(&log, window);
            let mut dedupe = Dedupe::new(window);
            let committed = log.get(cut).map_or(0, |(offset, _)| *offset);
            for (offset, id) in log[..cut].iter().filter(|(offset, _)| *offset >= committed - window as i64) {
                dedupe.sees(&[*id], *offset);
            }
            let after: Vec<bool> = log[cut..].iter().map(|(offset, id)| dedupe.sees(&[*id], *offset)).collect();
            prop_assert_eq!(&after[..], &expected[cut..]);
        }
    }
}
