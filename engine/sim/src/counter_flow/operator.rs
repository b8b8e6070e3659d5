//! What would run in production.

use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::exactly_once::{DueNow, Run, StatefulOperator};
use thalweg_core::failure::Reason;
use thalweg_core::headers::Headers;
use thalweg_core::operator::Step;
use thalweg_core::record::Record;
use thalweg_core::sink::SinkHandle;
use thalweg_core::state::TableId;

use super::{AGAIN, AGAIN_AFTER_MS, COUNTS};

/// Records of a key since it was reset, as 8 bytes.
const RECORDS: TableId = TableId(0);

/// Timers of a key that have fired, as 8 bytes.
const FIRED: TableId = TableId(1);

/// What a row of this many bytes takes is beyond every limit on rows.
const LARGE_BYTES: usize = 5_000;

/// See the flow's text.
#[derive(Debug)]
pub(crate) struct CounterOperator {
    sink: SinkHandle<KafkaSink>,
}

impl CounterOperator {
    pub(crate) fn new(sink: SinkHandle<KafkaSink>) -> Self {
        Self { sink }
    }

    fn send(&self, run: &mut Run<'_>, key: &[u8], line: &str) {
        let (topic, value) = (COUNTS, Some(line.as_bytes()));
        let headers = Headers::new(&[]);
        run.send(self.sink, Produce { topic, partition: None, key: Some(key), value, headers });
    }
}

fn raise(run: &mut Run<'_>, table: TableId, key: &[u8]) -> u64 {
    let row = run.state.get(table, key).and_then(|row| row.try_into().ok());
    let count = row.map_or(0, u64::from_le_bytes) + 1;
    run.state.put(table, key, &count.to_le_bytes());
    count
}

impl StatefulOperator for CounterOperator {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let Some(key) = record.key else { return Step::Rejected(Reason::new("no_key", "")) };
        let value = std::str::from_utf8(record.value.unwrap_or_default()).unwrap_or_default();
        let mut words = value.split(' ');
        // Written before it is known whether the record counts: what is rejected or filtered must leave nothing.
        let mut count = raise(run, RECORDS, key);
        let verb = words.next().unwrap_or_default();
        match (verb, words.next(), words.next().and_then(|deadline| deadline.parse().ok())) {
            ("add", None, None) => {}
            ("set", Some(id), Some(deadline_ms)) => run.state.set_timer(id.as_bytes(), deadline_ms),
            ("cancel", Some(id), None) => run.state.cancel_timer(id.as_bytes()),
            ("reset", None, None) => {
                run.state.delete(RECORDS, key);
                count = 0;
            }
            ("large", None, None) => run.state.put(RECORDS, key, &[0; LARGE_BYTES]),
            _ => {}
        }
        let (partition, offset) = (record.position.partition.0, record.position.offset);
        self.send(run, key, &format!("record {partition} {offset} {count}"));
        match verb {
            "add" | "set" | "cancel" | "reset" | "large" => Step::Done,
            "ignore" => Step::Filtered("of no interest"),
            _ => Step::Rejected(Reason::new("no_command", value.to_owned())),
        }
    }

    fn due(&mut self, due: DueNow<'_>, run: &mut Run<'_>) {
        let (key, deadline_ms) = (due.timer.key, due.deadline_ms);
        let id = String::from_utf8_lossy(due.timer.id).into_owned();
        let left = id.strip_prefix(AGAIN).and_then(|left| left.parse::<u32>().ok());
        if let Some(left) = left.filter(|left| *left > 0) {
            let next = format!("{AGAIN}{}", left - 1);
            run.state.set_timer(next.as_bytes(), deadline_ms + AGAIN_AFTER_MS);
        }
        let fired = raise(run, FIRED, key);
        self.send(run, key, &format!("timer {id} {deadline_ms} {fired}"));
    }
}
