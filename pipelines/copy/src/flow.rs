//! The flow.

use thalweg::flow::{DeadLetters, Dedupe, ExactlyOnce, Flow, Source};

use crate::copy_and_count::CopyAndCount;
use crate::settings::Settings;

/// A topic's records, deduplicated by their id, to another topic, with a count for each key: exactly once.
#[must_use]
pub fn flow(settings: &Settings) -> Flow {
    Flow::named("copy")
        .source(Source::topic(&settings.topics.source).settings(&settings.kafka))
        .dedupe(Dedupe::by_header("message-id").window(settings.topics.dedupe_window))
        .stateful("copy_and_count", |topics| CopyAndCount {
            copies: topics.find("copies"),
            counts: topics.find("counts"),
        })
        .topic("copies", &settings.topics.copies)
        .topic("counts", &settings.topics.counts)
        .state(&settings.state)
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&settings.transactions))
}
