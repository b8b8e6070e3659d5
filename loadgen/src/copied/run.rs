//! Writes, follows, waits for the group, and says what there was to see.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde::Serialize;

use super::follower::Follower;
use super::judge::{Judge, Verdict};
use super::offsets::{self, ANSWER};
use super::records::{Numbered, Written};
use super::settings::Settings;
use crate::report_format::ReportFormat;

/// Before a full queue is tried again, and between two portions.
const PAUSE: Duration = Duration::from_millis(2);

/// Between two looks at how far the group is.
const LOOK: Duration = Duration::from_millis(200);

/// What there was to see.
#[derive(Debug, Serialize)]
struct Report {
    records: u64,
    keys: u64,
    /// As far as the pace could be kept.
    rate: f64,
    write_seconds: f64,
    /// From the last record written until the group had committed everything.
    drain_seconds: f64,
    /// As the reader saw them that followed all the time.
    copies: Verdict,
    counts: Verdict,
    /// Longest times without a record for that reader, of both topics: of a whole topic, and of one partition.
    longest_stall_ms: u64,
    longest_stall_of_a_partition_ms: u64,
    /// Partitions in which a transaction was open at the end.
    open_transactions: Vec<String>,
    ok: bool,
}

/// Runs; true when everything was as it must be.
///
/// # Errors
/// When it can't be found out.
pub fn run(settings: &Settings) -> Result<bool> {
    let config = settings.brokers.config(&[]);
    make_topics(settings, &config)?;
    // Whoever started us may start the copy now.
    eprintln!("topics made");
    let numbered = Numbered { keys: settings.keys };
    let expected = || numbered.expected(settings.records);
    let begin = |topic: &str, judge| Follower::begin(&config, topic, settings.partitions, judge);
    let copies = begin(&settings.copies, Judge::of_copies(expected()))?;
    let counts = begin(&settings.counts, Judge::of_counts(expected()))?;
    let given_up = AtomicBool::new(false);
    let (wrote, drained, copies, counts) = std::thread::scope(|scope| {
        let (config, given_up) = (&config, &given_up);
        let follow =
            |follower, topic| scope.spawn(move || follow(follower, topic, settings, config, given_up));
        let (copies, counts) = (follow(copies, &settings.copies), follow(counts, &settings.counts));
        let done = write(settings, config, numbered).and_then(|wrote| Ok((wrote, drain(settings, config)?)));
        // Also after a failure: nobody may follow for ever.
        given_up.store(true, Ordering::Relaxed);
        let joined = |thread: std::thread::ScopedJoinHandle<'_, Result<Follower>>| {
            thread.join().map_err(|_| anyhow!("a reader panicked"))?
        };
        let (copies, counts) = (joined(copies)?, joined(counts)?);
        let (wrote, drained) = done?;
        anyhow::Ok((wrote, drained, copies, counts))
    })?;
    let stalls = [copies.stalls(), counts.stalls()];
    let longest_ms = |of: fn(&(Duration, Duration)) -> Duration| {
        let longest = stalls.iter().map(of).max().unwrap_or_default();
        u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
    };
    let (copies, counts) = (copies.judge.verdict(), counts.judge.verdict());
    let open_transactions = open_transactions(settings, &config)?;
    let report = Report {
        records: settings.records,
        keys: settings.keys,
        rate: settings.records as f64 / wrote.as_secs_f64(),
        write_seconds: wrote.as_secs_f64(),
        drain_seconds: drained.as_secs_f64(),
        ok: copies.ok() && counts.ok() && open_transactions.is_empty(),
        copies,
        counts,
        longest_stall_ms: longest_ms(|(whole, _)| *whole),
        longest_stall_of_a_partition_ms: longest_ms(|(_, one)| *one),
        open_transactions,
    };
    tell(&report, settings.report)?;
    Ok(report.ok)
}

/// Follows until the group has committed everything (or it is given up) and all that was written then is read.
fn follow(
    mut follower: Follower,
    topic: &str,
    settings: &Settings,
    config: &ClientConfig,
    over: &AtomicBool,
) -> Result<Follower> {
    while !over.load(Ordering::Relaxed) {
        follower.look();
    }
    let ends = offsets::ends(config, topic, settings.partitions)?;
    let ends: Vec<_> = ends.into_iter().map(|end| end.decided).collect();
    let begun = Instant::now();
    while !follower.has_read(&ends)? && begun.elapsed() < Duration::from_secs(settings.patience_seconds) {
        follower.look();
    }
    Ok(follower)
}

