//! The group's offsets as transactions commit them: what is sent stands when its transaction's marker is written.

use std::collections::BTreeMap;

use crate::broker::offsets::Committed;
use crate::broker::transactions::TransactionNumber;

/// A position to be committed: partition, position, metadata.
pub(crate) type Sent = (u32, i64, String);

#[derive(Debug)]
pub(crate) struct GroupOffsets {
    /// By partition.
    pub(crate) committed: Vec<Committed>,
    pending: BTreeMap<TransactionNumber, Vec<Sent>>,
}

impl GroupOffsets {
    pub(crate) fn new(partitions: u32) -> Self {
        Self { committed: vec![None; partitions as usize], pending: BTreeMap::new() }
    }

    pub(crate) fn send(&mut self, transaction: TransactionNumber, sent: Vec<Sent>) {
        self.pending.entry(transaction).or_default().extend(sent);
    }

    /// The marker of a transaction: answers what is committed by it, and not yet entered.
    pub(crate) fn mark(&mut self, transaction: TransactionNumber, committed: bool) -> Vec<Sent> {
        let sent = self.pending.remove(&transaction).unwrap_or_default();
        if committed { sent } else { Vec::new() }
    }

    /// Whether no transaction with an offset of that partition waits for its marker.
    pub(crate) fn is_stable(&self, partition: u32) -> bool {
        !self.pending.values().flatten().any(|(pending, ..)| *pending == partition)
    }
}
