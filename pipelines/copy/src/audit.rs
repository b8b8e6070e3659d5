//! The second flow of `copy-and-audit`: looks at every count that the first one has written.

use serde::{Deserialize, Serialize};
use thalweg::flow::{DeadLetters, Flow, Guarantee, Source};
use thalweg::kafka::KafkaSettings;
use thalweg::settings::{EngineSettings, FlowSettings, StateSettings, TransactionSettings};
use thalweg::{Output, Reason, Record, Step};

use crate::settings::{Settings, TopicSettings};

/// The settings of both flows: those of `copy`, and a section for the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditedSettings {
    /// As in [`Settings`], like the next ones.
    pub topics: TopicSettings,
    /// How Kafka is reached; the group is that of the copy.
    pub kafka: KafkaSettings,
    /// How the copy commits.
    pub transactions: TransactionSettings,
    /// How counts are kept.
    pub state: StateSettings,
    /// The other flow.
    pub audit: AuditSettings,
    /// How the engine runs both flows.
    pub engine: EngineSettings,
}

/// What the audit has for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// The group it reads the counts as.
    pub group: String,
    /// How the engine runs it, where that differs from `[engine]`.
    pub engine: FlowSettings,
}

impl Default for AuditSettings {
    fn default() -> Self {
        let engine = FlowSettings { commit_interval_ms: Some(1_000), ..FlowSettings::default() };
        Self { group: "copy-audit".to_owned(), engine }
    }
}

impl Default for AuditedSettings {
    fn default() -> Self {
        let Settings { topics, kafka, transactions, state, engine } = Settings::default();
        Self { topics, kafka, transactions, state, audit: AuditSettings::default(), engine }
    }
}

impl thalweg::Settings for AuditedSettings {
    fn engine(&self) -> &EngineSettings {
        &self.engine
    }
}

/// Both flows, in one program: an exactly-once and an at-least-once one.
#[must_use]
pub fn copy_and_audit(settings: &AuditedSettings) -> Vec<Flow> {
    let AuditedSettings { topics, kafka, transactions, state, engine, .. } = settings.clone();
    vec![crate::flow(&Settings { topics, kafka, transactions, state, engine }), audit(settings)]
}

/// Every count must be a number; what is none becomes a dead letter.
fn audit(settings: &AuditedSettings) -> Flow {
    let AuditSettings { group, engine } = &settings.audit;
    Flow::named("audit")
        .source(Source::topic(&settings.topics.counts).settings(&settings.kafka).group("audit.group", group))
        .operator("look", |_sinks| look)
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(Guarantee::AtLeastOnce)
        .own_settings("audit.engine", engine)
}

fn look(record: &Record<'_>, _out: &mut Output<'_>) -> Step {
    let number = record.value.and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
    match number {
        Some(_) => Step::Filtered("a count"),
        None => Step::Rejected(Reason::new("not_a_count", "the value is not a whole number")),
    }
}
