//! Driving workers: what the runtime does with real time and real systems, here with simulated ones.

use thalweg_core::batch::Batch;
use thalweg_core::position::PartitionId;
use thalweg_core::sink::Reply;
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, CommitResult, NamedSink, PartitionName, Worker};

use crate::broker::group::Notice;
use crate::checks::{Checked, Violation};
use crate::flow::Flow;
use crate::life::{Reading, State};
use crate::sabotage::Behaviour;
use crate::tally::Count;
use crate::world::event::{Event, Message};
use crate::world::{TOPIC, World};

/// Members tell the group this often that they live.
const HEARTBEAT_EVERY_MS: u64 = 1_000;

/// What the core takes for a suspension; a turn after a longer gap must be fenced.
const SUSPENSION_MS: u64 = 2_000;

/// How long a worker may take to stop.
const STOP_WITHIN_MS: u64 = 8_000;

/// How long the answer to its last commit may take after that.
const LAST_COMMIT_MS: u64 = 5_000;

/// The largest record there is, with its overhead and what may follow from it.
const LARGEST_RECORD_BYTES: u64 = 40_000;

impl<F: Flow> World<F> {
    /// A process starts, with a new worker.
    pub(crate) fn start(&mut self, number: usize) {
        if !matches!(self.processes[number].life.state, State::Down) || self.closing {
            return;
        }
        if self.now_ms <= self.dark_until_ms {
            let at_ms = self.dark_until_ms + self.rng.u64(1..500);
            return self.at(at_ms, Event::Start(number));
        }
        let incarnation = self.next_id();
        let sinks = self.flow.sinks(self.behaviour).into_iter().enumerate();
        let sinks = sinks.map(|(index, (name, machine))| NamedSink {
            name,
            machine,
            settings: self.flow.sink_settings(index, self.plan.sink),
        });
        let letters = (self.dead_letter_sink(), self.plan.letters);
        let seed = self.rng.u64(..);
        let settings = self.plan.worker.clone();
        let worker =
            Worker::new(settings, self.flow.operator(), sinks.collect(), letters, seed, self.behaviour);
        let process = &mut self.processes[number];
        process.life.incarnation = incarnation;
        process.worker = Some(worker);
        process.accepts_lost_offsets = self.plan.worker.accept_lost_offsets;
        process.life.state = State::Up;
        process.life.last_turn_ms = self.now_ms;
        self.trace.note(self.now_ms, &[9, number as u64], || format!("process {number} starts"));
        for message in [Message::Heartbeat, Message::Read] {
            self.after(1, Event::Process(number, incarnation, message));
        }
        let delay_ms = self.rng.u64(1..200);
        self.after(delay_ms, Event::Join(number, incarnation));
    }

    pub(crate) fn ask_to_stop(&mut self, number: usize, back_after_ms: u64) -> Checked {
        let process = &mut self.processes[number];
        if !matches!(process.life.state, State::Up) || process.life.stops_by_ms.is_some() {
            return Ok(());
        }
        process.life.stops_by_ms = Some(self.now_ms + STOP_WITHIN_MS);
        process.life.back_after_ms = back_after_ms;
        let deadline_ms = process.life.now(self.now_ms).plus_ms(STOP_WITHIN_MS);
        self.tally.one(Count::GracefulStops);
        self.trace.note(self.now_ms, &[10, number as u64], || format!("process {number} is asked to stop"));
        self.turn(number, |worker, now| worker.stop(now, deadline_ms))
    }

