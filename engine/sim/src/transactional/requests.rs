//! Between producers and the broker: requests, answers, and markers.

use thalweg_core::exactly_once::TransactionResult;

use crate::broker::cluster::{Answer, Asker, Request};
use crate::broker::transactions::{Place, TransactionNumber};
use crate::checks::{Checked, Violation};
use crate::tally::Count;
use crate::transactional::World;
use crate::transactional::client::Step;
use crate::transactional::event::{Event, Message};
use crate::transactional::plan::{Fault, Trouble};

/// A marker that takes longer than that is late.
const LATE_MS: u64 = 500;

/// Markers take that long at most once a transaction is decided.
pub(super) const LATE_MS_MAX: u64 = 6_000;

impl World {
    /// The producer goes on with what it was told.
    pub(super) fn go_on(&mut self, number: usize) {
        let id = self.next_id();
        if let Some(step) = self.processes[number].client.step(id) {
            self.take_step(number, step);
        }
    }

    /// What follows at the producer, and then what follows after that.
    pub(super) fn take_step(&mut self, number: usize, step: Step) {
        match step {
            Step::Send => self.send_request(number),
            Step::SendLater => {
                let out = self.processes[number].client.out.as_ref();
                let delay_ms = self.rng.u64(10..100);
                if let Some((id, sent)) = out.map(|out| (out.number, out.sent)) {
                    self.tell(number, delay_ms, Message::Again(id, sent));
                }
            }
            Step::Renewed => {
                self.tell(number, 0, Message::ProducerReady);
            }
            Step::Ended(result) => {
                self.count_result(&result);
                self.tell(number, 0, Message::Ended(result));
            }
        }
    }

    fn count_result(&mut self, result: &TransactionResult) {
        self.tally.one(match result {
            TransactionResult::Committed => Count::TransactionsCommitted,
            TransactionResult::Aborted(_) => Count::TransactionsAborted,
            TransactionResult::Unknown(_) => Count::TransactionsUnknown,
            TransactionResult::Fenced(_) => Count::TransactionsFenced,
        });
    }

    /// Sends the request that is out, and waits for its answer for a while.
    pub(super) fn send_request(&mut self, number: usize) {
        let (loses, slow) = (self.strikes(Trouble::RequestsLost), self.strikes(Trouble::Slow));
        let loses_end = self.strikes(Trouble::EndsLost) && self.rng.bool();
        let client = &self.processes[number].client;
        let Some(out) = &client.out else { return };
        let (id, sent, request) = (out.number, out.sent, out.request.clone());
        let life = self.processes[number].life.incarnation;
        let (transactional_id, producer) = (client.transactional_id, client.producer);
        let asker = Asker { life, transactional_id, producer, number: id };
        self.trace.note(self.now_ms, &[2, number as u64, id], || {
            format!("process {number} asks {asker:?}, the {sent}. time: {request:?}")
        });
        self.tell(number, self.plan.request_timeout_ms, Message::Timeout(id, sent));
        if loses || (loses_end && matches!(request, Request::End { .. })) {
            return;
        }
        let delay_ms = if slow { self.rng.u64(100..4_000) } else { self.rng.u64(1..10) };
        self.after(delay_ms, Event::Request(asker, request));
    }

    /// A request has arrived at the broker.
    pub(super) fn take_request(&mut self, asker: Asker, request: &Request) -> Checked {
        let again = self.cluster.has_done(asker);
        let writes = matches!(request, Request::Produce(_) | Request::SendOffsets { .. });
        let answer = if writes && self.strikes(Trouble::Refused) {
            Some(Answer::Refused)
        } else {
            self.cluster.take(asker, request, &self.group, self.now_ms)
        };
        self.trace.note(self.now_ms, &[3, asker.number], || format!("request {}: {answer:?}", asker.number));
        let Some(answer) = answer else { return Ok(()) };
        if answer == Answer::Done && !again {
            self.offsets_are_own(request)?;
            self.freeze_in_transaction(asker, request);
        }
        if matches!(answer, Answer::Fenced | Answer::UnknownMember | Answer::StaleGeneration) {
            self.tally.one(Count::ZombiesRefused);
        }
        if let Answer::Ready(_) = answer {
            self.predecessors_have_ended(asker.transactional_id)?;
        }
        let ends = matches!(request, Request::End { .. });
        if self.strikes(Trouble::AnswersLost) || (ends && self.strikes(Trouble::EndsLost)) {
            return Ok(());
        }
        let slow = self.strikes(Trouble::Slow);
        let delay_ms = if slow { self.rng.u64(100..4_000) } else { self.rng.u64(1..10) };
        self.after(delay_ms, Event::Process(asker.life, Message::Answer(asker.number, answer)));
        Ok(())
    }

