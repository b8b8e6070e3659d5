//! The coordinator of transactions: producers by transactional id and epoch, and how far each one's transaction is.
//!
//! A transaction is decided first, and its markers are written afterwards, each partition at its own time: until the
//! last one is written, its transactional id can't begin another, and who asked for the end has its answer already.

use std::collections::{BTreeMap, BTreeSet};

/// A transaction, as the broker counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TransactionNumber(pub(crate) u64);

/// Which instance's producer, and which of its lives: a later epoch fences the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) transactional_id: u64,
    pub(crate) epoch: u32,
}

/// What a transaction wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A partition of a topic.
    Log(Topic, u32),
    /// The group's offsets.
    Offsets,
}

/// A topic that flows write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Output,
    Letters,
    Changelog,
}

/// Why the coordinator does not do what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A later producer has that transactional id.
    Fenced,
    /// The transaction before has markers to be written: ask again.
    Later,
}

/// A transaction that was decided, and whose markers are to be written.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) transactional_id: u64,
    pub(crate) transaction: TransactionNumber,
    pub(crate) committed: bool,
    pub(crate) places: Vec<Place>,
}

#[derive(Debug)]
enum Progress {
    Idle,
    Ongoing { transaction: TransactionNumber, since_ms: u64, places: BTreeSet<Place> },
    Ending { transaction: TransactionNumber, places: BTreeSet<Place> },
}

#[derive(Debug)]
struct Coordinated {
    epoch: u32,
    progress: Progress,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    ids: BTreeMap<u64, Coordinated>,
    begun: u64,
    /// Decided since the last time somebody looked.
    pub(crate) endings: Vec<Ending>,
}

impl Transactions {
    /// A producer of that transactional id begins: puts an end to what the one before has left, and fences it.
    pub(crate) fn init(&mut self, transactional_id: u64) -> Result<Producer, Refusal> {
        let fresh = Coordinated { epoch: 0, progress: Progress::Idle };
        let of = self.ids.entry(transactional_id).or_insert(fresh);
        match of.progress {
            Progress::Idle => {
                of.epoch += 1;
                Ok(Producer { transactional_id, epoch: of.epoch })
            }
            Progress::Ending { .. } => Err(Refusal::Later),
            Progress::Ongoing { .. } => {
                of.epoch += 1;
                self.decide(transactional_id, false);
                Err(Refusal::Later)
            }
        }
    }

    /// The epoch of the latest producer of that transactional id.
    pub(crate) fn epoch(&self, transactional_id: u64) -> u32 {
        self.ids.get(&transactional_id).map_or(0, |of| of.epoch)
    }

    fn of(&mut self, producer: Producer) -> Result<&mut Coordinated, Refusal> {
        match self.ids.get_mut(&producer.transactional_id) {
            Some(of) if of.epoch == producer.epoch => Ok(of),
            _ => Err(Refusal::Fenced),
        }
    }

    /// The producer's transaction writes to that place; the first one begins it.
    pub(crate) fn add(
        &mut self,
        producer: Producer,
        place: Place,
        now_ms: u64,
    ) -> Result<TransactionNumber, Refusal> {
        let next = TransactionNumber(self.begun + 1);
        let of = self.of(producer)?;
        if matches!(of.progress, Progress::Idle) {
            of.progress = Progress::Ongoing { transaction: next, since_ms: now_ms, places: BTreeSet::new() };
        }
        let Progress::Ongoing { transaction, places, .. } = &mut of.progress else {
            return Err(Refusal::Later);
        };
        places.insert(place);
        let transaction = *transaction;
        self.begun = self.begun.max(transaction.0);
        Ok(transaction)
    }

    /// The producer's transaction ends. None that is open is none to end.
    pub(crate) fn end(&mut self, producer: Producer, committed: bool) -> Result<(), Refusal> {
        match self.of(producer)?.progress {
            Progress::Idle => Ok(()),
            Progress::Ending { .. } => Err(Refusal::Later),
            Progress::Ongoing { .. } => {
                self.decide(producer.transactional_id, committed);
                Ok(())
            }
        }
    }

