//! One partition, and one thing at a time.

mod ahead;
mod snapshots;

use super::operator::{Counting, Topic};
use super::world::settings;
use crate::batch::Batch;
use crate::commit_metadata;
use crate::exactly_once::{Command, ExactlyOnceSettings, ExactlyOnceWorker, TransactionResult};
use crate::position::{Epoch, PartitionId};
use crate::sink::SinkHandle;
use crate::state::{Content, changelog::Entry};
use crate::time::Now;
use crate::worker::{FetchId, PartitionName, Positions};

const P: PartitionId = PartitionId(0);
const UNIX_MS: i64 = 1_700_000_000_000;
/// Values that the operator counts, and counts with a timer 40 ms later.
const COUNTED: u8 = 7;
const TIMED: u8 = 2;

struct Scene {
    worker: ExactlyOnceWorker<Counting>,
    uptime_ms: u64,
    epoch: Epoch,
}

/// A command, in short.
fn short(command: &Command) -> String {
    match command {
        Command::RenewProducer => "renew".to_owned(),
        Command::FetchPositions { fetch, .. } => format!("fetch {}", fetch.0),
        Command::LoadSnapshot { .. } => "load".to_owned(),
        Command::Restore { from: None, .. } => "restore".to_owned(),
        Command::Restore { from: Some(from), .. } => format!("restore from {from}"),
        Command::AskChangelogEnd { .. } => "ask end".to_owned(),
        Command::WriteSnapshot(piece) => format!("write, first: {}, last: {}", piece.first, piece.last),
        Command::RefusedSnapshot { refusal, .. } => format!("refused: {refusal}"),
        Command::Read(reads) => format!("read from {}", reads[0].offset),
        Command::Produce(outputs) => {
            let lines = outputs.iter().map(|(_, line)| String::from_utf8_lossy(line).into_owned());
            format!("produce [{}]", lines.collect::<Vec<_>>().join(", "))
        }
        Command::Commit { changes, offsets, .. } => {
            format!("commit {} with {} changes", offsets[0].position, changes.iter().count())
        }
        Command::Abort => "abort".to_owned(),
        Command::Release(_) => "release".to_owned(),
        Command::Stopped { clean } => format!("stopped, clean: {clean}"),
        Command::Fail(error) => format!("fail: {error}"),
        Command::Warn(warning) => format!("warn: {warning}"),
    }
}

impl Scene {
    fn new(settings: ExactlyOnceSettings) -> Self {
        let worker = ExactlyOnceWorker::new(settings, Counting(SinkHandle::new(0)), 1, Box::new(Topic), 7);
        Self { worker, uptime_ms: 1_000, epoch: Epoch(0) }
    }

    /// With the partition assigned and running from `position` on.
    fn running(settings: ExactlyOnceSettings, position: i64) -> Self {
        let mut scene = Self::new(settings);
        scene.assigned();
        scene.worker.producer_ready(scene.now());
        scene.positioned(1, Some((position, String::new())));
        scene.worker.restored(P, Epoch(0), 0, scene.now());
        let read = format!("read from {position}");
        assert_eq!(scene.said(), ["renew", "fetch 1", "restore", &read]);
        scene
    }

    fn now(&self) -> Now {
        Now { uptime_ms: self.uptime_ms, unix_ms: UNIX_MS + self.uptime_ms.cast_signed() }
    }

    fn said(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.worker.poll()).map(|command| short(&command)).collect()
    }

    fn assigned(&mut self) {
        let name = PartitionName { topic: "t".into(), number: 0 };
        self.worker.assigned(vec![(P, name)], self.now());
    }

    fn positioned(&mut self, fetch: u64, committed: Option<(i64, String)>) {
        let found = Positions { partition: P, committed, low: 0, high: 1_000 };
        self.worker.positioned(FetchId(fetch), vec![found], self.now());
    }

    fn records(&mut self, first: i64, values: &[u8]) {
        let mut batch = Batch::new(P, self.epoch);
        for (index, value) in values.iter().enumerate() {
            batch.push(first + index as i64, 0, Some(&[0]), Some(&[*value]), &[]);
        }
        self.worker.batch(batch, self.now());
    }

    fn restore(&mut self, entries: &[Entry<'_>]) {
        let mut batch = Batch::new(P, self.epoch);
        for (offset, entry) in entries.iter().enumerate() {
            let mut value = Vec::new();
            let value = entry.write_value(&mut value).then_some(&value[..]);
            batch.push(offset as i64, 0, Some(entry.name), value, &[]);
        }
        self.worker.restoring(batch, self.now());
    }

    fn after_ms(&mut self, ms: u64) {
        self.uptime_ms += ms;
        self.worker.wake(self.now());
    }

    fn ended(&mut self, result: TransactionResult) {
        self.worker.ended(result, self.now());
    }
}

