//! Being a member of a group on the real cluster: hand-over while the group waits, loss, static membership.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kafka_cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafka_cluster::{PATIENCE, TestWorker, create_topic, settings, unique, write};
use thalweg_connectors::kafka::event::{CommitOutcome, SourceEvent};
use thalweg_connectors::kafka::settings::{Assignment, GroupProtocol, KafkaSettings};
use thalweg_core::position::{Epoch, PartitionId};

const PARTITIONS: i32 = 4;
const RECORDS_PER_PARTITION: u64 = 500;

fn filled_topic(what: &str) -> String {
    let topic = unique(what);
    create_topic(&topic, PARTITIONS, &[]);
    let records = (0..RECORDS_PER_PARTITION * PARTITIONS as u64).map(|index| {
        let partition = (index % PARTITIONS as u64) as i32;
        (partition, Some(index.to_string().into_bytes()), Some(b"value".to_vec()), vec![])
    });
    write(&topic, "lz4", records);
    topic
}

fn with(group: &str, protocol: GroupProtocol, assignment: Assignment) -> KafkaSettings {
    let mut settings = settings(group);
    settings.group.protocol = protocol;
    settings.group.assignment = assignment;
    settings
}

fn numbers(worker: &TestWorker, partitions: impl IntoIterator<Item = PartitionId>) -> BTreeSet<i32> {
    partitions.into_iter().map(|id| worker.source.partitions().name(id).unwrap().1).collect()
}

fn owned(worker: &TestWorker) -> BTreeSet<i32> {
    numbers(worker, worker.owned.iter().copied())
}

fn revoked(worker: &TestWorker) -> Option<Vec<PartitionId>> {
    worker.event(|event| match event {
        SourceEvent::Revoked(partitions) => Some(partitions.clone()),
        _ => None,
    })
}

fn commit_outcome(worker: &TestWorker) -> Option<CommitOutcome> {
    worker.event(|event| match event {
        SourceEvent::Committed { outcome, .. } => Some(outcome.clone()),
        _ => None,
    })
}

/// What the worker found committed, by partition number.
fn found_committed(worker: &TestWorker) -> BTreeMap<i32, (i64, String)> {
    let mut found = BTreeMap::new();
    for event in &worker.events {
        let SourceEvent::Positions { found: positions, .. } = event else { continue };
        for position in positions {
            let (_, number) = worker.source.partitions().name(position.partition).unwrap();
            found.extend(position.committed.clone().map(|committed| (number, committed)));
        }
    }
    found
}

/// The first worker is asked to give partitions up; it commits while the group waits; the second one finds that.
fn hand_over(protocol: GroupProtocol, assignment: Assignment) {
    let topic = filled_topic("handover");
    let settings = with(&unique("handover"), protocol, assignment);
    let mut first = TestWorker::join(&settings, &topic);
    let all = RECORDS_PER_PARTITION * PARTITIONS as u64;
    first.turn_until("records", |worker| worker.records == all);
    assert_eq!(owned(&first), BTreeSet::from([0, 1, 2, 3]));

    let mut second = TestWorker::join(&settings, &topic);
    first.turn_until("revocation", |worker| {
        second.turn(&mut |_| {});
        revoked(worker).is_some()
    });
    let given = revoked(&first).unwrap();
    let given_numbers = numbers(&first, given.iter().copied());

    // Held for a while: the other one must not get them, and commits are still taken.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        first.turn(&mut |_| {});
        second.turn(&mut |_| {});
    }
    assert!(owned(&second).is_disjoint(&given_numbers), "nobody owns what is held");
    let commits =
        given.iter().map(|id| (*id, first.next[id] - 100, format!("t1;held={}", id.0))).collect::<Vec<_>>();
    let expected: BTreeMap<i32, (i64, String)> = commits
        .iter()
        .map(|(id, offset, metadata)| {
            (first.source.partitions().name(*id).unwrap().1, (*offset, metadata.clone()))
        })
        .collect();
    first.source.commit(commits);
    first.turn_until("commit result", |worker| {
        second.turn(&mut |_| {});
        commit_outcome(worker).is_some()
    });
    assert_eq!(commit_outcome(&first), Some(CommitOutcome::Committed));
    assert!(owned(&second).is_disjoint(&given_numbers), "still held");

    // One by one: the answer goes out with the last.
    for id in &given {
        first.release(&[*id]);
    }
    second.turn_until("hand-over", |worker| {
        first.turn(&mut |_| {});
        owned(worker).len() == 2 && owned(&first).len() == 2
    });
    assert!(owned(&second).is_disjoint(&owned(&first)));
    let found = found_committed(&second);
    assert!(!found.is_empty());
    for (number, committed) in &found {
        assert_eq!(committed, &expected[number], "partition {number}");
    }
    // It begins where the commit says: 100 records of each.
    second.turn_until("the records after the commit", |worker| worker.records == 200);
    assert!(first.source.close(true).wait(PATIENCE));
    assert!(second.source.close(true).wait(PATIENCE));
}

