use super::*;
use crate::exactly_once::{SnapshotPiece, SnapshotSettings};
use crate::state::snapshot::{SnapshotHeader, SnapshotReader, SnapshotTerms};
use crate::state::{State, TableId};

fn with_snapshots() -> ExactlyOnceSettings {
    let snapshots = SnapshotSettings {
        topic_id: "id".to_owned(),
        interval_ms: 1_000,
        age_ms_max: 10_000,
        slice_bytes: 1 << 20,
    };
    ExactlyOnceSettings { snapshots: Some(snapshots), ..plain() }
}

impl Scene {
    /// With its partition running from 5 on, restored from a changelog that ended at `end`; no snapshot was there.
    fn restored_up_to(end: i64) -> Self {
        Self::restored(with_snapshots(), end)
    }

    fn restored(settings: ExactlyOnceSettings, end: i64) -> Self {
        let mut scene = Self::new(settings);
        scene.assigned();
        scene.worker.producer_ready(scene.now());
        scene.positioned(1, Some((5, String::new())));
        assert_eq!(scene.said(), ["renew", "fetch 1", "load"]);
        scene.worker.snapshot_ends(P, Epoch(0), false, scene.now());
        scene.worker.restored(P, Epoch(0), end, scene.now());
        assert_eq!(scene.said(), ["restore", "read from 5"]);
        scene
    }

    /// What it says, and the piece of a snapshot that is last.
    fn piece(&mut self) -> SnapshotPiece {
        let commands: Vec<_> = std::iter::from_fn(|| self.worker.poll()).collect();
        match commands.last() {
            Some(Command::WriteSnapshot(piece)) => piece.clone(),
            _ => panic!("{commands:?}"),
        }
    }

    fn written(&mut self, piece: &SnapshotPiece, written: bool) {
        self.worker.snapshot_written(P, piece.epoch, written, self.now());
    }

    fn commits(&mut self, offset: i64) {
        self.records(offset, &[COUNTED]);
        self.worker.idle(self.now());
        assert_eq!(self.said().len(), 2, "an output and the commit");
        self.ended(TransactionResult::Committed);
    }
}

fn look_into(bytes: &[u8], now_ms: i64) -> (State, SnapshotHeader) {
    let terms = SnapshotTerms { topic_id: "id".to_owned(), number: 0, now_ms, age_ms_max: 10_000 };
    let (mut state, mut reader) = (State::new(settings().state), SnapshotReader::new(terms, 100));
    reader.read(bytes, &mut state).unwrap();
    (state, reader.finish().unwrap().0)
}

#[test]
fn a_restored_state_is_taken_at_once_when_there_is_nothing_else_to_do() {
    let mut scene = Scene::restored_up_to(9);
    scene.after_ms(100);
    assert!(scene.said().is_empty(), "nobody has said that there is nothing to read");
    scene.worker.idle(scene.now());
    let piece = scene.piece();
    assert!(piece.first && piece.last);
    let (_, header) = look_into(&piece.bytes, UNIX_MS + 1_100);
    assert_eq!(
        (header.next_offset, header.complete_ms),
        (9, UNIX_MS + 1_000),
        "as of when the changelog was asked for"
    );
    assert_eq!(scene.worker.progress().next().unwrap().snapshot, None, "not before it is written");
    scene.written(&piece, true);
    let kept = scene.worker.progress().next().unwrap().snapshot.unwrap();
    assert_eq!((kept.complete_ms, kept.bytes), (1_000, piece.bytes.len() as u64));
    scene.worker.idle(scene.now());
    scene.after_ms(5_000);
    assert!(scene.said().is_empty(), "nothing has changed");
    assert_eq!(scene.worker.wake_at_ms(), None);
}

