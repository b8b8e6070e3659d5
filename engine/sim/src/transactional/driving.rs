//! Driving workers: what a runtime does with real time and a real client, here with simulated ones.

use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::produce::Produce;
use thalweg_core::batch::Batch;
use thalweg_core::exactly_once::{Changes, Command, ExactlyOnceWorker, Outputs};
use thalweg_core::position::PartitionId;
use thalweg_core::sink::SinkHandle;
use thalweg_core::state::StateError;
use thalweg_core::time::Now;
use thalweg_core::worker::{CommitEntry, FlowError, SinkIndex};

use crate::broker::cluster::{Request, Written};
use crate::broker::group::MemberId;
use crate::broker::transactions::Topic;
use crate::checks::{Checked, Violation};
use crate::counter_flow::operator::CounterOperator;
use crate::life::{Life, Reading, State};
use crate::sabotage::{DriverBug, Sabotage};
use crate::tally::Count;
use crate::transactional::client::Client;
use crate::transactional::event::{Event, Message, Purpose};
use crate::transactional::plan::ROOMY_BYTES;
use crate::transactional::process::{SKEW_MS, Worker};
use crate::transactional::{LETTERS, World};

/// How long a worker may take to stop.
const STOP_WITHIN_MS: u64 = 6_000;

/// Transactional ids beyond this are nobody's for long.
const FRESH_IDS: u64 = 1_000;

impl World {
    pub(super) fn driver_has(&self, bug: DriverBug) -> bool {
        self.behaviour.0 == Some(Sabotage::Driver(bug))
    }

    /// A process starts, with a new worker. Somebody has set its clock right.
    pub(super) fn start(&mut self, number: usize) {
        if !matches!(self.processes[number].life.state, State::Down) || self.closing {
            return;
        }
        let incarnation = self.next_id();
        let fresh = self.driver_has(DriverBug::FreshTransactionalIds);
        let transactional_id = if fresh { FRESH_IDS + incarnation } else { number as u64 };
        self.instances.insert(transactional_id, number);
        let (operator, letters) =
            (CounterOperator::new(SinkHandle::new(0)), Box::new(DeadLetters::new(LETTERS)));
        let (settings, seed) = (self.plan.worker.clone(), self.rng.u64(..));
        let worker = ExactlyOnceWorker::with_conduct(settings, operator, 1, letters, seed, self.behaviour);
        let skew_ms = self.rng.i64(-SKEW_MS..=SKEW_MS);
        let process = &mut self.processes[number];
        process.life.incarnation = incarnation;
        process.life.state = State::Up;
        process.life.last_turn_ms = self.now_ms;
        process.life.set_wall_clock(skew_ms);
        process.worker = Some(worker);
        process.state_bytes_max = self.plan.worker.state.bytes_max;
        process.client = Client::new(transactional_id);
        self.trace.note(self.now_ms, &[14, number as u64], || format!("process {number} starts"));
        self.tell(number, 0, Message::Wake(0));
        self.tell(number, 1, Message::Heartbeat);
        self.tell(number, 1, Message::Read);
        self.processes[number].life.wake_at_ms = Some(0);
        let delay_ms = self.rng.u64(1..200);
        self.after(delay_ms, Event::Join(incarnation));
    }

    pub(super) fn ask_to_stop(&mut self, number: usize, back_after_ms: u64) -> Checked {
        let life = &mut self.processes[number].life;
        if !matches!(life.state, State::Up) || life.stops_by_ms.is_some() {
            return Ok(());
        }
        life.stops_by_ms = Some(self.now_ms + STOP_WITHIN_MS);
        life.back_after_ms = back_after_ms;
        let deadline_ms = life.now(self.now_ms).plus_ms(STOP_WITHIN_MS);
        self.tally.one(Count::GracefulStops);
        self.trace.note(self.now_ms, &[15, number as u64], || format!("process {number} is asked to stop"));
        self.turn(number, |worker, now| worker.stop(now, deadline_ms))
    }

