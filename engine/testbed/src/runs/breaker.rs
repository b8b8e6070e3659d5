//! The breaker run: Elasticsearch is away for a while, then one document is refused throughout.

use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;
use thalweg_testbed::TestbedError;
use thalweg_testbed::proxy::HttpProxy;

use super::fleet::Fleet;
use super::ground::{Ground, Scene, admin_ports};
use super::indexer::Indexer;
use super::load::{Load, Shape};
use super::outage::{self, Outage};
use super::programs::{OF_INDEXER, Programs};
use super::progress::Progress;
use super::settings::BreakerSettings;
use super::stubborn::{self, Stubborn};
use super::verdict::Verdict;
use super::{failed, print};

/// Conversations during the outage.
const CONVERSATIONS: u32 = 10_000;

#[derive(Debug, Serialize)]
struct Report {
    run: &'static str,
    miniature: bool,
    seed: u64,
    protocol: &'static str,
    rate: u32,
    memory_bytes: u64,
    outage: Outage,
    stubborn: Stubborn,
    problems: Vec<String>,
    ok: bool,
}

/// What both scenes need.
struct Run<'r> {
    settings: &'r BreakerSettings,
    programs: &'r Programs,
    ground: &'r Ground,
    proxy: &'r HttpProxy,
    seed: u64,
    protocol: &'static str,
}

/// Runs; true when everything was right.
pub(crate) fn run(settings: &BreakerSettings) -> Result<bool, TestbedError> {
    crate::interrupt::catch().map_err(|error| failed("signal handlers", error))?;
    let place = &settings.place;
    let programs = Programs::find(place.programs.as_deref(), &place.profile, &OF_INDEXER)?;
    let mut ground = Ground::prepare("breaker-run", place.servers, place.folder.as_deref())?;
    eprintln!("logs: {}", ground.folder.display());
    let scenes = (ground.scene("outage"), ground.scene("stubborn"));
    let proxy = HttpProxy::start(&ground.elasticsearch).map_err(|error| failed("the proxy", error))?;
    // Small enough to be typed.
    let seed = place.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let mut rng = Rng::with_seed(seed);
    let protocol = place.protocol.decide(&mut rng);
    let run = Run { settings, programs: &programs, ground: &ground, proxy: &proxy, seed, protocol };
    let outage = run.outage(&scenes.0, &mut rng)?;
    let stubborn = run.stubborn(&scenes.1, &mut rng)?;
    let problems = [outage.problems.as_slice(), &stubborn.problems].concat();
    print(&Report {
        run: "breaker",
        miniature: place.miniature,
        seed,
        protocol,
        rate: settings.rate(),
        memory_bytes: super::indexer::MEMORY_BYTES,
        outage,
        stubborn,
        ok: problems.is_empty(),
        problems: problems.clone(),
    })?;
    ground.close("breaker-run", &problems)
}

impl Run<'_> {
    fn outage(&self, scene: &Scene, rng: &mut Rng) -> Result<Outage, TestbedError> {
        let length = Duration::from_secs(self.settings.outage_seconds());
        let seconds = (outage::BEFORE + length + outage::after(self.ground)).as_secs();
        let records = u64::from(self.settings.rate()) * seconds;
        let mut progress = Progress::new();
        let (load, mut fleet) = self.start(scene, (records, CONVERSATIONS, true), rng)?;
        let stage = outage::Stage {
            ground: self.ground,
            group: &scene.group,
            proxy: self.proxy,
            fleet: &mut fleet,
            progress: &mut progress,
        };
        let (outage, acked) =
            stage.play(load, length, self.settings.rate(), self.settings.place.partitions)?;
        let verdict = Verdict::of(self.programs, self.ground, scene, &acked)?;
        Ok(outage.judged(verdict, &fleet))
    }

    fn stubborn(&self, scene: &Scene, rng: &mut Rng) -> Result<Stubborn, TestbedError> {
        let mut progress = Progress::new();
        let records = self.settings.stubborn_records();
        // A key that waits for its dead letter counts as parked: there must be none here.
        let (load, mut fleet) = self.start(scene, (records, stubborn::CONVERSATIONS, false), rng)?;
        let group = (self.ground.kafka.as_str(), scene.group.as_str());
        let partitions = self.settings.place.partitions;
        let (stubborn, acked) =
            stubborn::play(load, self.proxy, &mut fleet, &mut progress, group, partitions)?;
        let verdict = Verdict::of(self.programs, self.ground, scene, &acked)?;
        Ok(stubborn.judged(verdict, &fleet))
    }

    /// The load, and one instance that is ready.
    fn start(
        &self,
        scene: &Scene,
        (records, conversations, poison): (u64, u32, bool),
        rng: &mut Rng,
    ) -> Result<(Load, Fleet<'_>), TestbedError> {
        let (rate, partitions) = (self.settings.rate(), self.settings.place.partitions);
        let shape = Shape { records, rate, partitions, conversations, poison, seed: self.seed };
        let load = Load::start(self.programs, self.ground, scene, &shape)?;
        let indexer = Indexer::new(self.programs, self.ground, scene, &self.proxy.url(), self.protocol);
        let mut fleet = Fleet::start(indexer, &admin_ports(1, rng)?)?;
        outage::until_ready(&mut fleet)?;
        Ok((load, fleet))
    }
}
