//! Reads changelogs back, up to where they ended when their partition came to the worker. Never waits.
//!
//! Only what is committed is handed on, but everything up to the high watermark is waited for: a transaction whose marker
//! is still on its way may be one whose offsets have been committed already.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};

use super::client;
use super::event::SourceEvent;
use super::librdkafka::{Failed, PartitionQueue, Wake, high_watermark};
use super::membership::{Membership, Notice};
use super::properties;
use super::reading::{Reader, Reading};
use super::settings::KafkaSettings;
use super::source::ConnectError;

/// How long one question for an end may take; it is repeated.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two questions for the same end; each that is in vain is a line in the log.
const PAUSE: Duration = Duration::from_secs(1);

/// Records of a batch at most, and bytes.
const BATCH_RECORDS_MAX: usize = 2_000;
const BATCH_BYTES_MAX: usize = 4 << 20;

/// What reading changelogs back brings.
#[derive(Debug)]
pub enum RestoreEvent {
    /// Records of a changelog; they carry the partition and the epoch that are restored.
    Records(Batch),
    /// All of it was handed on, up to that offset.
    Done(PartitionId, Epoch, i64),
    /// It can't be read from the offset that was given: it begins later, or ends before.
    NotInLog(PartitionId, Epoch, String),
    /// It ends there: the answer to [`Changelogs::ask_end`].
    Ends(PartitionId, Epoch, i64),
    /// It can't be read: for the operator of the system.
    Failed(PartitionId, String),
    /// Something is wrong that is tried again.
    Warning(String),
}

/// See the module's text. Holds a consumer only while something is restored or asked for.
pub struct Changelogs {
    settings: KafkaSettings,
    topic: String,
    wake: Wake,
    open: Option<Open>,
    restores: Vec<Restore>,
    /// Ends that were asked for, beside those of what is restored.
    asked: Vec<Question>,
    reader: Reader,
    found: VecDeque<RestoreEvent>,
}

struct Open {
    consumer: Arc<BaseConsumer<Membership>>,
    questions: Sender<Question>,
    ends: Receiver<(Question, Result<i64, Failed>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    partition: PartitionId,
    epoch: Epoch,
    number: i32,
    /// The answer is where restoring ends.
    restores: bool,
}

struct Restore {
    question: Question,
    /// Where it began; `None`: at the beginning.
    from: Option<i64>,
    reading: Reading,
    begun: Instant,
    /// Where the changelog ended; not known yet at first.
    end: Option<i64>,
}

/// How far restoring a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreProgress {
    /// Which partition.
    pub partition: PartitionId,
    /// Offsets still to be read; `None`: not known yet.
    pub left: Option<u64>,
    /// Since it began.
    pub lasts: Duration,
}

impl Changelogs {
    /// Of that topic, whose partitions have the numbers of the source's. Nothing connects yet.
    #[must_use]
    pub fn new(settings: &KafkaSettings, topic: &str, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let mut settings = settings.clone();
        // It is no member of the group.
        settings.group.instance_id = None;
        Self {
            settings,
            topic: topic.to_owned(),
            wake,
            open: None,
            restores: Vec::new(),
            asked: Vec::new(),
            reader: Reader::new(),
            found: VecDeque::new(),
        }
    }

