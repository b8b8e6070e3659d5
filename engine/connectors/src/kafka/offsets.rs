//! The one thread of a source that waits: committed offsets, watermarks and synchronous commits block their caller.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use thalweg_core::position::PartitionId;
use thalweg_core::worker::FetchId;

use super::event::{CommitOutcome, PartitionPosition, SourceEvent};
use super::librdkafka::{Committed, Wake, committed_of};
use super::membership::{Membership, Named};
use super::orphans::Orphans;

/// How long one question to a broker may take; a fetch of positions is repeated, so this only bounds how long a
/// commit may have to wait behind it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// After this the threads that fetch have looked by themselves.
const ROUSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Pauses between repeated fetches.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How long a commit is repeated while the group is between two generations.
const UNSETTLED_MAX: Duration = Duration::from_secs(3);

/// Something to be done by the thread.
pub(super) enum Job {
    Fetch(Fetch),
    Commit(Vec<Commit>),
    Rouse(Vec<Named>),
}

/// Positions to be fetched, until `moot`.
pub(super) struct Fetch {
    pub(super) id: FetchId,
    pub(super) partitions: Vec<(PartitionId, Named)>,
    pub(super) moot: Arc<AtomicBool>,
}

/// One partition's part of a commit.
pub(super) struct Commit {
    pub(super) partition: PartitionId,
    pub(super) named: Named,
    pub(super) next_offset: i64,
    pub(super) metadata: String,
}

/// The thread, seen from the source.
pub(super) struct OffsetThread {
    jobs: Option<Sender<Job>>,
    events: Receiver<SourceEvent>,
    thread: Option<JoinHandle<()>>,
}

impl OffsetThread {
    /// Starts the thread; `wake` is called after each event. `orphans` are looked for once, before the first positions are
    /// told.
    pub(super) fn start(
        consumer: Arc<BaseConsumer<Membership>>,
        orphans: Option<Orphans>,
        wake: Wake,
    ) -> std::io::Result<Self> {
        let (jobs, todo) = unbounded();
        let (told, events) = unbounded();
        let worker = Worker { consumer, orphans, todo, told, wake, waiting: VecDeque::new() };
        let thread =
            std::thread::Builder::new().name("kafka-offsets".to_owned()).spawn(move || worker.run())?;
        Ok(Self { jobs: Some(jobs), events, thread: Some(thread) })
    }

    pub(super) fn ask(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread ends only after this sender.
            let _ = jobs.send(job);
        }
    }

    /// The next event, if one is there.
    pub(super) fn event(&self) -> Option<SourceEvent> {
        self.events.try_recv().ok()
    }

    /// Ends the thread after what it is doing; may take as long as that takes.
    pub(super) fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panics only on a bug, which its own message has told already.
            let _ = thread.join();
        }
    }
}

struct Worker {
    consumer: Arc<BaseConsumer<Membership>>,
    /// Until they were looked for.
    orphans: Option<Orphans>,
    todo: Receiver<Job>,
    told: Sender<SourceEvent>,
    wake: Wake,
    /// Fetches that failed and are to be repeated.
    waiting: VecDeque<Repeat>,
}

struct Repeat {
    fetch: Fetch,
    due: Instant,
    pause: Duration,
}

