//! The flow.

use thalweg::commands::{Answer, Commands, Replies};
use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, Source};
use thalweg::views::View;

use crate::counter::{Counter, Standing};
use crate::requests;
use crate::settings::Settings;

/// Requests into a topic, by the counter's name; its count in a table; the new count as the answer, and on a topic that
/// every instance shows.
#[must_use]
pub fn flow(settings: &Settings) -> Flow {
    let commands = settings.commands.clone();
    let counters = View::<Standing>::json(&settings.topics.view, &settings.views);
    Flow::named("counters")
        .source(Source::topic(&settings.topics.source).settings(&settings.kafka))
        .stateful("counter", move |topics| Counter {
            view: topics.find("view"),
            replies: Replies::to(topics.find("replies"), &commands),
        })
        .topic("view", &settings.topics.view)
        .topic("replies", &settings.commands.replies_topic)
        .state(&settings.state)
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&settings.transactions))
        .commands(
            Commands::with(&settings.commands)
                .post("/counters/{name}", requests::raise)
                .get_from(&counters, "/counters/{name}", requests::counter)
                .get_from(&counters, "/counters", requests::counters)
                .get("/me", |request| Answer::json(request.user))
                .get_open("/limits", |_| Answer::json(&requests::LIMITS)),
        )
}