    /// Something arrives at a running process.
    pub(super) fn receive(&mut self, number: usize, message: Message) -> Checked {
        let member = self.processes[number].life.member;
        match message {
            Message::Wake(at_ms) => {
                if self.processes[number].life.wake_at_ms != Some(at_ms) {
                    return Ok(());
                }
                self.processes[number].life.wake_at_ms = None;
                self.turn(number, Worker::wake)?;
            }
            Message::Read => self.read(number)?,
            Message::Batch(batch) => {
                self.processes[number].late.remove(&(batch.partition().0, batch.epoch().0));
                self.turn(number, |worker, now| worker.batch(batch, now))?;
            }
            Message::Heartbeat => self.heartbeat(number),
            Message::Answer(id, answer) => {
                let out = self.processes[number].client.out.as_ref();
                let late = out.is_none_or(|out| out.number != id);
                self.tally.add(Count::LateResponses, u64::from(late));
                let step = self.processes[number].client.answered(id, answer);
                step.into_iter().for_each(|step| self.take_step(number, step));
            }
            Message::Timeout(id, sent) => {
                let step = self.processes[number].client.timed_out(id, sent);
                step.into_iter().for_each(|step| self.take_step(number, step));
            }
            Message::Again(id, sent) => {
                let out = self.processes[number].client.out.as_ref();
                if out.is_some_and(|out| (out.number, out.sent) == (id, sent)) {
                    self.send_request(number);
                }
            }
            Message::Ended(result) => self.turn(number, |worker, now| worker.ended(result, now))?,
            Message::ProducerReady => self.turn(number, Worker::producer_ready)?,
            Message::Positioned(fetch, positions) => {
                self.turn(number, |worker, now| worker.positioned(fetch, positions, now))?;
            }
            Message::ChangelogEnd(partition, epoch, Purpose::Restore(from), end) => {
                self.begin_restoring(number, partition, epoch, (from, end))?;
            }
            Message::ChangelogEnd(partition, epoch, Purpose::Snapshot, end) => {
                self.turn(number, |worker, now| worker.changelog_ends(partition, epoch, end, now))?;
            }
            Message::SnapshotRead(partition, epoch, bytes) => {
                self.turn(number, |worker, now| worker.snapshot_read(partition, epoch, &bytes, now))?;
            }
            Message::SnapshotEnds(partition, epoch, found) => {
                self.turn(number, |worker, now| worker.snapshot_ends(partition, epoch, found, now))?;
            }
            Message::SnapshotWritten(partition, epoch, written, whole) => {
                self.snapshot_written(number, partition, epoch, (written, whole))?;
            }
            Message::Restore(partition, epoch) => self.restore(number, partition, epoch)?,
            Message::Notice(to, notice) if member == Some(to) => self.notice(number, notice)?,
            Message::Unknown(to) if member == Some(to) => self.expelled(number)?,
            Message::Notice(..) | Message::Unknown(_) => {}
        }
        if matches!(self.processes[number].life.state, State::Up) {
            self.go_on(number);
        }
        Ok(())
    }

    /// Reads what may be read, one batch of each partition. Some of it lies around before it is looked at.
    fn read(&mut self, number: usize) -> Checked {
        let partitions: Vec<u32> = self.processes[number].reading.keys().copied().collect();
        let mut more = false;
        for partition in partitions {
            more |= self.read_partition(number, partition)?;
        }
        if !more && self.rng.u8(0..100) < 60 {
            self.turn(number, Worker::idle)?;
        }
        let delay_ms = if more { self.rng.u64(1..60) } else { self.rng.u64(20..150) };
        self.tell(number, delay_ms, Message::Read);
        Ok(())
    }

    fn read_partition(&mut self, number: usize, partition: u32) -> Result<bool, Violation> {
        let id = PartitionId(partition);
        let process = &mut self.processes[number];
        let reading = process.reading.get(&partition).copied();
        let reading = reading.filter(|reading| !process.late.contains(&(partition, reading.epoch.0)));
        let Some(reading) = reading else { return Ok(false) };
        let limits = process.worker.as_ref().and_then(|worker| worker.read_limits(id));
        let Some(limits) = limits else { return Ok(false) };
        let log = &self.log.partitions[partition as usize];
        if reading.next < log.low {
            process.reading.remove(&partition);
            self.turn(number, |worker, now| worker.out_of_range(id, now))?;
            return Ok(true);
        }
        let most = limits.records.min(if self.rng.bool() { 5 } else { 500 });
        let mut batch = process.spare.pop().unwrap_or_else(|| Batch::new(id, reading.epoch));
        batch.reset(id, reading.epoch);
        for record in log.records()[log.index_of(reading.next)..].iter().take(most) {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            batch.push(record.offset, record.timestamp_ms, key, value, &record.headers);
        }
        let Some(last) = batch.last_offset() else {
            process.spare.push(batch);
            return Ok(false);
        };
        process.reading.insert(partition, Reading { epoch: reading.epoch, next: last + 1 });
        self.trace.note(self.now_ms, &[16, number as u64, u64::from(partition), last as u64], || {
            format!("process {number} reads {partition}/{}..={last}, {} records", reading.next, batch.len())
        });
        if self.rng.u8(0..100) < self.plan.late_batches_percent {
            // Some of it longer than an aborted transaction takes to be run again.
            let delay_ms = if self.rng.bool() { self.rng.u64(0..60) } else { self.rng.u64(60..1_500) };
            self.processes[number].late.insert((partition, reading.epoch.0));
            self.tell(number, delay_ms, Message::Batch(batch));
        } else {
            self.turn(number, |worker, now| worker.batch(batch, now))?;
        }
        Ok(true)
    }

