//! What the process's memory is divided into, so that the whole of it stays within one number.
//!
//! Records are what the core lets in and out by its budget. The rest does not depend on how many are open, and is
//! taken off before: the program itself, what sinks keep, and what each assigned partition costs.

use thalweg_core::dedupe::{self, Dedupe};

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

impl MemoryPlan {
    /// For a flow whose topic has so many partitions: at worst this process reads them all.
    pub(crate) fn of(flow: &Flow, engine: &EngineSettings, partitions: u32) -> Self {
        let dedupe_bytes = flow.dedupe.as_ref().map_or(0, |dedupe| Dedupe::bytes_max(dedupe.0.window));
        let prefetch_kilobytes = flow.source.settings.read.prefetch_kilobytes_per_partition;
        Self::divided(engine, kept_bytes(flow, engine), partitions, prefetch_kilobytes, dedupe_bytes)
    }

    fn divided(
        engine: &EngineSettings,
        sink_bytes: u64,
        partitions: u32,
        prefetch_kilobytes: u32,
        dedupe_bytes: u64,
    ) -> Self {
        let ahead = engine.memory_bytes / READ_AHEAD_SHARE / READ_AHEAD_COST / u64::from(partitions.max(1));
        let ahead_kilobytes = (ahead >> 10).max(READ_AHEAD_KILOBYTES_MIN).min(prefetch_kilobytes.into());
        Self {
            worker_bytes: worker_bytes(engine, sink_bytes),
            partition_bytes: (ahead_kilobytes << 10) * READ_AHEAD_COST + dedupe_bytes,
            read_ahead_kilobytes: u32::try_from(ahead_kilobytes).unwrap_or(u32::MAX),
        }
    }
}

/// Checks that the memory is enough for what does not depend on the topic, and that ids can be told apart as far back
/// as they are to be; nothing connects.
///
/// # Errors
/// When it is not.
pub(crate) fn check(flow: &Flow, engine: &EngineSettings) -> Result<(), SettingError> {
    let window = flow.dedupe.as_ref().map_or(0, |dedupe| dedupe.0.window);
    if window > dedupe::WINDOW_MAX {
        return Err(SettingError::new(
            "dedupe.window",
            window,
            format!("must be at most {}", dedupe::WINDOW_MAX),
        ));
    }
    let sink_bytes = kept_bytes(flow, engine);
    if worker_bytes(engine, sink_bytes) >= WORKER_BYTES_MIN {
        return Ok(());
    }
    let worker_min = sink_bytes.saturating_add(SPARE_BYTES_MAX as u64 + WORKER_BYTES_MIN);
    let least = worker_min.saturating_mul(engine.workers.into()).saturating_add(PROGRAM_BYTES);
    let allowed = format!(
        "must be at least {least} here: {PROGRAM_BYTES} for the program and {worker_min} for each worker, \
         {sink_bytes} of them for what its sinks and its state hold"
    );
    Err(SettingError::new("engine.memory_bytes", engine.memory_bytes, allowed))
}

/// Of each worker.
fn kept_bytes(flow: &Flow, engine: &EngineSettings) -> u64 {
    let sinks: u64 = flow.sinks.plans.iter().map(|(_, sink)| sink.kept_bytes()).sum();
    sinks.saturating_add(flow.work.kept_bytes(engine))
}

fn worker_bytes(engine: &EngineSettings, sink_bytes: u64) -> u64 {
    let share = engine.memory_bytes.saturating_sub(PROGRAM_BYTES) / u64::from(engine.workers.max(1));
    share.saturating_sub(sink_bytes).saturating_sub(SPARE_BYTES_MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINK_BYTES: u64 = 40 << 20;

    fn plan(memory_bytes: u64, partitions: u32) -> MemoryPlan {
        let engine = EngineSettings { memory_bytes, ..EngineSettings::default() };
        MemoryPlan::divided(&engine, SINK_BYTES, partitions, 4_096, Dedupe::bytes_max(100_000))
    }

    #[test]
    fn everything_together_stays_within_the_memory() {
        let MemoryPlan { worker_bytes, partition_bytes, .. } = plan(256 << 20, 8);
        assert!(worker_bytes + PROGRAM_BYTES + SPARE_BYTES_MAX as u64 + SINK_BYTES <= 256 << 20);
        assert!(worker_bytes > 8 * partition_bytes, "records have room beside 8 partitions");
    }

    #[test]
    fn many_partitions_read_less_ahead_and_a_setting_is_a_limit() {
        assert_eq!(plan(256 << 20, 8).read_ahead_kilobytes, 910);
        assert_eq!(plan(256 << 20, 64).read_ahead_kilobytes, 113);
        assert_eq!(plan(256 << 20, 10_000).read_ahead_kilobytes, 64);
        assert_eq!(plan(8 << 30, 8).read_ahead_kilobytes, 4_096);
    }
}