impl Worker {
    fn run(mut self) {
        loop {
            self.waiting.retain(|repeat| !repeat.fetch.moot.load(Ordering::Relaxed));
            let pause = self
                .waiting
                .iter()
                .map(|repeat| repeat.due)
                .min()
                .map_or(BACKOFF_MAX, |due| due.saturating_duration_since(Instant::now()));
            match self.todo.recv_timeout(pause) {
                Ok(Job::Commit(commits)) => self.commit(&commits),
                Ok(Job::Fetch(fetch)) => self.fetch(fetch, BACKOFF_MIN),
                Ok(Job::Rouse(partitions)) => self.rouse(&partitions),
                Err(RecvTimeoutError::Timeout) => self.repeat(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn tell(&self, event: SourceEvent) {
        // Nobody listens any more when the source closes.
        let _ = self.told.send(event);
        (self.wake)();
    }

    fn repeat(&mut self) {
        let now = Instant::now();
        if let Some(index) = self.waiting.iter().position(|repeat| repeat.due <= now)
            && let Some(repeat) = self.waiting.remove(index)
        {
            self.fetch(repeat.fetch, (repeat.pause * 2).min(BACKOFF_MAX));
        }
    }

    fn fetch(&mut self, fetch: Fetch, pause: Duration) {
        if fetch.moot.load(Ordering::Relaxed) {
            return;
        }
        match positions(&self.consumer, &fetch.partitions) {
            Ok(found) => {
                self.adopt_orphans();
                self.tell(SourceEvent::Positions { fetch: fetch.id, found });
            }
            Err(error) if is_forbidden(&error) => {
                self.tell(SourceEvent::Fatal(format!("committed offsets can't be fetched: {error}")));
            }
            Err(error) => {
                self.tell(SourceEvent::Warning(format!("committed offsets can't be fetched (yet): {error}")));
                self.waiting.push_back(Repeat { fetch, due: Instant::now() + pause, pause });
            }
        }
    }

    /// The assignment is not answered before the positions are told.
    fn adopt_orphans(&mut self) {
        let Some(orphans) = self.orphans.take() else { return };
        match orphans.adopt(&self.consumer) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => self.tell(SourceEvent::Warning(format!(
                "the group has given {} to nobody (who had them is giving them up, or was killed while it did); joining \
                 again, so that they are given to somebody",
                found.iter().map(|(topic, number)| format!("{topic}/{number}")).collect::<Vec<_>>().join(", ")
            ))),
            Err(reason) => self.tell(SourceEvent::Warning(format!(
                "whether the group has partitions that it has given to nobody can't be asked: {reason}"
            ))),
        }
    }

    /// Has the client go on fetching those partitions at once.
    ///
    /// librdkafka (2.12) pauses all partitions while a rebalance is answered, and resumes them without a word to the
    /// threads that fetch; those look again when something else comes, or after a second (`rd_kafka_max_block_ms`). A
    /// question to each leader is something else; nobody needs the answer.
    fn rouse(&self, partitions: &[Named]) {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, number) in partitions {
            if list.add_partition_offset(topic, *number, Offset::End).is_err() {
                return;
            }
        }
        let _ = self.consumer.offsets_for_times(list, ROUSE_TIMEOUT);
    }

    fn commit(&self, commits: &[Commit]) {
        let partitions = commits.iter().map(|commit| commit.partition).collect();
        let outcome = match self.commit_when_settled(commits) {
            Ok(()) => CommitOutcome::Committed,
            Err(error) if is_fenced(&error) => CommitOutcome::Fenced(error.to_string()),
            Err(error) => CommitOutcome::Failed(error.to_string()),
        };
        self.tell(SourceEvent::Committed { partitions, outcome });
    }

    fn commit_when_settled(&self, commits: &[Commit]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for commit in commits {
            let (topic, partition) = &commit.named;
            list.add_partition_offset(topic, *partition, Offset::Offset(commit.next_offset))?;
            if let Some(mut element) = list.find_partition(topic, *partition) {
                element.set_metadata(&commit.metadata);
            }
        }
        let begun = Instant::now();
        loop {
            match self.consumer.commit(&list, CommitMode::Sync) {
                Err(error) if is_unsettled(&error) && begun.elapsed() < UNSETTLED_MAX => {
                    std::thread::sleep(BACKOFF_MIN);
                }
                ended => return ended,
            }
        }
    }
}

fn positions(
    consumer: &BaseConsumer<Membership>,
    partitions: &[(PartitionId, Named)],
) -> KafkaResult<Vec<PartitionPosition>> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (_, (topic, number)) in partitions {
        list.add_partition(topic, *number);
    }
    let committed = committed_of(&consumer.committed_offsets(list, ANSWER_TIMEOUT)?);
    partitions.iter().map(|(partition, named)| position(consumer, *partition, named, &committed)).collect()
}

fn position(
    consumer: &BaseConsumer<Membership>,
    partition: PartitionId,
    (topic, number): &Named,
    committed: &[Committed],
) -> KafkaResult<PartitionPosition> {
    let ours = committed.iter().find(|found| found.topic == *topic && found.partition == *number);
    if let Some(code) = ours.map(|found| found.error_code).filter(|code| *code != 0) {
        return Err(KafkaError::OffsetFetch(error_code(code)));
    }
    let (low, high) = consumer.fetch_watermarks(topic, *number, ANSWER_TIMEOUT)?;
    let committed =
        ours.filter(|found| found.offset >= 0).map(|found| (found.offset, found.metadata.clone()));
    Ok(PartitionPosition { partition, committed, low, high })
}

/// The codes that are told apart here; every other one is `Unknown`.
fn error_code(code: i32) -> RDKafkaErrorCode {
    [
        RDKafkaErrorCode::TopicAuthorizationFailed,
        RDKafkaErrorCode::GroupAuthorizationFailed,
        RDKafkaErrorCode::UnknownTopicOrPartition,
        RDKafkaErrorCode::UnstableOffsetCommit,
    ]
    .into_iter()
    .find(|known| *known as i32 == code)
    .unwrap_or(RDKafkaErrorCode::Unknown)
}

fn is_forbidden(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed};
    let forbidden = [ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed];
    error.rdkafka_error_code().is_some_and(|code| forbidden.contains(&code))
}

/// The group is between two generations: the same commit may be taken in a moment.
fn is_unsettled(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{RebalanceInProgress, StaleMemberEpoch};
    error.rdkafka_error_code().is_some_and(|code| [RebalanceInProgress, StaleMemberEpoch].contains(&code))
}

fn is_fenced(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AssignmentLost, FencedInstanceId, FencedMemberEpoch, IllegalGeneration, StaleMemberEpoch,
        UnknownMemberId,
    };
    let fenced = [
        AssignmentLost,
        FencedInstanceId,
        FencedMemberEpoch,
        IllegalGeneration,
        StaleMemberEpoch,
        UnknownMemberId,
    ];
    error.rdkafka_error_code().is_some_and(|code| fenced.contains(&code))
}
