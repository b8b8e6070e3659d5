//! Writes dead letters back: plan first, then transactions that hold records and the memory of them.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use thalweg::kafka::{Position, Span, Transactions};
use xxhash_rust::xxh3::xxh3_64;

use super::outcome::Outcome;
use super::plan::Plan;
use super::progress::Progress;
use super::replayed::{Replayed, Run};
use super::rewrite::Targets;
use super::safe_text::safe_json;
use crate::command_line::{Format, ReplayOptions};
use crate::connection::Connection;
use crate::failure::{Failure, SOME_LEFT, UNFINISHED};
use crate::interrupt::Interrupt;

mod transfer;

use transfer::Transfer;

/// Replays, or says what would be replayed.
pub(crate) fn run(options: &ReplayOptions) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let interrupt = Interrupt::listen()?;
    let to = options.to.as_deref();
    let connection = Connection::open(&options.place, |topic| group_of(options, topic))?;
    if to == Some(connection.topic.as_str()) {
        return Err(Failure::Usage(format!(
            "--to {}: these are the dead letters themselves",
            connection.topic
        )));
    }
    let mut outcome = Outcome {
        topic: connection.topic.clone(),
        to: options.to.clone(),
        group: connection.kafka.group.id.clone(),
        dry_run: options.dry_run,
        ..Outcome::default()
    };
    // Before its memory is read: from here on no other replay of the group can write.
    let transactions = if options.dry_run { None } else { Some(begin(&connection)?) };
    let partitions = remembered(&connection, options, &mut outcome)?;
    let chosen_by = (&options.filter, options.max_replays);
    let plan = Plan::make(&connection, partitions, chosen_by, &interrupt, &mut outcome)?;
    match (plan, transactions) {
        (None, _) => outcome.interrupted = true,
        (Some(plan), transactions) => {
            plan.check_memory()?;
            let targets = Targets::look_up(&connection, &plan, to)?;
            if let Some(transactions) = transactions {
                let progress = Progress::begin(outcome.chosen, !options.no_progress);
                let transfer =
                    Transfer { connection: &connection, transactions, targets, options, interrupt, progress };
                let done = transfer.run(plan, &mut outcome);
                if let Err(failure) = done {
                    outcome.interrupted = true;
                    finish(options, &mut outcome, begun)?;
                    return Err(failure);
                }
            }
        }
    }
    finish(options, &mut outcome, begun)
}

fn group_of(options: &ReplayOptions, topic: &str) -> String {
    match (&options.group, &options.to) {
        (Some(group), _) => group.clone(),
        (None, None) => format!("{topic}-replay"),
        (None, Some(to)) => format!("{topic}-replay-to-{to}"),
    }
}

fn begin(connection: &Connection) -> Result<Transactions, Failure> {
    let group = &connection.kafka.group.id;
    // The group's id stands for the transactions too: one replay of a group at a time.
    Transactions::begin(&connection.kafka, group).map_err(|error| Failure::of_transaction(error, group))
}

/// What the group remembers of each partition, and what of it is to be looked at: up to where it ends now, or up to
/// where the same replay, interrupted, wanted to.
fn remembered(
    connection: &Connection,
    options: &ReplayOptions,
    outcome: &mut Outcome,
) -> Result<Vec<(Span, Replayed)>, Failure> {
    let spans = &connection.spans;
    let committed = connection.topics.committed(&connection.topic, spans.len() as u32)?;
    outcome.remembered = committed.iter().any(Option::is_some);
    let mut partitions = Vec::with_capacity(spans.len());
    for (span, committed) in spans.iter().zip(committed) {
        let Span { partition, from, end } = *span;
        let replayed = match committed {
            None => Replayed::nothing(from),
            Some((position, metadata)) => Replayed::decode(position, &metadata, (from, end)).map_err(|error| {
                let group = &connection.kafka.group.id;
                Failure::Usage(format!(
                    "what the group {group} remembers of partition {partition} can't be believed: {error}; choose \
                     another with --group (which has replayed nothing yet)"
                ))
            })?,
        };
        partitions.push((*span, replayed));
    }
    let filter = xxh3_64(format!("{:016x} {}", options.filter.hash(), options.max_replays).as_bytes());
    outcome.resumed =
        partitions.iter().any(|(_, replayed)| replayed.run.is_some_and(|run| run.filter == filter));
    for (span, replayed) in &mut partitions {
        if outcome.resumed {
            // A partition that came later is no business of a replay that began before.
            let end = replayed.run.map_or(span.from, |run| run.end);
            span.end = end.clamp(span.from, span.end);
        }
        replayed.run = Some(Run { filter, end: span.end });
    }
    Ok(partitions)
}

/// Prints what came of it.
fn finish(options: &ReplayOptions, outcome: &mut Outcome, begun: Instant) -> Result<ExitCode, Failure> {
    outcome.seconds = begun.elapsed().as_secs_f64();
    let text = match options.report {
        Format::Text => outcome.text(options.max_replays),
        Format::Json => format!("{}\n", safe_json(&serde_json::to_string(outcome).map_err(io::Error::from)?)),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match outcome {
        Outcome { interrupted: true, .. } => UNFINISHED.into(),
        Outcome { dry_run: false, .. } if outcome.left() > 0 => SOME_LEFT.into(),
        _ => ExitCode::SUCCESS,
    })
}

/// The positions that a transaction notes.
fn position<'p>(topic: &'p str, partition: i32, replayed: &Replayed) -> Result<Position<'p>, Failure> {
    let (next_offset, metadata) = replayed.encode().ok_or_else(|| super::plan::too_scattered(partition))?;
    Ok(Position { topic, partition, next_offset, metadata })
}

/// When the next letters may go, after so many at that rate.
fn due(begun: Instant, replayed: u64, rate: u32) -> Instant {
    begun + Duration::from_secs_f64(replayed as f64 / f64::from(rate))
}
