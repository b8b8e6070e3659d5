//! Building an exactly-once flow, in the order in which it is read.

use std::sync::Arc;

use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::exactly_once::{Run, StatefulOperator};
use thalweg_core::headers::Headers;
use thalweg_core::sink::SinkHandle;

use super::builder::{Flow, FlowBuilder, Start};
use super::flows::Own;
use super::sink::Sinks;
use super::source::{DeadLetters, Dedupe, Source};
use crate::drive::ExactlyOnceWork;
use crate::settings::{StateSettings, TransactionSettings};

/// The guarantee of a flow from Kafka to Kafka: every record has its effects on topics, state and timers exactly once, all
/// of them together, and in the order of its key; for readers of what is committed.
#[derive(Debug, Clone)]
pub struct ExactlyOnce(TransactionSettings);

impl ExactlyOnce {
    /// With transactions as the settings say.
    #[must_use]
    pub fn with(settings: &TransactionSettings) -> Self {
        Self(settings.clone())
    }
}

/// A record for one of the flow's topics; may borrow from the record it was made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing<'e> {
    /// The key; it decides the partition, as in the Java client.
    pub key: Option<&'e [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'e [u8]>,
    /// The headers.
    pub headers: Headers<'e>,
}

/// A topic that the flow writes to.
#[derive(Debug, Clone)]
pub struct OutputTopic {
    handle: SinkHandle<KafkaSink>,
    topic: Arc<str>,
}

impl OutputTopic {
    /// Writes a record, as a part of the run.
    pub fn send(&self, run: &mut Run<'_>, record: Outgoing<'_>) {
        let Outgoing { key, value, headers } = record;
        run.send(self.handle, Produce { topic: &self.topic, partition: None, key, value, headers });
    }

    /// As [`OutputTopic::send`], to that partition whatever the key.
    pub(crate) fn send_to(&self, run: &mut Run<'_>, partition: i32, record: Outgoing<'_>) {
        let Outgoing { key, value, headers } = record;
        let partition = Some(partition);
        run.send(self.handle, Produce { topic: &self.topic, partition, key, value, headers });
    }
}

/// The topics of a flow, as its operator finds them when it is made.
#[derive(Debug, Clone, Default)]
pub struct OutputTopics(pub(crate) Vec<(&'static str, Arc<str>)>);

impl OutputTopics {
    /// The flow's topic of that name (the flow's name for it, not Kafka's).
    ///
    /// # Panics
    /// When the flow has none: a mistake in the flow, which shows as soon as it is built.
    #[must_use]
    pub fn find(&self, name: &str) -> OutputTopic {
        let index = self.0.iter().position(|(found, _)| *found == name);
        assert!(index.is_some(), "the flow has no topic {name:?}");
        let index = index.unwrap_or_default();
        OutputTopic { handle: SinkHandle::new(index as u8), topic: Arc::clone(&self.0[index].1) }
    }
}

/// An exactly-once flow in the making.
pub struct StatefulBuilder<O> {
    name: &'static str,
    source: Source,
    dedupe: Option<Dedupe>,
    stage: &'static str,
    operator: Arc<dyn Fn(&OutputTopics) -> O + Send + Sync>,
    topics: OutputTopics,
    state: StateSettings,
}

/// An exactly-once flow that only lacks its guarantee.
pub struct AlmostStateful<O> {
    flow: StatefulBuilder<O>,
    dead_letters: DeadLetters,
}

impl FlowBuilder<Start> {
    /// The operator of an exactly-once flow, which may have state and timers. `make` runs once for each worker. The name
    /// stands in dead letters, and in the name of the changelog.
    #[must_use]
    pub fn stateful<O: StatefulOperator + 'static>(
        self,
        name: &'static str,
        make: impl Fn(&OutputTopics) -> O + Send + Sync + 'static,
    ) -> StatefulBuilder<O> {
        StatefulBuilder {
            name: self.name,
            source: self.source,
            dedupe: self.dedupe,
            stage: name,
            operator: Arc::new(make),
            topics: OutputTopics::default(),
            state: StateSettings::default(),
        }
    }
}

impl<O: StatefulOperator + 'static> StatefulBuilder<O> {
    /// Adds a topic of the same cluster, which the operator finds by its name. It must exist, or be made by
    /// [`Flow::make_missing`].
    #[must_use]
    pub fn topic(mut self, name: &'static str, topic: &str) -> Self {
        self.topics.0.push((name, topic.into()));
        self
    }

    /// How state is kept.
    #[must_use]
    pub fn state(mut self, settings: &StateSettings) -> Self {
        self.state = settings.clone();
        self
    }

    /// Where records go that can't be processed.
    #[must_use]
    pub fn dead_letters(self, dead_letters: DeadLetters) -> AlmostStateful<O> {
        AlmostStateful { flow: self, dead_letters }
    }
}

impl<O: StatefulOperator + 'static> AlmostStateful<O> {
    /// What the flow promises.
    ///
    /// # Panics
    /// When the operator asks for a topic that the flow does not have.
    #[must_use]
    pub fn guarantee(self, ExactlyOnce(transactions): ExactlyOnce) -> Flow {
        let Self { flow, dead_letters } = self;
        // Made once for nothing, so that a topic that the operator misses is missed now.
        drop((flow.operator)(&flow.topics));
        let StatefulBuilder { name, source, dedupe, stage, operator, topics, state } = flow;
        let nameless = format!("{:016x}", fastrand::u64(..));
        let snapshots = std::sync::OnceLock::new();
        let work = ExactlyOnceWork { operator, topics, state, transactions, nameless, snapshots };
        let (sinks, work, own) = (Sinks::default(), Arc::new(work), Own::default());
        let (commands, missing_topics) = (None, Vec::new());
        Flow { name, source, dedupe, stage, sinks, dead_letters, work, commands, missing_topics, own }
    }
}
