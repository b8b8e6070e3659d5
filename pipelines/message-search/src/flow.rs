//! The flow.

use thalweg::elasticsearch::Documents;
use thalweg::flow::{DeadLetters, Dedupe, Flow, Guarantee, Source};

use crate::index_messages::IndexMessages;
use crate::settings::Settings;

/// What a message looks like in the index.
const FIELDS: &str = r#"{
    "id":             {"type": "keyword"},
    "conversationId": {"type": "keyword"},
    "senderId":       {"type": "keyword"},
    "tenantId":       {"type": "keyword"},
    "content":        {"type": "text"},
    "timestamp":      {"type": "date"},
    "metadata":       {"type": "flattened"}
}"#;

/// Message events, deduplicated by their event id, into the index that readers search.
#[must_use]
pub fn flow(settings: &Settings) -> Flow {
    Flow::named("message-search")
        .source(Source::topic(&settings.source.topic).settings(&settings.kafka))
        .dedupe(Dedupe::by_header("message-id").window(settings.dedupe.window))
        .operator("index_messages", |sinks| IndexMessages { documents: sinks.find("documents") })
        .sink("documents", Documents::behind_alias(&settings.elasticsearch, FIELDS))
        .dead_letters(
            DeadLetters::beside_the_topic()
                .topic(&settings.dead_letters.topic)
                .retention_ms(settings.dead_letters.retention_ms),
        )
        .guarantee(Guarantee::AtLeastOnce)
}
