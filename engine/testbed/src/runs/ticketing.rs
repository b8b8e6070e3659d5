//! The ticketing run: two instances of each service are killed under load, before a provider with bad days; then an auditor
//! that shares no code with them must find every rule kept.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
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
use super::settings::TicketingSettings;
use super::ticketing_report::{Course, Report};
use super::{failed, go_on, print};

/// Packages and programs.
const PROGRAMS: [(&str, &str); 7] = [
    ("ticketing", "tickets"),
    ("ticketing", "orders"),
    ("ticketing", "payments"),
    ("ticketing", "expiration"),
    ("ticketing-provider", "ticketing-provider"),
    ("ticketing-load", "ticketing-load"),
    ("ticketing-audit", "ticketing-audit"),
];

/// The services that take requests.
const OVER_HTTP: [&str; 3] = ["tickets", "orders", "payments"];

/// Instances of each service.
const INSTANCES: usize = 2;

/// Before a service is ready: topics are made, groups joined.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// After the planned end: what is not answered is repeated, what is not sold is ordered again.
const LOAD_LIMIT: Duration = Duration::from_secs(600);

/// The auditor waits for what is still under way, and then judges.
const AUDIT_LIMIT: Duration = Duration::from_secs(420);

/// How long orders live.
const EXPIRE_AFTER_MS: u64 = 5_000;

/// How long a transaction may take. What a process leaves open that does not come back ends by this.
const TRANSACTION_TIMEOUT_MS: u64 = 10_000;

/// How late the provider is when it is slow. Nothing that it was asked for is under way for longer.
const SLOW_MS: u64 = 1_500;

/// What tokens are signed with: of no worth outside of the run.
const TOKEN_SECRET: &str = "of-no-worth-outside-of-this-run-0123456789";

/// Runs; true when everything was right.
pub(crate) fn run(settings: &TicketingSettings) -> Result<bool, TestbedError> {
    crate::interrupt::catch().map_err(|error| failed("signal handlers", error))?;
    let place = &settings.place;
    let programs = Programs::find(place.programs.as_deref(), &place.profile, &PROGRAMS)?;
    let ground = KafkaGround::prepare("ticketing-run", place)?;
    eprintln!("logs: {}", ground.folder.display());
    let seed = place.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let scene = Scene::new(settings, &programs, &ground, seed)?;
    let report = Report::of(settings, course(settings, &scene, seed)?);
    print(&report)?;
    report.problems.iter().for_each(|problem| eprintln!("ticketing-run: {problem}"));
    if report.ok {
        ground.clear()?;
    }
    Ok(report.ok)
}

fn course(settings: &TicketingSettings, scene: &Scene<'_>, seed: u64) -> Result<Course, TestbedError> {
    let mut rng = Rng::with_seed(seed);
    let protocol = settings.place.protocol.decide(&mut rng);
    let mut progress = Progress::new();
    let mut provider = scene.start_provider(seed)?;
    let mut crew = scene.start_services(protocol)?;
    until_ready(&mut crew, &mut progress)?;
    let mut load = scene.start_load(settings, seed)?;
    let plan_from = scene.until_calm_is_over(&mut load, &mut crew)?;
    let window = Duration::from_secs(settings.seconds()).saturating_sub(CALM_AT_THE_END);
    let plan = kills(settings.kills(), (Duration::from_secs(1), window), &mut rng);
    let (mut killed, mut moved) = (0, 0);
    while load.ended().is_none() {
        go_on()?;
        crew.look_after()?;
        if let Some((at, away)) = plan.get(killed).filter(|(at, _)| *at <= plan_from.elapsed())
            && let Some(name) = crew.kill_one(*away, &mut rng)
        {
            let late_ms = plan_from.elapsed().saturating_sub(*at).as_millis();
            progress.note(&format!(
                "{name}: kill -9, back in {} ms (planned {late_ms} ms ago)",
                away.as_millis()
            ));
            killed += 1;
            moved += usize::from(*away > Duration::from_millis(SESSION_MS));
        }
        progress.show(|| format!("{} up, kills {killed} of {}", crew.up(), plan.len()));
        if plan_from.elapsed() > Duration::from_secs(settings.seconds()) + LOAD_LIMIT {
            return Err(load.complain("has not come to an end"));
        }
        std::thread::sleep(TICK);
    }
    let loaded = load.report()?;
    progress.note("the load has ended; auditing");
    let audit = scene.audit(&mut crew)?;
    let unexpected_exits = crew.unexpected_exits;
    let stops_unclean = crew.stop()?;
    provider.kill();
    Ok(Course {
        seed,
        protocol,
        planned: plan.len(),
        killed,
        moved,
        unexpected_exits,
        stops_unclean,
        loaded,
        audit,
    })
}