#[test]
fn an_end_counts_once_a_later_commit_has_shown_whose_the_partition_is() {
    let mut scene = Scene::restored_up_to(0);
    scene.commits(5);
    assert_eq!(scene.said(), ["ask end"], "something has changed, and there is no snapshot");
    scene.worker.changelog_ends(P, Epoch(0), 3, scene.now());
    scene.worker.idle(scene.now());
    assert!(scene.said().is_empty(), "another might have written to it");
    scene.after_ms(30);
    scene.commits(6);
    let piece = scene.piece();
    let (state, header) = look_into(&piece.bytes, UNIX_MS + 1_030);
    assert_eq!((header.next_offset, header.complete_ms), (3, UNIX_MS + 1_030));
    let mut writes = crate::state::Writes::default();
    let mut run = crate::state::RunState::new(&state, &mut writes, b"");
    assert_eq!(run.get(TableId(0), &[0]), Some(&[2][..]), "what was committed last is in it");
    scene.written(&piece, true);
    scene.commits(7);
    assert!(scene.said().is_empty());
    assert_eq!(scene.worker.wake_at_ms(), Some(2_030), "the next one is due after a while");
    scene.after_ms(1_000);
    assert_eq!(scene.said(), ["ask end"]);
}

#[test]
fn an_aborted_transaction_proves_nothing() {
    let mut scene = Scene::restored_up_to(0);
    scene.commits(5);
    scene.worker.changelog_ends(P, Epoch(0), 3, scene.now());
    scene.said();
    scene.records(6, &[COUNTED]);
    scene.worker.idle(scene.now());
    scene.ended(TransactionResult::Aborted("no".to_owned()));
    scene.worker.idle(scene.now());
    scene.said();
    let due_ms = scene.worker.wake_at_ms().unwrap();
    scene.after_ms(due_ms - 1_000);
    assert_eq!(scene.said(), ["read from 6"]);
    scene.epoch = Epoch(1);
    scene.commits(6);
    assert_eq!(look_into(&scene.piece().bytes, UNIX_MS + 5_000).1.next_offset, 3);
}

#[test]
fn a_backlog_goes_before() {
    let mut scene = Scene::restored_up_to(9);
    for offset in [5, 11, 17] {
        scene.records(offset, &[COUNTED; 6]);
        let said = scene.said();
        assert!(
            said.last().is_some_and(|last| last.starts_with("commit")),
            "six are a transaction: {said:?}"
        );
        // There was nothing to read while it ended.
        scene.worker.idle(scene.now());
        scene.ended(TransactionResult::Committed);
        assert!(scene.said().is_empty(), "there may be more");
    }
    scene.worker.idle(scene.now());
    assert!(scene.piece().last);
}

#[test]
fn who_may_not_read_has_not_caught_up() {
    let mut scene = Scene::restored(ExactlyOnceSettings { settle_ms: 5, ..with_snapshots() }, 9);
    scene.records(5, &[COUNTED; 6]);
    scene.ended(TransactionResult::Committed);
    scene.records(11, &[COUNTED; 6]);
    // It is full, and has to wait.
    scene.worker.idle(scene.now());
    scene.said();
    scene.after_ms(5);
    assert_eq!(scene.said()[1..], ["commit 17 with 1 changes"]);
    scene.ended(TransactionResult::Committed);
    assert!(scene.said().is_empty(), "there may be more");
}

#[test]
fn nothing_runs_ahead_of_a_commit_that_a_piece_waits_for() {
    let mut scene = Scene::restored_up_to(0);
    scene.commits(5);
    scene.worker.changelog_ends(P, Epoch(0), 3, scene.now());
    scene.records(6, &[TIMED]);
    scene.worker.idle(scene.now());
    assert_eq!(scene.said().last().map(String::as_str), Some("commit 7 with 2 changes"));
    assert!(scene.worker.read_limits(P).is_none());
    scene.after_ms(40);
    scene.ended(TransactionResult::Committed);
    let said = scene.said();
    assert!(said[0].starts_with("write") && said[1].starts_with("produce [timer"), "in this order: {said:?}");
}