#[test]
fn hand_over_with_the_classic_cooperative_protocol() {
    hand_over(GroupProtocol::Classic, Assignment::CooperativeSticky);
}

#[test]
fn hand_over_with_the_classic_eager_protocol() {
    hand_over(GroupProtocol::Classic, Assignment::Range);
}

#[test]
fn hand_over_with_the_consumer_protocol() {
    hand_over(GroupProtocol::Consumer, Assignment::CooperativeSticky);
}

/// A worker that is stuck loses its partitions; it is told, its late commit is refused, and it starts afresh.
#[test]
fn a_stuck_worker_loses_its_partitions() {
    let topic = filled_topic("loss");
    let mut settings = settings(&unique("loss"));
    settings.group.max_poll_interval_ms = 6_000;
    settings.group.session_timeout_ms = Some(6_000);
    let mut stuck = TestWorker::join(&settings, &topic);
    stuck.turn_until("assignment", |worker| worker.owned.len() == PARTITIONS as usize);
    let before: Vec<_> = stuck.owned.iter().copied().collect();
    // Not a wait for something: this is the worker being stuck.
    std::thread::sleep(Duration::from_secs(8));
    stuck.source.commit(vec![(before[0], 400, "late".to_owned())]);
    let lost = |event: &SourceEvent| match event {
        SourceEvent::Lost(partitions) => Some(partitions.len()),
        _ => None,
    };
    stuck.turn_until("loss", |worker| worker.event(lost).is_some() && commit_outcome(worker).is_some());
    assert_eq!(stuck.event(lost), Some(PARTITIONS as usize));
    assert!(matches!(commit_outcome(&stuck), Some(CommitOutcome::Fenced(_))), "{:?}", stuck.events);
    stuck.turn_until("all partitions again", |worker| worker.owned.len() == PARTITIONS as usize);
    assert!(stuck.source.close(true).wait(PATIENCE));
}

/// A started partition can be started again elsewhere, whichever protocol assigned it; the others go on.
#[test]
fn a_partition_is_started_again_elsewhere() {
    for (protocol, assignment) in [
        (GroupProtocol::Classic, Assignment::CooperativeSticky),
        (GroupProtocol::Classic, Assignment::Range),
        (GroupProtocol::Consumer, Assignment::CooperativeSticky),
    ] {
        let topic = filled_topic("again");
        let mut worker = TestWorker::join(&with(&unique("again"), protocol, assignment), &topic);
        // One of them begins where there is nothing.
        worker.begin.insert(PartitionId(1), 9_000);
        worker.turn_until("out-of-range event", |worker| {
            let told =
                |event: &SourceEvent| matches!(event, SourceEvent::OffsetOutOfRange { .. }).then_some(());
            worker.event(told).is_some() && worker.records == 3 * RECORDS_PER_PARTITION
        });
        worker.source.start(&[(PartitionId(1), Epoch(100), 10), (PartitionId(2), Epoch(101), 400)]);
        let again = 490 + 100;
        let mut read = Vec::new();
        let begun = Instant::now();
        while read.len() < again {
            assert!(begun.elapsed() < PATIENCE, "{} of {again}; {:?}", read.len(), worker.events);
            worker.turn(&mut |batch| read.extend((0..batch.len()).map(|index| batch.record(index).position)));
        }
        for (partition, epoch, first) in [(PartitionId(1), Epoch(100), 10), (PartitionId(2), Epoch(101), 400)]
        {
            let offsets: Vec<_> = read.iter().filter(|position| position.partition == partition).collect();
            assert!(offsets.iter().all(|position| position.epoch == epoch), "{protocol:?} {assignment:?}");
            assert!(
                offsets.iter().map(|position| position.offset).eq(first..500),
                "{protocol:?} {assignment:?}"
            );
        }
        assert!(worker.source.close(true).wait(PATIENCE));
    }
}

