//! The operator: copies a record, and counts it for its key.

use thalweg::flow::{Outgoing, OutputTopic};
use thalweg::kafka::Headers;
use thalweg::state::Table;
use thalweg::{DueNow, Reason, Record, Run, StatefulOperator, Step};

/// How many records each key has had.
pub const COUNTS: Table<[u8], u64> = Table::new(1);

/// See the module's text.
#[derive(Debug)]
pub struct CopyAndCount {
    /// Where the copies go.
    pub copies: OutputTopic,
    /// Where a key's count goes, in decimal, each time it changes.
    pub counts: OutputTopic,
}

impl StatefulOperator for CopyAndCount {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let Some(key) = record.key else {
            return Step::Rejected(Reason::new("missing_key", "the record has no key to count it for"));
        };
        let count = COUNTS.get(run, key).unwrap_or(0) + 1;
        COUNTS.put(run, key, &count);
        self.copies.send(run, Outgoing { key: record.key, value: record.value, headers: record.headers });
        let text = count.to_string();
        let value = Some(text.as_bytes());
        self.counts.send(run, Outgoing { key: record.key, value, headers: Headers::default() });
        Step::Done
    }

    fn due(&mut self, _timer: DueNow<'_>, _run: &mut Run<'_>) {
        unreachable!("this flow sets no timer")
    }
}
