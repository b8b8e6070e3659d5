//! Exactly-once flows: from Kafka to Kafka, with state and timers, in transactions.

mod commands;
mod events;
mod looping;
mod publish;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use thalweg_connectors::kafka::changelog::Changelogs;
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_connectors::kafka::topics::Topics;
use thalweg_connectors::kafka::transactor::{Transactor, TransactorSettings};
use thalweg_core::exactly_once::{ExactlyOnceSettings, ExactlyOnceWorker, StatefulOperator};
use thalweg_core::retry::RetrySchedule;
use thalweg_core::state::StateLimits;

use super::looping::Counted;
use super::reading::Reading;
use super::rebuild::Rebuilds;
use super::thread::{Plan, member_settings};
use super::work::{Life, Living, Place, Work};
use crate::clock;
use crate::exit::ExitError;
use crate::flow::{Flow, Log, OutputTopics};
use crate::settings::{EngineSettings, SettingError, StateSettings, TransactionSettings};
use crate::startup::RECORD_BYTES_MAX;
use crate::trial::{Answer, Kept, Lasts, TrialRecord, Tried, UNIX_MS};
use looping::Driver;
use transaction::OpenTransaction;

/// A row must fit into a record of the changelog, beside what a record has around it.
const ROW_BYTES_MAX: usize = RECORD_BYTES_MAX as usize - (64 << 10);

/// The operator of an exactly-once flow, and what it works with.
pub(crate) struct ExactlyOnceWork<O> {
    /// Makes that of one worker.
    pub(crate) operator: Arc<dyn Fn(&OutputTopics) -> O + Send + Sync>,
    pub(crate) topics: OutputTopics,
    pub(crate) state: StateSettings,
    pub(crate) transactions: TransactionSettings,
    /// What stands for the instance's name in transactional ids where it has none: drawn once for the process.
    pub(crate) nameless: String,
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
        counted: Counted,
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
        let settings = self.worker_settings(plan);
        Ok(Driver {
            worker: ExactlyOnceWorker::new(settings, operator, sinks, letters, fastrand::u64(..)),
            source,
            transactor: transactor.map_err(ExitError::failed)?,
            transactor_settings,
            changelogs: Changelogs::new(&kafka, &changelog, waking(&wake)),
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
            joins_anew: false,
            lost_ms: None,
            failed: None,
            ended: None,
            next_tick_ms: clock::now().uptime_ms,
            next_snapshot_ms: 0,
            unseen: true,
        })
    }

    fn worker_settings(&self, plan: &Plan) -> ExactlyOnceSettings {
        let Plan { flow, engine, log, .. } = plan;
        let transactions = &self.transactions;
        ExactlyOnceSettings {
            flow: flow.name.to_owned(),
            operator: flow.stage.to_owned(),
            commit_interval_ms: engine.commit_interval_ms,
            transaction_runs_max: transactions.runs_max as usize,
            transaction_bytes_max: usize::try_from(transactions.bytes_max).unwrap_or(usize::MAX),
            // At worst this process gets all of them.
            state: StateLimits {
                bytes_max: usize::try_from(self.state.bytes_max / u64::from(log.partitions.max(1)))
                    .unwrap_or(usize::MAX),
                row_bytes_max: ROW_BYTES_MAX,
            },
            drain_deadline_ms: engine.revoke_deadline_ms,
            retry: RetrySchedule::default(),
            dedupe: flow.dedupe.as_ref().map(|dedupe| dedupe.0.clone()),
            accept_lost_offsets: engine.accept_lost_offsets,
        }
    }
}
