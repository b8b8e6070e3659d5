//! The rounds, and what they say.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use thalweg_benches::cpu;

use super::documents::Write;
use super::index::Index;
use super::{bare, documents};
use crate::programs;
use crate::programs::indexer::Job;
use crate::report::{Machine, Reporting, Spread, Target};
use crate::whole_flow::Events;

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// A real Elasticsearch.
    #[arg(long, env = "THALWEG_ELASTICSEARCH", default_value = "http://127.0.0.1:9200")]
    elasticsearch: String,
    /// Rounds; in each, both arms run once, by turns this or that one first. One more, before them, is not measured: it
    /// warms Elasticsearch up, and says how many documents the flow sends at a time.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records of the topic; it is filled unless it is there.
    #[arg(long, default_value_t = 300_000)]
    records: u64,
    #[command(flatten)]
    reporting: Reporting,
}

const RUN_MAX: Duration = Duration::from_secs(600);

/// Documents per second against the bare client's.
const SHARE: f64 = 0.9;

#[derive(Debug, Clone, Serialize)]
struct Round {
    /// Written per second, from the first record read (bare: the first request) to the last answer.
    documents_per_second: f64,
    bare_documents_per_second: f64,
    /// Of both.
    documents_per_request: f64,
    /// Of message-indexer, from its start to the last answer.
    cpu_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    records: u64,
    documents: u64,
    machine: Machine,
    targets: Vec<Target>,
    documents_per_second: Spread,
    bare_documents_per_second: Spread,
    /// Round by round.
    of_bare: Spread,
    documents_per_request: Spread,
    rounds: Vec<Round>,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let events = Events { records: settings.records, conversations: 10_000, partitions: 8 };
    events.ensure(&settings.brokers)?;
    let writes = documents::of(&settings.brokers, events)?;
    let (mut rounds, mut per_request) = (Vec::new(), None);
    for number in 0..=settings.rounds {
        let round = round(settings, events, &writes, number, per_request)?;
        per_request = Some(round.documents_per_request);
        let Round { documents_per_second: ours, bare_documents_per_second: bare, .. } = round;
        let share = ours / bare;
        eprintln!("round {number}: {ours:.0} documents per second, bare {bare:.0}: {share:.3}, verified");
        if number > 0 {
            rounds.push(round);
        }
    }
    let over = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure).collect());
    let of_bare = over(|round| round.documents_per_second / round.bare_documents_per_second);
    let what = "documents per second, of a bare bulk client's";
    let report = Report {
        bench: "indexing",
        records: settings.records,
        documents: writes.len() as u64,
        machine,
        targets: vec![Target::at_least(what, SHARE, of_bare.median)],
        documents_per_second: over(|round| round.documents_per_second),
        bare_documents_per_second: over(|round| round.bare_documents_per_second),
        of_bare,
        documents_per_request: over(|round| round.documents_per_request),
        rounds,
    };
    settings.reporting.give(report.bench, &table(&report), &report.targets, &report)
}

/// Both arms; the bare client first in every other round, once it is known how much the flow sends at a time.
fn round(
    settings: &Settings,
    events: Events,
    writes: &[Write],
    number: u32,
    per_request: Option<f64>,
) -> Result<Round> {
    let before = per_request.filter(|_| number.is_multiple_of(2));
    let before = before.map(|per_request| bare_round(settings, events, writes, number, per_request));
    let before = before.transpose()?;
    let flow = flow_round(settings, events, number)?;
    let bare_documents_per_second = match before {
        Some(found) => found,
        None => bare_round(settings, events, writes, number, flow.documents_per_request)?,
    };
    Ok(Round { bare_documents_per_second, ..flow })
}

fn flow_round(settings: &Settings, events: Events, number: u32) -> Result<Round> {
    let (topic, Settings { brokers, elasticsearch, .. }) = (events.topic(), settings);
    let index = Index::make(brokers, elasticsearch, &topic, &format!("flow-{number}"))?;
    let group = format!("thalweg-bench-indexing-{}-{number}", std::process::id());
    let set = index.settings().to_vec();
    let job = Job { brokers, topic: &topic, group: &group, elasticsearch, set };
    let found = through_the_flow(&job, events.records)?;
    index.verify(brokers, &topic)?;
    Ok(found)
}

/// Documents per second.
fn bare_round(
    settings: &Settings,
    events: Events,
    writes: &[Write],
    number: u32,
    per_request: f64,
) -> Result<f64> {
    let (topic, Settings { brokers, elasticsearch, .. }) = (events.topic(), settings);
    let requests = bare::requests(writes, per_request.round() as usize)?;
    let index = Index::make(brokers, elasticsearch, &topic, &format!("bare-{number}"))?;
    let took = bare::send(&index.bulk_url(), requests)?;
    index.verify(brokers, &topic)?;
    Ok(writes.len() as f64 / took.as_secs_f64())
}

fn through_the_flow(job: &Job<'_>, records: u64) -> Result<Round> {
    let mut indexer = job.start()?;
    let some = |read: u64| (read > 0).then(Instant::now);
    let begun = indexer
        .until(RUN_MAX, "reading", |metrics| metrics.sum("thalweg_records_read_total", "").and_then(some))?;
    let metrics = indexer.until(RUN_MAX, &format!("done with {records} records"), |metrics| {
        let sum = |name| metrics.sum(name, "");
        let all = (sum("thalweg_records_read_total"), sum("thalweg_records_open"));
        (all == (Some(records), Some(0))).then(|| metrics.clone())
    })?;
    let (took, cpu_seconds) = (begun.elapsed(), cpu::of_process(indexer.pid())?);
    indexer.stop()?;
    let delivered = metrics.sum("thalweg_records_total", "outcome=\"delivered\"").unwrap_or_default();
    let of = |name: &str| metrics.sum(name, "").with_context(|| format!("there is no metric {name}"));
    let (effects, flights) = (of("thalweg_flight_effects_sum")?, of("thalweg_flight_effects_count")?);
    Ok(Round {
        documents_per_second: delivered as f64 / took.as_secs_f64(),
        bare_documents_per_second: 0.0,
        documents_per_request: effects as f64 / flights.max(1) as f64,
        cpu_seconds,
    })
}

fn table(report: &Report) -> String {
    let rows = [
        ("documents per second", report.documents_per_second.rounded()),
        ("... of a bare bulk client", report.bare_documents_per_second.rounded()),
        ("ratio, round by round", report.of_bare.to_string()),
        ("documents per request", report.documents_per_request.rounded()),
    ];
    rows.iter().map(|(what, figure)| format!("{what:<28} {figure}\n")).collect()
}
