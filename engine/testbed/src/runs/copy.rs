//! The copy run: instances of an exactly-once flow are killed under load, and a reader of what is committed must see every
//! record's effects once, in order, all the time.

use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use serde::Serialize;
use serde_json::Value;
use thalweg_testbed::TestbedError;

use super::crew::{Crew, Post, Work, kills};
use super::fleet::TICK;
use super::ground::admin_ports;
use super::indexer::{CALM_AT_THE_END, SESSION_MS};
use super::kafka_ground::KafkaGround;
use super::program::Program;
use super::programs::Programs;
use super::progress::Progress;
use super::settings::CopySettings;
use super::{failed, go_on, print};

/// Until everybody has joined and works; kills begin then.
const QUIET: Duration = Duration::from_secs(8);

/// So many records are told apart from their duplicates: more than lie between them in a partition.
const DEDUPE_WINDOW: u64 = 20_000;

/// How long a transaction may take. What a process leaves open that does not come back ends by this.
const TRANSACTION_TIMEOUT_MS: u64 = 10_000;

/// The verifier waits for the flow for five minutes, and then reads to the end.
const VERDICT_LIMIT: Duration = Duration::from_secs(900);

/// The last line of output.
#[derive(Debug, Serialize)]
struct Report {
    run: &'static str,
    miniature: bool,
    seed: u64,
    protocol: &'static str,
    session_timeout_ms: u64,
    transaction_timeout_ms: u64,
    instances: u8,
    partitions: u32,
    kills: usize,
    /// Those after which the partitions went to others.
    kills_for_longer_than_the_session: usize,
    unexpected_exits: u64,
    stops_unclean: u64,
    verify: Value,
    /// Why it is not ok.
    problems: Vec<String>,
    ok: bool,
}

/// Runs; true when everything was right.
pub(crate) fn run(settings: &CopySettings) -> Result<bool, TestbedError> {
    crate::interrupt::catch().map_err(|error| failed("signal handlers", error))?;
    let place = &settings.place;
    let programs = Programs::find(
        place.programs.as_deref(),
        &place.profile,
        &[("loadgen", "verify-copy"), ("copy", "copy")],
    )?;
    let ground = KafkaGround::prepare("copy-run", place)?;
    eprintln!("logs: {}", ground.folder.display());
    let report = course(settings, &programs, &ground)?;
    print(&report)?;
    report.problems.iter().for_each(|problem| eprintln!("copy-run: {problem}"));
    if report.ok {
        ground.clear()?;
    } else if report.verify["ok"] != Value::Bool(true) {
        let [source, copies, counts, changelog, _] = names(&ground);
        ground.keep_logs(&[&source, &copies, &counts, &changelog])?;
    }
    Ok(report.ok)
}

