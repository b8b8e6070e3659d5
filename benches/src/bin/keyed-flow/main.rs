//! The engine's arms of the workloads `counting` and `waiting`: flows as a user writes them, which end themselves after
//! so many records and report as every arm does.
//!
//! Started by `thalweg-benches keyed-flow`, which turns the command line of arms into settings.

mod counting;
mod end;
mod settings;
mod waiting;

use std::io::Write as _;
use std::process::ExitCode;

use settings::{Settings, Workload};
use thalweg::flow::{DeadLetters, Flow, Guarantee, Source};
use thalweg::{Operator, Output, Program, Record, Step};

/// Whichever of the two the settings ask for. One type, so that there is one flow; the branch is always the same.
enum Either {
    Counting(counting::Count),
    Waiting(waiting::Send),
}

impl Operator for Either {
    #[inline]
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        match self {
            Self::Counting(count) => count.process(record, out),
            Self::Waiting(send) => send.process(record, out),
        }
    }
}

fn flow(settings: &Settings) -> Flow {
    let (workload, records) = (settings.arm.workload, settings.arm.records);
    Flow::named("keyed")
        .source(Source::topic(&settings.arm.topic).settings(&settings.kafka))
        .sink("waits", waiting::Waits { records, lanes: settings.arm.lanes, flight: settings.arm.flight })
        .operator("keyed", move |sinks| match workload {
            Workload::Counting => Either::Counting(counting::Count::up_to(records)),
            Workload::Waiting => Either::Waiting(waiting::Send { waits: sinks.find("waits") }),
        })
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(Guarantee::AtLeastOnce)
}

fn main() -> ExitCode {
    let program = Program {
        name: "keyed-flow",
        about: "An arm of the workloads counting and waiting.",
        variables: &[],
    };
    let code = program.run(flow);
    if let Some(finished) = end::finished() {
        // Who does not read it sees that it is missing.
        let _ = writeln!(std::io::stdout(), "{finished}");
    }
    code
}