    /// A process that has written something, and has not ended its transaction, may be one to be stopped just then.
    fn freeze_in_transaction(&mut self, asker: Asker, request: &Request) {
        let Some(number) = self.living(asker.life) else { return };
        if matches!(request, Request::Produce(_) | Request::SendOffsets { .. })
            && let Some(for_ms) = self.freezes_in_transaction.remove(&number)
        {
            self.freeze(number, for_ms);
        }
    }

    /// A producer is there: no transaction of a life before is open any more.
    fn predecessors_have_ended(&self, transactional_id: u64) -> Checked {
        let number = self.instances.get(&transactional_id);
        let same = |(id, _): &(u64, u64)| *id != transactional_id && self.instances.get(id) == number;
        match self.cluster.transactions.ongoing().find(same) {
            None => Ok(()),
            Some((id, since_ms)) => {
                let detail = format!(
                    "a transaction of {id}, open since {since_ms} ms, was left by process {number:?}"
                );
                Err(Violation::new("predecessor_ended", detail))
            }
        }
    }

    fn offsets_are_own(&self, request: &Request) -> Checked {
        let Request::SendOffsets { member: Some((member, _)), entries } = request else { return Ok(()) };
        for entry in entries {
            let owner = self.group.owner(entry.partition.0);
            if owner.is_some_and(|owner| owner != *member) {
                let detail =
                    format!("{member:?} sent offsets of {:?}, which is {owner:?}'s", entry.partition);
                return Err(Violation::new("commit_only_own", detail));
            }
        }
        Ok(())
    }

    /// Schedules the markers of what was decided: each partition's at its own time.
    pub(super) fn write_markers(&mut self) {
        for ending in std::mem::take(&mut self.cluster.transactions.endings) {
            self.trace.note(self.now_ms, &[4, ending.transaction.0, u64::from(ending.committed)], || {
                format!("{:?} is decided, committed: {}", ending.transaction, ending.committed)
            });
            let expels = ending.committed && self.expels_before_markers > 0;
            if expels {
                self.expels_before_markers -= 1;
                let process = self.instances.get(&ending.transactional_id).copied().unwrap_or_default();
                let delay_ms = self.rng.u64(1..200);
                self.after(delay_ms, Event::Fault(Fault::Expel { process }));
            }
            for place in ending.places {
                let late = self.strikes(Trouble::LateMarkers) || (expels && self.rng.u8(0..100) < 70);
                let delay_ms = if late { self.rng.u64(LATE_MS..LATE_MS_MAX) } else { self.rng.u64(1..15) };
                self.tally.add(Count::LateMarkers, u64::from(late));
                let (transaction, committed) = (ending.transaction, ending.committed);
                self.after(delay_ms, Event::Marker { transaction, committed, place });
            }
        }
    }

    pub(super) fn mark(&mut self, transaction: TransactionNumber, committed: bool, place: Place) -> Checked {
        self.trace.note(self.now_ms, &[5, transaction.0], || {
            format!("the marker of {transaction:?} (committed: {committed}) is written to {place:?}")
        });
        for (partition, position, metadata) in self.cluster.mark(transaction, committed, place) {
            let before = self.cluster.offsets.committed[partition as usize].as_ref().map(|before| before.0);
            if let Some(before) = before.filter(|before| *before > position) {
                let detail = format!("{partition} was committed at {position}, after {before}");
                return Err(Violation::new("commit_never_backwards", detail));
            }
            self.cluster.offsets.committed[partition as usize] = Some((position, metadata));
        }
        Ok(())
    }
}
