//! What a seed decides before its run begins: sizes, settings, and which faults strike when.

use thalweg_core::SinkSettings;
use thalweg_core::breaker::BreakerSettings;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::retry::RetrySchedule;
use thalweg_core::worker::{DedupeSettings, WorkerSettings};

use crate::broker::group::GroupSettings;
use crate::weather::{Outage, Trouble};

/// Something that happens to the world.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A process dies as by `kill -9`, and starts again later.
    Crash { process: usize, down_ms: u64 },
    /// A process is stopped as by SIGSTOP, and goes on later.
    Freeze { process: usize, for_ms: u64 },
    /// A process is asked to stop, and started again later.
    Stop { process: usize, down_ms: u64 },
    /// An outside system is down.
    Outage { system: usize, outage: Outage, for_ms: u64 },
    /// An outside system restarts, losing what it keeps in memory.
    Restart { system: usize, for_ms: u64 },
    /// An outside system is in trouble.
    Trouble { system: usize, trouble: Trouble, percent: u8, for_ms: u64 },
    /// One item is refused for load until all faults end.
    Stubborn { system: usize },
    /// A share of commits fails; of these, half have had their effect.
    Commits { percent: u8, for_ms: u64 },
    /// The wall clock of a process jumps.
    ClockJump { process: usize, by_ms: i64 },
    /// The group distributes its partitions anew.
    Shuffle,
    /// The group gives the process up although it runs: its signs of life were lost on the way. It comes back while
    /// answers to what it had sent are still under way.
    Expel { process: usize },
    /// Retention removes what is old enough.
    Retention,
    /// All processes are down for so long that retention removes records that nobody has read.
    Blackout { for_ms: u64 },
    /// A share of commits is stored with metadata that the engine can't read: somebody else's, another version's, or
    /// cut off.
    Metadata { percent: u8, for_ms: u64 },
}

/// A request may be under way for that long, slow as it may be: after it, nothing that a dead process has sent is.
pub(crate) const TRAVEL_MS_MAX: u64 = 12_000;

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) partitions: u32,
    pub(crate) processes: usize,
    pub(crate) records: usize,
    pub(crate) produce_for_ms: u64,
    /// When all faults end for good.
    pub(crate) heal_at_ms: u64,
    pub(crate) static_members: bool,
    pub(crate) group: GroupSettings,
    pub(crate) worker: WorkerSettings,
    pub(crate) sink: SinkSettings,
    pub(crate) letters: SinkSettings,
    pub(crate) request_timeout_ms: u64,
    /// Requests above this are refused by the outside systems.
    pub(crate) request_bytes_max: usize,
    /// Only one item is in trouble: everything else must flow.
    pub(crate) calm: bool,
    /// In the order of time.
    pub(crate) faults: Vec<(u64, Fault)>,
}

/// No single record's request is near this; flights of many are.
pub(crate) const REQUEST_BYTES_MAX: usize = 16 * 1024;

impl Plan {
    pub(crate) fn of(rng: &mut fastrand::Rng, name: &str, header: Option<&str>, sinks: usize) -> Self {
        let calm = rng.u8(0..100) < 8;
        let processes = rng.usize(1..=4);
        let produce_for_ms = rng.u64(15_000..50_000);
        let lanes = rng.u16(1..=8);
        let sink = SinkSettings {
            lanes,
            pacing: PacingSettings {
                flights_max: rng.u16(1..=lanes),
                items_max: *pick(rng, &[3, 20, 100, 1_000]),
                bytes_max: *pick(rng, &[2_000, 12_000, 64_000]),
            },
            retry: RetrySchedule { first_ms: rng.u64(20..200), max_ms: rng.u64(1_000..8_000) },
            breaker: BreakerSettings {
                failures_to_open: rng.u32(2..=5),
                first_wait_ms: 500,
                max_wait_ms: 5_000,
            },
            attempts_max: if rng.bool() { Some(10) } else { None },
        };
        let letters = SinkSettings { lanes: rng.u16(1..=4), attempts_max: None, ..sink };
        let mut plan = Self {
            partitions: rng.u32(1..=6),
            processes,
            records: rng.usize(300..1_500),
            produce_for_ms,
            heal_at_ms: produce_for_ms + rng.u64(2_000..10_000),
            static_members: rng.bool(),
            group: GroupSettings {
                cooperative: rng.bool(),
                session_ms: rng.u64(3_000..8_000),
                rebalance_timeout_ms: 30_000,
            },
            worker: worker_settings(rng, name, header, calm),
            sink,
            letters,
            request_timeout_ms: rng.u64(2_000..6_000),
            request_bytes_max: REQUEST_BYTES_MAX,
            calm,
            faults: Vec::new(),
        };
        plan.draw_faults(rng, sinks + 1);
        plan
    }

