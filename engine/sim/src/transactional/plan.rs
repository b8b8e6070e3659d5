//! What a seed decides before its run begins: sizes, settings, and which faults strike when.

use thalweg_core::exactly_once::{ExactlyOnceSettings, SnapshotSettings};
use thalweg_core::retry::RetrySchedule;
use thalweg_core::state::StateLimits;
use thalweg_core::worker::DedupeSettings;

use crate::broker::group::GroupSettings;
use crate::counter_flow::EVENT_ID;

/// Something that goes wrong for a share of requests, answers or markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A producer's requests never arrive.
    RequestsLost,
    /// They arrive, their answers don't.
    AnswersLost,
    /// Requests or answers take seconds.
    Slow,
    /// What is written is refused, so that the transaction can only be aborted.
    Refused,
    /// Requests to end a transaction, or their answers, are lost.
    EndsLost,
    /// A marker takes seconds to be written.
    LateMarkers,
    /// Changelogs are read slowly.
    SlowRestores,
    /// Disks are full.
    DiskFull,
}

impl Trouble {
    pub(crate) const ALL: [Self; 8] = [
        Self::RequestsLost,
        Self::AnswersLost,
        Self::Slow,
        Self::Refused,
        Self::EndsLost,
        Self::LateMarkers,
        Self::SlowRestores,
        Self::DiskFull,
    ];
}

/// Something that happens to the world.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A process dies as by `kill -9`, and starts again later.
    Crash { process: usize, down_ms: u64 },
    /// A process is stopped as by SIGSTOP, and goes on later.
    Freeze { process: usize, for_ms: u64 },
    /// The same in the middle of its next transaction.
    FreezeInTransaction { process: usize, for_ms: u64 },
    /// Markers of the next transaction to be committed are late, and the group gives its process up before they are written.
    ExpelBeforeMarkers,
    /// A process is asked to stop, and started again later.
    Stop { process: usize, down_ms: u64 },
    /// A process is stopped as by SIGSTOP and taken for dead: the same instance starts elsewhere. Later the old one goes on,
    /// until somebody ends it.
    Replace { process: usize, for_ms: u64 },
    /// Something goes wrong for a while.
    Trouble { trouble: Trouble, percent: u8, for_ms: u64 },
    /// The wall clock of a process jumps.
    ClockJump { process: usize, by_ms: i64 },
    /// The group distributes its partitions anew.
    Shuffle,
    /// The group gives the process up although it runs.
    Expel { process: usize },
    /// Changelogs are compacted.
    Compaction,
    /// Retention removes what is old enough of the topic that is read.
    Retention,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) partitions: u32,
    /// Partitions of the topics that are written.
    pub(crate) outputs: u32,
    pub(crate) processes: usize,
    pub(crate) records: usize,
    pub(crate) produce_for_ms: u64,
    /// When all faults end for good.
    pub(crate) heal_at_ms: u64,
    pub(crate) static_members: bool,
    pub(crate) group: GroupSettings,
    pub(crate) worker: ExactlyOnceSettings,
    pub(crate) request_timeout_ms: u64,
    pub(crate) transaction_timeout_ms: u64,
    /// How long tombstones stay.
    pub(crate) delete_retention_ms: u64,
    /// Of the snapshots that are read, how many are not as they were written.
    pub(crate) snapshots_harmed_percent: u8,
    /// Of the batches that are read, how many lie around before they are looked at.
    pub(crate) late_batches_percent: u8,
    /// In the order of time.
    pub(crate) faults: Vec<(u64, Fault)>,
}

impl Plan {
    pub(crate) fn of(rng: &mut fastrand::Rng) -> Self {
        let produce_for_ms = rng.u64(18_000..38_000);
        let mut plan = Self {
            partitions: rng.u32(1..=4),
            outputs: rng.u32(1..=3),
            processes: *pick(rng, &[1, 2, 2, 3, 3, 4]),
            records: rng.usize(100..700),
            produce_for_ms,
            heal_at_ms: produce_for_ms + rng.u64(2_000..8_000),
            static_members: rng.bool(),
            group: GroupSettings {
                cooperative: rng.bool(),
                session_ms: rng.u64(3_000..8_000),
                rebalance_timeout_ms: 30_000,
            },
            worker: settings(rng),
            request_timeout_ms: rng.u64(500..2_000),
            transaction_timeout_ms: rng.u64(5_000..12_000),
            // Longer than any restore takes.
            delete_retention_ms: rng.u64(16_000..18_000),
            snapshots_harmed_percent: rng.u8(50..90),
            late_batches_percent: 15,
            faults: Vec::new(),
        };
        plan.worker.snapshots = Some(SnapshotSettings {
            topic_id: CHANGELOG_ID.to_owned(),
            interval_ms: rng.u64(50..1_000),
            age_ms_max: plan.delete_retention_ms / 2,
            slice_bytes: *pick(rng, &[1, 1, 200, 1 << 20]),
        });
        if plan.worker.transaction_runs_max > 2 {
            plan.late_batches_percent = rng.u8(5..35);
        } else {
            // With two records a transaction, much of that would be the end of all progress, and many records take longer than
            // a history lasts.
            plan.records = plan.records.min(400);
        }
        plan.draw_faults(rng);
        plan
    }

    fn draw_faults(&mut self, rng: &mut fastrand::Rng) {
        for _ in 0..rng.usize(4..30) {
            let at_ms = rng.u64(500..self.heal_at_ms);
            let fault = draw_fault(rng, self.processes);
            self.faults.push((at_ms, fault));
        }
        for _ in 0..rng.usize(1..5) {
            self.faults.push((rng.u64(500..self.heal_at_ms), Fault::Compaction));
        }
        if rng.u8(0..100) < 80 {
            // The first leaves tombstones behind, which the second removes.
            self.faults.push((rng.u64(self.produce_for_ms / 8..self.produce_for_ms / 3), Fault::Compaction));
            self.faults.push((rng.u64(self.heal_at_ms - 1_000..self.heal_at_ms + 2_000), Fault::Compaction));
        }
        self.draw_likely(rng);
        self.faults.sort_by_key(|(at_ms, _)| *at_ms);
    }

