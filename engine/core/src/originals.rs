//! The original records whose outcome is open, for as long as a dead letter may need them.
//!
//! A batch is kept until its last record has its outcome (milliseconds). A record that has to wait is copied out,
//! so that one stuck record does not pin the megabytes of its batch.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::batch::Batch;
use crate::record::{OwnedRecord, Record};
use crate::table::Table;

/// The originals of one (partition, epoch).
#[derive(Debug, Default)]
pub(crate) struct Originals {
    /// In log order.
    batches: VecDeque<Kept>,
    /// Counted, because a record may end while its copy is being looked at.
    copies: Table<i64, Rc<OwnedRecord>>,
}

#[derive(Debug)]
struct Kept {
    batch: Batch,
    /// Records in it that are open and not copied out.
    open: usize,
}

impl Originals {
    /// Keeps a batch of which `open` records are open; gives it back when there are none.
    pub(crate) fn keep(&mut self, batch: Batch, open: usize) -> Option<Batch> {
        if open == 0 {
            return Some(batch);
        }
        self.batches.push_back(Kept { batch, open });
        None
    }

    /// Keeps a copy of a record whose batch will not be kept for it.
    pub(crate) fn keep_copy(&mut self, record: &Record<'_>) {
        self.copies.insert(record.position.offset, Rc::new(record.to_owned()));
    }

    /// The copy of the record at `offset`, if it was copied out.
    pub(crate) fn copy_of(&self, offset: i64) -> Option<Rc<OwnedRecord>> {
        self.copies.get(&offset).cloned()
    }

    /// Copies the record out of its batch; answers the batch when nothing else keeps it.
    pub(crate) fn copy_out(&mut self, offset: i64) -> Option<Batch> {
        if self.copies.contains_key(&offset) {
            return None;
        }
        let index = self.holder(offset)?;
        let copy = self.batches.get(index)?.batch.find(offset)?.to_owned();
        self.copies.insert(offset, Rc::new(copy));
        self.unpin(index)
    }

    /// The record at `offset` has its outcome; answers its batch when nothing else keeps it.
    pub(crate) fn closed(&mut self, offset: i64) -> Option<Batch> {
        if !self.copies.is_empty() && self.copies.remove(&offset).is_some() {
            return None;
        }
        let index = self.holder(offset)?;
        self.unpin(index)
    }

    /// The kept batch whose offsets span `offset`.
    fn holder(&self, offset: i64) -> Option<usize> {
        let index =
            self.batches.partition_point(|kept| kept.batch.last_offset().is_some_and(|last| last < offset));
        (index < self.batches.len()).then_some(index)
    }

    fn unpin(&mut self, index: usize) -> Option<Batch> {
        let kept = self.batches.get_mut(index)?;
        kept.open -= 1;
        if kept.open > 0 {
            return None;
        }
        self.batches.remove(index).map(|kept| kept.batch)
    }

    /// Batches that are kept.
    pub(crate) fn batches(&self) -> usize {
        self.batches.len()
    }
}
