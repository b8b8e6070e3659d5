//! The producer's transaction as the driver sees it: how long it takes, and what its end means. What the worker runs ahead of
//! that end belongs to the next one.

use std::sync::Arc;

use thalweg_connectors::kafka::transactor::{Transactor, TransactorEvent, TransactorSettings};
use thalweg_core::batch::Batch;
use thalweg_core::exactly_once::{Outputs, StatefulOperator, TransactionResult};
use thalweg_core::measured::{Latencies, Sizes};
use thalweg_core::time::Now;

use super::super::thread::Ending;
use super::looping::Driver;
use crate::letters;

/// See the module's text.
pub(super) struct OpenTransaction {
    /// Which transactional id it is of.
    id: String,
    timeout_ms: u64,
    /// Uptime at which it began; `None`: none is open.
    begun_ms: Option<u64>,
    /// Uptime at which it was asked to end; `None`: it was not.
    ends_ms: Option<u64>,
    /// Of each batch read since the last commit: the timestamp of its oldest record, and how many it holds.
    batches: Vec<(i64, u64)>,
    /// Of those that were read while it was ending, the same: they belong to the next one. Where a partition was lost meanwhile,
    /// what is read again stands here twice: no figure that is worth more care.
    batches_ahead: Vec<(i64, u64)>,
    /// Records of each topic.
    sent: Vec<u64>,
    /// Dead letters, side by side in their encoding.
    letters: Vec<u8>,
    pub(super) latencies: Latencies,
    pub(super) sizes: Sizes,
}

/// The client's calls that end a transaction take half a minute each at most, and there are three, and ten seconds for a client
/// that goes on after an abort; one that takes longer than this never comes back (librdkafka 2.12 drops the answer to offsets
/// that came late).
const NO_ANSWER_MS: u64 = 120_000;

/// Nothing of that size is read between two commits.
const BATCHES_MAX: usize = 100_000;

impl OpenTransaction {
    pub(super) fn new(settings: &TransactorSettings) -> Self {
        Self {
            id: settings.id.clone(),
            timeout_ms: u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX),
            begun_ms: None,
            ends_ms: None,
            batches: Vec::new(),
            batches_ahead: Vec::new(),
            sent: Vec::new(),
            letters: Vec::new(),
            latencies: Latencies::default(),
            sizes: Sizes::default(),
        }
    }

    pub(super) fn read(&mut self, batch: &Batch, now: Now) {
        let records = batch.len() as u64;
        self.sizes.batch_records.saturating_record(records);
        let oldest_ms = batch.record(0).timestamp_ms;
        if let Some(age_ms) = age_ms(oldest_ms, now) {
            self.latencies.read_ms.saturating_record_n(age_ms, records);
            let batches = if self.ends_ms.is_some() { &mut self.batches_ahead } else { &mut self.batches };
            if batches.len() < BATCHES_MAX {
                batches.push((oldest_ms, records));
            }
        }
    }

    pub(super) fn begun(&mut self, now: Now) {
        self.begun_ms.get_or_insert(now.uptime_ms);
    }

    /// Records go out, for so many topics; what is for the sink behind them is a dead letter.
    pub(super) fn sends(&mut self, outputs: &Outputs, topics: usize) {
        self.sent.resize(topics, 0);
        for (sink, effect) in outputs.iter() {
            match self.sent.get_mut(usize::from(sink.0)) {
                Some(count) => *count += 1,
                None => self.letters.extend_from_slice(effect),
            }
        }
    }

    pub(super) fn ends(&mut self, now: Now) {
        self.ends_ms = Some(now.uptime_ms);
    }

    /// It has ended; answers how many records of each topic were sent in it, and the dead letters.
    fn ended(&mut self, committed: bool, now: Now) -> (Vec<u64>, Vec<u8>) {
        if committed {
            let ends_ms = self.ends_ms.unwrap_or(now.uptime_ms);
            self.latencies.flight_ms.saturating_record(now.uptime_ms.saturating_sub(ends_ms));
            self.sizes.flight_effects.saturating_record(self.sent.iter().sum());
            for (oldest_ms, records) in self.batches.drain(..) {
                let age_ms = age_ms(oldest_ms, now).unwrap_or_default();
                self.latencies.end_to_end_ms.saturating_record_n(age_ms, records);
            }
        }
        // What was read ahead of one that failed is read again.
        self.batches.clear();
        if committed {
            std::mem::swap(&mut self.batches, &mut self.batches_ahead);
        }
        self.batches_ahead.clear();
        (self.begun_ms, self.ends_ms) = (None, None);
        (std::mem::take(&mut self.sent), std::mem::take(&mut self.letters))
    }
}

