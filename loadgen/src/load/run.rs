//! One run from settings to summary.

use super::generator::Generator;
use super::hgrm::{self, Quantiles};
use super::pacer::{Pacer, RealClock};
use super::producer::{Loader, Tally};
use super::report::{Counts, Report};
use super::schedule::Profile;
use super::settings::Settings;
use super::topic::{self, Wanted};
use crate::acked::AckedWriter;
use crate::progress::Progress;
use crate::report_format::ReportFormat;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is waited beyond the time that the client itself allows a record.
const GRACE: Duration = Duration::from_secs(5);
/// One look at the progress line per so many records: a look costs as much as a tenth of a record.
const SHOW_EVERY: u64 = 64;

/// What became of the records, before it is put into words.
struct Sent {
    records: u64,
    bytes: u64,
    counts: Counts,
    late_us: Histogram<u64>,
}

/// Runs; true when every record was acknowledged.
///
/// # Errors
/// When Kafka can't be reached, refuses records for what they are, or a file can't be written.
pub fn run(settings: &Settings, profile: Profile, generator: Generator, seed: u64) -> Result<bool> {
    let stop = stop_on_signals()?;
    if settings.dry_run {
        return dry_run(settings, generator, &stop);
    }
    let wanted = Wanted {
        topic: &settings.topic,
        partitions: settings.partitions,
        retention_days: settings.retention_days,
        replicas: settings.replicas,
    };
    let partitions = topic::ensure(&settings.brokers, &wanted)?;
    let list =
        settings.acked.as_deref().map(|path| AckedWriter::create(path, &settings.topic)).transpose()?;
    let started = Instant::now();
    let mut loader = Loader::new(
        &settings.brokers,
        &settings.topic,
        settings.linger_ms(),
        settings.ack_within(),
        list,
        started,
    )?;
    let sent = send_all(settings, profile, generator, &mut loader, &stop, started)?;
    let tally = loader.finish(settings.ack_within() + GRACE)?;
    let seconds = started.elapsed().as_secs_f64();
    if let Some(prefix) = &settings.hdr {
        write_hgrm(prefix, "ack", &tally.latency_us)?;
        write_hgrm(prefix, "late", &sent.late_us)?;
    }
    let report = summary(settings, partitions, seed, &sent, tally, seconds, stop.load(Ordering::Relaxed));
    print(&report, settings.report)?;
    Ok(report.ok)
}

/// The first signal sets the flag; the second one ends the process, exit code 1.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: a first signal finds the flag unset, and then sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn send_all(
    settings: &Settings,
    profile: Profile,
    mut generator: Generator,
    loader: &mut Loader,
    stop: &AtomicBool,
    started: Instant,
) -> Result<Sent> {
    let unix_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_start_ns =
        u64::try_from(unix_start.as_nanos()).context("the clock is set far into the future")?;
    let clock = RealClock { started };
    let records_max = settings.records.unwrap_or(u64::MAX);
    let mut pacer = Pacer::new(clock, profile, records_max, settings.end_ns());
    let mut progress = Progress::new(expected_records(settings, profile));
    let mut sent = Sent { records: 0, bytes: 0, counts: Counts::default(), late_us: hgrm::latencies() };
    while let Some(turn) = pacer.next(stop) {
        let (kind, record) = generator.next_record();
        let due_unix_ms = (unix_start_ns.saturating_add(turn.due_ns) / 1_000_000).cast_signed();
        if !loader.send(record, turn.due_ns, due_unix_ms, stop)? {
            break;
        }
        sent.late_us.saturating_record(turn.late_ns / 1000);
        sent.counts.add(kind);
        sent.records += 1;
        sent.bytes += (record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len)) as u64;
        if sent.records.is_multiple_of(SHOW_EVERY) || turn.late_ns == 0 {
            progress.show(sent.records, || {
                let under_way = sent.records - loader.acked().min(sent.records);
                let late_ms = turn.late_ns / 1_000_000;
                let trouble = loader.trouble().unwrap_or_default();
                format!("{under_way} under way, {late_ms} ms late {trouble}")
            });
        }
    }
    progress.clear();
    Ok(sent)
}

fn expected_records(settings: &Settings, profile: Profile) -> Option<u64> {
    if profile == Profile::AllOut || settings.seconds.is_none() {
        return settings.records;
    }
    // The first record that is due too late: its number is how many are not.
    let end_ns = settings.end_ns();
    let (mut low, mut high) = (0, settings.records.unwrap_or(1 << 52));
    while low < high {
        let middle = low + (high - low) / 2;
        match profile.due_ns(middle) {
            Some(due_ns) if due_ns < end_ns => low = middle + 1,
            _ => high = middle,
        }
    }
    Some(low)
}

fn dry_run(settings: &Settings, mut generator: Generator, stop: &AtomicBool) -> Result<bool> {
    let records = settings.records.unwrap_or(1_000_000);
    let (mut counts, mut bytes, mut made) = (Counts::default(), 0, 0);
    let started = Instant::now();
    while made < records && !stop.load(Ordering::Relaxed) {
        let (kind, record) = generator.next_record();
        counts.add(kind);
        bytes += record.value().map_or(0, <[u8]>::len);
        made += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = made as f64 / seconds;
    writeln!(
        std::io::stderr(),
        "{made} records made, {bytes} bytes of values, {seconds:.3} s: {rate:.0} records/s\n{:?}",
        counts.by_name()
    )?;
    Ok(true)
}

fn summary(
    settings: &Settings,
    partitions: i32,
    seed: u64,
    sent: &Sent,
    tally: Tally,
    seconds: f64,
    interrupted: bool,
) -> Report {
    Report {
        topic: settings.topic.clone(),
        partitions,
        seed,
        records: sent.records,
        acked: tally.acked,
        ok: tally.acked == sent.records,
        failed: tally.failed,
        seconds,
        rate: tally.acked as f64 / seconds,
        bytes: sent.bytes,
        kinds: sent.counts.by_name(),
        ack_latency_us: Quantiles::from(&tally.latency_us),
        lateness_us: Quantiles::from(&sent.late_us),
        interrupted,
    }
}

fn print(report: &Report, format: ReportFormat) -> Result<()> {
    write!(std::io::stderr(), "{report}")?;
    if format == ReportFormat::Json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(report)?)?;
    }
    Ok(())
}

fn write_hgrm(prefix: &Path, name: &str, histogram: &Histogram<u64>) -> Result<()> {
    let mut path = prefix.as_os_str().to_owned();
    path.push(format!(".{name}.hgrm"));
    let file = File::create(&path).with_context(|| format!("can't create {}", path.display()))?;
    let mut file = BufWriter::new(file);
    hgrm::write(histogram, &mut file)?;
    Ok(file.flush()?)
}