    /// Something arrives at a running process.
    pub(crate) fn receive(&mut self, number: usize, message: Message) -> Checked {
        match message {
            Message::Wake(at_ms) => {
                if self.processes[number].life.wake_at_ms != Some(at_ms) {
                    return Ok(());
                }
                self.processes[number].life.wake_at_ms = None;
                self.turn(number, Worker::wake)
            }
            Message::Read => self.read(number),
            Message::Heartbeat => {
                self.heartbeat(number);
                Ok(())
            }
            Message::Reply { id, sink, lane, reply } => {
                if self.processes[number].outstanding.get(&(sink, lane)) != Some(&id) {
                    let is_answer = matches!(reply, Reply::Answer { .. });
                    self.tally.add(Count::LateResponses, u64::from(is_answer));
                    return Ok(());
                }
                self.processes[number].outstanding.remove(&(sink, lane));
                match &reply {
                    Reply::Answer { .. } => {
                        let incarnation = self.processes[number].life.incarnation;
                        self.systems[usize::from(sink.0)].patience.deceived(incarnation);
                    }
                    Reply::Unknown(_) => self.tally.one(Count::UnknownOutcomes),
                    Reply::NotSent(_) => {}
                }
                self.turn(number, |worker, now| worker.replied(sink, lane, reply, now))
            }
            Message::Committed(result) => {
                self.fence_answered(number, &result);
                self.turn(number, |worker, now| worker.committed(result, now))
            }
            Message::Positioned(fetch, positions) => self.positioned(number, fetch, positions),
            Message::Notice(member, notice) => {
                if self.processes[number].life.member != Some(member) {
                    return Ok(());
                }
                self.notice(number, notice)
            }
            Message::Unknown(member) => {
                if self.processes[number].life.member != Some(member) {
                    return Ok(());
                }
                self.expelled(number)
            }
        }
    }

    fn notice(&mut self, number: usize, notice: Notice) -> Checked {
        self.trace.note(self.now_ms, &[11, number as u64], || format!("process {number} is told {notice:?}"));
        let process = &mut self.processes[number];
        match notice {
            Notice::Revoke(partitions) => {
                process.asked.retain(|partition, _| !partitions.contains(partition));
                let ids = partitions.into_iter().map(PartitionId).collect();
                self.turn(number, |worker, now| worker.revoked(ids, now))
            }
            Notice::Assign { partitions, generation } => {
                process.life.generation = generation;
                process.life.owned.extend(&partitions);
                if partitions.is_empty() {
                    return Ok(());
                }
                let named = |partition: u32| {
                    (PartitionId(partition), PartitionName { topic: TOPIC.into(), number: partition as i32 })
                };
                let assigned = partitions.into_iter().map(named).collect();
                self.turn(number, |worker, now| worker.assigned(assigned, now))
            }
        }
    }

    /// The group has expelled the member: all it had is lost, and it joins anew.
    fn expelled(&mut self, number: usize) -> Checked {
        self.trace
            .note(self.now_ms, &[12, number as u64], || format!("process {number} learns it was expelled"));
        let process = &mut self.processes[number];
        process.life.member = None;
        process.asked.clear();
        let lost: Vec<_> = process.life.owned.iter().copied().map(PartitionId).collect();
        let incarnation = process.life.incarnation;
        if !lost.is_empty() {
            self.turn(number, |worker, now| worker.lost(lost, now))?;
        }
        let delay_ms = self.rng.u64(1..300);
        self.after(delay_ms, Event::Join(number, incarnation));
        Ok(())
    }

    fn heartbeat(&mut self, number: usize) {
        let process = &self.processes[number];
        let incarnation = process.life.incarnation;
        if let Some(member) = process.life.member
            && !self.group.heartbeat(member, self.now_ms)
        {
            let delay_ms = self.rng.u64(1..50);
            self.after(delay_ms, Event::Process(number, incarnation, Message::Unknown(member)));
        }
        self.after(HEARTBEAT_EVERY_MS, Event::Process(number, incarnation, Message::Heartbeat));
    }

    fn fence_answered(&mut self, number: usize, result: &CommitResult) {
        let process = &mut self.processes[number];
        if std::mem::take(&mut process.fence_is_out) && !matches!(result, CommitResult::Failed(_)) {
            process.must_fence = false;
            self.tally.one(Count::Fences);
        }
    }

