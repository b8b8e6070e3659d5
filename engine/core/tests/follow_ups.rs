//! What follows from an effect: the record ends with it, in the order of its key, whatever happens in between.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends at the first surprise")]

use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::operator::{Output, Step};
use thalweg_core::outcome::Outcome;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::sink::{
    Domain, FollowUp, FollowUps, LaneId, Next, Reply, Request, Sink, SinkHandle, SinkMachine, settle_rest,
};
use thalweg_core::time::Now;
use thalweg_core::worker::{
    Command, CommitResult, NamedSink, PartitionName, Positions, SinkIndex, Worker, WorkerSettings,
};

const CALLS: SinkIndex = SinkIndex(0);
const RECORDS: SinkIndex = SinkIndex(1);
const LETTERS: SinkIndex = SinkIndex(2);

const PARTITION: PartitionId = PartitionId(0);

fn at(uptime_ms: u64) -> Now {
    Now { uptime_ms, unix_ms: 1_700_000_000_000 + uptime_ms.cast_signed() }
}

/// Calls: an effect is the record's key and value. 200: each value follows; 429: come back in five minutes; 302: unclear;
/// else refused. What is given up is followed by `gave up`, unless the key says otherwise.
struct Calls {
    follow_up_bytes_max: u32,
}

/// Everything else: 200 is done, else refused.
struct Plain;

fn sent(flight: &Flight) -> Request {
    let effects: Vec<_> = (0..flight.len()).map(|index| flight.effect(index)).collect();
    Request { operation: 0, body: effects.join(&b"|"[..]) }
}

fn follow_up(effect: &[u8]) -> FollowUp {
    FollowUp::new(SinkHandle::<Plain>::new(RECORDS.0), effect)
}

impl SinkMachine for Calls {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        Next::Send(sent(flight))
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let Reply::Answer { status, .. } = reply else { panic!("an answer") };
        for index in 0..flight.len() {
            let verdict = match status {
                200 => Verdict::Answered(follow_up(flight.effect(index))),
                429 => Verdict::ComeBack { after_ms: 300_000 },
                302 => Verdict::Unclear(Reason::new("moved", "302")),
                _ => Verdict::Refused(Reason::new("refused", "by the test")),
            };
            flight.settle(index, verdict);
        }
        Next::Settled
    }

    fn gave_up(&mut self, effect: &[u8], _reason: &Reason, attempts: u32) -> Option<FollowUp> {
        (!effect.starts_with(b"letter")).then(|| follow_up(format!("gave up after {attempts}").as_bytes()))
    }

    fn follow_ups(&self) -> Option<FollowUps> {
        Some(FollowUps { sink: RECORDS.0, bytes_max: self.follow_up_bytes_max })
    }
}

impl Sink for Calls {
    type Effect<'e> = &'e [u8];

    fn encode(effect: &[u8], into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(effect);
        Domain(u64::from(effect[effect.len() - 1]))
    }
}

impl SinkMachine for Plain {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        Next::Send(sent(flight))
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let fine = matches!(reply, Reply::Answer { status: 200, .. });
        let refused = Verdict::Refused(Reason::new("too_large", "by the test"));
        settle_rest(flight, if fine { &Verdict::Done } else { &refused });
        Next::Settled
    }
}

impl Sink for Plain {
    type Effect<'e> = &'e [u8];

    fn encode(effect: &[u8], into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(effect);
        Domain(u64::from(effect[effect.len() - 1]))
    }
}

impl DeadLetterSink for Plain {
    fn encode(&self, letter: &DeadLetter<'_>, into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(format!("{} at {}", letter.reason.class, letter.stage).as_bytes());
        Domain(0)
    }
}

type Operator = fn(&Record<'_>, &mut Output<'_>) -> Step;

fn operator(record: &Record<'_>, out: &mut Output<'_>) -> Step {
    out.send(SinkHandle::<Calls>::new(CALLS.0), record.value.unwrap_or_default());
    Step::Done
}

struct Scene {
    worker: Worker<Operator>,
    epoch: Epoch,
    offset: i64,
    commands: Vec<Command>,
    now_ms: u64,
}

