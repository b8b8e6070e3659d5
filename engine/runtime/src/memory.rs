//! What the process's memory is divided into, so that the whole of it stays within one number.
//!
//! Records are what the core lets in and out by its budget. The rest does not depend on how many are open, and is
//! taken off before: the program itself, what sinks keep, and what each assigned partition costs.

use thalweg_core::dedupe::{self, Dedupe};

use crate::commands::Commands;
use crate::drive::SPARE_BYTES_MAX;
use crate::flow::Flow;
use crate::settings::{EngineSettings, SettingError};

/// Code, threads, the clients' own buffers and what the allocator keeps free between two uses: measured with an idle
/// flow (30 MB) and at full rate.
const PROGRAM_BYTES: u64 = 48 << 20;

/// What is read ahead may take this part (one of so many) of the memory, all partitions together.
const READ_AHEAD_SHARE: u64 = 6;

/// librdkafka counts a record's bytes. Beside them it keeps 320 bytes of notes for each, and unpacks a batch into a
/// buffer that was made before its size was known: 43,000 records of 420 bytes in small lz4 batches took 95 MB
/// [measured], 5.3 times their own size.
const READ_AHEAD_COST: u64 = 6;

/// Less read ahead than this, for one partition, would turn fetching into asking record by record.
const READ_AHEAD_KILOBYTES_MIN: u64 = 64;

/// A worker needs this much for records and partitions to go on at all: some records of the largest size.
const WORKER_BYTES_MIN: u64 = 16 << 20;

/// The division; see the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryPlan {
    /// For one worker's records and partitions.
    pub(crate) worker_bytes: u64,
    /// What an assigned partition takes of that.
    pub(crate) partition_bytes: u64,
    /// What is read ahead of one partition at most.
    pub(crate) read_ahead_kilobytes: u32,
}

/// How the flows of a process share its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryShares {
    /// For the records and partitions of each worker, of whichever flow.
    worker_bytes: u64,
    /// For what one flow reads ahead, as the client counts it.
    ahead_bytes: u64,
}

impl MemoryShares {
    /// What sinks and states keep is taken off first; the rest is the same for every worker.
    pub(crate) fn of(flows: &[Flow], engine: &EngineSettings) -> Self {
        Self::divided(engine.memory_bytes, &needs(flows, engine))
    }

    fn divided(memory_bytes: u64, needs: &[Need]) -> Self {
        let workers: u64 = needs.iter().map(|need| need.workers).sum();
        let kept_bytes = needs.iter().fold(0, |sum: u64, need| sum.saturating_add(need.kept_bytes()));
        let left_bytes = memory_bytes.saturating_sub(PROGRAM_BYTES).saturating_sub(kept_bytes);
        let flows = (needs.len() as u64).max(1);
        Self {
            worker_bytes: left_bytes / workers.max(1),
            ahead_bytes: memory_bytes / READ_AHEAD_SHARE / READ_AHEAD_COST / flows,
        }
    }

    /// For a flow whose topic has so many partitions: at worst this process reads them all.
    pub(crate) fn plan(self, flow: &Flow, partitions: u32) -> MemoryPlan {
        let dedupe_bytes = flow.dedupe.as_ref().map_or(0, |dedupe| Dedupe::bytes_max(dedupe.0.window));
        let prefetch_kilobytes = flow.source.settings.read.prefetch_kilobytes_per_partition;
        self.partitioned(partitions, prefetch_kilobytes, dedupe_bytes)
    }

    fn partitioned(self, partitions: u32, prefetch_kilobytes: u32, dedupe_bytes: u64) -> MemoryPlan {
        let ahead = self.ahead_bytes / u64::from(partitions.max(1));
        let ahead_kilobytes = (ahead >> 10).max(READ_AHEAD_KILOBYTES_MIN).min(prefetch_kilobytes.into());
        MemoryPlan {
            worker_bytes: self.worker_bytes,
            partition_bytes: (ahead_kilobytes << 10) * READ_AHEAD_COST + dedupe_bytes,
            read_ahead_kilobytes: u32::try_from(ahead_kilobytes).unwrap_or(u32::MAX),
        }
    }
}

/// What a flow takes whatever there is to do.
#[derive(Debug, Clone, Copy)]
struct Need {
    workers: u64,
    /// What sinks and state of one worker hold.
    held_bytes: u64,
    /// What its requests take, whatever the workers.
    request_bytes: u64,
}

