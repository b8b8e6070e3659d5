//! A lane: a FIFO of effects of one slice of keys at one sink, with at most one flight at a time.
//!
//! Where an effect can be, oldest first for any one key: in the flight; held with its key (the key's head failed,
//! or a dead letter is not acknowledged); ready (released from being held, or examined when an older effect of its order
//! domain had just boarded); in the queue. Effects only move towards the flight, and what is released or put off goes to
//! the front of `ready`: everything examined is older than everything not examined, so the order of each domain holds. That
//! of a key does where its effects share a domain; effects on different documents of a key may overtake each other.

mod held;
mod queue;

use std::collections::VecDeque;

use crate::failure::Reason;
use crate::flight::{Flight, Item, Queued, Tries};
use crate::position::{PartitionId, Position};
use crate::sink::{Domain, FollowUp};
use crate::table::TableSet;
use crate::tracker::Pending;
use held::{HeldKeys, OwnedItem};
use queue::EffectQueue;

/// What became of an effect, for the worker.
#[derive(Debug)]
pub(crate) enum LaneEvent {
    /// It has ended.
    Closed { pending: Pending, superseded: bool },
    /// It has ended, and this follows from it: the record's part goes on as that.
    Followed { pending: Pending, key_hash: u64, follow_up: FollowUp },
    /// It was refused: its record must be dead-lettered, and its key waits for that.
    Refused { pending: Pending, key_hash: u64, reason: Reason, tries: Tries },
    /// It will wait: its record's original must not pin its batch.
    Waits(Position),
    /// A key of that partition holds more (or no longer more) than its share.
    Congested { partition: PartitionId, on: bool },
}

/// How much a flight may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlightLimits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    pub(crate) one_per_domain: bool,
}

/// A held key that reaches this many effects stops the reading of its partition, so that one hot and parked key
/// can't eat the memory budget of all others.
const HELD_PER_KEY_MAX: usize = 1_000;

/// Effects that meet an older one of their domain in the flight are put off until the next, one by one. Beyond this share of
/// a flight (a half), their keys are held: a document that changes all the time must not be what the whole lane is full of.
const PUT_OFF_SHARE: usize = 2;

/// While a flight is put together, at most this many effects per effect taken move behind held keys.
const SCAN_PER_ITEM: usize = 8;

/// Where an effect goes that is examined while a flight is put together.
#[derive(Debug, Clone, Copy)]
enum Goes {
    Aboard,
    /// An older effect of its domain is aboard.
    NextFlight,
    BehindItsKey,
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    queue: EffectQueue,
    ready: VecDeque<OwnedItem>,
    held: HeldKeys,
    /// Keys to look at when the flight ends: held only because of it, or decided by it.
    touched: Vec<u64>,
    flight: Option<Flight>,
    spare: Flight,
    /// Of the flight that is put together: the domains aboard, and what is put off until the next, oldest first.
    domains: TableSet<u64>,
    put_off: Vec<OwnedItem>,
    /// Uptime before which no flight leaves: the last one failed as a whole.
    not_before_ms: u64,
    /// Whole flights that failed in a row.
    failures: u32,
    /// Bisecting a refused request: effects still under suspicion, and how many go out at a time.
    suspects: usize,
    bisect_items: usize,
}

impl Lane {
    pub(crate) fn enqueue(
        &mut self,
        pending: Pending,
        key_hash: u64,
        domain: Domain,
        bytes: &[u8],
        queued: Queued,
    ) {
        self.queue.push(pending, key_hash, domain, bytes, queued);
    }

    /// Effects waiting or in the air.
    pub(crate) fn len(&self) -> usize {
        let held: usize = self.held.iter().map(|(_, held)| held.items.len()).sum();
        self.queue.len() + self.ready.len() + held + self.flight.as_ref().map_or(0, Flight::len)
    }