    /// What few of those drawn one by one would show: it takes long, or needs something else at the same time.
    fn draw_likely(&mut self, rng: &mut fastrand::Rng) {
        let process = rng.usize(0..self.processes);
        for _ in 0..rng.u8(2..=7) {
            self.faults.push((rng.u64(1_000..self.produce_for_ms), Fault::ExpelBeforeMarkers));
        }
        if rng.u8(0..100) < 90 {
            // Longer than its transaction may last.
            let for_ms = self.transaction_timeout_ms + rng.u64(1_000..5_000);
            self.faults
                .push((rng.u64(500..self.produce_for_ms), Fault::FreezeInTransaction { process, for_ms }));
        }
        if rng.u8(0..100) < 40 {
            let for_ms = rng.u64(500..9_000);
            self.faults.push((rng.u64(500..self.produce_for_ms), Fault::Replace { process, for_ms }));
        }
        if rng.u8(0..100) < 50 {
            let by_ms = rng.i64(-7_200_000..7_200_000);
            self.faults.push((rng.u64(2_000..self.produce_for_ms), Fault::ClockJump { process, by_ms }));
        }
        self.draw_returns(process, rng);
        let troubles =
            [Trouble::EndsLost, Trouble::Refused, Trouble::Slow, Trouble::SlowRestores, Trouble::LateMarkers];
        for trouble in troubles {
            if rng.u8(0..100) < 70 {
                let (percent, for_ms) = (rng.u8(10..60), rng.u64(3_000..10_000));
                let fault = Fault::Trouble { trouble, percent, for_ms };
                self.faults.push((rng.u64(0..self.produce_for_ms), fault));
            }
        }
    }

    /// Partitions come back to processes that have snapshots of them, and not too old ones. `frozen` may be in the middle of
    /// something.
    fn draw_returns(&mut self, frozen: usize, rng: &mut fastrand::Rng) {
        for _ in 0..rng.u8(5..=11) {
            self.faults.push((rng.u64(2_000..self.heal_at_ms), Fault::Shuffle));
        }
        // Only a static member gets its partitions back at once.
        for _ in 0..if self.static_members { rng.u8(5..=11) } else { 2 } {
            let process = rng.usize(0..self.processes);
            if process != frozen || self.processes == 1 {
                let fault = Fault::Crash { process, down_ms: rng.u64(50..700) };
                self.faults.push((rng.u64(2_000..self.heal_at_ms), fault));
            }
        }
        if rng.u8(0..100) < 80 {
            let (percent, for_ms) = (rng.u8(30..90), rng.u64(4_000..12_000));
            let fault = Fault::Trouble { trouble: Trouble::DiskFull, percent, for_ms };
            self.faults.push((rng.u64(0..self.produce_for_ms), fault));
        }
    }
}

/// The id of the changelog's topic.
pub(crate) const CHANGELOG_ID: &str = "changelog";

/// A state of that size holds all keys of a history.
pub(crate) const ROOMY_BYTES: usize = 1 << 20;

fn settings(rng: &mut fastrand::Rng) -> ExactlyOnceSettings {
    let bytes_max = if rng.u8(0..100) < 60 { rng.usize(250..900) } else { ROOMY_BYTES };
    ExactlyOnceSettings {
        flow: "counters".to_owned(),
        operator: "count".to_owned(),
        commit_interval_ms: rng.u64(10..400),
        settle_ms: *pick(rng, &[0, 5, 50]),
        transaction_runs_max: *pick(rng, &[2, 10, 100, 1_000]),
        transaction_bytes_max: *pick(rng, &[300, 3_000, 1 << 20]),
        state: StateLimits { bytes_max, row_bytes_max: 200 },
        drain_deadline_ms: rng.u64(1_000..6_000),
        retry: RetrySchedule { first_ms: rng.u64(20..200), max_ms: rng.u64(500..4_000) },
        // Without it nothing in the worker sees that it goes back, or jumps ahead.
        dedupe: (rng.u8(0..100) < 70)
            .then(|| DedupeSettings { header: EVENT_ID.to_owned(), window: *pick(rng, &[10, 50, 200]) }),
        accept_lost_offsets: false,
        snapshots: None,
    }
}

fn draw_fault(rng: &mut fastrand::Rng, processes: usize) -> Fault {
    let process = rng.usize(0..processes);
    match rng.u8(0..100) {
        0..16 => Fault::Crash { process, down_ms: rng.u64(50..9_000) },
        // Its instance does not come back before all is over.
        16..18 => Fault::Crash { process, down_ms: rng.u64(20_000..60_000) },
        18..32 => Fault::Freeze { process, for_ms: rng.u64(500..12_000) },
        32..38 => Fault::Stop { process, down_ms: rng.u64(100..6_000) },
        38..43 => Fault::Replace { process, for_ms: rng.u64(500..9_000) },
        43..75 => {
            let trouble = *pick(rng, &Trouble::ALL);
            Fault::Trouble { trouble, percent: rng.u8(5..70), for_ms: rng.u64(500..8_000) }
        }
        75..82 => Fault::ClockJump { process, by_ms: rng.i64(-7_200_000..7_200_000) },
        82..87 => Fault::Shuffle,
        87..93 => Fault::Expel { process },
        93..97 => Fault::Compaction,
        _ => Fault::Retention,
    }
}

fn pick<'a, T>(rng: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}