impl Scene {
    fn new(follow_up_bytes_max: u32) -> Self {
        let pacing = PacingSettings { flights_max: 1, items_max: 10, bytes_max: 1_000 };
        let settings = SinkSettings { lanes: 1, pacing, attempts_max: Some(2), ..SinkSettings::default() };
        let sinks = vec![
            NamedSink { name: "calls", machine: Box::new(Calls { follow_up_bytes_max }), settings },
            NamedSink { name: "records", machine: Box::new(Plain), settings },
        ];
        let flow = WorkerSettings { budget_bytes: 1 << 20, ..WorkerSettings::default() };
        let letters = (Box::new(Plain) as _, settings);
        let worker = Worker::new(flow, operator as Operator, sinks, letters, 0, Sound);
        let mut scene = Self { worker, epoch: Epoch(0), offset: 0, commands: Vec::new(), now_ms: 2 };
        scene.assign();
        scene
    }

    fn assign(&mut self) {
        self.worker.assigned(vec![(PARTITION, PartitionName { topic: "t".into(), number: 0 })], at(1));
        let found = std::iter::from_fn(|| self.worker.poll()).find_map(|command| match command {
            Command::FetchPositions { fetch, .. } => Some(fetch),
            _ => None,
        });
        let position =
            Positions { partition: PARTITION, committed: Some((0, String::new())), low: 0, high: 99 };
        self.worker.positioned(found.unwrap(), vec![position], at(1));
        let epoch = std::iter::from_fn(|| self.worker.poll()).find_map(|command| match command {
            Command::Read(starts) => starts.first().map(|start| start.epoch),
            _ => None,
        });
        self.epoch = epoch.unwrap();
    }

    /// Records of one key, with these values.
    fn read(&mut self, values: &[&str]) {
        let mut batch = Batch::new(PARTITION, self.epoch);
        for value in values {
            batch.push(self.offset, 0, Some(b"k"), Some(value.as_bytes()), &[]);
            self.offset += 1;
        }
        self.worker.batch(batch, at(self.now_ms));
    }

    /// The next request to that sink leaves: its effects.
    fn sent(&mut self, wanted: SinkIndex) -> String {
        self.commands.extend(std::iter::from_fn(|| self.worker.poll()));
        let found = self
            .commands
            .iter()
            .position(|command| matches!(command, Command::Send { sink, .. } if *sink == wanted));
        let Command::Send { request, .. } = self.commands.remove(found.unwrap()) else { unreachable!() };
        String::from_utf8(request.body).unwrap()
    }

    fn nothing_is_sent(&mut self) {
        self.commands.extend(std::iter::from_fn(|| self.worker.poll()));
        assert!(!self.commands.iter().any(|command| matches!(command, Command::Send { .. })));
    }

    /// Time passes, a second at a time; commits succeed.
    fn pass_until(&mut self, to_ms: u64) {
        while self.now_ms < to_ms {
            self.now_ms = (self.now_ms + 1_000).min(to_ms);
            self.worker.wake(at(self.now_ms));
            self.commands.extend(std::iter::from_fn(|| self.worker.poll()));
            let commits =
                self.commands.extract_if(.., |command| matches!(command, Command::Commit(_))).count();
            if commits > 0 {
                self.worker.committed(CommitResult::Done, at(self.now_ms));
            }
        }
    }

    fn answers(&mut self, sink: SinkIndex, status: u16) {
        let reply = Reply::Answer { status, body: Vec::new() };
        self.now_ms += 2;
        self.worker.replied(sink, LaneId(0), reply, at(self.now_ms));
    }

    /// The one call that is out is answered, and what follows is written.
    fn end(&mut self) {
        self.answers(CALLS, 200);
        self.sent(RECORDS);
        self.answers(RECORDS, 200);
    }

    fn finished(&self) -> i64 {
        self.worker.progress().next().unwrap().finished
    }

    fn ended(&self, outcome: Outcome) -> u64 {
        let accounts = self.worker.accounts();
        let open: usize = self.worker.progress().map(|progress| progress.open).sum();
        assert_eq!(accounts.open(), open as u64, "{accounts:?}");
        accounts.of(outcome)
    }
}

#[test]
fn a_record_is_finished_when_what_follows_is() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    assert_eq!(scene.sent(CALLS), "a");
    scene.answers(CALLS, 200);
    assert_eq!((scene.ended(Outcome::Delivered), scene.finished()), (0, 0));
    assert_eq!(scene.sent(RECORDS), "a");
    scene.answers(RECORDS, 200);
    assert_eq!((scene.ended(Outcome::Delivered), scene.finished()), (1, 1));
}

#[test]
fn follow_ups_of_a_key_go_out_in_its_order() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.read(&["b", "c", "d"]);
    assert_eq!(scene.sent(CALLS), "a");
    scene.answers(CALLS, 200);
    assert_eq!(scene.sent(RECORDS), "a");
    assert_eq!(scene.sent(CALLS), "b|c|d");
    scene.answers(CALLS, 200);
    scene.answers(RECORDS, 200);
    assert_eq!(scene.sent(RECORDS), "b|c|d");
    scene.answers(RECORDS, 200);
    assert_eq!((scene.ended(Outcome::Delivered), scene.finished()), (4, 4));
}

