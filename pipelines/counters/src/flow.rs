//! The flow.

use thalweg::commands::{Answer, Commands, Replies};
use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, Source};

use crate::counter::Counter;
use crate::requests;
use crate::settings::Settings;

/// Requests into a topic, by the counter's name; its count in a table; the new count as the answer.
#[must_use]
pub fn flow(settings: &Settings) -> Flow {
    let commands = settings.commands.clone();
    Flow::named("counters")
        .source(Source::topic(&settings.topics.source).settings(&settings.kafka))
        .stateful("counter", move |topics| Counter {
            replies: Replies::to(topics.find("replies"), &commands),
        })
        .topic("replies", &settings.commands.replies_topic)
        .state(&settings.state)
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&settings.transactions))
        .commands(
            Commands::with(&settings.commands)
                .post("/counters/{name}", requests::raise)
                .get("/me", |request| Answer::json(request.user))
                .get_open("/limits", |_| Answer::json(&requests::LIMITS)),
        )
}