fn age_ms(timestamp_ms: i64, now: Now) -> Option<u64> {
    (timestamp_ms >= 0).then(|| now.unix_ms.saturating_sub(timestamp_ms).max(0).unsigned_abs())
}

impl<O: StatefulOperator> Driver<O> {
    pub(super) fn take_transactor_events(&mut self, now: Now) {
        while let Some(event) = self.transactor.event() {
            self.pace.did(true);
            match event {
                TransactorEvent::Ready => self.worker.producer_ready(now),
                TransactorEvent::Ended(result) => self.ended(result, now),
                TransactorEvent::ProducerFenced(reason) => self.producer_fenced(&reason, now),
                TransactorEvent::Fatal(reason) => {
                    tracing::error!("the flow stops: {reason}");
                    self.ended = Some(Ending::Failed(format!("there can be no transactions: {reason}")));
                }
                TransactorEvent::Warning(text) => tracing::warn!("transactions: {text}"),
            }
            self.obey(now);
        }
    }

    fn ended(&mut self, result: TransactionResult, now: Now) {
        let committed = result == TransactionResult::Committed;
        let (sent, letters) = self.transaction.ended(committed, now);
        self.counted.commits += 1;
        if committed {
            self.counted.committed_ms = Some(now.uptime_ms);
            self.outputs.iter_mut().zip(sent).for_each(|((_, sum), count)| *sum += count);
            letters::note_committed(&self.letters.0, &self.letters.1, &letters);
            self.counted.note_effect(self.started_ms, now);
        } else {
            self.counted.commits_failed += 1;
        }
        self.worker.ended(result, now);
    }

    /// A client that does not answer any more is left behind: a new one of the same id fences it.
    pub(super) fn replace_silent_transactor(&mut self, now: Now) {
        let silent = |ends_ms: &u64| now.uptime_ms.saturating_sub(*ends_ms) > NO_ANSWER_MS;
        if self.transaction.ends_ms.filter(silent).is_none() {
            return;
        }
        match Transactor::start(self.transactor_settings.clone(), self.transactor_wake()) {
            Ok(transactor) => {
                self.transactor = transactor;
                let reason = "the Kafka client has not answered".to_owned();
                self.ended(TransactionResult::Unknown(reason), now);
            }
            Err(error) => {
                self.ended = Some(Ending::Failed(format!("there can be no transactions: {error}")));
            }
        }
    }

    fn transactor_wake(&self) -> Arc<dyn Fn() + Send + Sync> {
        let wake = Arc::clone(&self.wake);
        Arc::new(move || wake.reply())
    }

    /// The brokers give a transaction that takes too long up, and fence its producer with the same words as one whose id
    /// somebody else has taken. Which it was is told by the clock: coming back after the first is right, after the
    /// second it would throw the other one out in turn.
    fn producer_fenced(&mut self, reason: &str, now: Now) {
        let OpenTransaction { id, timeout_ms, begun_ms, .. } = &self.transaction;
        let lasted_ms = begun_ms.map_or(0, |begun_ms| now.uptime_ms.saturating_sub(begun_ms));
        if lasted_ms >= *timeout_ms {
            let reason = format!("it took {lasted_ms} ms, and may take {timeout_ms}: {reason}");
            return self.ended(TransactionResult::Fenced(reason), now);
        }
        let reason = format!(
            "another process writes under the transactional id {id}, and this one may not any more: each instance needs \
             a name of its own (transactions.instance, or kafka.group.instance_id)"
        );
        tracing::error!("the flow stops: {reason}");
        self.ended = Some(Ending::Failed(reason));
    }
}