impl Need {
    fn kept_bytes(self) -> u64 {
        let of_worker = self.held_bytes.saturating_add(SPARE_BYTES_MAX as u64);
        of_worker.saturating_mul(self.workers).saturating_add(self.request_bytes)
    }
}

fn needs(flows: &[Flow], engine: &EngineSettings) -> Vec<Need> {
    let need = |flow: &Flow| {
        let engine = flow.own.settings.over(engine);
        let sinks: u64 = flow.sinks.plans.iter().map(|(_, sink)| sink.kept_bytes()).sum();
        let held_bytes = sinks.saturating_add(flow.work.kept_bytes(&engine));
        let request_bytes = flow.commands.as_ref().map_or(0, Commands::kept_bytes);
        Need { workers: engine.workers.into(), held_bytes, request_bytes }
    };
    flows.iter().map(need).collect()
}

/// Checks that the memory is enough for what does not depend on the topics, and that ids can be told apart as far back
/// as they are to be; nothing connects.
///
/// # Errors
/// When it is not.
pub(crate) fn check(flows: &[Flow], engine: &EngineSettings) -> Result<(), SettingError> {
    let windows = flows.iter().filter_map(|flow| Some(flow.dedupe.as_ref()?.0.window));
    if let Some(window) = windows.max().filter(|window| *window > dedupe::WINDOW_MAX) {
        return Err(SettingError::new(
            "dedupe.window",
            window,
            format!("must be at most {}", dedupe::WINDOW_MAX),
        ));
    }
    let needs = needs(flows, engine);
    if MemoryShares::divided(engine.memory_bytes, &needs).worker_bytes >= WORKER_BYTES_MIN {
        return Ok(());
    }
    let sum = |of: fn(&Need) -> u64| needs.iter().fold(0, |sum: u64, need| sum.saturating_add(of(need)));
    let workers = sum(|need| need.workers);
    let workers_min = sum(|need| need.kept_bytes()).saturating_add(workers.saturating_mul(WORKER_BYTES_MIN));
    let least = workers_min.saturating_add(PROGRAM_BYTES);
    let held = sum(|need| need.held_bytes.saturating_mul(need.workers).saturating_add(need.request_bytes));
    let allowed = format!(
        "must be at least {least} here: {PROGRAM_BYTES} for the program and {workers_min} for its workers (there are \
         {workers}), {held} of them for what sinks, state and requests hold"
    );
    Err(SettingError::new("engine.memory_bytes", engine.memory_bytes, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINK_BYTES: u64 = 40 << 20;

    fn plan(memory_bytes: u64, partitions: u32) -> MemoryPlan {
        let shares = MemoryShares::divided(
            memory_bytes,
            &[Need { workers: 1, held_bytes: SINK_BYTES, request_bytes: 0 }],
        );
        shares.partitioned(partitions, 4_096, Dedupe::bytes_max(100_000))
    }

    #[test]
    fn everything_together_stays_within_the_memory() {
        let MemoryPlan { worker_bytes, partition_bytes, .. } = plan(256 << 20, 8);
        assert!(worker_bytes + PROGRAM_BYTES + SPARE_BYTES_MAX as u64 + SINK_BYTES <= 256 << 20);
        assert!(worker_bytes > 8 * partition_bytes, "records have room beside 8 partitions");
    }

    #[test]
    fn flows_share_what_is_left_of_the_memory_by_their_workers() {
        let needs = [
            Need { workers: 2, held_bytes: SINK_BYTES, request_bytes: 0 },
            Need { workers: 1, held_bytes: 0, request_bytes: 0 },
        ];
        let shares = MemoryShares::divided(512 << 20, &needs);
        let left = (512 << 20) - PROGRAM_BYTES - 2 * SINK_BYTES - 3 * SPARE_BYTES_MAX as u64;
        assert_eq!(shares.worker_bytes, left / 3);
        let alone = MemoryShares::divided(512 << 20, &needs[..1]);
        assert_eq!(shares.ahead_bytes, alone.ahead_bytes / 2);
    }

    #[test]
    fn many_partitions_read_less_ahead_and_a_setting_is_a_limit() {
        assert_eq!(plan(256 << 20, 8).read_ahead_kilobytes, 910);
        assert_eq!(plan(256 << 20, 64).read_ahead_kilobytes, 113);
        assert_eq!(plan(256 << 20, 10_000).read_ahead_kilobytes, 64);
        assert_eq!(plan(8 << 30, 8).read_ahead_kilobytes, 4_096);
    }
}
