//! Bridges: from another service's topic to an inbox, so that one writer sees everything about a ticket in one order.

use thalweg::flow::{Outgoing, OutputTopic};
use thalweg::{DueNow, Record, Run, StatefulOperator, Step};

use crate::events::{Event, Unreadable, read};

/// Takes over what concerns a service, as it is.
#[derive(Debug)]
pub struct Bridge {
    inbox: OutputTopic,
    concerns: fn(&Event) -> bool,
}

impl Bridge {
    /// Into that inbox, what concerns it.
    #[must_use]
    pub fn new(inbox: OutputTopic, concerns: fn(&Event) -> bool) -> Self {
        Self { inbox, concerns }
    }
}

impl StatefulOperator for Bridge {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        match read(record.key, record.value) {
            Ok(event) if (self.concerns)(&event) => {
                let Record { key, value, headers, .. } = *record;
                self.inbox.send(run, Outgoing { key, value, headers });
                Step::Done
            }
            Ok(_) => Step::Filtered("does not concern the service"),
            Err(Unreadable::Unknown) => Step::Filtered("unknown type"),
            Err(Unreadable::Rejected(reason)) => Step::Rejected(reason),
        }
    }

    fn due(&mut self, _timer: DueNow<'_>, _run: &mut Run<'_>) {
        unreachable!("bridges set no timers")
    }
}
