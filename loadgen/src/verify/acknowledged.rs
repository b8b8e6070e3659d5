//! Checks that everything the broker acknowledged is on the topic, unchanged.

use super::examples::Examples;
use super::reason::Position;
use crate::acked::{Acked, UNKNOWN_OFFSET};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// The acknowledged records that were not met yet.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// By partition: offset and fingerprint, in the order of offsets, and how many of them are done with.
    placed: BTreeMap<u32, (Vec<(u64, u64)>, usize)>,
    /// Acknowledged without a place: how many records of this partition and fingerprint must be somewhere.
    unplaced: HashMap<(u32, u64), u64>,
    /// What is not where it was acknowledged.
    pub missing: Examples,
    /// How many were acknowledged.
    pub count: u64,
}

impl Acknowledged {
    /// Starts with the lists of all runs that wrote the topic.
    #[must_use]
    pub fn new(acked: impl IntoIterator<Item = Acked>) -> Self {
        let mut own = Self::default();
        for Acked { partition, offset, fingerprint } in acked {
            own.count += 1;
            if offset == UNKNOWN_OFFSET {
                *own.unplaced.entry((partition, fingerprint)).or_default() += 1;
            } else {
                own.placed.entry(partition).or_default().0.push((offset, fingerprint));
            }
        }
        own.placed.values_mut().for_each(|(places, _)| places.sort_unstable());
        own
    }

    /// A record was read. Offsets of a partition rise from call to call.
    pub fn met(&mut self, position: Position, fingerprint: u64) {
        let mut unplaced = true;
        if let Some((places, done)) = self.placed.get_mut(&position.partition) {
            while let Some((offset, acked)) = places.get(*done).filter(|(at, _)| *at <= position.offset) {
                if *offset < position.offset {
                    let at = Position { offset: *offset, ..position };
                    self.missing.add(|| format!("{at}: acknowledged, not on the topic"));
                } else if *acked == fingerprint {
                    unplaced = false;
                } else {
                    self.missing.add(|| format!("{position}: another record than the acknowledged one"));
                }
                *done += 1;
            }
        }
        if unplaced && let Some(count) = self.unplaced.get_mut(&(position.partition, fingerprint)) {
            *count = count.saturating_sub(1);
        }
    }

    /// The topic is read: what was not met is missing.
    pub fn finish(&mut self) {
        for (partition, (places, done)) in &mut self.placed {
            for (offset, _) in places.get(*done..).unwrap_or_default() {
                self.missing.add(|| format!("{partition}/{offset}: acknowledged, not on the topic"));
            }
            *done = places.len();
        }
        for ((partition, _), count) in self.unplaced.drain() {
            for _ in 0..count {
                self.missing.add(|| format!("{partition}/?: acknowledged without an offset, nowhere"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acked(partition: u32, offset: u64, fingerprint: u64) -> Acked {
        Acked { partition, offset, fingerprint }
    }

    #[test]
    fn every_acknowledged_record_must_be_met_unchanged() {
        let list = [acked(0, 2, 20), acked(0, 0, 10), acked(1, 0, 30), acked(0, UNKNOWN_OFFSET, 25)];
        let met = |records: &[(u32, u64, u64)]| {
            let mut acknowledged = Acknowledged::new(list);
            for (partition, offset, fingerprint) in records {
                acknowledged.met(Position { partition: *partition, offset: *offset }, *fingerprint);
            }
            acknowledged.finish();
            acknowledged.missing.named
        };
        let all = [(0, 0, 10), (1, 0, 30), (0, 1, 25), (0, 2, 20), (0, 3, 99)];
        assert!(met(&all).is_empty());
        for (lost, name) in [
            (0, "0/0: acknowledged"),
            (1, "1/0: acknowledged"),
            (2, "0/?: acknowledged"),
            (3, "0/2: acknowledged"),
        ] {
            let mut rest = all.to_vec();
            rest.remove(lost);
            let missing = met(&rest);
            assert_eq!(missing.len(), 1, "{missing:?}");
            assert!(missing[0].starts_with(name), "{missing:?}");
        }
        let mut changed = all;
        changed[3].2 = 21;
        assert_eq!(met(&changed), ["0/2: another record than the acknowledged one"]);
    }
}
