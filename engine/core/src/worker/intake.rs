//! Batches in: dedupe, admission, operators.

use crate::admission::NextHeld;
use crate::batch::Batch;
use crate::dedupe::EventId;
use crate::operator::{Operator, Output, Step};
use crate::outcome::Outcome;
use crate::position::{PartitionId, Position};
use crate::record::Record;
use crate::sabotage::{Bug, Conduct};
use crate::sink_lanes::SinkLanes;
use crate::time::Now;
use crate::tracker::Pending;
use crate::worker::Worker;
use crate::worker::effects::{Rejection, WaitsFor};
use crate::worker::partition::PartitionState;

/// What a record costs beside its bytes while it is open: its slot, its place in batch, lane and flight.
const RECORD_OVERHEAD_BYTES: u64 = 192;

/// What the driver may read of a partition right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Records at most.
    pub records: usize,
    /// Bytes of keys, values and headers at most (one record may pass it).
    pub bytes: usize,
}

/// What is known of a record before it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// It was finished under an earlier epoch.
    finished: bool,
    /// `None`: it has no event id.
    duplicate: Option<bool>,
}

/// A batch of more would spend longer in the operators than a reply should wait.
const BATCH_RECORDS_MAX: usize = 1_000;

/// A batch of more would pin too much for its last open record.
const BATCH_BYTES_MAX: u64 = 4 << 20;

impl<O: Operator, X: Conduct> Worker<O, X> {
    /// Whether, and how much of, the partition may be read: `None` leaves it unread (backpressure).
    #[must_use]
    pub fn read_limits(&self, partition: PartitionId) -> Option<ReadLimits> {
        let state = self.partitions.get(partition.index())?.as_ref()?;
        if state.congestion > 0 || state.revoked || self.stopping.is_some() || self.commits.is_fencing() {
            return None;
        }
        if self.conduct.has(Bug::IgnoreBudget) {
            return Some(ReadLimits { records: BATCH_RECORDS_MAX, bytes: BATCH_BYTES_MAX as usize });
        }
        if self.sinks.iter().any(SinkLanes::is_saturated) {
            return None;
        }
        let open = self.accounts.open() as usize;
        let budget_bytes = self.settings.records_bytes(self.assigned);
        let free = budget_bytes.saturating_sub(self.reserved_bytes);
        // Half for the records' bytes, half for what they cost beside them.
        let affordable = (free / 2 / self.reserve_bytes(0)) as usize;
        let free = free / self.copies();
        let records =
            self.settings.open_records_max.saturating_sub(open).min(affordable).min(BATCH_RECORDS_MAX);
        let bytes = (free / 2).min(BATCH_BYTES_MAX);
        (records > 0 && bytes > 0).then_some(ReadLimits { records, bytes: bytes as usize })
    }

    /// How often a record's bytes may be held at the same time: its original, each sink's effect, its dead letter.
    fn copies(&self) -> u64 {
        self.sinks.len() as u64 + 2
    }

    /// What an open record of so many bytes may take at worst.
    fn reserve_bytes(&self, size_bytes: usize) -> u64 {
        (size_bytes as u64 + RECORD_OVERHEAD_BYTES) * self.copies() + self.follow_up_bytes
    }

    /// Records that were read.
    pub fn batch(&mut self, batch: Batch, now: Now) {
        self.turn(now);
        let partition = batch.partition();
        let current = self.partitions.get(partition.index()).and_then(Option::as_ref);
        if current.is_none_or(|state| state.epoch != batch.epoch() || state.revoked) {
            self.spent.push(batch);
            return;
        }
        let (mut open, read_before, mut oldest_ms) = (0, self.accounts.read, None);
        self.look_at(&batch);
        for index in 0..batch.len() {
            let record = batch.record(index);
            open += usize::from(self.admit(&record, self.looks[index]));
            if oldest_ms.is_none() && self.accounts.read > read_before {
                oldest_ms = Some(record.timestamp_ms);
            }
        }
        self.measured.sizes.batch_records.saturating_record(batch.len() as u64);
        if let Some(oldest_ms) = oldest_ms {
            self.measured.latencies.read(oldest_ms, self.accounts.read - read_before, now);
        }
        if let Some(state) = self.partitions.get_mut(partition.index()).and_then(Option::as_mut) {
            self.spent.extend(state.originals.keep(batch, open));
        }
        self.settle(now);
    }

    /// Looks at the whole batch before its first record runs: an id is looked up where nothing is in the processor's
    /// caches, and the waits of one short loop overlap.
    fn look_at(&mut self, batch: &Batch) {
        self.looks.clear();
        let skip_dedupe = self.conduct.has(Bug::DedupeSkipsFinished);
        let without_count = self.conduct.has(Bug::IgnoreReplayCount);
        let header = self.settings.dedupe.as_ref().map(|dedupe| dedupe.header.as_str());
        let state = self.partitions.get_mut(batch.partition().index()).and_then(Option::as_mut);
        let Some(state) = state else { return };
        for index in 0..batch.len() {
            let record = batch.record(index);
            let offset = record.position.offset;
            let finished = offset >= state.tracker.read_end() && state.was_finished(offset);
            let duplicate = if finished && skip_dedupe {
                Some(false)
            } else {
                sees(state, header, &record, without_count)
            };
            self.looks.push(Look { finished, duplicate });
        }
    }

