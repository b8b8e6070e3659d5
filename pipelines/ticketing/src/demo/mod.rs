//! `--embedded --demo`: people who sell, order, pay, change their minds and forget, over the services' own HTTP; a page that
//! shows what came of it; and, where the demo ends by itself, the auditor's verdict.

mod course;
mod page;
mod people;
mod provider;
mod reader;
mod scene;
mod services;
mod story;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ring::rand::SecureRandom as _;
use thalweg::demo::{Addresses, CameOf, Demo, OwnPage, Place, Requests, Set, Tryout, Words};
use ticketing_audit::{Record, Sent};
use tokio::sync::watch;

use crate::programs::TicketingProgram;
use course::{Course, Plan};
use reader::Reader;
use scene::Scene;

/// How ticketing is tried with nothing installed.
pub const TRYOUT: Tryout<TicketingProgram> =
    Tryout { words: WORDS, needs_index: false, presets, settings, demo };

const WORDS: Words = Words {
    systems: "a broker and a payment provider",
    demo: "people who sell, order, pay, change their minds and forget",
    rate: "Orders that people want",
    rate_usual: 1,
    rate_tried: 20,
    seconds: "Nobody wants anything after so long, and the demo ends with the last order; then an auditor says whether \
              its rules hold",
};

/// The services that take commands, as their sections of the settings are named.
const SERVICES: [&str; 3] = ["tickets", "orders", "payments"];

fn presets() -> Set {
    let mut secret = [0; 32];
    let drawn = ring::rand::SystemRandom::new().fill(&mut secret);
    drawn.map_err(|_| "the system has no random bytes for TOKEN_SECRET".to_owned())?;
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut presets = vec![
        // Short enough to see it happen.
        "orders.expire_after_ms=15000".to_owned(),
        "topics.partitions=2".to_owned(),
        "engine.admin_listen=127.0.0.1:0".to_owned(),
        // The provider, which is in this process, charges at once or not at all; and nobody charged before us.
        "payments.provider.request_timeout_ms=3000".to_owned(),
        "payments.provider.settle_ms=1000".to_owned(),
    ];
    for service in SERVICES {
        presets.push(format!("{service}.commands.token_secret={secret}"));
        presets.push(format!("{service}.commands.listen=127.0.0.1:0"));
        presets.push(format!("{service}.commands.replies_partitions=1"));
    }
    Ok(presets)
}

fn settings(at: &Addresses) -> Set {
    Ok(vec![
        format!("kafka.brokers={}", at.brokers),
        // The embedded broker answers a fetch that found nothing only when this is over, whatever was written meanwhile.
        r#"kafka.librdkafka={"fetch.wait.max.ms"="10"}"#.to_owned(),
        format!("payments.provider.url={}", provider::start()?),
    ])
}

/// What the threads and their owner share.
struct Shared {
    /// Nobody is to want anything any more.
    stop: watch::Sender<bool>,
    /// Where requests are taken, once they are.
    requests: watch::Sender<Option<Requests>>,
    /// Nobody wants anything any more, and every order has ended.
    over: AtomicBool,
    /// The services have stopped: what is on the topics now is all.
    settled: AtomicBool,
    scene: Mutex<Scene>,
    /// When the last event came.
    heard: Mutex<Instant>,
    /// What people wanted and were answered, for the auditor; empty in a demo without an end.
    sent: Mutex<Vec<Sent>>,
}

/// The running demo.
struct Running {
    shared: Arc<Shared>,
    people: Option<JoinHandle<Result<(), String>>>,
    reader: Option<JoinHandle<Result<Vec<Record>, String>>>,
    provider_url: String,
    /// Whether the auditor is asked.
    judged: bool,
}

/// Connects the reader, and gathers the people. Nobody wants anything yet.
fn demo(settings: &TicketingProgram, place: &Place) -> Result<Box<dyn Demo>, String> {
    let expires_after = Duration::from_millis(settings.orders.expire_after_ms);
    let shared = Arc::new(Shared {
        stop: watch::Sender::new(false),
        requests: watch::Sender::new(None),
        over: AtomicBool::new(false),
        settled: AtomicBool::new(false),
        scene: Mutex::new(Scene::new(expires_after)),
        heard: Mutex::new(Instant::now()),
        sent: Mutex::default(),
    });
    let judged = place.seconds.is_some();
    let reader = Reader::connect(settings, place, Arc::clone(&shared))?;
    let seconds = place.seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let plan = Plan { rate: place.rate, seconds, expires_after };
    let course = Course::plan(settings, plan, Arc::clone(&shared))?;
    let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let failed = |error: std::io::Error| format!("no thread can be started: {error}");
    Ok(Box::new(Running {
        people: Some(spawn("demo-people").spawn(move || course.run()).map_err(failed)?),
        reader: Some(spawn("demo-reader").spawn(move || reader.run(judged)).map_err(failed)?),
        shared,
        provider_url: settings.payments.provider.url.clone(),
        judged,
    }))
}

impl Demo for Running {
    fn go(&self, requests: &Requests) {
        self.shared.requests.send_replace(Some(requests.clone()));
    }

    fn written(&self) -> u64 {
        // People hear from the services themselves what became of their records.
        0
    }

    fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    fn page(&self) -> Option<OwnPage> {
        Some(page::of(Arc::clone(&self.shared)))
    }

    fn finish(mut self: Box<Self>) -> Result<CameOf, String> {
        // Who was interrupted leaves orders without an end, which no rule allows.
        let judged = self.judged && self.is_over();
        self.stop();
        ended(self.people.take())?.transpose()?;
        self.shared.settled.store(true, Ordering::Release);
        let records = ended(self.reader.take())?.transpose()?.unwrap_or_default();
        let sent = std::mem::take(&mut *self.shared.sent.lock());
        let report = judged.then(|| verdict::judge(records, &self.provider_url, sent)).transpose()?;
        Ok(CameOf::Told(verdict::told(self.shared.scene.lock().counts(), report)))
    }
}

fn ended<T>(thread: Option<JoinHandle<T>>) -> Result<Option<T>, String> {
    let joined = thread.map(JoinHandle::join).transpose();
    joined.map_err(|_| "a thread of the demo panicked: this is a bug, see above".to_owned())
}
