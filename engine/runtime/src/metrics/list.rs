//! The list.

use super::Kind::{Counter, Gauge, Histogram};
use super::Metric;
use super::Values::{
    Breakers, CommandAnswers, Commands, Latencies, Letters, MemoryBudget, Outcomes, Partitions, Sinks, Sizes,
    Views, Worker,
};

/// Every metric there is.
pub const METRICS: &[Metric] = &[
    Metric::new(
        "thalweg_records_read_total",
        Counter,
        "Records read, without those read again after a restart.",
        Worker(|worker, _| Some(worker.accounts.read as f64)),
    ),
    Metric::new("thalweg_records_total", Counter, "Records that have their outcome.", Outcomes),
    Metric::new("thalweg_dead_letters_total", Counter, "Dead letters acknowledged, by reason.", Letters),
    Metric::new(
        "thalweg_records_given_up_total",
        Counter,
        "Records left to the next owner of their partition.",
        Worker(|worker, _| Some(worker.accounts.given_up as f64)),
    ),
    Metric::new(
        "thalweg_records_open",
        Gauge,
        "Records whose outcome is open: in flight, waiting or parked.",
        Worker(|worker, _| Some(worker.accounts.open() as f64)),
    ),
    Metric::new(
        "thalweg_records_rewound_total",
        Counter,
        "Records read again only to rebuild the dedupe window.",
        Worker(|worker, _| Some(worker.accounts.rewound as f64)),
    ),
    Metric::new(
        "thalweg_records_finished_before_total",
        Counter,
        "Records passed over because they were finished before a restart.",
        Worker(|worker, _| Some(worker.accounts.finished_before as f64)),
    ),
    Metric::new(
        "thalweg_records_without_event_id_total",
        Counter,
        "Records that dedupe can't judge.",
        Worker(|worker, _| Some(worker.accounts.without_event_id as f64)),
    ),
    Metric::new("thalweg_latency_seconds", Histogram, "How long things took, by stage.", Latencies),
    Metric::new(
        "thalweg_batch_records",
        Histogram,
        "Records of each batch that was read.",
        Sizes(|sizes| &sizes.batch_records),
    ),
    Metric::new(
        "thalweg_flight_effects",
        Histogram,
        "Effects of each flight that left for a sink.",
        Sizes(|sizes| &sizes.flight_effects),
    ),
    Metric::new(
        "thalweg_memory_reserved_bytes",
        Gauge,
        "Bytes reserved by open records.",
        Worker(|worker, _| Some(worker.reserved_bytes as f64)),
    ),
    Metric::new(
        "thalweg_memory_budget_bytes",
        Gauge,
        "Bytes for the whole process, all its flows together, of which open records reserve what is left.",
        MemoryBudget,
    ),
    Metric::new(
        "thalweg_keys_held",
        Gauge,
        "Keys held before the first operator, waiting for a dead letter.",
        Worker(|worker, _| Some(worker.held_keys as f64)),
    ),
    Metric::new(
        "thalweg_lag_records",
        Gauge,
        "Offsets between what is finished and the end of the log.",
        Partitions(|partition| partition.lag().map(|lag| lag as f64)),
    ),
    Metric::new(
        "thalweg_committed_offset",
        Gauge,
        "The commit position that the broker confirmed.",
        Partitions(|partition| Some(partition.committed as f64)),
    ),
    Metric::new(
        "thalweg_finished_offset",
        Gauge,
        "Everything below is finished.",
        Partitions(|partition| Some(partition.finished as f64)),
    ),
    Metric::new(
        "thalweg_partition_records_open",
        Gauge,
        "Records of the partition whose outcome is open.",
        Partitions(|partition| Some(partition.open as f64)),
    ),
    Metric::new(
        "thalweg_state_rows",
        Gauge,
        "Rows of the partition's tables; only of exactly-once flows, like all that is said of state and timers.",
        Partitions(|partition| Some(partition.state?.rows as f64)),
    ),
    Metric::new(
        "thalweg_state_timers",
        Gauge,
        "Timers of the partition that are pending.",
        Partitions(|partition| Some(partition.state?.timers as f64)),
    ),
    Metric::new(
        "thalweg_state_bytes",
        Gauge,
        "Memory that the partition's rows and timers take.",
        Partitions(|partition| Some(partition.state?.bytes as f64)),
    ),
    Metric::new(
        "thalweg_restore_left_records",
        Gauge,
        "Offsets of the partition's changelog still to be read before its state is restored; 0 once it is.",
        Partitions(|partition| {
            let state = partition.state?;
            if state.restoring { Some(state.restore_left? as f64) } else { Some(0.0) }
        }),
    ),
    Metric::new(
        "thalweg_restores_total",
        Counter,
        "How often the state of a partition was restored.",
        Worker(|worker, _| Some(worker.restores?.all as f64)),
    ),
    Metric::new(
        "thalweg_restores_from_snapshot_total",
        Counter,
        "Of these, how often from a local snapshot and the changelog's tail instead of the whole changelog.",
        Worker(|worker, _| Some(worker.restores?.from_snapshot as f64)),
    ),
    Metric::new(
        "thalweg_restored_records_total",
        Counter,
        "Records of changelogs that were read to restore state.",
        Worker(|worker, _| Some(worker.restores?.records as f64)),
    ),
    Metric::new(
        "thalweg_snapshots_written_total",
        Counter,
        "Local snapshots of a partition's state that were written.",
        Worker(|worker, _| Some(worker.restores?.written as f64)),
    ),
    Metric::new(
        "thalweg_snapshots_refused_total",
        Counter,
        "Local snapshots that were found and not used: damaged, of another partition or topic, of a newer version, too old, or \
         of an offset that the changelog does not hold. The log says which.",
        Worker(|worker, _| Some(worker.restores?.refused as f64)),
    ),
    Metric::new(
        "thalweg_snapshots_failed_total",
        Counter,
        "How often a local snapshot could not be written or read: the disk is full, or the folder can't be used.",
        Worker(|worker, _| Some(worker.restores?.failed as f64)),
    ),
    Metric::new(
        "thalweg_snapshot_age_seconds",
        Gauge,
        "How old the partition's local snapshot is; a restart reads what the changelog has got since.",
        Partitions(|partition| Some(partition.state?.kept_age_ms? as f64 / 1e3)),
    ),
    Metric::new(
        "thalweg_snapshot_bytes",
        Gauge,
        "How large the partition's local snapshot is.",
        Partitions(|partition| Some(partition.state?.kept_bytes? as f64)),
    ),
    Metric::new(
        "thalweg_effects",
        Gauge,
        "Effects waiting or in the air.",
        Sinks(|sink, _| sink.effects as f64),
    ),
    Metric::new(
        "thalweg_keys_parked",
        Gauge,
        "Keys waiting for a retry or a dead letter.",
        Sinks(|sink, _| sink.parked_keys as f64),
    ),
    Metric::new(
        "thalweg_parked_longest_seconds",
        Gauge,
        "How long the key that has been parked longest has been so; 0 while none is.",
        Sinks(|sink, now| {
            sink.parked_since_ms.map_or(0.0, |since_ms| now.uptime_ms.saturating_sub(since_ms) as f64 / 1e3)
        }),
    ),
    Metric::new("thalweg_flights", Gauge, "Requests in the air.", Sinks(|sink, _| sink.flights as f64)),
    Metric::new(
        "thalweg_breaker_open",
        Gauge,
        "1 while the circuit breaker is open or probing.",
        Sinks(|sink, _| f64::from(u8::from(!sink.breaker_closed))),
    ),
    Metric::new(
        "thalweg_breaker_state",
        Gauge,
        "1 for the state that the circuit breaker is in: closed, open, or probing (one small request is out to see \
         whether the sink is back); 0 for the others.",
        Breakers,
    ),
    Metric::new(
        "thalweg_breaker_opened_total",
        Counter,
        "How often the circuit breaker opened.",
        Sinks(|sink, _| sink.breaker_opened as f64),
    ),
    Metric::new("thalweg_requests_total", Counter, "Requests sent.", Sinks(|sink, _| sink.requests as f64)),
    Metric::new(
        "thalweg_retries_total",
        Counter,
        "Effects put off for a retry.",
        Sinks(|sink, _| sink.retries as f64),
    ),
    Metric::new(
        "thalweg_overloaded_total",
        Counter,
        "Effects refused for load.",
        Sinks(|sink, _| sink.overloaded as f64),
    ),
    Metric::new(
        "thalweg_partitions_assigned",
        Gauge,
        "Partitions that the group has given to the worker.",
        Worker(|worker, _| Some(worker.partitions.len() as f64)),
    ),
    Metric::new(
        "thalweg_first_effect_seconds",
        Gauge,
        "From the start of the process to its first durable effect.",
        Worker(|worker, _| Some(worker.first_effect_ms? as f64 / 1e3)),
    ),
    Metric::new(
        "thalweg_worker_restarts_total",
        Counter,
        "How often the worker began anew because its source could not go on.",
        Worker(|worker, _| Some(worker.restarts as f64)),
    ),
    Metric::new(
        "thalweg_rebalances_total",
        Counter,
        "Assignments, revocations and losses of partitions.",
        Worker(|worker, _| Some(worker.rebalances as f64)),
    ),
    Metric::new(
        "thalweg_commits_total",
        Counter,
        "Commits (of an exactly-once flow: transactions) that have ended, failed ones included.",
        Worker(|worker, _| Some(worker.commits as f64)),
    ),
    Metric::new(
        "thalweg_commits_failed_total",
        Counter,
        "Commits (of an exactly-once flow: transactions) that failed or were refused.",
        Worker(|worker, _| Some(worker.commits_failed as f64)),
    ),
    Metric::new(
        "thalweg_commit_age_seconds",
        Gauge,
        "Time since the broker confirmed a commit; grows while nothing needs to be committed.",
        Worker(|worker, now| Some(now.uptime_ms.saturating_sub(worker.committed_ms?) as f64 / 1e3)),
    ),
    Metric::new(
        "thalweg_rebuild_seconds",
        Gauge,
        "From the last assignment of a partition to its first new record: fetching positions, restoring state, reading \
         back the dedupe window.",
        Worker(|worker, _| Some(worker.rebuild_ms? as f64 / 1e3)),
    ),
    Metric::new(
        "thalweg_timers_fired_total",
        Counter,
        "Timers that were due, and whose run is committed.",
        Worker(|worker, _| Some(worker.timers_fired? as f64)),
    ),
    Metric::new(
        "thalweg_command_requests_total",
        Counter,
        "Requests that came over HTTP: commands, views, and what could be neither. Only of flows that take commands, like \
         all that is said of requests.",
        Commands(|counted| counted.requests),
    ),
    Metric::new(
        "thalweg_command_answers_total",
        Counter,
        "Requests that were answered, by the class of their status.",
        CommandAnswers,
    ),
    Metric::new(
        "thalweg_command_timeouts_total",
        Counter,
        "Commands that got a 504: no reply within the deadline.",
        Commands(|counted| counted.timeouts),
    ),
    Metric::new(
        "thalweg_command_hang_ups_total",
        Counter,
        "Requests whose client was gone before there was an answer.",
        Commands(|counted| counted.hang_ups),
    ),
    Metric::new(
        "thalweg_commands_waiting",
        Gauge,
        "Commands that are being read, written, or wait for their reply.",
        Commands(|counted| counted.waiting),
    ),
    Metric::new(
        "thalweg_view_records",
        Gauge,
        "Keys that a view holds: a topic from which requests are answered.",
        Views(|view| view.records as f64),
    ),
    Metric::new(
        "thalweg_view_bytes",
        Gauge,
        "Bytes of memory that they take, by the measure that views.bytes_max has.",
        Views(|view| view.bytes as f64),
    ),
    Metric::new(
        "thalweg_view_lag_records",
        Gauge,
        "Offsets of the view's topic yet to be read, as of the last look at its end, two seconds ago at most. Records of \
         transactions that are still open are among them.",
        Views(|view| view.lag as f64),
    ),
    Metric::new(
        "thalweg_view_ready",
        Gauge,
        "1 once the view has come to where its topic ended at the start; 0 before, and when it can't be shown any more: then \
         requests get a 503.",
        Views(|view| f64::from(u8::from(view.ready))),
    ),
    Metric::new(
        "thalweg_view_undecodable_total",
        Counter,
        "Records of a view's topic whose key or value could not be read; they are shown as if they were not there.",
        Views(|view| view.undecodable as f64),
    ),
];