fn until_ready(crew: &mut Crew<'_>, progress: &mut Progress) -> Result<(), TestbedError> {
    let begun = Instant::now();
    while !crew.is_ready() {
        go_on()?;
        crew.look_after()?;
        progress.show(|| format!("{} started", crew.up()));
        if begun.elapsed() > READY_LIMIT {
            return Err(failed("the services", format!("are not ready after {READY_LIMIT:?}")));
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// Who is where.
struct Scene<'r> {
    programs: &'r Programs,
    ground: &'r KafkaGround,
    partitions: u32,
    /// Of each service over HTTP, where its instances take requests.
    listens: Vec<(&'static str, Vec<u16>)>,
    /// Admin pages of all instances.
    admins: Vec<u16>,
    provider: u16,
    ledger: PathBuf,
    answers: PathBuf,
}

impl<'r> Scene<'r> {
    fn new(
        settings: &TicketingSettings,
        programs: &'r Programs,
        ground: &'r KafkaGround,
        seed: u64,
    ) -> Result<Self, TestbedError> {
        let services = OVER_HTTP.len() + 1;
        let count = (OVER_HTTP.len() + services) * INSTANCES + 1;
        // Not the seed's own draws: which ports are free is not decided by it.
        let mut ports = admin_ports(count, &mut Rng::with_seed(!seed))?.into_iter();
        let listens = OVER_HTTP.map(|service| (service, ports.by_ref().take(INSTANCES).collect()));
        let admins = ports.by_ref().take(services * INSTANCES).collect();
        Ok(Self {
            programs,
            ground,
            partitions: settings.place.partitions,
            listens: listens.into_iter().collect(),
            admins,
            provider: ports.next().unwrap_or_default(),
            ledger: ground.folder.join("ledger"),
            answers: ground.folder.join("answers"),
        })
    }

    /// Slow at times, refusing at times, and losing answers after it has charged; it charges twice who asks twice.
    fn start_provider(&self, seed: u64) -> Result<Program, TestbedError> {
        let mut command = self.programs.command("ticketing-provider");
        command.args(["--listen", &format!("127.0.0.1:{}", self.provider), "--seed", &seed.to_string()]);
        command.args(["--slow-share", "0.05", "--slow-ms", &SLOW_MS.to_string(), "--failing-share", "0.1"]);
        command.args(["--losing-share", "0.05", "--silence-ms", "30000", "--ledger"]).arg(&self.ledger);
        Program::start("ticketing-provider", command, &self.ground.folder)
    }

    fn start_services(&self, protocol: &str) -> Result<Crew<'r>, TestbedError> {
        let mut settings = self.ground.membership(protocol);
        settings.extend(
            ["tickets", "orders", "payments", "expiration"]
                .map(|topic| format!("topics.{topic}={}", self.ground.named(topic))),
        );
        settings.push(format!("topics.internal_prefix={}", self.ground.named("internal-")));
        settings.push(format!("topics.partitions={}", self.partitions));
        settings.push(format!("transactions.timeout_ms={TRANSACTION_TIMEOUT_MS}"));
        let work = Work {
            programs: self.programs,
            folder: self.ground.folder.clone(),
            settings,
            variables: vec![("TOKEN_SECRET", TOKEN_SECRET.to_owned())],
            // Also both of a service may be away for a while.
            left_min: 0,
        };
        let services = OVER_HTTP.into_iter().chain(["expiration"]);
        let instances = services.flat_map(|service| (0..INSTANCES).map(move |number| (service, number)));
        let posts = instances.zip(&self.admins).map(|((program, number), port)| Post {
            program,
            number,
            port: *port,
            own: self.own(program, number),
        });
        Crew::start(work, posts.collect())
    }

    /// What one instance of a service is told.
    fn own(&self, service: &str, number: usize) -> Vec<String> {
        let mut own = Vec::new();
        let listens = self.listens.iter().find(|(name, _)| *name == service);
        if let Some(port) = listens.and_then(|(_, ports)| ports.get(number)) {
            own.push(format!("{service}.commands.listen=127.0.0.1:{port}"));
        }
        match service {
            "orders" => own.push(format!("orders.expire_after_ms={EXPIRE_AFTER_MS}")),
            "payments" => {
                own.push(format!("payments.provider.url=http://127.0.0.1:{}", self.provider));
                own.push(format!("payments.provider.request_timeout_ms={}", 2 * SLOW_MS));
                own.push(format!("payments.provider.settle_ms={}", 3 * SLOW_MS));
            }
            _ => {}
        }
        own
    }

    fn start_load(&self, settings: &TicketingSettings, seed: u64) -> Result<Program, TestbedError> {
        let mut command = self.programs.command("ticketing-load");
        for (service, ports) in &self.listens {
            let addresses: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
            command.arg(format!("--{service}")).arg(addresses.join(","));
        }
        let numbers = [
            ("--count", u64::from(settings.tickets())),
            ("--rate", u64::from(settings.rate())),
            ("--calm-seconds", settings.calm_seconds()),
            ("--seconds", settings.seconds()),
            ("--expire-after-ms", EXPIRE_AFTER_MS),
            ("--seed", seed),
        ];
        for (name, value) in numbers {
            command.args([name, &value.to_string()]);
        }
        command.arg("--answers").arg(&self.answers).env("TOKEN_SECRET", TOKEN_SECRET);
        Program::start("ticketing-load", command, &self.ground.folder)
    }

    /// Waits until the load says so; answers when that was.
    fn until_calm_is_over(&self, load: &mut Program, crew: &mut Crew<'_>) -> Result<Instant, TestbedError> {
        let log = self.ground.folder.join("ticketing-load.log");
        let says_so = |log: &Path| std::fs::read_to_string(log).is_ok_and(|text| text.contains("calm over"));
        while !says_so(&log) {
            go_on()?;
            crew.look_after()?;
            if load.ended().is_some() {
                return Err(load.complain("ended before its calm was over"));
            }
            std::thread::sleep(TICK);
        }
        Ok(Instant::now())
    }

    /// Has everything judged, while the services go on.
    fn audit(&self, crew: &mut Crew<'_>) -> Result<Value, TestbedError> {
        let mut command = self.programs.command("ticketing-audit");
        let topics = ["tickets", "orders", "payments", "expiration"].map(|topic| self.ground.named(topic));
        command.args(["--brokers", &self.ground.kafka, "--topics", &topics.join(","), "--ledger"]);
        command.arg(&self.ledger).arg("--answers").arg(&self.answers);
        let mut audit = Program::start("ticketing-audit", command, &self.ground.folder)?;
        let begun = Instant::now();
        while audit.ended().is_none() {
            go_on()?;
            crew.look_after()?;
            if begun.elapsed() > AUDIT_LIMIT {
                audit.signal(Signal::KILL);
                return Err(audit.complain("did not come to a verdict"));
            }
            std::thread::sleep(TICK);
        }
        audit.report()
    }
}