    /// Aborts what has lasted too long, and fences its producer. Answers how many that were.
    pub(crate) fn expire(&mut self, begun_before_ms: u64) -> u64 {
        let old = |of: &Coordinated| matches!(of.progress, Progress::Ongoing { since_ms, .. } if since_ms < begun_before_ms);
        let expired: Vec<u64> = self.ids.iter().filter(|(_, of)| old(of)).map(|(id, _)| *id).collect();
        for id in &expired {
            if let Some(of) = self.ids.get_mut(id) {
                of.epoch += 1;
            }
            self.decide(*id, false);
        }
        expired.len() as u64
    }

    fn decide(&mut self, transactional_id: u64, committed: bool) {
        let Some(of) = self.ids.get_mut(&transactional_id) else { return };
        let Progress::Ongoing { transaction, places, .. } = &of.progress else { return };
        let (transaction, places) = (*transaction, places.clone());
        let ending =
            Ending { transactional_id, transaction, committed, places: places.iter().copied().collect() };
        self.endings.push(ending);
        of.progress = Progress::Ending { transaction, places };
    }

    /// A marker was written; the last one completes the transaction.
    pub(crate) fn marked(&mut self, marked: TransactionNumber, place: Place) {
        for of in self.ids.values_mut() {
            if let Progress::Ending { transaction, places } = &mut of.progress
                && *transaction == marked
            {
                places.remove(&place);
                if places.is_empty() {
                    of.progress = Progress::Idle;
                }
                return;
            }
        }
    }

    /// Since when each transaction is open that is not decided, with its transactional id.
    pub(crate) fn ongoing(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ids.iter().filter_map(|(id, of)| match of.progress {
            Progress::Ongoing { since_ms, .. } => Some((*id, since_ms)),
            _ => None,
        })
    }

    /// Whether nothing is open and every marker is written.
    pub(crate) fn are_complete(&self) -> bool {
        self.ids.values().all(|of| matches!(of.progress, Progress::Idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place::Log(Topic::Output, 0);

    #[test]
    fn a_decided_transaction_is_over_when_its_last_marker_is_written() {
        let mut transactions = Transactions::default();
        let producer = transactions.init(7).unwrap();
        let number = transactions.add(producer, PLACE, 0).unwrap();
        assert_eq!(transactions.add(producer, Place::Offsets, 1), Ok(number));
        assert_eq!(transactions.end(producer, true), Ok(()));
        let ending = transactions.endings.pop().unwrap();
        assert!(ending.committed && ending.places == [PLACE, Place::Offsets]);
        assert_eq!(transactions.add(producer, PLACE, 2), Err(Refusal::Later));
        transactions.marked(number, PLACE);
        assert_eq!(transactions.init(7), Err(Refusal::Later));
        transactions.marked(number, Place::Offsets);
        assert!(transactions.add(producer, PLACE, 3).unwrap() > number);
    }

    #[test]
    fn a_later_producer_and_the_timeout_fence_and_abort() {
        let mut transactions = Transactions::default();
        let first = transactions.init(7).unwrap();
        let number = transactions.add(first, PLACE, 5).unwrap();
        assert_eq!(transactions.init(7), Err(Refusal::Later));
        assert!(!transactions.endings.pop().unwrap().committed);
        assert_eq!(transactions.end(first, true), Err(Refusal::Fenced));
        transactions.marked(number, PLACE);
        let second = transactions.init(7).unwrap();
        transactions.add(second, PLACE, 10).unwrap();
        assert_eq!(transactions.expire(10), 0);
        assert_eq!(transactions.expire(11), 1);
        assert_eq!(transactions.end(second, true), Err(Refusal::Fenced));
    }
}
