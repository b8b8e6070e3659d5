//! How a worker stops.

#![allow(clippy::panic, reason = "a test ends at the first surprise")]

use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::failure::Verdict;
use thalweg_core::flight::Flight;
use thalweg_core::operator::{Output, Step};
use thalweg_core::position::PartitionId;
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, SinkMachine, settle_rest};
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, CommitResult, PartitionName, Positions, Worker, WorkerSettings};

struct Swallow;

impl SinkMachine for Swallow {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        settle_rest(flight, &Verdict::Done);
        Next::Settled
    }

    fn resume(&mut self, _lane: LaneId, _flight: &mut Flight, _reply: Reply) -> Next {
        Next::Settled
    }
}

impl DeadLetterSink for Swallow {
    fn encode(&self, _letter: &DeadLetter<'_>, _into: &mut Vec<u8>) -> Domain {
        Domain(0)
    }
}

type Operator = fn(&Record<'_>, &mut Output<'_>) -> Step;

fn at(uptime_ms: u64) -> Now {
    Now { uptime_ms, unix_ms: uptime_ms.cast_signed() }
}

/// A worker that has read one record, filtered it, and asked for its first commit.
fn committing() -> Worker<Operator> {
    let letters = (Box::new(Swallow) as _, SinkSettings::default());
    let operator: Operator = |_, _| Step::Filtered("by the test");
    let mut worker = Worker::new(WorkerSettings::default(), operator, Vec::new(), letters, 0, Sound);
    let partition = PartitionId(0);
    worker.assigned(vec![(partition, PartitionName { topic: "t".into(), number: 0 })], at(1));
    let Some(Command::FetchPositions { fetch, .. }) = worker.poll() else {
        panic!("positions are asked for")
    };
    worker.positioned(fetch, vec![Positions { partition, committed: None, low: 0, high: 1 }], at(1));
    let Some(Command::Read(starts)) = worker.poll() else { panic!("the partition is read") };
    let mut batch = Batch::new(partition, starts[0].epoch);
    batch.push(0, -1, None, Some(b"v"), &[]);
    worker.batch(batch, at(2));
    assert!(matches!(worker.poll(), Some(Command::Commit(_))));
    worker
}

#[test]
fn a_stop_is_not_clean_until_what_was_done_is_committed() {
    let mut worker = committing();
    worker.stop(at(10), 1_000);
    worker.committed(CommitResult::Failed("timed out".to_owned()), at(20));
    assert!(matches!(worker.poll(), Some(Command::Warn(_))));
    assert!(matches!(worker.poll(), Some(Command::Commit(_))), "there is time for another");
    worker.committed(CommitResult::Done, at(30));
    assert!(matches!(worker.poll(), Some(Command::Stopped { clean: true })));
}

#[test]
fn a_commit_that_fails_past_the_deadline_is_the_last() {
    let mut worker = committing();
    worker.stop(at(10), 1_000);
    worker.committed(CommitResult::Failed("timed out".to_owned()), at(2_500));
    assert!(matches!(worker.poll(), Some(Command::Warn(_))));
    let last = worker.poll();
    assert!(matches!(last, Some(Command::Stopped { clean: false })), "{last:?}");
}