fn member(settings: &KafkaSettings, instance: &str) -> KafkaSettings {
    let mut settings = settings.clone();
    settings.group.instance_id = Some(instance.to_owned());
    settings
}

fn settle(first: &mut TestWorker, second: &mut TestWorker) {
    first.turn_until("a settled group", |worker| {
        second.turn(&mut |_| {});
        for worker in [&mut *worker, &mut *second] {
            if let Some(partitions) = revoked(worker) {
                worker.events.retain(|event| !matches!(event, SourceEvent::Revoked(_)));
                worker.release(&partitions);
            }
        }
        worker.owned.len() == 2 && second.owned.len() == 2
    });
}

/// A static member that comes back finds its partitions waiting; the others notice nothing.
fn comes_back(protocol: GroupProtocol) {
    let topic = filled_topic("static");
    let settings = with(&unique("static"), protocol, Assignment::CooperativeSticky);
    let mut stays = TestWorker::join(&member(&settings, "stays"), &topic);
    let mut crashes = TestWorker::join(&member(&settings, "crashes"), &topic);
    settle(&mut stays, &mut crashes);
    let had = owned(&crashes);
    stays.events.clear();

    assert!(crashes.source.close(false).wait(PATIENCE));
    let begun = Instant::now();
    let mut back = TestWorker::join(&member(&settings, "crashes"), &topic);
    back.turn_until("its partitions", |worker| {
        stays.turn(&mut |_| {});
        worker.owned.len() == 2
    });
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    assert_eq!(owned(&back), had);
    assert_eq!(stays.events, [], "the other one kept reading");
    assert!(back.source.close(true).wait(PATIENCE));
    assert!(stays.source.close(true).wait(PATIENCE));
}

#[test]
fn a_static_member_comes_back_to_its_partitions_with_the_classic_protocol() {
    comes_back(GroupProtocol::Classic);
}

#[test]
fn a_static_member_comes_back_to_its_partitions_with_the_consumer_protocol() {
    comes_back(GroupProtocol::Consumer);
}

/// A static member is killed after it was told to give partitions up, and before it has joined again without them.
#[test]
fn what_a_killed_member_was_giving_up_is_not_left_to_nobody() {
    let topic = filled_topic("orphans");
    let settings = with(&unique("orphans"), GroupProtocol::Classic, Assignment::CooperativeSticky);
    let mut killed = TestWorker::join(&member(&settings, "killed"), &topic);
    killed.turn_until("all partitions", |worker| worker.owned.len() == PARTITIONS as usize);
    let mut other = TestWorker::join(&member(&settings, "other"), &topic);
    killed.turn_until("a revocation", |worker| {
        other.turn(&mut |_| {});
        revoked(worker).is_some()
    });
    // As if killed: it answers nothing any more, and whoever comes under its name takes its place.
    let mut back = TestWorker::join(&member(&settings, "killed"), &topic);
    back.turn_until("an owner for every partition", |worker| {
        other.turn(&mut |_| {});
        owned(worker).union(&owned(&other)).count() == PARTITIONS as usize
    });
    assert!(owned(&back).is_disjoint(&owned(&other)));
    let told = |event: &SourceEvent| match event {
        SourceEvent::Warning(text) => text.contains("to nobody").then(|| text.clone()),
        _ => None,
    };
    assert!(back.event(told).is_some(), "{:?}", back.events);
    for worker in [back, other, killed] {
        assert!(worker.source.close(true).wait(PATIENCE));
    }
}