fn course(
    settings: &CopySettings,
    programs: &Programs,
    ground: &KafkaGround,
) -> Result<Report, TestbedError> {
    let seed = settings.place.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let mut rng = Rng::with_seed(seed);
    let protocol = settings.place.protocol.decide(&mut rng);
    let ports = admin_ports(usize::from(settings.instances), &mut rng)?;
    let mut progress = Progress::new();
    let mut verifier = start_verifier(settings, programs, ground)?;
    let planned = Duration::from_secs_f64(settings.records() as f64 / f64::from(settings.rate()));
    let window = (QUIET, planned.saturating_sub(QUIET + CALM_AT_THE_END));
    let plan = kills(settings.kills(), window, &mut rng);
    let mut copiers = start_copiers(programs, ground, protocol, ports)?;
    let (begun, mut killed, mut moved) = (Instant::now(), 0, 0);
    while verifier.ended().is_none() {
        go_on()?;
        copiers.look_after()?;
        if let Some((at, away)) = plan.get(killed).filter(|(at, _)| *at <= begun.elapsed())
            && let Some(name) = copiers.kill_one(*away, &mut rng)
        {
            let late_ms = begun.elapsed().saturating_sub(*at).as_millis();
            progress.note(&format!(
                "{name}: kill -9, back in {} ms (planned {late_ms} ms ago)",
                away.as_millis()
            ));
            killed += 1;
            moved += usize::from(*away > Duration::from_millis(SESSION_MS));
        }
        progress.show(|| format!("{} up, kills {killed} of {}", copiers.up(), plan.len()));
        if begun.elapsed() > planned + VERDICT_LIMIT {
            verifier.signal(Signal::KILL);
            return Err(verifier.complain("did not come to a verdict"));
        }
        std::thread::sleep(TICK);
    }
    let verify = verifier.report()?;
    let unexpected_exits = copiers.unexpected_exits;
    let stops_unclean = copiers.stop()?;
    let mut problems = Vec::new();
    if verify["ok"] != Value::Bool(true) {
        problems.push("verify-copy found differences".to_owned());
    }
    if unexpected_exits + stops_unclean > 0 {
        problems
            .push(format!("{unexpected_exits} ended by themselves, {stops_unclean} did not stop as told"));
    }
    if killed < plan.len() {
        problems.push(format!("only {killed} of {} kills found somebody at work", plan.len()));
    }
    Ok(Report {
        run: "copy",
        miniature: settings.place.miniature,
        seed,
        protocol,
        session_timeout_ms: SESSION_MS,
        transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
        instances: settings.instances,
        partitions: settings.place.partitions,
        kills: killed,
        kills_for_longer_than_the_session: moved,
        unexpected_exits,
        stops_unclean,
        verify,
        ok: problems.is_empty(),
        problems,
    })
}

fn start_copiers<'r>(
    programs: &'r Programs,
    ground: &KafkaGround,
    protocol: &str,
    ports: Vec<u16>,
) -> Result<Crew<'r>, TestbedError> {
    let work = Work {
        programs,
        folder: ground.folder.clone(),
        settings: settings_of_all(ground, protocol),
        variables: Vec::new(),
        left_min: 1,
    };
    let post = |(number, port)| Post { program: "copy", number, port, own: Vec::new() };
    Crew::start(work, ports.into_iter().enumerate().map(post).collect())
}

/// Starts `verify-copy`; comes back when it has made the topics.
fn start_verifier(
    settings: &CopySettings,
    programs: &Programs,
    ground: &KafkaGround,
) -> Result<Program, TestbedError> {
    let mut command = programs.command("verify-copy");
    let [source, copies, counts, changelog, group] = names(ground);
    command.args(["--brokers", &ground.kafka, "--source", &source, "--copies", &copies, "--counts", &counts]);
    command.args(["--changelog", &changelog, "--group", &group, "--report", "json"]);
    let numbers = [
        ("--records", settings.records()),
        ("--rate", settings.rate().into()),
        ("--partitions", settings.place.partitions.into()),
        ("--keys", settings.keys()),
    ];
    for (name, value) in numbers {
        command.args([name, &value.to_string()]);
    }
    let mut verifier = Program::start("verify-copy", command, &ground.folder)?;
    let log = ground.folder.join("verify-copy.log");
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("topics made")) {
        go_on()?;
        if verifier.ended().is_some() {
            return Err(verifier.complain("ended before it had the topics"));
        }
        std::thread::sleep(TICK);
    }
    Ok(verifier)
}

/// Source, copies, counts, changelog; and the group.
fn names(ground: &KafkaGround) -> [String; 5] {
    ["source", "copies", "counts", "changelog", "group"].map(|what| ground.named(what))
}

/// What all instances have in common.
fn settings_of_all(ground: &KafkaGround, protocol: &str) -> Vec<String> {
    let [source, copies, counts, changelog, group] = names(ground);
    let mut settings = ground.membership(protocol);
    settings.extend([
        format!("kafka.group.id={group}"),
        format!("topics.source={source}"),
        format!("topics.copies={copies}"),
        format!("topics.counts={counts}"),
        format!("topics.dedupe_window={DEDUPE_WINDOW}"),
        format!("state.changelog_topic={changelog}"),
        format!("transactions.timeout_ms={TRANSACTION_TIMEOUT_MS}"),
    ]);
    settings
}