    /// Gives the worker an event, does what it commands, and checks what can be checked at every turn.
    pub(super) fn turn(&mut self, number: usize, event: impl FnOnce(&mut Worker, Now)) -> Checked {
        let now_ms = self.now_ms;
        let process = &mut self.processes[number];
        let spins = process.life.is_spinning(now_ms);
        process.life.last_turn_ms = now_ms;
        let now = process.life.now(now_ms);
        let Some(worker) = &mut process.worker else { return Ok(()) };
        event(worker, now);
        if spins {
            let detail = format!("process {number} is woken again and again without time passing");
            return Err(Violation::new("progress_after_healing", detail));
        }
        while let Some(command) = self.processes[number].worker.as_mut().and_then(Worker::poll) {
            self.obey(number, command)?;
        }
        self.after_turn(number)
    }

    fn after_turn(&mut self, number: usize) -> Checked {
        let now_ms = self.now_ms;
        let process = &mut self.processes[number];
        let bytes_max = process.state_bytes_max;
        let Some(worker) = &mut process.worker else { return Ok(()) };
        while let Some(batch) = worker.take_spent() {
            process.spare.push(batch);
        }
        let accounts = worker.accounts();
        if accounts.read != accounts.outcomes.iter().sum::<u64>() {
            return Err(Violation::new("accounts_add_up", format!("process {number}: {accounts:?}")));
        }
        if let Some(bytes) = worker.progress().map(|of| of.state_bytes).find(|bytes| *bytes > bytes_max) {
            let detail = format!("process {number} holds {bytes} bytes of state, and may hold {bytes_max}");
            return Err(Violation::new("state_limit", detail));
        }
        if process.life.stops_by_ms.is_some_and(|by_ms| now_ms > by_ms) {
            let detail = format!("process {number} was to have stopped");
            return Err(Violation::new("stops_in_time", detail));
        }
        let wake_at_ms = worker.wake_at_ms().map(|uptime_ms| process.life.at_ms(uptime_ms).max(now_ms));
        if wake_at_ms != process.life.wake_at_ms {
            process.life.wake_at_ms = wake_at_ms;
            if let Some(at_ms) = wake_at_ms {
                self.tell(number, at_ms - now_ms, Message::Wake(at_ms));
            }
        }
        Ok(())
    }

    fn obey(&mut self, number: usize, command: Command) -> Checked {
        match command {
            Command::RenewProducer => {
                let had_one = self.processes[number].client.reset();
                if had_one && self.driver_has(DriverBug::SameProducerAgain) {
                    self.tell(number, 0, Message::ProducerReady);
                } else {
                    self.processes[number].client.tell(Request::Init);
                }
            }
            Command::FetchPositions { fetch, partitions } => self.ask_positions(number, fetch, partitions),
            Command::LoadSnapshot { partition, epoch } => self.load_snapshot(number, partition, epoch),
            Command::Restore { partition, epoch, from } => {
                self.ask_changelog_end(number, partition, epoch, Purpose::Restore(from));
            }
            Command::AskChangelogEnd { partition, epoch } => {
                self.ask_changelog_end(number, partition, epoch, Purpose::Snapshot);
            }
            Command::WriteSnapshot(piece) => self.write_snapshot(number, piece),
            Command::RefusedSnapshot { partition, refusal } => {
                self.snapshot_refused(number, partition, &refusal);
            }
            Command::Read(reads) => {
                for read in reads {
                    let reading = Reading { epoch: read.epoch, next: read.offset };
                    self.processes[number].reading.insert(read.partition.0, reading);
                }
            }
            Command::Produce(outputs) => {
                let records = self.outputs(&outputs);
                self.processes[number].client.tell(Request::Produce(records));
            }
            Command::Commit { changes, offsets, .. } => self.commit(number, &changes, offsets),
            Command::Abort => self.processes[number].client.tell(Request::End { commit: false }),
            Command::Release(partitions) => self.release(number, &partitions),
            Command::Stopped { clean } => self.stopped(number, clean),
            Command::Fail(error) => self.failed(number, &error)?,
            Command::Warn(warning) => {
                self.trace.note(self.now_ms, &[17], || format!("process {number} warns: {warning}"));
            }
        }
        Ok(())
    }

