//! Exactly-once flows: from Kafka to Kafka, with state and timers, in transactions.

mod commands;
mod events;
mod local;
mod looping;
mod publish;
mod transaction;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thalweg_connectors::kafka::changelog::Changelogs;
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_connectors::kafka::topics::Topics;
use thalweg_connectors::kafka::transactor::{Transactor, TransactorSettings};
use thalweg_core::exactly_once::{
    ExactlyOnceSettings, ExactlyOnceWorker, SnapshotSettings, StatefulOperator,
};
use thalweg_core::retry::RetrySchedule;
use thalweg_core::state::StateLimits;

use super::counted::Counted;
use super::membership::Membership;
use super::pace::Pace;
use super::reading::Reading;
use super::rebuild::Rebuilds;
use super::thread::{Plan, member_settings};
use super::work::{Life, Living, Place, Work};
use crate::clock;
use crate::exit::ExitError;
use crate::flow::{Flow, Log, OutputTopics};
use crate::settings::{EngineSettings, SettingError, StateSettings, TransactionSettings};
use crate::startup::RECORD_BYTES_MAX;
use crate::state::snapshot_folder::{SnapshotFolder, SnapshotThread};
use crate::trial::{Answer, Kept, Lasts, TrialRecord, Tried, UNIX_MS};
use local::Local;
use looping::Driver;
use transaction::OpenTransaction;

/// A row must fit into a record of the changelog, beside what a record has around it.
const ROW_BYTES_MAX: usize = RECORD_BYTES_MAX as usize - (64 << 10);

/// So much of a snapshot is taken in one turn, or a part of the partition's rows or timers (1/64) if that is more: a few
/// milliseconds of encoding.
const SLICE_BYTES: u64 = 256 << 10;

/// From a transaction's end until the next one's first records are handed to the client. The coordinator refuses partitions
/// while it writes the markers of the one before, which takes milliseconds, and the client then waits for 20 ms, whatever its
/// settings (librdkafka 2.12, `rd_kafka_txn_handle_AddPartitionsToTxn`).
const SETTLE_MS: u64 = 5;

/// What is kept of the state's memory for the piece of a snapshot that is on its way to the disk, where snapshots are taken:
/// this part.
const SNAPSHOT_PART: u64 = 16;

/// Where snapshots are kept, and when they are taken; or why they can't be.
pub(crate) type SnapshotsKept = Result<(Arc<SnapshotFolder>, SnapshotSettings), String>;

/// The operator of an exactly-once flow, and what it works with.
pub(crate) struct ExactlyOnceWork<O> {
    /// Makes that of one worker.
    pub(crate) operator: Arc<dyn Fn(&OutputTopics) -> O + Send + Sync>,
    pub(crate) topics: OutputTopics,
    pub(crate) state: StateSettings,
    pub(crate) transactions: TransactionSettings,
    /// What stands for the instance's name in transactional ids where it has none: drawn once for the process.
    pub(crate) nameless: String,
    /// Local snapshots, once it is known whether they can be kept.
    pub(crate) snapshots: OnceLock<SnapshotsKept>,
}