fn plain() -> ExactlyOnceSettings {
    ExactlyOnceSettings { dedupe: None, settle_ms: 0, transaction_bytes_max: 10_000, ..settings() }
}

#[test]
fn a_transaction_ends_when_idle_or_old_or_large() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    assert_eq!(scene.said(), ["produce [record 0 5 0 1 0]"]);
    scene.worker.idle(scene.now());
    assert_eq!(scene.said(), ["commit 6 with 1 changes"]);
    assert!(scene.worker.read_limits(P).is_some(), "runs go on while it ends");
    scene.ended(TransactionResult::Committed);
    scene.records(6, &[COUNTED, COUNTED]);
    assert_eq!(scene.said().len(), 1);
    assert_eq!(scene.worker.wake_at_ms(), Some(1_050));
    scene.after_ms(49);
    assert!(scene.said().is_empty());
    scene.after_ms(1);
    assert_eq!(scene.said(), ["commit 8 with 1 changes"], "two runs, one row");
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.worker.read_limits(P).map(|limits| limits.records), Some(6));
    scene.records(8, &[COUNTED; 4]);
    assert_eq!(scene.worker.read_limits(P).map(|limits| limits.records), Some(2));
    scene.records(12, &[COUNTED; 2]);
    assert_eq!(scene.said().last().map(String::as_str), Some("commit 14 with 1 changes"));
    assert_eq!(scene.worker.accounts().read, 3, "what is committed counts");
}

#[test]
fn an_aborted_transaction_is_run_again_after_a_while() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED, TIMED]);
    scene.worker.idle(scene.now());
    scene.said();
    scene.ended(TransactionResult::Aborted("no".to_owned()));
    assert_eq!(scene.said(), ["warn: a transaction was aborted, and is done again: no"]);
    let due_ms = scene.worker.wake_at_ms().unwrap();
    assert!(due_ms > 1_000, "it waits");
    scene.records(7, &[COUNTED]);
    assert!(scene.said().is_empty(), "what was read on is of the old epoch");
    scene.after_ms(due_ms - 1_000);
    assert_eq!(scene.said(), ["read from 5"]);
    scene.epoch = Epoch(1);
    scene.records(5, &[COUNTED]);
    assert_eq!(scene.said(), ["produce [record 0 5 0 1 0]"], "the counter begins again");
}

#[test]
fn an_unknown_outcome_is_looked_up() {
    for ours in [true, false] {
        let mut scene = Scene::running(plain(), 5);
        scene.records(5, &[COUNTED]);
        scene.worker.idle(scene.now());
        let commands: Vec<_> = std::iter::from_fn(|| scene.worker.poll()).collect();
        let Some(Command::Commit { tag, offsets, .. }) = commands.last() else { panic!("{commands:?}") };
        assert_eq!(commit_metadata::decode_transaction(&offsets[0].metadata), Ok(Some(*tag)));
        scene.ended(TransactionResult::Unknown("silence".to_owned()));
        scene.worker.producer_ready(scene.now());
        let looking = "warn: it is not known how a transaction ended, looking: silence";
        assert_eq!(scene.said(), [looking, "renew", "fetch 2"]);
        let other = commit_metadata::TransactionTag { number: tag.number + 1, ..*tag };
        let found = commit_metadata::encode_transaction(if ours { *tag } else { other });
        scene.positioned(2, Some((6, found)));
        assert_eq!(scene.worker.accounts().read, u64::from(ours));
    }
}

/// A scene whose transaction's outcome is being looked up with question 2.
fn looking() -> Scene {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.worker.idle(scene.now());
    scene.ended(TransactionResult::Unknown(String::new()));
    scene.worker.producer_ready(scene.now());
    assert_eq!(scene.said().last().map(String::as_str), Some("fetch 2"));
    scene
}

#[test]
fn an_outcome_that_concerns_nothing_of_ours_any_more_is_not_waited_for() {
    let mut scene = looking();
    // The source gives a question up once all its partitions are taken away.
    scene.worker.lost(vec![P], scene.now());
    scene.assigned();
    assert_eq!(scene.said(), ["release", "fetch 3"], "it goes on with what it is given");
    scene.positioned(2, Some((6, String::new())));
    assert!(scene.said().is_empty(), "nobody asks any more");
}