#[test]
fn what_is_given_up_is_followed_too_or_is_a_dead_letter() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 302);
    scene.pass_until(10_000);
    scene.sent(CALLS);
    scene.answers(CALLS, 302);
    assert_eq!(scene.sent(RECORDS), "gave up after 2");
    scene.answers(RECORDS, 200);
    assert_eq!((scene.ended(Outcome::Delivered), scene.finished()), (1, 1));

    scene.read(&["letter"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 302);
    scene.pass_until(20_000);
    scene.sent(CALLS);
    scene.answers(CALLS, 302);
    assert_eq!(scene.sent(LETTERS), "moved at calls");
    scene.answers(LETTERS, 200);
    assert_eq!((scene.ended(Outcome::DeadLettered), scene.finished()), (1, 2));
}

#[test]
fn a_refused_follow_up_is_a_dead_letter_of_the_record_and_holds_its_key() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.read(&["b"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 200);
    scene.sent(RECORDS);
    scene.sent(CALLS);
    scene.answers(CALLS, 200);
    scene.answers(RECORDS, 413);
    assert_eq!(scene.sent(LETTERS), "too_large at records");
    scene.nothing_is_sent();
    scene.answers(LETTERS, 200);
    assert_eq!(scene.sent(RECORDS), "b");
    scene.answers(RECORDS, 200);
    assert_eq!((scene.ended(Outcome::DeadLettered), scene.ended(Outcome::Delivered)), (1, 1));
}

#[test]
fn a_revoked_partition_waits_for_what_is_in_the_air_and_a_lost_one_does_not() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.sent(CALLS);
    scene.worker.revoked(vec![PARTITION], at(2));
    scene.answers(CALLS, 200);
    assert_eq!(scene.sent(RECORDS), "a");
    assert!(!scene.commands.iter().any(|command| matches!(command, Command::Release(_))));
    scene.answers(RECORDS, 200);
    scene.commands.extend(std::iter::from_fn(|| scene.worker.poll()));
    let committed = scene.commands.iter().find_map(|command| match command {
        Command::Commit(entries) => entries.first().map(|entry| entry.position),
        _ => None,
    });
    assert_eq!(committed, Some(1));
    what_is_queued_before_it_goes_before_it();

    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 200);
    scene.sent(RECORDS);
    scene.worker.lost(vec![PARTITION], at(6));
    scene.answers(RECORDS, 200);
    assert_eq!((scene.ended(Outcome::Delivered), scene.worker.accounts().given_up), (0, 1));
    assert_eq!(scene.worker.reserved_bytes(), 0);
}

/// Nobody else may write the first one after the second.
fn what_is_queued_before_it_goes_before_it() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 200);
    assert_eq!(scene.sent(RECORDS), "a");
    scene.read(&["b"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 200);
    scene.read(&["c"]);
    assert_eq!(scene.sent(CALLS), "c");
    // b's record waits for a's, and c is called for.
    scene.worker.revoked(vec![PARTITION], at(scene.now_ms));
    scene.answers(CALLS, 200);
    scene.answers(RECORDS, 200);
    assert_eq!(scene.sent(RECORDS), "b|c");
    scene.answers(RECORDS, 200);
    assert_eq!(scene.worker.accounts().of(Outcome::Delivered), 3);
}

#[test]
fn who_is_told_when_to_come_back_waits_so_long() {
    let mut scene = Scene::new(100);
    scene.read(&["a"]);
    scene.sent(CALLS);
    scene.answers(CALLS, 429);
    scene.pass_until(300_003);
    scene.nothing_is_sent();
    scene.pass_until(300_004);
    assert_eq!(scene.sent(CALLS), "a");
    scene.end();
}

#[test]
fn follow_ups_are_reserved_for() {
    let records = |bytes| Scene::new(bytes).worker.read_limits(PARTITION).map_or(0, |limits| limits.records);
    let (without, with) = (records(0), records(10_000));
    assert!(with < without && with > 10, "{with} of {without}");
    let mut scene = Scene::new(10_000);
    scene.read(&["a"]);
    assert!(scene.worker.reserved_bytes() > 10_000);
    scene.sent(CALLS);
    scene.end();
    assert_eq!(scene.worker.reserved_bytes(), 0);
}
