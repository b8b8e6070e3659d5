//! An arm works off a backlog for a while: what it costs, and how fast it is.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::producer::BaseRecord;
use serde::Serialize;

use super::arm::Arm;
use super::judge::Judge;
use super::offsets::{Group, read_to_end};
use super::process::Process;
use super::records::{Numbered, Written};
use super::scene::{Scene, Told};
use crate::topic::{Filler, held, make};

/// Who has committed nothing by then never will.
const BEGIN_WITHIN: Duration = Duration::from_secs(120);

/// Longest time without a commit.
const SILENT_MAX: Duration = Duration::from_secs(60);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What an arm did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Worked {
    /// From its first commit that was seen to the last.
    pub(super) seconds: f64,
    /// Input records meanwhile.
    pub(super) records: u64,
    pub(super) records_per_second: f64,
    /// Of the whole process, meanwhile.
    pub(super) cpu_seconds_per_million: f64,
    /// From its start on, by all records.
    pub(super) process_cpu_seconds_per_million: f64,
    pub(super) memory_peak_mb: u64,
    /// Copies that were compared.
    pub(super) copies: u64,
    /// Records of its changelogs.
    pub(super) changelog_records: u64,
}

/// Makes and fills the source unless it is there; answers its name.
pub(super) fn ensure(brokers: &str, numbered: &Numbered, records: u64) -> Result<String> {
    let Numbered { keys, partitions, .. } = numbered;
    let name = format!("thalweg-bench-numbered-{records}-of-{keys}-in-{partitions}");
    match held(brokers, &name)? {
        Some(found) if found == records => return Ok(name),
        Some(found) if found > 0 => bail!("topic {name} holds {found} records, not {records}: delete it"),
        Some(_) => {}
        None => make(brokers, &name, *partitions)?,
    }
    eprintln!("filling {name} ...");
    let (mut filler, mut record) = (Filler::new(brokers)?, Written::default());
    for number in 0..records {
        numbered.write(number, &mut record);
        let Written { partition, key, value, id } = &record;
        let sent = BaseRecord::to(&name).partition(*partition).key(&key[..]).payload(&value[..]);
        filler.send(sent.headers(with_id(id)))?;
    }
    filler.finish()?;
    Ok(name)
}

/// The headers of a record with that id.
pub(super) fn with_id(id: &[u8]) -> rdkafka::message::OwnedHeaders {
    let header = rdkafka::message::Header { key: "message-id", value: Some(id) };
    rdkafka::message::OwnedHeaders::new_with_capacity(1).insert(header)
}

/// Lets the arm work for so long, or to the source's end, and compares what it has written.
pub(super) fn work(
    arm: Arm,
    source: &str,
    numbered: &Numbered,
    told: &Told,
    duration: Duration,
) -> Result<Worked> {
    let scene = Scene::new(arm, source, numbered.partitions, told)?;
    let job = &scene.job;
    let all = held(&job.brokers, source)?.unwrap_or_default();
    let group = Group::of(&job.brokers, &job.group, source, numbered.partitions)?;
    let mut process = Process::start(arm, job)?;
    let done = || -> Result<u64> { Ok(group.committed()?.iter().sum()) };
    let (started, mut records) = (Instant::now(), 0);
    while records == 0 {
        process.mark(records)?;
        if started.elapsed() > BEGIN_WITHIN {
            bail!("it has committed nothing within {BEGIN_WITHIN:?}");
        }
        std::thread::sleep(LOOK_EVERY);
        records = done()?;
    }
    let first = process.mark(records)?;
    let mut last = first;
    while last.records < all && first.at.elapsed() < duration {
        std::thread::sleep(LOOK_EVERY);
        let mark = process.mark(done()?)?;
        if mark.records > last.records {
            last = mark;
        } else if last.at.elapsed() > SILENT_MAX {
            bail!("it has committed nothing for {SILENT_MAX:?}, at {} of {all} records", last.records);
        }
    }
    let memory_peak_mb = process.memory_peak_mb()?;
    process.stop()?;
    let copies = compare(&scene, numbered, &group.committed()?).context("what it wrote is wrong")?;
    let (records, seconds) = (last.records - first.records, (last.at - first.at).as_secs_f64());
    if records == 0 {
        bail!("the backlog of {all} records was worked off at one look: it takes more --records");
    }
    Ok(Worked {
        seconds,
        records,
        records_per_second: records as f64 / seconds,
        cpu_seconds_per_million: (last.cpu_seconds - first.cpu_seconds) * 1e6 / records as f64,
        process_cpu_seconds_per_million: last.cpu_seconds * 1e6 / last.records as f64,
        memory_peak_mb,
        copies,
        changelog_records: scene.changelog_records()?,
    })
}

/// Reads all that was written of so many records of each partition; answers how many copies there are.
fn compare(scene: &Scene, numbered: &Numbered, consumed: &[u64]) -> Result<u64> {
    let (job, mut judge) = (&scene.job, Judge::new(numbered));
    read_to_end(&job.brokers, &job.copies, numbered.partitions, |key, value| {
        judge.see_copy(key, value);
    })?;
    read_to_end(&job.brokers, &job.counts, numbered.partitions, |key, value| judge.see_count(key, value))?;
    let verdict = judge.verdict(consumed);
    if !verdict.ok() {
        bail!("{verdict:#?}");
    }
    Ok(verdict.copies)
}