#[test]
fn an_outcome_is_asked_for_again_when_its_partition_is_revoked() {
    let mut scene = looking();
    scene.worker.revoked(vec![P], scene.now());
    assert_eq!(scene.said(), ["fetch 3"], "the question before was given up with the partition");
    scene.positioned(3, Some((5, String::new())));
    assert_eq!(scene.said(), ["release"]);
}

#[test]
fn a_commit_whose_partition_was_taken_before_it_was_done_is_not_done() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.worker.idle(scene.now());
    let commands: Vec<_> = std::iter::from_fn(|| scene.worker.poll()).collect();
    let Some(Command::Commit { offsets, .. }) = commands.last() else { panic!("{commands:?}") };
    assert!(scene.worker.may_commit(offsets));
    scene.worker.revoked(vec![P], scene.now());
    assert!(scene.worker.may_commit(offsets), "the group waits");
    scene.worker.lost(vec![P], scene.now());
    scene.assigned();
    assert!(!scene.worker.may_commit(offsets), "in whichever epoch it comes back");
}

#[test]
fn a_revoked_partition_is_released_when_its_transaction_has_ended() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.said();
    scene.worker.revoked(vec![P], scene.now());
    assert!(scene.worker.read_limits(P).is_none());
    assert_eq!(scene.said(), ["commit 6 with 1 changes"], "at once");
    scene.records(6, &[COUNTED]);
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.said(), ["release"], "what was read on is the next owner's");

    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.worker.revoked(vec![P], scene.now());
    scene.said();
    assert_eq!(scene.worker.wake_at_ms(), Some(1_500));
    scene.after_ms(500);
    assert_eq!(scene.said(), ["release"], "the group does not wait longer");
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.worker.accounts().read, 1);
}

#[test]
fn what_is_lost_takes_its_transaction_with_it() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.said();
    scene.worker.lost(vec![P], scene.now());
    assert_eq!(scene.said(), ["abort", "release"]);
    scene.ended(TransactionResult::Aborted(String::new()));
    assert!(scene.said().is_empty(), "there is nobody to run it again");
}

#[test]
fn an_offset_that_is_gone_is_asked_for_again() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.said();
    scene.worker.out_of_range(P, scene.now());
    assert_eq!(scene.said(), ["abort"], "what was run of it is not committed");
    scene.ended(TransactionResult::Aborted(String::new()));
    assert_eq!(scene.said(), ["fetch 2"]);
    let found = Positions { partition: P, committed: Some((5, String::new())), low: 8, high: 1_000 };
    scene.worker.positioned(FetchId(2), vec![found], scene.now());
    let said = scene.said().pop().unwrap();
    assert!(said.starts_with("fail: offsets 5 to 7 of t/0 were removed"), "{said}");
}

#[test]
fn only_the_answer_to_the_latest_question_counts() {
    let mut scene = Scene::new(plain());
    scene.assigned();
    assert_eq!(scene.said(), ["renew"], "nothing is asked before there is a producer");
    scene.worker.producer_ready(scene.now());
    scene.worker.lost(vec![P], scene.now());
    scene.assigned();
    assert_eq!(scene.said(), ["fetch 1", "release", "fetch 2"]);
    scene.positioned(1, Some((5, String::new())));
    assert!(scene.said().is_empty());
    scene.positioned(2, Some((9, String::new())));
    scene.worker.restored(P, Epoch(0), 0, scene.now());
    assert_eq!(scene.said(), ["restore", "read from 9"]);
}

#[test]
fn nobody_is_woken_for_what_has_to_wait_for_an_answer() {
    let mut scene = Scene::new(plain());
    scene.assigned();
    assert_eq!(scene.said(), ["renew"]);
    assert_eq!(scene.worker.wake_at_ms(), None, "nothing is asked before there is a producer");

    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.worker.idle(scene.now());
    scene.ended(TransactionResult::Aborted(String::new()));
    assert!(scene.worker.wake_at_ms().is_some(), "it runs again after a while");
    scene.worker.revoked(vec![P], scene.now());
    assert_eq!(scene.worker.wake_at_ms(), None, "but not once it is another's");
}