fn make_topics(settings: &Settings, config: &ClientConfig) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let names = [&settings.source, &settings.copies, &settings.counts];
    let topics = names.map(|name| NewTopic::new(name, settings.partitions, TopicReplication::Fixed(1)));
    let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for made in runtime.block_on(admin.create_topics(&topics, &options))? {
        made.map_err(|(topic, error)| anyhow!("the topic {topic} can't be made: {error}"))?;
    }
    names.into_iter().try_for_each(|name| until_known(&admin, name, settings.partitions))
}

/// A topic that the controller has made is told of by the brokers a moment later, on a busy machine seconds; a flow that asks
/// before takes it for missing.
fn until_known(admin: &AdminClient<DefaultClientContext>, name: &str, partitions: i32) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = admin.inner().fetch_metadata(Some(name), ANSWER)?;
        let known = found.topics().iter().find(|topic| topic.name() == name).map(|topic| topic.partitions());
        if known.is_some_and(|known| i32::try_from(known.len()) == Ok(partitions)) {
            return Ok(());
        }
        if begun.elapsed() > ANSWER {
            return Err(anyhow!("the topic {name} was made, but the brokers do not know of it"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Notes the first record that the brokers did not take.
#[derive(Default)]
struct Refusal(parking_lot::Mutex<Option<KafkaError>>);

impl rdkafka::ClientContext for Refusal {}

impl ProducerContext for Refusal {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().get_or_insert_with(|| error.clone());
        }
    }
}

/// Writes all records at the pace; answers how long it took.
fn write(settings: &Settings, config: &ClientConfig, numbered: Numbered) -> Result<Duration> {
    let mut config = config.clone();
    config.set("enable.idempotence", "true").set("linger.ms", "5");
    let producer: ThreadedProducer<Refusal> = config.create_with_context(Refusal::default())?;
    let begun = Instant::now();
    for number in 0..settings.records {
        let due = Duration::from_secs_f64(number as f64 / f64::from(settings.rate));
        while begun.elapsed() < due {
            std::thread::sleep(PAUSE);
        }
        send(&producer, &settings.source, &numbered.record(number))?;
    }
    producer.flush(Duration::from_secs(settings.patience_seconds))?;
    let refused = producer.context().0.lock().take();
    refused.map_or(Ok(begun.elapsed()), |error| Err(error).context("a record was not taken"))
}

fn send(producer: &ThreadedProducer<Refusal>, topic: &str, record: &Written) -> Result<()> {
    let Written { key, value, id } = record;
    loop {
        let headers = OwnedHeaders::new().insert(Header { key: "message-id", value: id.as_ref() });
        let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).payload(value.as_str());
        let mut record = record.headers(headers);
        record.key = key.as_deref();
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => std::thread::sleep(PAUSE),
            Err((error, _)) => return Err(error).context("a record can't be written"),
        }
    }
}

/// Waits until the group has committed everything; answers how long it took.
fn drain(settings: &Settings, config: &ClientConfig) -> Result<Duration> {
    let (begun, patience) = (Instant::now(), Duration::from_secs(settings.patience_seconds));
    loop {
        let left = offsets::uncommitted(config, &settings.source, settings.partitions, &settings.group);
        if matches!(left, Ok(0)) {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > patience {
            // What is missing shows in the verdict.
            eprintln!("verify-copy: the group has not committed everything: {left:?}");
            return Ok(begun.elapsed());
        }
        std::thread::sleep(LOOK);
    }
}

fn open_transactions(settings: &Settings, config: &ClientConfig) -> Result<Vec<String>> {
    let topics = [Some(&settings.copies), Some(&settings.counts), settings.changelog.as_ref()];
    let mut open = Vec::new();
    for topic in topics.into_iter().flatten() {
        let ends = offsets::ends(config, topic, settings.partitions)?;
        let undecided = ends.iter().enumerate().filter(|(_, end)| end.all != end.decided);
        open.extend(undecided.map(|(partition, end)| format!("{topic}/{partition}: {end:?}")));
    }
    Ok(open)
}

fn tell(report: &Report, format: ReportFormat) -> Result<()> {
    let mut errors = std::io::stderr().lock();
    let Report { copies, counts, .. } = report;
    for (what, verdict) in [("copies", copies), ("counts", counts)] {
        let Verdict { expected, right, wrong, missing, examples } = verdict;
        writeln!(errors, "{what}: {right} of {expected} right, {wrong} wrong, {missing} missing")?;
        examples.iter().try_for_each(|example| writeln!(errors, "  {example}"))?;
    }
    writeln!(
        errors,
        "longest stall of the reader: {} ms, of a partition {} ms; open transactions: {:?}",
        report.longest_stall_ms, report.longest_stall_of_a_partition_ms, report.open_transactions
    )?;
    if format == ReportFormat::Json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(report)?)?;
    }
    Ok(())
}
