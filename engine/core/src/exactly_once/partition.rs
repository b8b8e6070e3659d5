//! What an exactly-once worker knows of one partition during one epoch.

use crate::dedupe::Dedupe;
use crate::exactly_once::snapshots::Snapshots;
use crate::position::{Epoch, PartitionId};
use crate::state::State;
use crate::state::snapshot::SnapshotReader;
use crate::worker::ReadFrom;

#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) epoch: Epoch,
    /// The epoch in which its state was restored; the same after an aborted transaction.
    pub(super) restored_in: Epoch,
    /// Everything below was run, in this epoch or before it.
    pub(super) next: i64,
    /// What the group has committed.
    pub(super) committed: i64,
    /// The oldest offset there was.
    pub(super) low: i64,
    pub(super) dedupe: Option<Dedupe>,
    pub(super) state: State,
    pub(super) stage: Stage,
    /// The snapshot that is being read.
    pub(super) loading: Option<SnapshotReader>,
    /// Its state began with a snapshot.
    pub(super) from_snapshot: bool,
    pub(super) snapshots: Snapshots,
    /// The open transaction has something of it.
    pub(super) touched: bool,
    /// The transaction that is ending has something of it: everything below was run then.
    pub(super) sealed: Option<i64>,
    /// It is being given up: nothing of it is run.
    pub(super) revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A snapshot of its state is being read.
    Loading,
    /// Its changelog is being read.
    Restoring,
    /// It starts running at that uptime: at once, or after an aborted transaction.
    Waiting(u64),
    Running,
}

impl PartitionState {
    pub(super) fn runs(&self) -> bool {
        self.stage == Stage::Running && !self.revoked
    }

    /// Some transaction that has not ended has something of it.
    pub(super) fn is_uncommitted(&self) -> bool {
        self.touched || self.sealed.is_some()
    }

    /// What was run from `next` on was taken back, and is read again under another epoch, from that uptime on.
    pub(super) fn read_again(&mut self, next: i64, epoch: Epoch, dedupe: Option<Dedupe>, due_ms: u64) {
        self.next = next;
        (self.epoch, self.dedupe, self.stage) = (epoch, dedupe, Stage::Waiting(due_ms));
    }

    /// Where to read from: below what is committed by the dedupe window.
    pub(super) fn read_from(&self, partition: PartitionId, window: u64) -> ReadFrom {
        let offset = self.next.saturating_sub_unsigned(window).max(self.low);
        ReadFrom { partition, epoch: self.epoch, offset }
    }
}