#[test]
fn a_static_member_that_leaves_is_not_waited_for() {
    let topic = filled_topic("leaves");
    let settings = with(&unique("leaves"), GroupProtocol::Classic, Assignment::CooperativeSticky);
    let mut stays = TestWorker::join(&member(&settings, "stays"), &topic);
    let mut leaves = TestWorker::join(&member(&settings, "leaves"), &topic);
    settle(&mut stays, &mut leaves);

    let begun = Instant::now();
    assert!(leaves.source.close(true).wait(PATIENCE));
    stays.turn_until("all partitions", |worker| worker.owned.len() == PARTITIONS as usize);
    // The session would last 45 seconds.
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    assert!(stays.source.close(true).wait(PATIENCE));
}

#[test]
fn closing_answers_a_rebalance_that_is_held() {
    let topic = filled_topic("closing");
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let settings = with(&unique("closing"), protocol, Assignment::CooperativeSticky);
        let mut first = TestWorker::join(&settings, &topic);
        first.turn_until("assignment", |worker| worker.owned.len() == PARTITIONS as usize);
        let mut second = TestWorker::join(&settings, &topic);
        first.turn_until("revocation", |worker| {
            second.turn(&mut |_| {});
            revoked(worker).is_some()
        });
        let begun = Instant::now();
        assert!(first.source.close(true).wait(Duration::from_secs(20)), "held revocation, {protocol:?}");
        second.turn_until("all partitions", |worker| worker.owned.len() == PARTITIONS as usize);
        assert!(begun.elapsed() < Duration::from_secs(20), "{protocol:?}: {:?}", begun.elapsed());
        assert!(second.source.close(true).wait(PATIENCE));

        // An assignment that was never answered.
        let mut third = TestWorker::join(&settings, &topic);
        let begun = Instant::now();
        loop {
            let events = third.source.poll_events();
            if events.iter().any(|event| matches!(event, SourceEvent::Assigned(ids) if !ids.is_empty())) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE);
            third.bell.wait(Duration::from_millis(50));
        }
        assert!(third.source.close(true).wait(Duration::from_secs(20)), "held assignment, {protocol:?}");
    }
}

#[test]
fn a_member_without_partitions_that_leaves_is_not_waited_for() {
    let topic = filled_topic("idle");
    let settings = with(&unique("idle"), GroupProtocol::Classic, Assignment::CooperativeSticky);
    let joined = |event: &SourceEvent| matches!(event, SourceEvent::Assigned(_)).then_some(());
    let mut stays = TestWorker::join(&settings, &topic);
    stays.turn_until("all partitions", |worker| worker.owned.len() == PARTITIONS as usize);
    // In the group, and given nothing yet: the other one holds on to what it has.
    let mut idle = TestWorker::join(&settings, &topic);
    idle.turn_until("an empty assignment", |idle| {
        stays.turn(&mut |_| {});
        idle.event(joined).is_some()
    });
    stays.turn_until("a revocation", |stays| revoked(stays).is_some());
    assert!(idle.owned.is_empty());
    assert!(idle.source.close(true).wait(PATIENCE));
    let begun = Instant::now();
    let given_up = revoked(&stays).unwrap();
    stays.release(&given_up);
    assert!(stays.owned.len() < PARTITIONS as usize);
    stays.turn_until("all partitions again", |worker| worker.owned.len() == PARTITIONS as usize);
    // The session would last 45 seconds.
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    assert!(stays.source.close(true).wait(PATIENCE));
}