    /// System numbers are those of the sinks; the last is the dead-letter topic.
    fn draw_faults(&mut self, rng: &mut fastrand::Rng, systems: usize) {
        if self.calm {
            self.faults.push((rng.u64(500..3_000), Fault::Stubborn { system: 0 }));
            return;
        }
        let wildness = rng.usize(5..40);
        for _ in 0..wildness {
            let at_ms = rng.u64(500..self.heal_at_ms.max(501));
            let fault = draw_fault(rng, self.processes, systems);
            self.faults.push((at_ms, fault));
        }
        if rng.u8(0..100) < 40 {
            let heavy = Fault::Outage { system: 0, outage: Outage::Refuses, for_ms: rng.u64(10_000..25_000) };
            self.faults.push((rng.u64(500..self.heal_at_ms), heavy));
        }
        let overload = Fault::Trouble {
            system: 0,
            trouble: Trouble::Items429,
            percent: rng.u8(5..60),
            for_ms: rng.u64(1_000..20_000),
        };
        self.faults.push((rng.u64(0..self.produce_for_ms), overload));
        self.draw_broker_faults(rng);
        self.faults.sort_by_key(|(at_ms, _)| *at_ms);
    }
}

impl Plan {
    /// Faults of the broker's side that few of those drawn one by one would show: they take long, or need each other.
    fn draw_broker_faults(&mut self, rng: &mut fastrand::Rng) {
        self.worker.accept_lost_offsets = rng.bool();
        if rng.u8(0..100) < 60 {
            let for_ms = rng.u64(TRAVEL_MS_MAX + 100..TRAVEL_MS_MAX + 4_000);
            // It ends before all faults do.
            let at_ms = rng.u64(0..self.heal_at_ms - for_ms);
            self.faults.push((at_ms, Fault::Blackout { for_ms }));
        }
        if rng.u8(0..100) < 50 {
            self.draw_comeback(rng);
        }
        if rng.u8(0..100) < 85 {
            let foreign = Fault::Metadata { percent: rng.u8(30..100), for_ms: rng.u64(8_000..30_000) };
            self.faults.push((rng.u64(0..self.produce_for_ms), foreign));
        }
    }

    /// A process is given up and comes back in the middle of a time of slow answers: those to what it had sent
    /// before arrive while the same partitions' next records wait for theirs.
    fn draw_comeback(&mut self, rng: &mut fastrand::Rng) {
        let (at_ms, for_ms) = (rng.u64(500..self.produce_for_ms), rng.u64(4_000..10_000));
        let slow = Fault::Trouble { system: 0, trouble: Trouble::Slow, percent: rng.u8(70..100), for_ms };
        self.faults.push((at_ms, slow));
        let process = rng.usize(0..self.processes);
        for _ in 0..rng.u8(1..=3) {
            self.faults.push((at_ms + rng.u64(500..for_ms), Fault::Expel { process }));
        }
    }
}

fn worker_settings(rng: &mut fastrand::Rng, name: &str, header: Option<&str>, calm: bool) -> WorkerSettings {
    let window = *pick(rng, &[20, 100, 400]);
    let budget_bytes = if calm { 64 << 20 } else { *pick(rng, &[48_000, 200_000, 1 << 20, 64 << 20]) };
    WorkerSettings {
        flow: name.to_owned(),
        operator: "decode".to_owned(),
        commit_interval_ms: rng.u64(50..2_000),
        drain_deadline_ms: rng.u64(2_000..8_000),
        budget_bytes,
        partition_bytes: if calm { 0 } else { *pick(rng, &[0, 2_000, 100_000]) },
        open_records_max: if calm { 100_000 } else { *pick(rng, &[10, 100, 1_000, 100_000]) },
        dedupe: header.map(|header| DedupeSettings { header: header.to_owned(), window }),
        accept_lost_offsets: false,
    }
}

fn draw_fault(rng: &mut fastrand::Rng, processes: usize, systems: usize) -> Fault {
    let process = rng.usize(0..processes);
    let system = if rng.u8(0..100) < 75 { 0 } else { rng.usize(0..systems) };
    let for_ms = if rng.bool() { rng.u64(200..3_000) } else { rng.u64(1_000..12_000) };
    match rng.u8(0..100) {
        0..16 => Fault::Crash { process, down_ms: rng.u64(100..12_000) },
        16..30 => Fault::Freeze { process, for_ms: rng.u64(500..16_000) },
        30..38 => Fault::Stop { process, down_ms: rng.u64(100..10_000) },
        38..45 => {
            let outage = if rng.bool() { Outage::Refuses } else { Outage::Silent };
            Fault::Outage { system, outage, for_ms }
        }
        45..49 => Fault::Restart { system, for_ms: rng.u64(100..5_000) },
        49..54 => {
            Fault::Trouble { system, trouble: Trouble::Slow, percent: rng.u8(5..60), for_ms: for_ms + 2_000 }
        }
        54..78 => {
            let trouble = *pick(rng, &Trouble::ALL);
            // Ten of these in a row would make a dead letter, rightly.
            let percent = if trouble == Trouble::Items412 { 3 } else { rng.u8(5..90) };
            Fault::Trouble { system, trouble, percent, for_ms }
        }
        78..85 => Fault::Commits { percent: rng.u8(10..100), for_ms },
        85..88 => Fault::ClockJump { process, by_ms: rng.i64(-7_200_000..7_200_000) },
        88..92 => Fault::Shuffle,
        92..97 => Fault::Expel { process },
        _ => Fault::Retention,
    }
}

fn pick<'a, T>(rng: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}
