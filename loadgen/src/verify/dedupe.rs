//! Which records of a partition are duplicates: a function of the log alone.

use hashbrown::HashMap;
use std::collections::VecDeque;
use std::rc::Rc;

/// The message ids of one partition within the window. Exact: ids are kept, not hashes of them.
#[derive(Debug)]
pub struct Dedupe {
    window: u64,
    last_seen: HashMap<Rc<[u8]>, u64>,
    /// Every sighting, oldest first; how the map is kept within the window.
    sightings: VecDeque<(u64, Rc<[u8]>)>,
}

impl Dedupe {
    /// A record is a duplicate when its id was seen at most `window` offsets below.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self { window, last_seen: HashMap::new(), sightings: VecDeque::new() }
    }

    /// Notes a sighting and says whether it is a duplicate. Offsets rise from call to call. Records without an id
    /// are not shown to it.
    pub fn sighted(&mut self, offset: u64, message_id: &[u8]) -> bool {
        while let Some((seen, id)) = self.sightings.front() {
            if offset - seen <= self.window {
                break;
            }
            if self.last_seen.get(id) == Some(seen) {
                self.last_seen.remove(id);
            }
            self.sightings.pop_front();
        }
        let known = self.last_seen.get_key_value(message_id).map(|(id, _)| Rc::clone(id));
        let duplicate = known.is_some();
        let id = known.unwrap_or_else(|| Rc::from(message_id));
        self.last_seen.insert(Rc::clone(&id), offset);
        self.sightings.push_back((offset, id));
        duplicate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_window_reaches_exactly_so_far_and_every_sighting_refreshes() {
        for (sightings, expected) in [
            (vec![(0, "a"), (10, "a")], vec![false, true]),
            (vec![(0, "a"), (11, "a")], vec![false, false]),
            // The duplicate at 10 keeps the id fresh for 20, that for 30.
            (
                vec![(0, "a"), (10, "a"), (20, "a"), (30, "a"), (41, "a")],
                vec![false, true, true, true, false],
            ),
            (vec![(5, "a"), (6, "b"), (7, "a"), (16, "b"), (17, "c")], vec![false, false, true, true, false]),
        ] {
            let mut dedupe = Dedupe::new(10);
            let got: Vec<bool> =
                sightings.iter().map(|(offset, id)| dedupe.sighted(*offset, id.as_bytes())).collect();
            assert_eq!(got, expected, "{sightings:?}");
        }
    }

    proptest! {
        #[test]
        fn it_equals_the_definition(
            records in prop::collection::vec((1_u64..4, 0_u8..6), 0..200), window in 0_u64..20
        ) {
            let mut dedupe = Dedupe::new(window);
            let mut log: Vec<(u64, u8)> = Vec::new();
            let mut offset = 0;
            for (gap, id) in records {
                offset += gap;
                let by_definition = log.iter().any(|(seen, other)| *other == id && offset - seen <= window);
                prop_assert_eq!(dedupe.sighted(offset, &[id]), by_definition);
                log.push((offset, id));
            }
            prop_assert!(dedupe.last_seen.len() <= window as usize + 1);
        }
    }
}
