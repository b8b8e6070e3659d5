//! The flow of the benchmark `timers`, as a user writes it: each record sets or cancels the timer of its key, and each
//! timer that is due writes a record that says when it ran.

mod set_and_fire;
mod settings;

use std::process::ExitCode;

use set_and_fire::SetAndFire;
use settings::Settings;
use thalweg::Program;
use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, Source};

fn flow(settings: &Settings) -> Flow {
    let rows = settings.timers.rows;
    Flow::named("timers")
        .source(Source::topic(&settings.timers.wanted).settings(&settings.kafka))
        .stateful("set_and_fire", move |topics| SetAndFire { fired: topics.find("fired"), rows })
        .topic("fired", &settings.timers.fired)
        .state(&settings.state)
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&settings.transactions))
}

fn main() -> ExitCode {
    let program = Program { name: "timer-flow", about: "The flow of the benchmark timers.", variables: &[] };
    program.run(flow)
}
