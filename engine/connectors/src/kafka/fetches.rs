//! Which questions for positions are still of use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thalweg_core::position::PartitionId;

/// The questions that are out. One is moot once the group has taken away every partition that it is for; while one is
/// left, that one waits for the answer.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    out: Vec<(Vec<PartitionId>, Arc<AtomicBool>)>,
}

impl Fetches {
    /// A question goes out: whoever answers it may give up once what this returns is true, and drops it in the end.
    pub(super) fn begin(&mut self, partitions: &[PartitionId]) -> Arc<AtomicBool> {
        // Those that were answered.
        self.out.retain(|(_, moot)| Arc::strong_count(moot) > 1);
        let moot = Arc::new(AtomicBool::new(false));
        self.out.push((partitions.to_vec(), Arc::clone(&moot)));
        moot
    }

    /// The group has taken these partitions away.
    pub(super) fn taken_away(&mut self, partitions: &[PartitionId]) {
        self.out.retain_mut(|(waiting, moot)| {
            waiting.retain(|id| !partitions.contains(id));
            moot.fetch_or(waiting.is_empty(), Ordering::Relaxed);
            !waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [PartitionId; 3] = [PartitionId(0), PartitionId(1), PartitionId(2)];

    #[test]
    fn a_question_is_of_use_while_one_of_its_partitions_is_left() {
        let mut fetches = Fetches::default();
        let (first, second) = (fetches.begin(&IDS[..2]), fetches.begin(&IDS[2..]));
        let are_moot = || (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
        fetches.taken_away(&IDS[..1]);
        assert_eq!(are_moot(), (false, false), "partition 1 still waits");
        fetches.taken_away(&IDS[..2]);
        assert_eq!(are_moot(), (true, false));
        // Given back and asked for anew: the earlier question does not come to life again.
        let third = fetches.begin(&IDS[..2]);
        assert!(first.load(Ordering::Relaxed) && !third.load(Ordering::Relaxed));
    }

    #[test]
    fn questions_that_were_answered_are_forgotten() {
        let mut fetches = Fetches::default();
        for _ in 0..100 {
            drop(fetches.begin(&IDS));
        }
        assert_eq!(fetches.out.len(), 1);
    }
}
