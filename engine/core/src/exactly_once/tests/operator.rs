//! An operator that counts, sets timers, and writes down what it does.

use crate::dead_letter::{DeadLetter, DeadLetterSink};
use crate::exactly_once::{DueNow, Run, StatefulOperator, TransactionalSink};
use crate::failure::{Reason, Verdict};
use crate::flight::Flight;
use crate::operator::Step;
use crate::record::Record;
use crate::sink::{Domain, LaneId, Next, Reply, Sink, SinkHandle, SinkMachine, settle_rest};
use crate::state::TableId;

const RECORDS: TableId = TableId(0);
const TIMERS: TableId = TableId(1);

/// What becomes of a record with that value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counted,
    /// Counted, and a timer is set for so many ms later.
    Timed(i64),
    Filtered,
    Rejected,
}

pub(super) fn kind(value: u8) -> Kind {
    match value % 8 {
        0 => Kind::Filtered,
        1 => Kind::Rejected,
        2..=4 => Kind::Timed(i64::from(value) * 20),
        _ => Kind::Counted,
    }
}

/// A line of output, as its words.
pub(super) fn words(line: &[u8]) -> Vec<i64> {
    let line = std::str::from_utf8(line).expect("lines are text");
    line.split(' ').skip(1).map(|word| word.parse().expect("words are numbers")).collect()
}

#[derive(Debug)]
pub(super) struct Topic;

impl SinkMachine for Topic {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        settle_rest(flight, &Verdict::Done);
        Next::Settled
    }

    fn resume(&mut self, _lane: LaneId, _flight: &mut Flight, _reply: Reply) -> Next {
        Next::Settled
    }
}

impl Sink for Topic {
    type Effect<'e> = &'e str;

    fn encode(effect: &str, into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(effect.as_bytes());
        Domain(0)
    }
}

impl TransactionalSink for Topic {}

impl DeadLetterSink for Topic {
    fn encode(&self, letter: &DeadLetter<'_>, into: &mut Vec<u8>) -> Domain {
        let position = letter.record.position;
        into.extend_from_slice(format!("letter {} {}", position.partition.0, position.offset).as_bytes());
        Domain(0)
    }
}

pub(super) struct Counting(pub(super) SinkHandle<Topic>);

fn raise(run: &mut Run<'_>, table: TableId, key: &[u8]) -> u8 {
    let count = run.state.get(table, key).map_or(0, |value| value[0]) + 1;
    run.state.put(table, key, &[count]);
    count
}

impl StatefulOperator for Counting {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default()[0]);
        let (partition, offset) = (record.position.partition.0, record.position.offset);
        let count = raise(run, RECORDS, key);
        let kind = kind(value);
        let mut deadline_ms = 0;
        if let Kind::Timed(later_ms) = kind {
            deadline_ms = run.now_ms() + later_ms;
            run.state.set_timer(&offset.to_le_bytes(), deadline_ms);
        } else {
            run.state.set_timer(b"never", 0);
            run.state.cancel_timer(b"never");
        }
        run.send(self.0, &format!("record {partition} {offset} {} {count} {deadline_ms}", key[0]));
        match kind {
            Kind::Filtered => Step::Filtered("of no interest"),
            Kind::Rejected => Step::Rejected(Reason::new("odd", "")),
            _ => Step::Done,
        }
    }

    fn due(&mut self, due: DueNow<'_>, run: &mut Run<'_>) {
        let key = due.timer.key;
        let offset = i64::from_le_bytes(due.timer.id.try_into().expect("ids are offsets"));
        let count = raise(run, TIMERS, key);
        let line = format!("timer {} {offset} {} {} {count}", key[0], due.deadline_ms, run.now_ms());
        run.send(self.0, &line);
    }
}
