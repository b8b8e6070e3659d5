//! The tracker against a naive model: a map from offset to parts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Move {
    Open { gap: i64 },
    Skip { gap: i64 },
    Split { which: usize },
    Close { which: usize, outcome: usize },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0i64..3).prop_map(|gap| Move::Open { gap }),
        1 => (0i64..3).prop_map(|gap| Move::Skip { gap }),
        1 => any::<usize>().prop_map(|which| Move::Split { which }),
        5 => (any::<usize>(), 0usize..5).prop_map(|(which, outcome)| Move::Close { which, outcome }),
    ];
    prop::collection::vec(one, 0..300)
}

#[derive(Debug, Default)]
struct Model {
    /// Parts by offset; 0 is finished.
    parts: BTreeMap<i64, (usize, Option<Outcome>)>,
    read_end: i64,
}

impl Model {
    fn commit_position(&self) -> i64 {
        self.parts.iter().find(|(_, (parts, _))| *parts > 0).map_or(self.read_end, |(offset, _)| *offset)
    }

    fn finished_above(&self) -> Vec<i64> {
        let from = self.commit_position();
        let finished = self.parts.iter().filter(|(offset, (parts, _))| **offset > from && *parts == 0);
        finished.map(|(offset, _)| *offset).collect()
    }
}

fn check(tracker: &OffsetTracker, model: &Model) {
    assert_eq!(tracker.commit_position(), model.commit_position());
    assert_eq!(tracker.open_records(), model.parts.values().filter(|(parts, _)| *parts > 0).count());
    let open: Vec<i64> = tracker.open_offsets().collect();
    for run in tracker.finished_above() {
        assert!(run.start > tracker.commit_position() && run.end > run.start);
        assert!(open.iter().all(|offset| !run.contains(offset)), "{run:?} holds an open offset");
    }
    let runs: Vec<_> = tracker.finished_above().collect();
    for offset in model.finished_above() {
        assert!(runs.iter().any(|run| run.contains(&offset)), "{offset} is finished and not told");
    }
}

proptest! {
    #[test]
    fn moves_as_the_model_does(moves in moves()) {
        let mut tracker = OffsetTracker::new(PartitionId(3), Epoch(1), 10);
        let mut model = Model { read_end: 10, ..Model::default() };
        let mut pending: Vec<Pending> = Vec::new();
        for step in moves {
            match step {
                Move::Open { gap } => {
                    let offset = model.read_end + gap;
                    pending.push(tracker.open(offset, offset * 2, 7));
                    model.parts.insert(offset, (1, None));
                    model.read_end = offset + 1;
                }
                Move::Skip { gap } => {
                    let offset = model.read_end + gap;
                    tracker.skip(offset);
                    model.parts.insert(offset, (0, None));
                    model.read_end = offset + 1;
                }
                Move::Split { which } if !pending.is_empty() => {
                    let index = which % pending.len();
                    let part = tracker.split(&pending[index]);
                    model.parts.get_mut(&part.position().offset).unwrap().0 += 1;
                    pending.push(part);
                }
                Move::Close { which, outcome } if !pending.is_empty() => {
                    let part = pending.swap_remove(which % pending.len());
                    let (offset, outcome) = (part.position().offset, Outcome::ALL[outcome]);
                    let entry = model.parts.get_mut(&offset).unwrap();
                    *entry = (entry.0 - 1, entry.1.max(Some(outcome)));
                    let expected = (entry.0 == 0).then(|| Closed {
                        offset,
                        outcome: entry.1.unwrap(),
                        timestamp_ms: offset * 2,
                        reserved_bytes: 7,
                    });
                    prop_assert_eq!(tracker.close(part, outcome), expected);
                }
                Move::Split { .. } | Move::Close { .. } => {}
            }
            check(&tracker, &model);
        }
        pending.into_iter().for_each(Pending::abandon);
    }
}

#[test]
#[should_panic(expected = "without an outcome")]
#[cfg(debug_assertions)]
fn a_dropped_part_is_noticed() {
    let mut tracker = OffsetTracker::new(PartitionId(0), Epoch(0), 0);
    drop(tracker.open(0, -1, 0));
}

#[test]
#[should_panic(expected = "was read already")]
fn an_offset_is_opened_once() {
    let mut tracker = OffsetTracker::new(PartitionId(0), Epoch(0), 0);
    tracker.open(5, -1, 0).abandon();
    tracker.open(5, -1, 0).abandon();
}

#[test]
#[should_panic(expected = "is not tracked")]
fn a_part_of_an_ended_epoch_is_refused() {
    let mut old = OffsetTracker::new(PartitionId(0), Epoch(0), 0);
    let mut new = OffsetTracker::new(PartitionId(0), Epoch(1), 0);
    let part = old.open(0, -1, 0);
    new.open(0, -1, 0).abandon();
    let _ = new.close(part, Outcome::Delivered);
}