    /// Effects that the next flights may take; those of held keys are not among them.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() + self.ready.len()
    }

    pub(crate) fn parked_keys(&self) -> usize {
        self.held.parked()
    }

    pub(crate) fn parked_since_ms(&self) -> Option<u64> {
        self.held.parked_since_ms()
    }

    pub(crate) fn is_flying(&self) -> bool {
        self.flight.is_some()
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.queue.is_empty()
    }

    pub(crate) fn not_before_ms(&self) -> u64 {
        self.not_before_ms
    }

    /// When something here becomes due by itself; without regard to the lane's own wait if `probing`.
    pub(crate) fn wake_at_ms(&self, probing: bool) -> Option<u64> {
        if self.is_flying() {
            return None;
        }
        let whole = self.has_work().then_some(if probing { 0 } else { self.not_before_ms });
        whole.into_iter().chain(self.held.next_due_ms()).min()
    }

    /// The whole lane may go at once: the sink is back.
    pub(crate) fn go_now(&mut self) {
        (self.not_before_ms, self.failures) = (0, 0);
    }

    /// The whole lane waits: its flight failed as one. Answers how often that happened in a row.
    pub(crate) fn wait_until(&mut self, wait: impl FnOnce(u32) -> u64) {
        self.failures = self.failures.saturating_add(1);
        self.not_before_ms = wait(self.failures);
    }

    /// Moves the heads of parked keys that are due to where the next flight finds them.
    pub(crate) fn release_due(&mut self, uptime_ms: u64) {
        let mut due = Vec::new();
        self.held.take_due(uptime_ms, &mut due);
        for head in due.into_iter().rev() {
            self.ready.push_front(head);
        }
    }

    /// Loses the heads of parked keys that are due.
    pub(crate) fn forget_due(&mut self, uptime_ms: u64) {
        let mut due = Vec::new();
        self.held.take_due(uptime_ms, &mut due);
        for head in due {
            self.head_ended(head.key_hash);
            head.pending.abandon();
        }
    }

    /// Puts the next flight together. Answers whether there is one.
    pub(crate) fn load(&mut self, limits: FlightLimits, events: &mut Vec<LaneEvent>) -> bool {
        assert!(self.flight.is_none(), "at most one flight at a time");
        let mut limits = limits;
        if self.suspects > 0 {
            limits.items = limits.items.min(self.bisect_items);
        }
        let mut flight = std::mem::take(&mut self.spare);
        if self.ready.is_empty() && self.queue.fits(limits.items, limits.bytes) {
            self.board_whole_queue(&mut flight, limits, events);
        }
        let mut scans = limits.items.saturating_mul(SCAN_PER_ITEM);
        while flight.len() < limits.items && scans > 0 {
            let Some(len) = self.next_bytes() else { break };
            if !flight.is_empty() && flight.bytes.len() + len > limits.bytes {
                break;
            }
            scans -= 1;
            match self.ready.pop_front() {
                Some(item) => self.board_ready(item, &mut flight, limits, events),
                None => self.board_from_queue(&mut flight, limits, events),
            }
        }
        self.queue.tidy();
        self.domains.clear();
        while let Some(youngest) = self.put_off.pop() {
            self.place_first(youngest);
        }
        if flight.is_empty() {
            // It may have taken the bytes of effects that are all held now.
            flight.clear();
            self.spare = flight;
            self.settle_touched(events);
            return false;
        }
        self.flight = Some(flight);
        true
    }

    fn next_bytes(&self) -> Option<usize> {
        self.ready.front().map(|item| item.effect.len()).or_else(|| self.queue.front_bytes())
    }

    /// All that is queued goes at once, in the buffer in which it lies.
    fn board_whole_queue(&mut self, flight: &mut Flight, limits: FlightLimits, events: &mut Vec<LaneEvent>) {
        let mut items = self.queue.take_all(&mut flight.bytes);
        for item in items.drain(..) {
            match self.goes(item.key_hash, item.domain, false, limits) {
                Goes::Aboard => flight.push_lying(item),
                elsewhere => {
                    let (start, end) = (item.start as usize, item.start as usize + item.len as usize);
                    self.set_aside(OwnedItem::new(item, &flight.bytes[start..end]), elsewhere, events);
                }
            }
        }
        self.queue.give_back(items);
    }

    fn board_ready(
        &mut self,
        item: OwnedItem,
        flight: &mut Flight,
        limits: FlightLimits,
        events: &mut Vec<LaneEvent>,
    ) {
        match self.goes(item.key_hash, item.domain, item.head, limits) {
            Goes::Aboard => {
                let OwnedItem { pending, key_hash, domain, effect, tries, queued, head } = item;
                let (start, len) = (0, 0);
                flight.push(Item { pending, key_hash, domain, start, len, tries, queued, head }, &effect);
            }
            elsewhere => self.set_aside(item, elsewhere, events),
        }
    }

    fn board_from_queue(&mut self, flight: &mut Flight, limits: FlightLimits, events: &mut Vec<LaneEvent>) {
        let Some((key_hash, domain)) = self.queue.front() else { return };
        let goes = self.goes(key_hash, domain, false, limits);
        let Some((item, bytes)) = self.queue.pop() else { return };
        match goes {
            Goes::Aboard => flight.push(item, bytes),
            elsewhere => {
                let item = OwnedItem::new(item, bytes);
                self.set_aside(item, elsewhere, events);
            }
        }
    }

    fn goes(&mut self, key_hash: u64, domain: Domain, head: bool, limits: FlightLimits) -> Goes {
        if !head && !self.held.is_empty() && self.held.contains(key_hash) {
            Goes::BehindItsKey
        } else if !limits.one_per_domain || self.domains.insert(domain.0) {
            Goes::Aboard
        } else if head || self.put_off.len() < limits.items / PUT_OFF_SHARE {
            // A head always: behind its key it would wait for itself.
            Goes::NextFlight
        } else {
            Goes::BehindItsKey
        }
    }

    fn set_aside(&mut self, item: OwnedItem, goes: Goes, events: &mut Vec<LaneEvent>) {
        match goes {
            Goes::NextFlight => {
                events.push(LaneEvent::Waits(item.pending.position()));
                self.put_off.push(item);
            }
            Goes::Aboard | Goes::BehindItsKey => self.hold(item, events),
        }
    }

    /// To where it is examined before everything of its key that waits already, all of it younger.
    fn place_first(&mut self, item: OwnedItem) {
        // A head is never behind its own key.
        match self.held.get_mut(item.key_hash).filter(|_| !item.head) {
            Some(held) => held.items.push_front(item),
            None => self.ready.push_front(item),
        }
    }

    /// Holds an effect behind its key.
    fn hold(&mut self, item: OwnedItem, events: &mut Vec<LaneEvent>) {
        let position = item.pending.position();
        events.push(LaneEvent::Waits(position));
        if !self.held.contains(item.key_hash) {
            self.touched.push(item.key_hash);
        }
        let held = self.held.hold(item.key_hash);
        held.items.push_back(item);
        if held.items.len() >= HELD_PER_KEY_MAX && held.congests.is_none() {
            held.congests = Some(position.partition);
            events.push(LaneEvent::Congested { partition: position.partition, on: true });
        }
    }

    /// The flight, for the sink.
    pub(crate) fn flight_mut(&mut self) -> Option<&mut Flight> {
        self.flight.as_mut()
    }

    /// The flight has ended: its effects, oldest first, with the verdicts it has.
    pub(crate) fn land(&mut self) -> Option<Flight> {
        self.flight.take()
    }

    /// Gives the flight's buffers back, and lets the keys go that waited only for it.
    pub(crate) fn landed(&mut self, mut flight: Flight, events: &mut Vec<LaneEvent>) {
        assert!(flight.items.is_empty(), "every effect of a flight goes somewhere");
        flight.clear();
        self.spare = flight;
        self.settle_touched(events);
    }

    fn settle_touched(&mut self, events: &mut Vec<LaneEvent>) {
        for key_hash in std::mem::take(&mut self.touched) {
            self.release(key_hash, events);
        }
    }

    fn release(&mut self, key_hash: u64, events: &mut Vec<LaneEvent>) {
        let Some(held) = self.held.release(key_hash) else { return };
        if let Some(partition) = held.congests {
            events.push(LaneEvent::Congested { partition, on: false });
        }
        for item in held.items.into_iter().rev() {
            self.ready.push_front(item);
        }
    }

    /// The effect goes back to where it came from, as it was: its flight failed as a whole. Call youngest first.
    pub(crate) fn put_back(&mut self, item: Item, bytes: &[u8], events: &mut Vec<LaneEvent>) {
        events.push(LaneEvent::Waits(item.pending.position()));
        self.place_first(OwnedItem::new(item, bytes));
    }

    /// The effect's key is parked from now until `due_ms`. Call youngest first.
    pub(crate) fn park(
        &mut self,
        item: Item,
        bytes: &[u8],
        due_ms: u64,
        uptime_ms: u64,
        events: &mut Vec<LaneEvent>,
    ) {
        events.push(LaneEvent::Waits(item.pending.position()));
        self.held.park(OwnedItem::new(item, bytes), due_ms, uptime_ms);
    }

    /// The head of a held key has ended well.
    pub(crate) fn head_ended(&mut self, key_hash: u64) {
        if let Some(held) = self.held.get_mut(key_hash) {
            held.head_is_out = false;
        }
        self.touched.push(key_hash);
    }

    /// An effect was refused: its key waits until [`Lane::dead_letter_ended`].
    pub(crate) fn await_dead_letter(&mut self, key_hash: u64, uptime_ms: u64) {
        let held = self.held.hold(key_hash);
        held.parked_since_ms.get_or_insert(uptime_ms);
        held.dead_letters += 1;
        held.head_is_out = false;
    }

    /// A dead letter of the key is acknowledged.
    pub(crate) fn dead_letter_ended(&mut self, key_hash: u64, events: &mut Vec<LaneEvent>) {
        self.held.dead_letter_ended(key_hash);
        if self.is_flying() {
            self.touched.push(key_hash);
        } else {
            self.release(key_hash, events);
        }
    }

    /// A request of `items` effects was refused for its content: try half of them at a time from now on.
    pub(crate) fn suspect(&mut self, items: usize) {
        self.suspects = self.suspects.max(items);
        self.bisect_items = items.div_ceil(2).max(1);
    }

    /// That many suspects were judged; once all are, flights have their full size again.
    pub(crate) fn cleared(&mut self, items: usize) {
        self.suspects = self.suspects.saturating_sub(items);
    }

    /// Gives up every waiting effect that `ended` names; those in the air are given up when they land.
    pub(crate) fn purge(&mut self, ended: impl Fn(&Pending) -> bool, events: &mut Vec<LaneEvent>) {
        self.queue.purge(&ended);
        for item in std::mem::take(&mut self.ready) {
            if ended(&item.pending) {
                if item.head {
                    self.head_ended(item.key_hash);
                }
                item.pending.abandon();
            } else {
                self.ready.push_back(item);
            }
        }
        let purged = self.held.purge(&ended);
        self.touched.extend(purged);
        if !self.is_flying() {
            self.settle_touched(events);
        }
    }

    /// Positions of the effects that wait or fly, with what holds them; for a drain that can't finish.
    pub(crate) fn stuck(&self) -> impl Iterator<Item = (Position, &'static str)> + '_ {
        let flying = self.flight.iter().flat_map(|flight| &flight.items);
        let held = self.held.iter().flat_map(|(_, held)| {
            let why = if held.dead_letters > 0 { "waits for a dead letter" } else { "waits for its retry" };
            held.items.iter().map(move |item| (item.pending.position(), why))
        });
        (flying.map(|item| (item.pending.position(), "waits for an answer")))
            .chain(held)
            .chain(self.ready.iter().map(|item| (item.pending.position(), "waits to be sent")))
            .chain(self.queue.iter().map(|item| (item.pending.position(), "waits to be sent")))
    }

    /// The effects in the air.
    pub(crate) fn items_in_flight(&self) -> impl Iterator<Item = &Item> {
        self.flight.iter().flat_map(|flight| &flight.items)
    }

    /// Where the effects in the air come from.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = Position> + '_ {
        self.items_in_flight().map(|item| item.pending.position())
    }

    /// Whether an effect that `wanted` names waits or is in the air.
    pub(crate) fn holds(&self, wanted: impl Fn(&Pending) -> bool) -> bool {
        let held = self.held.iter().flat_map(|(_, held)| &held.items);
        self.flies(&wanted)
            || self.queue.iter().any(|item| wanted(&item.pending))
            || self.ready.iter().chain(held).any(|item| wanted(&item.pending))
    }

    /// Whether an effect that `wanted` names is in the air.
    pub(crate) fn flies(&self, wanted: impl Fn(&Pending) -> bool) -> bool {
        self.flight.iter().flat_map(|flight| &flight.items).any(|item| wanted(&item.pending))
    }
}