    /// Reads what may be read, one batch of each partition.
    fn read(&mut self, number: usize) -> Checked {
        let partitions: Vec<u32> = self.processes[number].reading.keys().copied().collect();
        let mut more = false;
        for partition in partitions {
            more |= self.read_partition(number, partition)?;
        }
        let delay_ms = if more { self.rng.u64(1..60) } else { self.rng.u64(20..150) };
        let incarnation = self.processes[number].life.incarnation;
        self.after(delay_ms, Event::Process(number, incarnation, Message::Read));
        Ok(())
    }

    fn read_partition(&mut self, number: usize, partition: u32) -> Result<bool, Violation> {
        let id = PartitionId(partition);
        let process = &mut self.processes[number];
        let Some(reading) = process.reading.get(&partition).copied() else { return Ok(false) };
        let limits = process.worker.as_ref().and_then(|worker| worker.read_limits(id));
        let Some(limits) = limits else { return Ok(false) };
        let log = &self.log.partitions[partition as usize];
        if reading.next < log.low {
            process.reading.remove(&partition);
            self.turn(number, |worker, now| worker.out_of_range(id, now))?;
            return Ok(true);
        }
        let first = log.index_of(reading.next);
        let most = limits.records.min(if self.rng.bool() { 5 } else { 500 });
        let mut batch = process.spare.pop().unwrap_or_else(|| Batch::new(id, reading.epoch));
        batch.reset(id, reading.epoch);
        for record in log.records()[first..].iter().take(most) {
            if !batch.is_empty() && batch.size_bytes() + record.size_bytes() > limits.bytes {
                break;
            }
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            batch.push(record.offset, record.timestamp_ms, key, value, &record.headers);
        }
        let Some(last) = batch.last_offset() else {
            process.spare.push(batch);
            return Ok(false);
        };
        process.reading.insert(partition, Reading { epoch: reading.epoch, next: last + 1 });
        let read_end = &mut self.read_ends[partition as usize];
        *read_end = last.max(*read_end - 1) + 1;
        self.trace.note(self.now_ms, &[13, number as u64, u64::from(partition), last as u64], || {
            format!("process {number} reads {partition}/{}..={last}, {} records", reading.next, batch.len())
        });
        self.turn(number, |worker, now| worker.batch(batch, now))?;
        Ok(true)
    }

    /// Gives the worker an event, does what it commands, and checks what can be checked at every turn.
    pub(crate) fn turn(
        &mut self,
        number: usize,
        event: impl FnOnce(&mut Worker<F::Operator, Behaviour>, Now),
    ) -> Checked {
        let now_ms = self.now_ms;
        let process = &mut self.processes[number];
        let Some(worker) = &mut process.worker else { return Ok(()) };
        if now_ms - process.life.last_turn_ms > SUSPENSION_MS && worker.progress().next().is_some() {
            process.must_fence = true;
        }
        let spins = process.life.is_spinning(now_ms);
        let process = &mut self.processes[number];
        process.life.last_turn_ms = now_ms;
        let now = process.life.now(now_ms);
        let Some(worker) = &mut process.worker else { return Ok(()) };
        event(worker, now);
        if spins {
            let detail = format!("process {number} is woken again and again without time passing");
            return Err(Violation::new("progress_after_healing", detail));
        }
        if worker.progress().next().is_none() {
            process.must_fence = false;
        }
        while let Some(command) = self.processes[number].worker.as_mut().and_then(Worker::poll) {
            self.obey(number, command)?;
        }
        self.after_turn(number)
    }

