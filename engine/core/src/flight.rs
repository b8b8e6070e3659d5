//! A flight: the effects of one lane that are on their way to the outside system together.

use crate::failure::Verdict;
use crate::position::Position;
use crate::sink::Domain;
use crate::tracker::Pending;

/// One effect on its way: whose it is, what it touches, where its bytes lie.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) pending: Pending,
    pub(crate) key_hash: u64,
    pub(crate) domain: Domain,
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) tries: Tries,
    pub(crate) queued: Queued,
    /// It is the head of a held key.
    pub(crate) head: bool,
}

/// One per effect, moved twice on its way.
const _: () = assert!(size_of::<Item>() == 72);

/// How often, and since when, an effect has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Failures of any kind; drives the backoff.
    pub(crate) failures: u32,
    /// Failures that count towards `attempts_max`.
    pub(crate) counted: u32,
    /// Wall clock of the first failure, ms since 1970.
    pub(crate) first_failure_ms: i64,
}

/// When an effect was queued in its lane: the low half of the uptime in ms, which fits into an item's padding. Waits are
/// right up to 49 days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queued(u32);

impl Queued {
    pub(crate) fn at(uptime_ms: u64) -> Self {
        Self(uptime_ms as u32)
    }

    /// How long it has waited.
    pub(crate) fn wait_ms(self, uptime_ms: u64) -> u32 {
        (uptime_ms as u32).wrapping_sub(self.0)
    }
}

/// The effects of one flight and their verdicts, as a sink sees them: by index, from 0, in the lane's order.
#[derive(Debug, Default)]
pub struct Flight {
    pub(crate) items: Vec<Item>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdicts: Vec<Option<Verdict>>,
    /// Uptime at which its first request left.
    pub(crate) departed_ms: u64,
    /// See [`Flight::ours_for_ms`].
    pub(crate) ours_for_ms: Option<u64>,
}

impl Flight {
    /// How many effects it holds; never 0 while a sink sees it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The bytes that [`crate::sink::Sink::encode`] wrote for the effect.
    #[must_use]
    pub fn effect(&self, index: usize) -> &[u8] {
        let item = &self.items[index];
        &self.bytes[item.start as usize..item.start as usize + item.len as usize]
    }

    /// The log position of the record that asked for the effect.
    #[must_use]
    pub fn position(&self, index: usize) -> Position {
        self.items[index].pending.position()
    }

    /// The effect's order domain.
    #[must_use]
    pub fn domain(&self, index: usize) -> Domain {
        self.items[index].domain
    }

    /// Of effects that another worker may have sent: for how long their partition has been this worker's alone, the shortest
    /// of those times. They are those of records that were in the log when it was given to this worker, or came before
    /// whoever had it before must have noticed. `None`: there are none, or the sink does not ask
    /// ([`crate::sink::SinkMachine::asks_for_others`]).
    #[must_use]
    pub fn ours_for_ms(&self) -> Option<u64> {
        self.ours_for_ms
    }

    /// As if another worker may have sent the flight's effects until so long ago; for testing a sink by itself.
    pub fn set_ours_for_ms(&mut self, ours_for_ms: u64) {
        self.ours_for_ms = Some(ours_for_ms);
    }

    /// Gives the effect its verdict.
    ///
    /// # Panics
    /// When it has one already: two answers for one effect are a bug of the sink.
    pub fn settle(&mut self, index: usize, verdict: Verdict) {
        let place = &mut self.verdicts[index];
        assert!(place.is_none(), "one verdict per effect");
        *place = Some(verdict);
    }

    /// Whether the effect has its verdict.
    #[must_use]
    pub fn is_settled(&self, index: usize) -> bool {
        self.verdicts[index].is_some()
    }

    /// A flight of effects that belong to no record, for testing a sink by itself.
    ///
    /// Positions have partition 0, epoch 0 and the given offsets.
    #[must_use]
    pub fn of_effects<'e>(effects: impl IntoIterator<Item = (i64, Domain, &'e [u8])>) -> Self {
        let mut flight = Self::default();
        for (offset, domain, bytes) in effects {
            let (start, len, queued) = (0, 0, Queued::at(0));
            let (pending, tries) = (Pending::detached(offset), Tries::default());
            flight.push(Item { pending, key_hash: 0, domain, start, len, tries, queued, head: false }, bytes);
        }
        flight
    }

    /// How long the one of its effects waited that waited longest, those left out that were parked.
    pub(crate) fn longest_wait_ms(&self, uptime_ms: u64) -> Option<u32> {
        let unparked = self.items.iter().filter(|item| item.tries.failures == 0);
        unparked.map(|item| item.queued.wait_ms(uptime_ms)).max()
    }

    /// The verdicts so far, in the order of the effects.
    #[must_use]
    pub fn verdicts(&self) -> &[Option<Verdict>] {
        &self.verdicts
    }

    /// Empties it for the next flight.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        clear_warm(&mut self.bytes);
        self.verdicts.clear();
    }

    /// Adds an effect, copying its bytes.
    pub(crate) fn push(&mut self, mut item: Item, bytes: &[u8]) {
        item.start = self.bytes.len() as u32;
        item.len = bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.push_lying(item);
    }

    /// Adds an effect whose bytes lie in the flight's buffer already.
    pub(crate) fn push_lying(&mut self, item: Item) {
        self.items.push(item);
        self.verdicts.push(None);
    }
}

/// A buffer that is used again keeps at most this much: a flight of 1,000 usual documents fits, and what an outage or
/// a few huge documents made it grow to is given back. It is held without being reserved, once per lane.
const WARM_BYTES_MAX: usize = 1 << 20;

/// Empties a buffer that will be filled again.
pub(crate) fn clear_warm(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(WARM_BYTES_MAX);
}
