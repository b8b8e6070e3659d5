//! The crash run: instances are killed, suspended and stopped under load; then everything must be right.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use thalweg_testbed::TestbedError;

use super::chaos::{Chaos, Dealt};
use super::crash_report::Report;
use super::drain::drain;
use super::evidence::{IndexWork, committed_lag, index_work};
use super::fleet::{Fleet, TICK, Tally};
use super::ground::{Ground, Scene, admin_ports};
use super::indexer::{CALM_AT_THE_END, Indexer, SESSION_MS};
use super::load::{Load, Shape};
use super::plan::plan;
use super::programs::{OF_INDEXER, Programs};
use super::progress::Progress;
use super::settings::CrashSettings;
use super::verdict::Verdict;
use super::{failed, go_on, print};

/// Until everybody has joined; blows begin then.
const QUIET: Duration = Duration::from_secs(4);
/// Conversations: enough that keys are many and few enough that each has a history.
const CONVERSATIONS: u32 = 10_000;

/// What happened, before it is judged.
pub(crate) struct Course {
    pub(crate) seed: u64,
    pub(crate) protocol: &'static str,
    pub(crate) chaos: Chaos,
    /// From the end of the load to lag 0.
    pub(crate) drain: Duration,
    pub(crate) tally: Tally,
    /// The report of `loadgen`.
    pub(crate) load: Value,
    /// As the group's coordinator has it after everybody stopped.
    pub(crate) committed_lag: Option<u64>,
    pub(crate) work: IndexWork,
    pub(crate) verdict: Verdict,
}

/// Runs; true when everything was right.
pub(crate) fn run(settings: &CrashSettings) -> Result<bool, TestbedError> {
    crate::interrupt::catch().map_err(|error| failed("signal handlers", error))?;
    let place = &settings.place;
    let programs = Programs::find(place.programs.as_deref(), &place.profile, &OF_INDEXER)?;
    let mut ground = Ground::prepare("crash-run", place.servers, place.folder.as_deref())?;
    eprintln!("logs: {}", ground.folder.display());
    let scene = ground.scene("events");
    let report = Report::of(settings, course(settings, &programs, &ground, &scene)?);
    print(&report)?;
    ground.close("crash-run", &report.problems)
}

fn course(
    settings: &CrashSettings,
    programs: &Programs,
    ground: &Ground,
    scene: &Scene,
) -> Result<Course, TestbedError> {
    // Small enough to be typed.
    let seed = settings.place.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let mut rng = Rng::with_seed(seed);
    let protocol = settings.place.protocol.decide(&mut rng);
    let shape = Shape {
        records: settings.records(),
        rate: settings.rate(),
        partitions: settings.place.partitions,
        conversations: CONVERSATIONS,
        poison: true,
        seed,
    };
    let ports = admin_ports(usize::from(settings.instances), &mut rng)?;
    let mut progress = Progress::new();
    let load = Load::start(programs, ground, scene, &shape)?;
    let window = (QUIET, load.planned.saturating_sub(QUIET + CALM_AT_THE_END));
    let plan = plan(settings.counts(), window, Duration::from_millis(SESSION_MS), &mut rng);
    let indexer = Indexer::new(programs, ground, scene, &ground.elasticsearch, protocol);
    let mut fleet = Fleet::start(indexer, &ports)?;
    let mut chaos = Chaos::new(plan, rng);
    let (load, acked) = strike(load, &mut fleet, &mut chaos, &mut progress)?;
    fleet.bring_back()?;
    let drain = drain(&mut fleet, (&ground.kafka, &scene.group), settings.place.partitions, &mut progress)?;
    fleet.stop()?;
    progress.note("stopped; verifying");
    Ok(Course {
        seed,
        protocol,
        chaos,
        drain,
        tally: fleet.tally,
        load,
        committed_lag: committed_lag(&ground.kafka, &scene.group)?,
        work: index_work(&ground.elasticsearch, &scene.alias)?,
        verdict: Verdict::of(programs, ground, scene, &acked)?,
    })
}

/// Until the load has ended; gives its report and its list.
fn strike(
    mut load: Load,
    fleet: &mut Fleet<'_>,
    chaos: &mut Chaos,
    progress: &mut Progress,
) -> Result<(Value, PathBuf), TestbedError> {
    let begin = Instant::now();
    while load.ended().is_none() {
        go_on()?;
        fleet.look_after()?;
        chaos.go_on(begin.elapsed(), fleet, progress);
        progress.show(|| {
            let lag = fleet.totals().map_or_else(|| "?".to_owned(), |totals| totals.lag.to_string());
            let of = |dealt: Dealt| format!("{} ({} in flight)", dealt.all, dealt.in_flight);
            format!(
                "{} up, lag {lag}, kills {}, suspensions {}, planned stops {}",
                fleet.up().len(),
                of(chaos.kills),
                of(chaos.suspensions),
                of(chaos.leaves)
            )
        });
        std::thread::sleep(TICK);
    }
    load.finish()
}