    fn after_turn(&mut self, number: usize) -> Checked {
        let (now_ms, settings) = (self.now_ms, self.plan.worker.clone());
        let process = &mut self.processes[number];
        let Some(worker) = &mut process.worker else { return Ok(()) };
        while let Some(batch) = worker.take_spent() {
            process.spare.push(batch);
        }
        let open: usize = worker.progress().map(|progress| progress.open).sum();
        let accounts = worker.accounts();
        let ended = accounts.outcomes.iter().sum::<u64>() + accounts.given_up;
        if accounts.read != ended + open as u64 {
            let detail = format!("process {number}: {accounts:?}, but {open} are open");
            return Err(Violation::new("accounts_add_up", detail));
        }
        let reserved = worker.reserved_bytes();
        // As often as it may be held: its original, each sink's effect, its dead letter.
        let largest = (self.systems.len() as u64 + 1) * LARGEST_RECORD_BYTES;
        if reserved > settings.budget_bytes + largest || open > settings.open_records_max {
            let (budget, most) = (settings.budget_bytes, settings.open_records_max);
            let detail = format!(
                "process {number}: {reserved} of {budget} bytes reserved, {open} of {most} records open"
            );
            return Err(Violation::new("memory_budget", detail));
        }
        if process.life.stops_by_ms.is_some_and(|by_ms| now_ms > by_ms + LAST_COMMIT_MS) {
            let detail = format!("process {number} was to have stopped: {:?}", worker.stuck(3));
            return Err(Violation::new("stops_in_time", detail));
        }
        let wake_at_ms = worker.wake_at_ms().map(|uptime_ms| process.life.at_ms(uptime_ms).max(now_ms));
        if wake_at_ms != process.life.wake_at_ms {
            process.life.wake_at_ms = wake_at_ms;
            let incarnation = process.life.incarnation;
            if let Some(at_ms) = wake_at_ms {
                self.at(at_ms, Event::Process(number, incarnation, Message::Wake(at_ms)));
            }
        }
        Ok(())
    }

    fn obey(&mut self, number: usize, command: Command) -> Checked {
        let incarnation = self.processes[number].life.incarnation;
        match command {
            Command::Send { sink, lane, request } => self.send(number, sink, lane, request)?,
            Command::FetchPositions { fetch, partitions } => self.ask_positions(number, fetch, partitions),
            Command::Read(reads) => self.begin_reading(number, &reads)?,
            Command::Commit(entries) => {
                let process = &mut self.processes[number];
                process.fence_is_out = process.must_fence;
                let Some(member) = process.life.member else {
                    let fenced = Message::Committed(CommitResult::Fenced("no member".to_owned()));
                    self.after(1, Event::Process(number, incarnation, fenced));
                    return Ok(());
                };
                let generation = process.life.generation;
                let process = number;
                let delay_ms = self.rng.u64(1..20);
                self.after(delay_ms, Event::Commit { process, incarnation, member, generation, entries });
            }
            Command::Release(partitions) => self.release(number, &partitions),
            Command::Stopped { clean } => self.stopped(number, clean),
            Command::Fail(error) => self.failed(number, &error)?,
            Command::Warn(warning) => {
                self.trace.note(self.now_ms, &[14], || format!("process {number} warns: {warning}"));
            }
        }
        Ok(())
    }

    fn release(&mut self, number: usize, partitions: &[PartitionId]) {
        let process = &mut self.processes[number];
        let partitions: Vec<u32> = partitions.iter().map(|partition| partition.0).collect();
        for partition in &partitions {
            process.life.owned.remove(partition);
            process.reading.remove(partition);
        }
        self.trace
            .note(self.now_ms, &[15, number as u64], || format!("process {number} releases {partitions:?}"));
        if let Some(member) = self.processes[number].life.member {
            let delay_ms = self.rng.u64(1..50);
            self.after(delay_ms, Event::Released(member, partitions));
        }
    }

    fn stopped(&mut self, number: usize, clean: bool) {
        self.trace.note(self.now_ms, &[16, number as u64, u64::from(clean)], || {
            format!("process {number} has stopped, clean: {clean}")
        });
        let back_after_ms = self.processes[number].life.back_after_ms;
        if let Some(member) = self.processes[number].life.member {
            self.group.leave(member, self.now_ms, &mut self.rng);
        }
        self.end_life(number);
        if back_after_ms < u64::MAX {
            self.after(back_after_ms, Event::Start(number));
        }
    }
}