    /// Begins to restore the partition, whose number that is, from that offset on (`None`: from the beginning); an attempt
    /// of an epoch before is over.
    ///
    /// # Errors
    /// When the client can't.
    pub fn begin(
        &mut self,
        partition: PartitionId,
        epoch: Epoch,
        number: i32,
        from: Option<i64>,
    ) -> Result<(), ConnectError> {
        self.stop(&[partition]);
        let question = Question { partition, epoch, number, restores: true };
        self.open()?;
        let Some(open) = &self.open else { unreachable!("it was just opened") };
        let queue = PartitionQueue::split(&open.consumer, &self.topic, number, Arc::clone(&self.wake))
            .ok_or_else(|| KafkaError::Subscription(self.topic.clone()))?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, number, from.map_or(Offset::Beginning, Offset::Offset))?;
        open.consumer.incremental_assign(&list)?;
        // The thread ends only after this sender.
        let _ = open.questions.send(question);
        let reading = Reading::new(epoch, queue, from.unwrap_or(0));
        self.restores.push(Restore { question, from, reading, begun: Instant::now(), end: None });
        Ok(())
    }

    /// Asks where the partition's changelog ends; answered by [`RestoreEvent::Ends`], unless the partition is stopped before.
    ///
    /// # Errors
    /// When the client can't.
    pub fn ask_end(&mut self, partition: PartitionId, epoch: Epoch, number: i32) -> Result<(), ConnectError> {
        self.asked.retain(|question| question.partition != partition);
        self.open()?;
        let Some(open) = &self.open else { unreachable!("it was just opened") };
        let question = Question { partition, epoch, number, restores: false };
        let _ = open.questions.send(question);
        self.asked.push(question);
        Ok(())
    }

    fn open(&mut self) -> Result<(), ConnectError> {
        if self.open.is_none() {
            self.open = Some(Open::connect(&self.settings, &self.topic, &self.wake)?);
        }
        Ok(())
    }

    /// These are not restored any more, and what was asked for is of no interest.
    pub fn stop(&mut self, partitions: &[PartitionId]) {
        self.asked.retain(|question| !partitions.contains(&question.partition));
        let ended: Vec<_> = self
            .restores
            .extract_if(.., |restore| partitions.contains(&restore.question.partition))
            .collect();
        ended.into_iter().for_each(|restore| self.end(restore));
        self.close_if_idle();
    }

    /// Whether something is being restored or asked for.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.restores.is_empty() || !self.asked.is_empty() || !self.found.is_empty()
    }

    /// How far it is.
    pub fn progress(&self) -> impl Iterator<Item = RestoreProgress> {
        self.restores.iter().map(|restore| {
            let read = restore.reading.progress().1;
            RestoreProgress {
                partition: restore.question.partition,
                left: restore.end.map(|end| end.saturating_sub(read).max(0).unsigned_abs()),
                lasts: restore.begun.elapsed(),
            }
        })
    }

    /// The next thing that is there, read into `batch`; after a wake-up, until there is nothing left.
    pub fn poll(&mut self, batch: impl FnOnce() -> Batch) -> Option<RestoreEvent> {
        if self.found.is_empty() && self.open.is_some() {
            self.hear();
            if !self.restores.is_empty() {
                self.read(batch());
            }
        }
        self.found.pop_front()
    }

    fn hear(&mut self) {
        let Some(open) = &self.open else { return };
        // Its records come by the partitions' queues; this serves what the client has to say.
        let _ = open.consumer.poll(Duration::ZERO);
        for notice in open.consumer.context().take() {
            if let Notice::Error { text, .. } = notice {
                self.found.push_back(RestoreEvent::Warning(text));
            }
        }
        let answers: Vec<_> = open.ends.try_iter().collect();
        for (question, answer) in answers {
            match answer {
                Ok(end) => self.ends(question, end),
                Err(failed) => self.not_known(question, failed),
            }
        }
    }

    fn ends(&mut self, question: Question, end: i64) {
        let Question { partition, epoch, .. } = question;
        if let Some(restore) = self.restores.iter_mut().find(|restore| restore.question == question) {
            restore.end = Some(end);
            if let Some(from) = restore.from.filter(|from| *from > end) {
                let reason = format!("it ends at {end}, before {from}");
                self.found.push_back(RestoreEvent::NotInLog(partition, epoch, reason));
                self.stop(&[partition]);
            }
        } else if self.asked.contains(&question) {
            self.asked.retain(|asked| *asked != question);
            self.found.push_back(RestoreEvent::Ends(partition, epoch, end));
            self.close_if_idle();
        }
    }

    fn not_known(&mut self, question: Question, (code, text): Failed) {
        let restores = self.restores.iter().any(|restore| restore.question == question);
        if !restores && !self.asked.contains(&question) {
            return;
        }
        let text =
            format!("the end of the changelog {}/{} is not known: {text}", self.topic, question.number);
        // What is only asked for is asked for again; the flow does not depend on it.
        self.found.push_back(if restores && is_for_good(code) {
            RestoreEvent::Failed(question.partition, text)
        } else {
            RestoreEvent::Warning(text)
        });
    }

    /// Reads of the first partition that has something, and notes those that are done.
    fn read(&mut self, mut batch: Batch) {
        let mut events = Vec::new();
        for index in 0..self.restores.len() {
            let Restore { question, from, reading, end, .. } = &mut self.restores[index];
            let limits = (BATCH_RECORDS_MAX, BATCH_BYTES_MAX);
            let read = reading.read(question.partition, &mut self.reader, &mut batch, limits, &mut events);
            let Question { partition, epoch, .. } = *question;
            if let Some(reason) = events.iter().find_map(out_of_range).filter(|_| from.is_some()) {
                self.found.push_back(RestoreEvent::NotInLog(partition, epoch, reason));
                return self.stop(&[partition]);
            }
            if let Some(reason) = events.iter().find_map(failure) {
                self.found.push_back(RestoreEvent::Failed(partition, reason));
            }
            let done = end.filter(|end| reading.progress().1 >= *end);
            if read == 0 && done.is_none() {
                continue;
            }
            if read > 0 {
                self.found.push_back(RestoreEvent::Records(batch));
            }
            if let Some(end) = done {
                let restore = self.restores.remove(index);
                self.end(restore);
                self.close_if_idle();
                self.found.push_back(RestoreEvent::Done(partition, epoch, end));
            }
            return;
        }
    }

    fn end(&mut self, restore: Restore) {
        let number = restore.question.number;
        // Its queue goes before its client.
        drop(restore);
        let Some(open) = &self.open else { return };
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topic, number);
        if let Err(error) = open.consumer.incremental_unassign(&list) {
            tracing::warn!("the changelog {}/{number} can't be let go: {error}", self.topic);
        }
    }

    fn close_if_idle(&mut self) {
        if self.restores.is_empty() && self.asked.is_empty() {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            // Else closing would wait for an answer to what it takes away.
            open.consumer.context().close();
            client::drop_elsewhere(open);
        }
    }
}

