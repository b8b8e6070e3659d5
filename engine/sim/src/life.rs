//! A process as the machine, the group and the simulation's clock know it, whatever worker is in it.

use std::collections::{BTreeSet, VecDeque};

use thalweg_core::position::Epoch;
use thalweg_core::time::Now;

use crate::broker::group::MemberId;

/// One life of a process, from start to crash or stop; never used again.
pub(crate) type Incarnation = u64;

/// How far a partition was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) epoch: Epoch,
    pub(crate) next: i64,
}

/// Whether a process runs; `M` is what arrives at it.
#[derive(Debug)]
pub(crate) enum State<M> {
    Down,
    Up,
    /// Stopped by SIGSTOP; what arrives meanwhile waits.
    Frozen(VecDeque<M>),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Life<M> {
    pub(crate) state: State<M>,
    pub(crate) incarnation: Incarnation,
    pub(crate) member: Option<MemberId>,
    pub(crate) generation: u64,
    /// Partitions that the group gave and that were not released.
    pub(crate) owned: BTreeSet<u32>,
    pub(crate) wake_at_ms: Option<u64>,
    pub(crate) last_turn_ms: u64,
    /// It was asked to stop: when it must have.
    pub(crate) stops_by_ms: Option<u64>,
    /// When it starts again after it has stopped.
    pub(crate) back_after_ms: u64,
    /// Notices arrive in the order in which they were sent.
    pub(crate) last_notice_ms: u64,
    uptime_offset_ms: u64,
    wall_offset_ms: i64,
    wakes_without_time: u32,
}

impl<M> Life<M> {
    /// A process that is down. `skew_ms`: how far its wall clock is from the right time at most.
    pub(crate) fn new(skew_ms: i64, rng: &mut fastrand::Rng) -> Self {
        Self {
            state: State::Down,
            incarnation: 0,
            member: None,
            generation: 0,
            owned: BTreeSet::new(),
            wake_at_ms: None,
            last_turn_ms: 0,
            stops_by_ms: None,
            back_after_ms: 0,
            last_notice_ms: 0,
            uptime_offset_ms: rng.u64(0..1_000_000),
            wall_offset_ms: UNIX_MS + rng.i64(-skew_ms..skew_ms),
            wakes_without_time: 0,
        }
    }

    /// Its clocks.
    pub(crate) fn now(&self, now_ms: u64) -> Now {
        Now { uptime_ms: now_ms + self.uptime_offset_ms, unix_ms: now_ms as i64 + self.wall_offset_ms }
    }

    /// An uptime of this process, as simulated time.
    pub(crate) fn at_ms(&self, uptime_ms: u64) -> u64 {
        uptime_ms.saturating_sub(self.uptime_offset_ms)
    }

    /// Somebody has set its wall clock right, up to `skew_ms`.
    pub(crate) fn set_wall_clock(&mut self, skew_ms: i64) {
        self.wall_offset_ms = UNIX_MS + skew_ms;
    }

    pub(crate) fn jump_wall_clock(&mut self, by_ms: i64) {
        self.wall_offset_ms += by_ms;
    }

    /// Counts turns at which no time has passed: too many in a row, and the worker is going round in circles.
    pub(crate) fn is_spinning(&mut self, now_ms: u64) -> bool {
        self.wakes_without_time = if self.last_turn_ms == now_ms { self.wakes_without_time + 1 } else { 0 };
        self.wakes_without_time > 10_000
    }

    /// Stops it as by SIGSTOP; answers whether it ran.
    pub(crate) fn freeze(&mut self) -> bool {
        let runs = matches!(self.state, State::Up);
        if runs {
            self.state = State::Frozen(VecDeque::new());
        }
        runs
    }

    /// It goes on, if it is that life of it that was stopped: answers what has arrived meanwhile.
    pub(crate) fn thaw(&mut self, incarnation: Incarnation, now_ms: u64) -> Option<VecDeque<M>> {
        if self.incarnation != incarnation || !matches!(self.state, State::Frozen(_)) {
            return None;
        }
        let State::Frozen(waiting) = std::mem::replace(&mut self.state, State::Up) else { return None };
        // A deadline that passed meanwhile can only be kept from now on.
        self.stops_by_ms = self.stops_by_ms.map(|by_ms| by_ms.max(now_ms));
        Some(waiting)
    }

    /// It is gone.
    pub(crate) fn end(&mut self) {
        self.state = State::Down;
        self.incarnation = 0;
        self.member = None;
        self.owned.clear();
        self.wake_at_ms = None;
        self.stops_by_ms = None;
        self.last_notice_ms = 0;
    }
}

/// The right time when a history begins, in ms since 1970.
pub(crate) const UNIX_MS: i64 = 1_700_000_000_000;