impl<O: StatefulOperator + 'static> Work for ExactlyOnceWork<O> {
    fn check(&self) -> Result<(), SettingError> {
        self.transactions.check()?;
        self.state.check()
    }

    fn prepare(&self, flow: &Flow, topics: &Topics, log: &Log) -> Result<Option<Log>, ExitError> {
        for (_, topic) in &self.topics.0 {
            topics.describe(topic).map_err(ExitError::failed)?;
        }
        let topic = self.changelog(flow);
        let found = topics.ensure_changelog(&topic, &log.topic, log.partitions).map_err(ExitError::failed)?;
        self.open_snapshots(topics, &topic, &found.id);
        Ok(Some(Log { topic, topic_id: found.id, partitions: found.partitions }))
    }

    fn claims(&self, flow: &Flow) -> Vec<(&'static str, String)> {
        vec![
            ("transactions.id_prefix", self.transactional_id(flow, 0)),
            ("state.changelog_topic", self.changelog(flow)),
        ]
    }

    fn kept_bytes(&self, engine: &EngineSettings) -> u64 {
        self.state.bytes_max / u64::from(engine.workers.max(1))
    }

    fn topics(&self, flow: &Flow) -> Vec<String> {
        let outputs = self.topics.0.iter().map(|(_, topic)| topic.to_string());
        outputs.chain([self.changelog(flow)]).collect()
    }

    fn outputs(&self) -> Vec<(&'static str, &'static str)> {
        self.topics.0.iter().map(|(name, _)| (*name, "Kafka")).collect()
    }

    fn live<'l>(&'l self, plan: &'l Plan, place: Place, before: Counted) -> Living<'l> {
        Box::pin(async move {
            let (ending, counted, source) = self.driver(plan, place, before)?.run().await;
            Ok(Life { ending, counted, source })
        })
    }

    fn try_record(&self, flow: &Flow, record: &TrialRecord<'_>, _answer: &mut Answer<'_>) -> Tried {
        Kept::begin(flow, Arc::clone(&self.operator), &self.topics, UNIX_MS).record(record)
    }

    fn last(&self, flow: &Flow, unix_ms: i64) -> Option<Box<dyn Lasts>> {
        Some(Box::new(Kept::begin(flow, Arc::clone(&self.operator), &self.topics, unix_ms)))
    }
}

impl<O: StatefulOperator> ExactlyOnceWork<O> {
    fn changelog(&self, flow: &Flow) -> String {
        if self.state.changelog_topic.is_empty() {
            format!("{}.{}.changelog", flow.source.settings.group.id, flow.stage)
        } else {
            self.state.changelog_topic.clone()
        }
    }

    /// Makes ready for local snapshots. Where that can't be, the flow goes on without them.
    fn open_snapshots(&self, topics: &Topics, changelog: &str, topic_id: &str) {
        let StateSettings { snapshot_folder, snapshot_interval_ms, bytes_max, .. } = &self.state;
        if snapshot_folder.is_empty() {
            return;
        }
        let open = || {
            let retention_ms = topics.delete_retention_ms(changelog).map_err(|error| error.to_string())?;
            let retention_ms =
                retention_ms.ok_or("the brokers don't say the changelog's delete.retention.ms")?;
            let folder = SnapshotFolder::open(Path::new(snapshot_folder), changelog)?;
            let slice_bytes = SLICE_BYTES.min(bytes_max / 64);
            let settings = SnapshotSettings {
                topic_id: topic_id.to_owned(),
                interval_ms: *snapshot_interval_ms,
                age_ms_max: retention_ms / 2,
                slice_bytes: usize::try_from(slice_bytes).unwrap_or(usize::MAX),
            };
            Ok((Arc::new(folder), settings))
        };
        let opened: SnapshotsKept = open();
        if let Err(error) = &opened {
            tracing::warn!(
                "no local snapshots of the state, restarts will read the whole changelog: {error}"
            );
        }
        // Asked for once a process.
        let _ = self.snapshots.set(opened);
    }

    /// The thread for a worker's snapshots; `None`: there are none.
    fn snapshot_thread(&self, number: u16, wake: &Arc<super::wake::Wake>) -> Option<SnapshotThread> {
        let (folder, _) = self.snapshots.get()?.as_ref().ok()?;
        let wake = Arc::clone(wake);
        let started = SnapshotThread::start(Arc::clone(folder), number, Arc::new(move || wake.reply()));
        started.inspect_err(|error| tracing::warn!("no local snapshots of the state: {error}")).ok()
    }

    /// Of that worker: the same after a restart, and no other's.
    fn transactional_id(&self, flow: &Flow, number: u16) -> String {
        let group = &flow.source.settings.group;
        let prefix = &self.transactions.id_prefix;
        let prefix = if prefix.is_empty() { &group.id } else { prefix };
        let instance = self.transactions.instance.as_ref().or(group.instance_id.as_ref());
        format!("{prefix}-{}-{number}", instance.unwrap_or(&self.nameless))
    }