#[test]
fn nothing_is_taken_while_a_transaction_is_open_and_one_piece_at_a_time() {
    let mut settings = with_snapshots();
    settings.snapshots.as_mut().unwrap().slice_bytes = 1;
    let mut scene = Scene::new(settings);
    scene.assigned();
    scene.worker.producer_ready(scene.now());
    scene.positioned(1, Some((5, String::new())));
    scene.worker.snapshot_ends(P, Epoch(0), false, scene.now());
    let names: Vec<_> = (0..9).map(|row| [1, 0, row]).collect();
    let entry = |name| Entry { name, content: Some(Content::Row(&[1])) };
    scene.restore(&names.iter().map(|name| entry(&name[..])).collect::<Vec<_>>());
    scene.worker.restored(P, Epoch(0), 9, scene.now());
    scene.said();
    scene.worker.idle(scene.now());
    let mut bytes = Vec::new();
    let mut piece = scene.piece();
    assert!(piece.first && !piece.last);
    scene.worker.idle(scene.now());
    assert!(scene.said().is_empty(), "the one before is being written");
    scene.records(5, &[COUNTED]);
    scene.said();
    scene.written(&piece, true);
    assert!(scene.said().is_empty(), "a transaction is open");
    scene.worker.idle(scene.now());
    scene.said();
    scene.ended(TransactionResult::Committed);
    loop {
        bytes.extend_from_slice(&piece.bytes);
        if piece.last {
            break;
        }
        piece = scene.piece();
        scene.written(&piece, true);
    }
    let (state, header) = look_into(&bytes, UNIX_MS + 1_000);
    assert_eq!((header.next_offset, state.rows()), (9, 9));
}

#[test]
fn what_can_not_be_written_is_tried_again_after_a_while() {
    let mut scene = Scene::restored_up_to(9);
    scene.worker.idle(scene.now());
    let piece = scene.piece();
    scene.written(&piece, false);
    scene.worker.idle(scene.now());
    assert!(scene.said().is_empty());
    scene.after_ms(1_000);
    assert_eq!(scene.said(), ["ask end"]);
    assert_eq!(scene.worker.progress().next().unwrap().snapshot, None);
}

#[test]
fn a_snapshot_is_read_and_then_the_log_behind_it_and_what_is_refused_is_not() {
    let mut scene = Scene::restored_up_to(9);
    scene.worker.idle(scene.now());
    let bytes = scene.piece().bytes;
    let begin = |age_ms: u64| {
        let mut scene = Scene::new(with_snapshots());
        scene.uptime_ms += age_ms;
        scene.assigned();
        scene.worker.producer_ready(scene.now());
        scene.positioned(1, Some((5, String::new())));
        scene.said();
        scene
    };
    let mut scene = begin(0);
    scene.worker.snapshot_read(P, Epoch(0), &bytes, scene.now());
    assert!(scene.worker.progress().next().unwrap().loading);
    scene.worker.snapshot_ends(P, Epoch(0), true, scene.now());
    assert_eq!(scene.said(), ["restore from 9"]);
    scene.worker.snapshot_not_in_log(P, Epoch(0), "gone".to_owned(), scene.now());
    assert_eq!(scene.said(), ["refused: the changelog does not hold its offset: gone", "restore"]);
    scene.worker.restored(P, Epoch(0), 9, scene.now());
    assert!(scene.said().is_empty(), "that was for the attempt before");
    scene.worker.restored(P, Epoch(1), 9, scene.now());
    assert_eq!(scene.said(), ["read from 5"]);

    let mut scene = begin(0);
    scene.worker.snapshot_read(P, Epoch(0), &bytes[..bytes.len() - 1], scene.now());
    scene.worker.snapshot_ends(P, Epoch(0), true, scene.now());
    assert_eq!(scene.said(), ["refused: it is cut off", "restore"]);

    let mut scene = begin(10_001);
    scene.worker.snapshot_read(P, Epoch(0), &bytes, scene.now());
    let said = scene.said();
    assert!(said[0].starts_with("refused: it is 10 s old") && said[1] == "restore", "{said:?}");
    scene.worker.snapshot_ends(P, Epoch(0), true, scene.now());
    assert!(scene.said().is_empty(), "the rest of it is of no interest");
}
