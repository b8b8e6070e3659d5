//! One verification from settings to verdict.

use super::acknowledged::Acknowledged;
use super::compare;
use super::dead_letters::{Checker, Found};
use super::elasticsearch::Elasticsearch;
use super::index::Source;
use super::reader::Reader;
use super::reason::Position;
use super::report::Report;
use super::settings::{Against, Settings};
use super::stand_in::StandIn;
use super::topic::{Topic, header, record};
use crate::acked;
use crate::progress::Progress;
use crate::report_format::ReportFormat;
use anyhow::{Context, Result};
use rdkafka::message::{BorrowedMessage, Message};
use std::io::Write;
use std::str::FromStr;
use std::time::Instant;

/// Verifies; true when all is as it must be.
///
/// # Errors
/// When it can't be found out.
pub fn run(settings: &Settings, against: &Against) -> Result<bool> {
    let started = Instant::now();
    let mut report = Report::default();
    let mut reader = read_topic(settings, &mut report)?;
    check_documents(settings, against, &mut reader, &mut report)?;
    check_dead_letters(settings, &reader, &mut report)?;
    report.seconds = started.elapsed().as_secs_f64();
    report.judge();
    writeln!(std::io::stderr(), "{}", report.text())?;
    if settings.report == ReportFormat::Json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(report.ok)
}

fn read_topic(settings: &Settings, report: &mut Report) -> Result<Reader> {
    let mut lists = Vec::new();
    for path in &settings.acked {
        lists.extend(acked::read(path, &settings.topic)?);
    }
    let mut acknowledged = Acknowledged::new(lists);
    let topic = Topic::open(&settings.brokers, &settings.topic)?
        .with_context(|| format!("there is no topic {}", settings.topic))?;
    report.cut_off = topic.cut_off().iter().map(Position::to_string).collect();
    let mut progress = Progress::new(Some(topic.offsets()));
    let mut reader = Reader::new(settings.window);
    topic.each(|position, message| {
        let record = record(message);
        acknowledged.met(position, record.fingerprint);
        reader.read(position, &record);
        progress.show(reader.records, || "reading the topic".to_owned());
    })?;
    progress.clear();
    acknowledged.finish();
    report.acked = acknowledged.count;
    report.acked_missing = report.note("acknowledged but missing", acknowledged.missing);
    report.records = reader.records;
    report.duplicates = reader.duplicates;
    report.superseded = reader.superseded;
    report.without_id = reader.without_id;
    Ok(reader)
}

fn check_documents(
    settings: &Settings,
    against: &Against,
    reader: &mut Reader,
    report: &mut Report,
) -> Result<()> {
    let documents = &mut reader.documents;
    let living = documents.by_id.values().filter(|document| document.source.is_some()).count();
    report.expected_documents = living as u64;
    report.tombstones_expected = (documents.by_id.len() - living) as u64;
    report.ambiguous =
        report.note("documents written from two partitions", std::mem::take(&mut documents.ambiguous));
    let source: &mut dyn Source = match against {
        Against::Nothing => return Ok(()),
        Against::Index => {
            &mut Elasticsearch::new(&settings.elasticsearch, &settings.alias, settings.api_key.clone())?
        }
        Against::StandIn(path) => &mut StandIn { path: path.clone() },
    };
    let difference = compare::compare(documents, source)?;
    report.index_documents = Some(difference.visible);
    report.tombstones = Some(difference.behind.tombstones);
    report.stale_writes = matches!(against, Against::StandIn(_)).then_some(difference.behind.stale_writes);
    report.lost = Some(report.note("lost documents", difference.lost));
    report.extra = Some(report.note("extra documents", difference.extra));
    report.stale = Some(report.note("stale documents", difference.stale));
    Ok(())
}

fn check_dead_letters(settings: &Settings, reader: &Reader, report: &mut Report) -> Result<()> {
    report.dead_letters_expected = reader.dead_letters.len() as u64;
    for dead in reader.dead_letters.values() {
        *report.reasons_expected.entry(dead.reason.name().to_owned()).or_default() += 1;
    }
    let Some(name) = settings.dead_letter_topic() else { return Ok(()) };
    let mut checker = Checker::new(&reader.dead_letters);
    // No such topic: then no dead letter was written.
    if let Some(topic) = Topic::open(&settings.brokers, &name)? {
        topic.each(|at, message| {
            if let Some(found) = dead_letter(settings, at, message) {
                checker.met(&found);
            }
        })?;
    }
    let outcome = checker.finish();
    report.dead_letters_found = Some(outcome.found);
    report.dead_letters_twice = Some(outcome.twice);
    report.reasons = outcome.reasons;
    report.reasons_other = outcome.other_reasons;
    report.dead_letters_missing = Some(report.note("missing dead letters", outcome.missing));
    report.dead_letters_unexpected = Some(report.note("unexpected dead letters", outcome.unexpected));
    report.dead_letters_altered = Some(report.note("altered dead letters", outcome.altered));
    Ok(())
}

/// What a dead letter says of itself; none: it is of another topic, which may share the dead-letter topic.
fn dead_letter(settings: &Settings, at: Position, message: &BorrowedMessage<'_>) -> Option<Found> {
    let text = |name: &str| header(message, name).and_then(|value| std::str::from_utf8(value).ok());
    let topic = text(&settings.header_topic);
    if topic.is_some_and(|topic| topic != settings.topic) {
        return None;
    }
    let original = topic.and_then(|_| {
        let partition = number(text(&settings.header_partition)?)?;
        Some(Position { partition, offset: number(text(&settings.header_offset)?)? })
    });
    Some(Found {
        at,
        original,
        reason: text(&settings.header_reason).map(str::to_owned),
        fingerprint: record(message).fingerprint,
        has_value: message.payload().is_some(),
    })
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