    fn driver(
        &self,
        plan: &Plan,
        Place { number, wake, board }: Place,
        mut counted: Counted,
    ) -> Result<Driver<O>, ExitError> {
        let Plan { flow, engine, dead_letter_topic, .. } = plan;
        let changelog = self.changelog(flow);
        let mut kafka = member_settings(&flow.source.settings, number, engine.workers);
        kafka.read.prefetch_kilobytes_per_partition = plan.memory.read_ahead_kilobytes;
        let waking = |wake: &Arc<super::wake::Wake>| {
            let wake = Arc::clone(wake);
            Arc::new(move || wake.source()) as Arc<dyn Fn() + Send + Sync>
        };
        let source = KafkaSource::connect(&kafka, &[&flow.source.topic], waking(&wake));
        let source = source.map_err(ExitError::failed)?;
        let transactor = TransactorSettings {
            kafka: kafka.clone(),
            id: self.transactional_id(flow, number),
            timeout: Duration::from_millis(self.transactions.timeout_ms),
            changelog: changelog.clone(),
        };
        tracing::info!(id = transactor.id, changelog, "transactions and state");
        let transaction = OpenTransaction::new(&transactor);
        let on_event = Arc::clone(&wake);
        let transactor_settings = transactor.clone();
        let transactor = Transactor::start(transactor, Arc::new(move || on_event.reply()));
        let letters = Box::new(DeadLetters::new(dead_letter_topic.as_str()));
        let sinks = u8::try_from(self.topics.0.len()).unwrap_or(u8::MAX);
        let operator = (self.operator)(&self.topics);
        let thread = self.snapshot_thread(number, &wake);
        let mut settings = self.worker_settings(plan);
        if thread.is_none() {
            settings.snapshots = None;
            let wanted = !self.state.snapshot_folder.is_empty();
            counted.restores.failed = counted.restores.failed.max(u64::from(wanted));
        }
        Ok(Driver {
            worker: ExactlyOnceWorker::new(settings, operator, sinks, letters, fastrand::u64(..)),
            source,
            transactor: transactor.map_err(ExitError::failed)?,
            transactor_settings,
            changelogs: Changelogs::new(&kafka, &changelog, waking(&wake)),
            local: Local::new(thread),
            wake,
            board,
            reading: Reading::default(),
            rebuilds: Rebuilds::default(),
            transaction,
            outputs: self.topics.0.iter().map(|(name, _)| (*name, 0)).collect(),
            letters: (Arc::clone(&plan.letters), plan.latest_letters.clone()),
            counted,
            started_ms: plan.started_ms,
            partitions: plan.log.partitions,
            stop_deadline_ms: engine.stop_deadline_ms,
            stopping: false,
            membership: Membership::default(),
            failed: None,
            ended: None,
            pace: Pace::new(clock::now()),
        })
    }

    fn worker_settings(&self, plan: &Plan) -> ExactlyOnceSettings {
        let Plan { flow, engine, log, .. } = plan;
        let transactions = &self.transactions;
        let takes = !self.state.snapshot_folder.is_empty();
        let state_bytes_max =
            self.state.bytes_max - if takes { self.state.bytes_max / SNAPSHOT_PART } else { 0 };
        ExactlyOnceSettings {
            flow: flow.name.to_owned(),
            operator: flow.stage.to_owned(),
            commit_interval_ms: engine.commit_interval_ms,
            settle_ms: SETTLE_MS,
            transaction_runs_max: transactions.runs_max as usize,
            transaction_bytes_max: usize::try_from(transactions.bytes_max).unwrap_or(usize::MAX),
            // At worst this process gets all of them.
            state: StateLimits {
                bytes_max: usize::try_from(state_bytes_max / u64::from(log.partitions.max(1)))
                    .unwrap_or(usize::MAX),
                row_bytes_max: ROW_BYTES_MAX,
            },
            drain_deadline_ms: engine.revoke_deadline_ms,
            retry: RetrySchedule::default(),
            dedupe: flow.dedupe.as_ref().map(|dedupe| dedupe.0.clone()),
            accept_lost_offsets: engine.accept_lost_offsets,
            snapshots: self
                .snapshots
                .get()
                .and_then(|kept| kept.as_ref().ok())
                .map(|(_, settings)| settings.clone()),
        }
    }
}
