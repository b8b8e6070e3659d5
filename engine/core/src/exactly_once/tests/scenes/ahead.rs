//! While a transaction is being committed, and just after it.

use super::*;

/// A scene whose first transaction, with the record at 5, is being committed.
fn committing(settings: ExactlyOnceSettings) -> Scene {
    let mut scene = Scene::running(settings, 5);
    scene.records(5, &[COUNTED]);
    scene.worker.idle(scene.now());
    assert_eq!(scene.said().last().map(String::as_str), Some("commit 6 with 1 changes"));
    scene
}

#[test]
fn what_runs_ahead_of_a_commit_is_in_the_next_one() {
    let mut scene = committing(plain());
    scene.records(6, &[COUNTED]);
    scene.worker.idle(scene.now());
    assert!(scene.said().is_empty(), "nothing of it leaves the worker");
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.said(), ["produce [record 0 6 0 2 0]", "commit 7 with 1 changes"]);
    assert_eq!(scene.worker.accounts().read, 1);
    assert_eq!(scene.worker.progress().next().map(|progress| progress.committed), Some(6));
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.worker.accounts().read, 2);
}

#[test]
fn no_more_runs_ahead_than_a_transaction_takes() {
    let mut scene = committing(plain());
    assert_eq!(scene.worker.read_limits(P).map(|limits| limits.records), Some(5), "both together");
    scene.records(6, &[COUNTED; 5]);
    assert!(scene.worker.read_limits(P).is_none());
    scene.worker.idle(scene.now());
    scene.records(11, &[COUNTED]);
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.said()[1..], ["commit 12 with 1 changes"], "now there was room for the last one");
}

#[test]
fn what_ran_ahead_is_taken_back_with_a_commit_that_failed() {
    let mut scene = committing(plain());
    scene.records(6, &[COUNTED, TIMED]);
    scene.ended(TransactionResult::Aborted("no".to_owned()));
    assert_eq!(scene.said(), ["warn: a transaction was aborted, and is done again: no"]);
    let due_ms = scene.worker.wake_at_ms().unwrap();
    scene.after_ms(due_ms - 1_000);
    assert_eq!(scene.said(), ["read from 5"]);
    scene.epoch = Epoch(2);
    scene.records(5, &[COUNTED]);
    assert_eq!(scene.said(), ["produce [record 0 5 0 1 0]"], "the counter begins again");
}

#[test]
fn what_ran_ahead_of_an_unknown_outcome_is_run_again() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.worker.idle(scene.now());
    let commands: Vec<_> = std::iter::from_fn(|| scene.worker.poll()).collect();
    let Some(Command::Commit { tag, .. }) = commands.last() else { panic!("{commands:?}") };
    scene.records(6, &[COUNTED]);
    scene.ended(TransactionResult::Unknown(String::new()));
    scene.worker.producer_ready(scene.now());
    assert_eq!(scene.said()[1..], ["renew", "read from 6", "fetch 2"]);
    scene.epoch = Epoch(1);
    scene.records(6, &[COUNTED]);
    assert!(scene.said().is_empty(), "nothing is run before it is known");
    scene.positioned(2, Some((6, commit_metadata::encode_transaction(*tag))));
    assert_eq!(scene.said(), ["produce [record 0 6 0 2 0]"], "the first one stands");
}

#[test]
fn what_ran_ahead_of_a_lost_partition_is_forgotten_and_the_commit_goes_on() {
    let mut scene = committing(plain());
    scene.records(6, &[COUNTED]);
    scene.worker.lost(vec![P], scene.now());
    assert_eq!(scene.said(), ["release"], "the group decides about what was asked for");
    scene.ended(TransactionResult::Committed);
    assert!(scene.said().is_empty());
    assert_eq!(scene.worker.accounts().read, 1);
}

#[test]
fn a_revoked_partition_is_released_after_what_ran_ahead() {
    let mut scene = committing(plain());
    scene.records(6, &[COUNTED]);
    scene.worker.revoked(vec![P], scene.now());
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.said(), ["produce [record 0 6 0 2 0]", "commit 7 with 1 changes"]);
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.said(), ["release"]);
}

#[test]
fn timers_run_ahead_on_time() {
    let mut scene = committing(plain());
    scene.records(6, &[TIMED]);
    assert!(scene.worker.wake_at_ms().is_some_and(|wake_ms| wake_ms <= 1_040));
    scene.after_ms(40);
    assert!(scene.said().is_empty());
    scene.after_ms(7);
    scene.ended(TransactionResult::Committed);
    let deadline_ms = UNIX_MS + 1_040;
    let (record, timer) =
        (format!("record 0 6 0 2 {deadline_ms}"), format!("timer 0 6 {deadline_ms} {deadline_ms} 1"));
    assert_eq!(scene.said(), [format!("produce [{record}, {timer}]")]);
}

#[test]
fn outputs_wait_until_the_transaction_before_has_settled() {
    let mut scene = committing(ExactlyOnceSettings { settle_ms: 5, ..plain() });
    scene.after_ms(20);
    scene.ended(TransactionResult::Committed);
    scene.records(6, &[COUNTED]);
    scene.worker.idle(scene.now());
    assert!(scene.said().is_empty());
    assert_eq!(scene.worker.wake_at_ms(), Some(1_025));
    scene.after_ms(5);
    assert_eq!(scene.said(), ["produce [record 0 6 0 2 0]", "commit 7 with 1 changes"]);
    scene.ended(TransactionResult::Committed);
    scene.records(7, &[COUNTED]);
    scene.worker.revoked(vec![P], scene.now());
    assert_eq!(scene.said(), ["produce [record 0 7 0 3 0]", "commit 8 with 1 changes"], "the group waits");
}

#[test]
fn a_commit_is_done_whatever_is_taken_back_that_ran_ahead_of_it() {
    let mut scene = Scene::running(plain(), 5);
    let other = PartitionId(1);
    scene.worker.assigned(vec![(other, PartitionName { topic: "t".into(), number: 1 })], scene.now());
    let found = Positions { partition: other, committed: None, low: 0, high: 1_000 };
    scene.worker.positioned(FetchId(2), vec![found], scene.now());
    scene.worker.restored(other, Epoch(1), 0, scene.now());
    scene.records(5, &[COUNTED]);
    scene.worker.idle(scene.now());
    let commands: Vec<_> = std::iter::from_fn(|| scene.worker.poll()).collect();
    let Some(Command::Commit { offsets, .. }) = commands.last() else { panic!("{commands:?}") };
    scene.records(6, &[COUNTED]);
    let mut batch = Batch::new(other, Epoch(1));
    batch.push(0, 0, Some(&[1]), Some(&[COUNTED]), &[]);
    scene.worker.batch(batch, scene.now());
    scene.worker.lost(vec![other], scene.now());
    assert_eq!(scene.said(), ["release", "read from 6"]);
    assert!(scene.worker.may_commit(offsets), "it has nothing of what was lost");
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.worker.accounts().read, 1);
}
