//! What producers of transactions ask of the broker, and what it answers.

use std::collections::BTreeMap;

use thalweg_core::worker::CommitEntry;

use crate::broker::group::{Admission, Group, MemberId};
use crate::broker::group_offsets::{GroupOffsets, Sent};
use crate::broker::transactional_log::{Entry, TransactionalLog};
use crate::broker::transactions::{Place, Producer, Refusal, Topic, TransactionNumber, Transactions};
use crate::life::Incarnation;

/// A record to be written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) topic: Topic,
    pub(crate) partition: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<u8>,
}

/// What a producer asks for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// A new producer of its transactional id.
    Init,
    /// Records, in its transaction; the first ones begin it.
    Produce(Vec<Written>),
    /// Offsets, in its transaction. With a member and its generation, the group fences who is not a member any more.
    SendOffsets { member: Option<(MemberId, u64)>, entries: Vec<CommitEntry> },
    /// Offsets at once, beside any transaction.
    CommitOffsets { entries: Vec<CommitEntry> },
    /// The end of its transaction.
    End { commit: bool },
}

/// What the broker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The producer that was asked for.
    Ready(Producer),
    /// It is done.
    Done,
    /// Not now: ask again.
    Later,
    /// Another producer has the transactional id.
    Fenced,
    /// The group does not know the member.
    UnknownMember,
    /// The member's generation is over.
    StaleGeneration,
    /// The transaction can only be aborted now.
    Refused,
}

/// Who asks. A life's requests are numbered, so that none is done twice or after a later one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) life: Incarnation,
    pub(crate) transactional_id: u64,
    pub(crate) producer: Option<Producer>,
    pub(crate) number: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Cluster {
    logs: BTreeMap<(Topic, u32), TransactionalLog>,
    pub(crate) offsets: GroupOffsets,
    pub(crate) transactions: Transactions,
    /// By life of a process: its last request that was done, and the answer.
    answered: BTreeMap<Incarnation, (u64, Answer)>,
}

impl Cluster {
    /// `partitions` of the topic that is read, and so of the changelog; `outputs` of the others.
    pub(crate) fn new(partitions: u32, outputs: u32) -> Self {
        let changelogs = (0..partitions).map(|partition| (Topic::Changelog, partition));
        let topics = [Topic::Output, Topic::Letters].into_iter();
        let outputs = topics.flat_map(|topic| (0..outputs).map(move |partition| (topic, partition)));
        Self {
            logs: changelogs.chain(outputs).map(|place| (place, TransactionalLog::default())).collect(),
            offsets: GroupOffsets::new(partitions),
            transactions: Transactions::default(),
            answered: BTreeMap::new(),
        }
    }

    pub(crate) fn log(&self, topic: Topic, partition: u32) -> &TransactionalLog {
        &self.logs[&(topic, partition)]
    }

    pub(crate) fn log_mut(&mut self, topic: Topic, partition: u32) -> Option<&mut TransactionalLog> {
        self.logs.get_mut(&(topic, partition))
    }

    /// Every partition of every topic that transactions write to.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (Topic, u32, &TransactionalLog)> {
        self.logs.iter().map(|((topic, partition), log)| (*topic, *partition, log))
    }

    /// A request has arrived; `None`: it is late, and nobody waits for it.
    pub(crate) fn take(
        &mut self,
        asker: Asker,
        request: &Request,
        group: &Group,
        now_ms: u64,
    ) -> Option<Answer> {
        let fenced = |producer: Producer| self.transactions.epoch(asker.transactional_id) != producer.epoch;
        if asker.producer.is_some_and(fenced) && !matches!(request, Request::Init) {
            // Also where it asks again for what was done: that it was is not remembered for a producer of the past.
            return Some(Answer::Fenced);
        }
        match self.answered.get(&asker.life) {
            Some((number, answer)) if *number == asker.number => return Some(answer.clone()),
            Some((number, _)) if *number > asker.number => return None,
            _ => {}
        }
        let answer = match self.answer(asker, request, group, now_ms) {
            Ok(answer) => answer,
            Err(Refusal::Fenced) => Answer::Fenced,
            Err(Refusal::Later) => return Some(Answer::Later),
        };
        self.answered.insert(asker.life, (asker.number, answer.clone()));
        Some(answer)
    }

    /// Whether that request was done before.
    pub(crate) fn has_done(&self, asker: Asker) -> bool {
        self.answered.get(&asker.life).is_some_and(|(number, _)| *number >= asker.number)
    }

    fn answer(
        &mut self,
        asker: Asker,
        request: &Request,
        group: &Group,
        now_ms: u64,
    ) -> Result<Answer, Refusal> {
        let producer =
            asker.producer.unwrap_or(Producer { transactional_id: asker.transactional_id, epoch: 0 });
        match request {
            Request::Init => return self.transactions.init(asker.transactional_id).map(Answer::Ready),
            Request::Produce(records) => {
                for record in records {
                    let place = Place::Log(record.topic, record.partition);
                    let transaction = self.transactions.add(producer, place, now_ms)?;
                    self.append(transaction, record, now_ms);
                }
            }
            Request::SendOffsets { member, entries } => {
                match member.map(|(member, generation)| group.commit(member, generation)) {
                    Some(Admission::Fenced) => return Ok(Answer::UnknownMember),
                    Some(Admission::Later) => return Ok(Answer::StaleGeneration),
                    Some(Admission::Taken) | None => {}
                }
                let transaction = self.transactions.add(producer, Place::Offsets, now_ms)?;
                self.offsets.send(transaction, sent(entries).collect());
            }
            Request::CommitOffsets { entries } => {
                for (partition, position, metadata) in sent(entries) {
                    self.offsets.committed[partition as usize] = Some((position, metadata));
                }
            }
            Request::End { commit } => self.transactions.end(producer, *commit)?,
        }
        Ok(Answer::Done)
    }

    fn append(&mut self, transaction: TransactionNumber, record: &Written, now_ms: u64) {
        let Written { topic, partition, key, value, headers } = record.clone();
        if let Some(log) = self.log_mut(topic, partition) {
            log.append(Entry { offset: 0, transaction, appended_ms: now_ms, key, value, headers });
        }
    }

    /// A marker is written. Answers what is committed of the group's offsets by it, and not yet entered.
    pub(crate) fn mark(
        &mut self,
        transaction: TransactionNumber,
        committed: bool,
        place: Place,
    ) -> Vec<Sent> {
        self.transactions.marked(transaction, place);
        match place {
            Place::Offsets => self.offsets.mark(transaction, committed),
            Place::Log(topic, partition) => {
                if let Some(log) = self.log_mut(topic, partition) {
                    log.mark(transaction, committed);
                }
                Vec::new()
            }
        }
    }
}

fn sent(entries: &[CommitEntry]) -> impl Iterator<Item = Sent> {
    entries.iter().map(|entry| (entry.partition.0, entry.position, entry.metadata.clone()))
}