    /// One record, in log order. Answers whether its outcome is open and its bytes are needed in the batch.
    fn admit(&mut self, record: &Record<'_>, look: Look) -> bool {
        let reserve = self.reserve_bytes(record.size_bytes());
        let Position { partition, offset, .. } = record.position;
        let Some(state) = self.partitions.get_mut(partition.index()).and_then(Option::as_mut) else {
            return false;
        };
        self.accounts.without_event_id += u64::from(look.duplicate.is_none());
        if offset < state.tracker.read_end() {
            self.accounts.rewound += 1;
            return false;
        }
        if look.finished {
            state.tracker.skip(offset);
            self.accounts.finished_before += 1;
            return false;
        }
        let reserve = u32::try_from(reserve).unwrap_or(u32::MAX);
        let pending = state.tracker.open(offset, record.timestamp_ms, reserve);
        self.reserved_bytes += u64::from(reserve);
        self.accounts.read += 1;
        if look.duplicate == Some(true) {
            self.close(pending, Outcome::Duplicate);
            return false;
        }
        let key_hash = record.key_hash();
        if self.admission.holds(key_hash) {
            state.originals.keep_copy(record);
            if let Some(congested) = self.admission.queue(key_hash, pending) {
                self.congest(congested, true);
            }
            return false;
        }
        self.run(pending, key_hash, record)
    }

    /// Runs the operators on a record. Answers whether its outcome is open.
    fn run(&mut self, pending: Pending, key_hash: u64, record: &Record<'_>) -> bool {
        self.collected.clear();
        match self.operator.process(record, &mut Output::new(&mut self.collected)) {
            Step::Forward | Step::Done => self.hand_to_lanes(pending, key_hash),
            Step::Filtered(_) => {
                self.close(pending, Outcome::Filtered);
                false
            }
            Step::Rejected(reason) => {
                let rejection =
                    Rejection { key_hash, reason, tries: Default::default(), waits: WaitsFor::Admission };
                // A null key has no order: nothing waits for its dead letter.
                if record.key.is_some() && !self.conduct.has(Bug::KeyGoesOnBeforeDeadLetter) {
                    self.admission.hold(key_hash);
                }
                self.dead_letter(pending, record, &rejection);
                true
            }
        }
    }

    fn hand_to_lanes(&mut self, pending: Pending, key_hash: u64) -> bool {
        let count = self.collected.effects.len();
        if count == 0 {
            self.close(pending, Outcome::Filtered);
            return false;
        }
        let position = pending.position();
        let mut parts = Some(pending);
        for (index, effect) in self.collected.effects.iter().enumerate() {
            let last = index + 1 == count;
            let state = self.partitions.get_mut(position.partition.index()).and_then(Option::as_mut);
            let part = match (&parts, state) {
                (Some(whole), Some(state)) if !last => state.tracker.split(whole),
                _ => parts.take().expect("the last effect takes the record's own part"),
            };
            let bytes = &self.collected.bytes[effect.bytes.clone()];
            self.sinks[usize::from(effect.sink)].enqueue(part, key_hash, effect.domain, bytes, self.now);
        }
        true
    }

    /// A dead letter that a key waited for at admission is acknowledged: its queued records run, up to the next
    /// that is rejected.
    pub(super) fn admit_held(&mut self, key_hash: u64) {
        self.admission.dead_letter_ended(key_hash);
        loop {
            match self.admission.next(key_hash) {
                NextHeld::Record(pending) => self.run_held(pending, key_hash),
                NextHeld::Free(congested) => {
                    if let Some(partition) = congested {
                        self.congest(partition, false);
                    }
                    return;
                }
                NextHeld::None => return,
            }
        }
    }

    fn run_held(&mut self, pending: Pending, key_hash: u64) {
        let position = pending.position();
        let original = self.partition(position).and_then(|state| state.originals.copy_of(position.offset));
        let original = original.expect("a held record's original is kept");
        self.run(pending, key_hash, &original.as_record());
    }

    pub(super) fn congest(&mut self, partition: PartitionId, on: bool) {
        if let Some(state) = self.partitions.get_mut(partition.index()).and_then(Option::as_mut) {
            state.congestion = if on { state.congestion + 1 } else { state.congestion.saturating_sub(1) };
        }
    }
}

/// Shows the record to dedupe: whether it is a duplicate; `None` when it has no event id.
fn sees(
    state: &mut PartitionState,
    header: Option<&str>,
    record: &Record<'_>,
    without_count: bool,
) -> Option<bool> {
    let (Some(dedupe), Some(header)) = (state.dedupe.as_mut(), header) else { return Some(false) };
    let mut event_id = EventId::of(record.headers, header)?;
    if without_count {
        event_id.replay_count = None;
    }
    Some(dedupe.sees(event_id, record.position.offset))
}