    fn commit(&mut self, number: usize, changes: &Changes, entries: Vec<CommitEntry>) {
        let Life { member, generation, .. } = &self.processes[number].life;
        let member = member.map(|member| (member, *generation));
        let unchecked = self.driver_has(DriverBug::NoGroupMetadata);
        let outside = self.driver_has(DriverBug::OffsetsOutsideTransaction);
        let records = changelog_records(changes);
        let client = &mut self.processes[number].client;
        if !records.is_empty() {
            client.tell(Request::Produce(records));
        }
        client.tell(match member {
            _ if outside => Request::CommitOffsets { entries },
            _ if unchecked => Request::SendOffsets { member: None, entries },
            // Who is no member has no generation either; nobody knows him.
            None => Request::SendOffsets { member: Some((MemberId(0), 0)), entries },
            member => Request::SendOffsets { member, entries },
        });
        client.tell(Request::End { commit: true });
    }

    /// What the producer writes for outputs: a record without a partition goes to one by its key.
    fn outputs(&self, outputs: &Outputs) -> Vec<Written> {
        let write = |(sink, mut bytes): (SinkIndex, &[u8])| {
            let record = Produce::decode(&mut bytes)?;
            let key = record.key.unwrap_or_default().to_vec();
            let topic = if sink.0 == 0 { Topic::Output } else { Topic::Letters };
            let of_key = key.iter().fold(0u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
            let partition = record.partition.map_or(of_key, i32::cast_unsigned) % self.plan.outputs;
            let (value, headers) = (record.value.map(<[u8]>::to_vec), record.headers.as_bytes().to_vec());
            Some(Written { topic, partition, key, value, headers })
        };
        outputs.iter().filter_map(write).collect()
    }

    fn stopped(&mut self, number: usize, clean: bool) {
        self.trace.note(self.now_ms, &[18, number as u64, u64::from(clean)], || {
            format!("process {number} has stopped, clean: {clean}")
        });
        let back_after_ms = self.processes[number].life.back_after_ms;
        self.exit(number, back_after_ms);
    }

    /// A worker says that the flow must not go on: only where a partition's state is full, in a history whose memory limit
    /// is tight. Whoever operates the flow raises the limit then, and starts the process again.
    fn failed(&mut self, number: usize, error: &FlowError) -> Checked {
        let own_bytes_max = self.processes[number].state_bytes_max;
        match error {
            FlowError::State { error: StateError::Full { needed_bytes, bytes_max, .. }, .. }
                if own_bytes_max < ROOMY_BYTES && needed_bytes > bytes_max && *bytes_max == own_bytes_max => {
            }
            _ => return Err(Violation::new("flow_goes_on", format!("process {number}: {error}"))),
        }
        self.tally.one(Count::StatesFull);
        self.trace.note(self.now_ms, &[19, number as u64], || format!("process {number} fails: {error}"));
        self.plan.worker.state.bytes_max = ROOMY_BYTES;
        let back_after_ms = self.rng.u64(100..2_000);
        self.exit(number, back_after_ms);
        Ok(())
    }

    /// The process leaves the group and ends.
    fn exit(&mut self, number: usize, back_after_ms: u64) {
        if let Some(member) = self.processes[number].life.member {
            self.group.leave(member, self.now_ms, &mut self.rng);
        }
        self.end_life(number);
        if back_after_ms < u64::MAX && number < self.plan.processes {
            self.after(back_after_ms, Event::Start(number));
        }
    }
}

/// The changelog has the partitions of the topic that is read.
fn changelog_records(changes: &Changes) -> Vec<Written> {
    let write = |(partition, key, value): (PartitionId, &[u8], Option<&[u8]>)| Written {
        topic: Topic::Changelog,
        partition: partition.0,
        key: key.to_vec(),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
    };
    changes.iter().map(write).collect()
}
