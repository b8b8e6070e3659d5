//! Where a worker begins to read: what it believes of what it is told, and when it refuses to go on.

#![allow(clippy::panic, reason = "a test ends at the first surprise")]

use thalweg_core::SinkSettings;
use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::failure::Verdict;
use thalweg_core::flight::Flight;
use thalweg_core::operator::{Output, Step};
use thalweg_core::position::PartitionId;
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, SinkMachine, settle_rest};
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, FetchId, PartitionName, Positions, Worker, WorkerSettings};

const NOW: Now = Now { uptime_ms: 1, unix_ms: 1 };

/// Partitions of topic `t`, by their number.
const PARTITIONS: [PartitionId; 2] = [PartitionId(0), PartitionId(1)];

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

struct Scene {
    worker: Worker<Operator>,
}

/// What a worker said when it was told positions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Partition and first offset of each that it begins to read.
    reads: Vec<(u32, i64)>,
    warnings: Vec<String>,
    failures: Vec<String>,
}

impl Scene {
    fn new(accept_lost_offsets: bool) -> Self {
        let settings = WorkerSettings { accept_lost_offsets, ..WorkerSettings::default() };
        let letters = (Box::new(Swallow) as _, SinkSettings::default());
        let operator: Operator = |_, _| Step::Done;
        Self { worker: Worker::new(settings, operator, Vec::new(), letters, 0, Sound) }
    }

    /// The group gives partitions: which question is asked.
    fn assigned(&mut self, partitions: &[PartitionId]) -> FetchId {
        let named = |id: &PartitionId| (*id, PartitionName { topic: "t".into(), number: id.0 as i32 });
        self.worker.assigned(partitions.iter().map(named).collect(), NOW);
        match self.worker.poll() {
            Some(Command::FetchPositions { fetch, partitions: asked }) if asked == partitions => fetch,
            command => panic!("expected a question for {partitions:?}, got {command:?}"),
        }
    }

    fn revoked(&mut self, partition: PartitionId) {
        self.worker.revoked(vec![partition], NOW);
        let command = self.worker.poll();
        assert!(matches!(&command, Some(Command::Release(ids)) if *ids == [partition]), "{command:?}");
    }

    /// The answer: each partition's committed offset with its metadata, in a log of the offsets 100 to 199.
    fn told(&mut self, fetch: FetchId, found: &[(PartitionId, i64, &str)]) -> Said {
        let position = |(partition, offset, metadata): &(PartitionId, i64, &str)| {
            let committed = Some((*offset, (*metadata).to_owned()));
            Positions { partition: *partition, committed, low: 100, high: 200 }
        };
        self.worker.positioned(fetch, found.iter().map(position).collect(), NOW);
        let mut said = Said::default();
        while let Some(command) = self.worker.poll() {
            match command {
                Command::Read(starts) => {
                    said.reads.extend(starts.iter().map(|start| (start.partition.0, start.offset)));
                }
                Command::Warn(warning) => said.warnings.push(warning),
                Command::Fail(error) => said.failures.push(error.to_string()),
                // Where it begins now is above what was committed.
                Command::Commit(_) => {}
                command => panic!("unexpected: {command:?}"),
            }
        }
        said
    }
}

fn reads(reads: &[(u32, i64)]) -> Said {
    Said { reads: reads.to_vec(), ..Said::default() }
}

#[test]
fn only_the_answer_to_the_latest_question_is_believed() {
    let mut scene = Scene::new(false);
    let [zero, one] = PARTITIONS;
    let first = scene.assigned(&PARTITIONS);
    scene.revoked(zero);
    let second = scene.assigned(&[zero]);
    assert_ne!(first, second);
    // Partition 1 was asked for once; of partition 0 somebody else has committed more meanwhile.
    let late = scene.told(first, &[(zero, 110, ""), (one, 120, "")]);
    assert_eq!(late, reads(&[(1, 120)]));
    assert_eq!(scene.told(second, &[(zero, 150, "")]), reads(&[(0, 150)]));
    assert_eq!(scene.told(second, &[(zero, 150, "")]), Said::default(), "an answer counts once");
}

#[test]
fn an_answer_after_the_partition_was_taken_away_begins_nothing() {
    let mut scene = Scene::new(false);
    let fetch = scene.assigned(&PARTITIONS[..1]);
    scene.revoked(PARTITIONS[0]);
    assert_eq!(scene.told(fetch, &[(PARTITIONS[0], 110, "")]), Said::default());
    assert_eq!(scene.worker.progress().count(), 0);
}

#[test]
fn a_partition_that_is_out_of_range_is_asked_for_anew() {
    let mut scene = Scene::new(true);
    let fetch = scene.assigned(&PARTITIONS[..1]);
    assert_eq!(scene.told(fetch, &[(PARTITIONS[0], 110, "")]), reads(&[(0, 110)]));
    scene.worker.out_of_range(PARTITIONS[0], NOW);
    let Some(Command::FetchPositions { fetch: again, .. }) = scene.worker.poll() else {
        panic!("not asked for")
    };
    assert_eq!(scene.told(fetch, &[(PARTITIONS[0], 110, "")]), Said::default());
    assert_eq!(scene.told(again, &[(PARTITIONS[0], 120, "")]), reads(&[(0, 120)]));
}

#[test]
fn offsets_that_retention_removed_stop_the_flow_or_are_passed_over_with_a_warning() {
    let found = [(PARTITIONS[0], 90, ""), (PARTITIONS[1], 100, "")];
    let mut scene = Scene::new(false);
    let fetch = scene.assigned(&PARTITIONS);
    let said = scene.told(fetch, &found);
    assert_eq!((said.reads, said.warnings.len()), (vec![(1, 100)], 0));
    let failure = said.failures.join("; ");
    assert!(failure.starts_with("offsets 90 to 99 of t/0 were removed"), "{failure}");

    let mut scene = Scene::new(true);
    let fetch = scene.assigned(&PARTITIONS);
    let said = scene.told(fetch, &found);
    assert_eq!((said.reads, said.failures.len()), (vec![(0, 100), (1, 100)], 0));
    let warning = said.warnings.join("; ");
    assert!(warning.contains("t/0: offsets 90 to 99 were lost"), "{warning}");
}

#[test]
fn metadata_that_can_t_be_read_is_ignored_with_a_warning() {
    for metadata in ["{\"by\":\"somebody else\"}", "t2;f=bAQ", "t1;f=r!", "t1;f=x", "t1;f=b_"] {
        let mut scene = Scene::new(false);
        let fetch = scene.assigned(&PARTITIONS[..1]);
        let said = scene.told(fetch, &[(PARTITIONS[0], 110, metadata)]);
        assert_eq!(said.reads, [(0, 110)]);
        let warning = said.warnings.join("; ");
        assert!(warning.contains("above offset 110 is done again"), "{metadata}: {warning}");
    }
}