impl Drop for Changelogs {
    fn drop(&mut self) {
        self.restores.clear();
        self.close();
    }
}

impl Open {
    fn connect(settings: &KafkaSettings, topic: &str, wake: &Wake) -> Result<Self, ConnectError> {
        settings.check()?;
        let mut config = client::config(properties::of_consumer(settings));
        // What ends a changelog is the marker of a transaction, or nothing where compaction was. It joins no group, so
        // nothing pauses its partitions (see `properties`).
        config.set("enable.partition.eof", "true");
        let mut consumer: BaseConsumer<Membership> = config.create_with_context(Membership::default())?;
        let on_event = Arc::clone(wake);
        consumer.set_nonempty_callback(move || on_event());
        let consumer = Arc::new(consumer);
        let (questions, asked) = unbounded();
        let (answered, ends) = unbounded();
        let (asking, topic, wake) = (Arc::clone(&consumer), topic.to_owned(), Arc::clone(wake));
        let answer = move |question: Question| {
            let found = high_watermark(asking.client(), &topic, question.number, ANSWER_TIMEOUT);
            let is_known = found.is_ok();
            // Nobody listens any more once nothing is restored.
            let _ = answered.send((question, found));
            wake();
            is_known
        };
        std::thread::Builder::new()
            .name("kafka-changelogs".to_owned())
            .spawn(move || answer_all(&asked, answer))?;
        Ok(Self { consumer, questions, ends })
    }
}

/// Answers questions, each until the answer is known, while somebody may ask.
fn answer_all(asked: &Receiver<Question>, answer: impl Fn(Question) -> bool) {
    let mut waiting = VecDeque::new();
    loop {
        let question = if waiting.is_empty() {
            asked.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            asked.recv_timeout(PAUSE)
        };
        match question {
            Ok(question) => waiting.push_back(question),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Some(question) = waiting.pop_front()
            && !answer(question)
        {
            waiting.push_back(question);
        }
    }
}

fn is_for_good(code: i32) -> bool {
    use RDKafkaErrorCode as Code;
    let for_good = [
        Code::UnknownTopicOrPartition,
        Code::UnknownTopic,
        Code::UnknownPartition,
        Code::TopicAuthorizationFailed,
    ];
    for_good.into_iter().any(|known| known as i32 == code)
}

fn failure(event: &SourceEvent) -> Option<String> {
    match event {
        SourceEvent::PartitionFailed { reason, .. } => {
            Some(format!("records of its changelog can't be read: {reason}"))
        }
        event => {
            out_of_range(event).map(|reason| format!("its changelog was cut off while it was read: {reason}"))
        }
    }
}

fn out_of_range(event: &SourceEvent) -> Option<String> {
    match event {
        SourceEvent::OffsetOutOfRange { offset, reason, .. } => Some(format!("offset {offset}: {reason}")),
        _ => None,
    }
}
