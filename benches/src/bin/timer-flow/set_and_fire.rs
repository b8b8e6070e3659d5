//! The operator.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thalweg::flow::{Outgoing, OutputTopic};
use thalweg::kafka::Headers;
use thalweg::state::{Table, Timers};
use thalweg::{DueNow, Reason, Record, Run, StatefulOperator, Step};
use thalweg_benches::timed::{Fired, Wanted};

/// Of the record's key.
const TIMERS: Timers<Due> = Timers::new();

/// By the record's key; only where rows are wanted.
const ROWS: Table<[u8], u64> = Table::new(1);

/// What a timer carries: its own state.
#[derive(Debug, Serialize, Deserialize)]
struct Due {
    number: u64,
}

/// See the module's text.
pub(crate) struct SetAndFire {
    pub(crate) fired: OutputTopic,
    pub(crate) rows: bool,
}

impl StatefulOperator for SetAndFire {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let (Some(key), Some(wanted)) = (record.key, record.value.and_then(Wanted::decode)) else {
            return Step::Rejected(Reason::new("undecodable", "neither sets nor cancels a timer"));
        };
        match wanted {
            Wanted::Set { number, deadline_ms } => {
                TIMERS.set(run, &Due { number }, deadline_ms);
                if self.rows {
                    ROWS.put(run, key, &number);
                }
            }
            Wanted::Cancel { number } => {
                TIMERS.cancel(run, &Due { number });
                if self.rows {
                    ROWS.delete(run, key);
                }
            }
        }
        Step::Done
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let Some(Due { number }) = TIMERS.due(run, timer) else { return };
        let key = timer.timer.key;
        if self.rows {
            ROWS.delete(run, key);
        }
        // Not the worker's time, which is that of its turn: this is what lateness is measured by.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ran_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let fired = Fired { number, deadline_ms: timer.deadline_ms, ran_us }.encode();
        let record = Outgoing { key: Some(key), value: Some(&fired), headers: Headers::default() };
        self.fired.send(run, record);
    }
}