#[test]
fn overdue_timers_fire_before_records_and_in_their_order() {
    let mut scene = Scene::new(plain());
    scene.assigned();
    scene.worker.producer_ready(scene.now());
    scene.positioned(1, None);
    let names: Vec<_> = [3i64, 1, 2].map(|id| [&[2, 1, 0][..], &id.to_le_bytes()].concat()).into();
    let deadline_ms = |index: usize| Some(Content::Timer(UNIX_MS + [30, 10, 5_000][index]));
    let entries = (0..3).map(|index| Entry { name: &names[index], content: deadline_ms(index) });
    scene.restore(&entries.collect::<Vec<_>>());
    scene.worker.restored(P, Epoch(0), 0, scene.now());
    let (first, second) = (UNIX_MS + 10, UNIX_MS + 30);
    let now_ms = UNIX_MS + 1_000;
    let fired = format!("produce [timer 0 1 {first} {now_ms} 1, timer 0 3 {second} {now_ms} 2]");
    assert_eq!(scene.said()[2..], ["restore", "read from 0", &fired]);
    scene.worker.idle(scene.now());
    assert_eq!(scene.said(), ["commit 0 with 3 changes"], "the offset goes with it: it is the fence");
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.worker.fired(), 2);
    let wake_ms = scene.worker.wake_at_ms().unwrap();
    assert!((1_001..=5_000).contains(&wake_ms), "for the third: {wake_ms}");
}

#[test]
fn overdue_timers_are_not_committed_turn_by_turn() {
    let many =
        ExactlyOnceSettings { transaction_runs_max: 10_000, transaction_bytes_max: 1 << 20, ..plain() };
    let mut scene = Scene::new(many);
    scene.assigned();
    scene.worker.producer_ready(scene.now());
    scene.positioned(1, None);
    let names: Vec<_> =
        (0..2_500i64).map(|id| [&[2, 1, (id % 16) as u8][..], &id.to_le_bytes()].concat()).collect();
    let due = names.iter().map(|name| Entry { name, content: Some(Content::Timer(UNIX_MS)) });
    scene.restore(&due.collect::<Vec<_>>());
    scene.worker.restored(P, Epoch(0), 0, scene.now());
    let (mut turns, mut commits) = (0, Vec::new());
    while commits.is_empty() {
        scene.worker.idle(scene.now());
        commits.extend(scene.said().into_iter().filter(|said| said.starts_with("commit")));
        turns += 1;
        assert!(turns < 100, "it is committed once nothing is due");
    }
    // The end of each timer, and a row of each key that they count in.
    assert_eq!(commits, ["commit 0 with 2516 changes"], "after {turns} turns");
}

#[test]
fn what_can_not_be_believed_or_held_ends_the_flow() {
    let tight = |bytes_max, row_bytes_max| {
        let state = crate::state::StateLimits { bytes_max, row_bytes_max };
        ExactlyOnceSettings { state, ..plain() }
    };
    let mut scene = Scene::running(tight(60, 100), 5);
    scene.records(5, &[COUNTED, TIMED]);
    let said = scene.said();
    assert_eq!(said.len(), 1, "what was sent before is not produced: {said:?}");
    assert!(
        said[0].starts_with("fail: the state of t/0: the state (1 rows, 0 timers) would take 125 bytes"),
        "{said:?}"
    );
    scene.worker.idle(scene.now());
    scene.after_ms(1_000);
    assert!(scene.said().is_empty(), "nothing is committed any more");

    let mut scene = Scene::running(tight(1_000, 2), 5);
    scene.records(5, &[COUNTED]);
    assert_eq!(scene.said(), ["produce [letter 0 5]"], "a row too large is the record's own fault");

    for (metadata, says) in [("hello", "not written by this program"), ("t1;f=rAAE", "at-least-once flow")] {
        let mut scene = Scene::new(plain());
        scene.assigned();
        scene.worker.producer_ready(scene.now());
        scene.positioned(1, Some((5, metadata.to_owned())));
        let said = scene.said().pop().unwrap();
        assert!(said.starts_with("fail: the group's commit of t/0:") && said.contains(says), "{said}");
    }

    let mut scene = Scene::new(plain());
    scene.assigned();
    scene.worker.producer_ready(scene.now());
    scene.positioned(1, None);
    let mut batch = Batch::new(P, Epoch(0));
    batch.push(0, 0, Some(b"foreign"), Some(b"value"), &[]);
    scene.worker.restoring(batch, scene.now());
    let said = scene.said().pop().unwrap();
    assert!(said.starts_with("fail: the state of t/0: the record has form 102"), "{said}");
}

#[test]
fn a_stop_commits_what_was_run_and_waits_no_longer_than_told() {
    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.said();
    scene.worker.stop(scene.now(), 2_000);
    assert_eq!(scene.said(), ["commit 6 with 1 changes"]);
    scene.ended(TransactionResult::Committed);
    assert_eq!(scene.said(), ["stopped, clean: true"]);

    let mut scene = Scene::running(plain(), 5);
    scene.records(5, &[COUNTED]);
    scene.worker.stop(scene.now(), 2_000);
    scene.said();
    assert_eq!(scene.worker.wake_at_ms(), Some(2_000));
    scene.after_ms(1_000);
    assert_eq!(scene.said(), ["stopped, clean: false"]);
}
