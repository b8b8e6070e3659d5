//! `--embedded --demo`: people who write messages, and a reader of its own that says what must have come of them.

mod chat;
mod event;
mod phrases;
mod reader;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use thalweg::demo::{Addresses, CameOf, Demo, Place, Requests, Set, Tryout, Verified, Words};

use crate::settings::Settings;

/// How message search is tried with nothing installed.
pub const TRYOUT: Tryout<Settings> = Tryout { words: WORDS, needs_index: true, presets, settings, demo };

const WORDS: Words = Words {
    systems: "a broker and a search index",
    demo: "people who write, edit and take back messages",
    rate: "Records that the demo writes",
    rate_usual: 25,
    rate_tried: 20_000,
    seconds: "Ends the demo after so long; then a verifier says whether the index is right",
};

fn presets() -> Set {
    Ok(Vec::new())
}

fn settings(at: &Addresses) -> Set {
    let Addresses { brokers, index_url } = at;
    Ok(vec![
        format!("kafka.brokers={brokers}"),
        format!("elasticsearch.nodes=[\"{index_url}\"]"),
        // One node can't hold a replica.
        "elasticsearch.replicas=0".to_owned(),
        // The embedded broker answers a fetch that found nothing only when this is over, whatever was written meanwhile.
        r#"kafka.librdkafka={"fetch.wait.max.ms"="5"}"#.to_owned(),
    ])
}

/// What the two threads and their owner share.
#[derive(Debug, Default)]
struct Shared {
    /// The writer may begin.
    go: AtomicBool,
    /// Nobody is to write any more.
    stop: AtomicBool,
    /// The writer has ended, and every record it wrote is acknowledged.
    over: AtomicBool,
    /// Everything written has its outcome: the index can be compared.
    settled: AtomicBool,
    /// Records acknowledged.
    written: AtomicU64,
}

/// The running demo.
struct Running {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<Result<(), String>>>,
    reader: Option<JoinHandle<Result<Verified, String>>>,
}

/// Connects a writer, and where the demo ends by itself a reader that verifies what came of it. Nothing is written yet.
///
/// # Errors
/// When the broker can't be reached or a thread can't be started.
pub(crate) fn demo(settings: &Settings, place: &Place) -> Result<Box<dyn Demo>, String> {
    let shared = Arc::new(Shared::default());
    let writer = writer::Writer::connect(place, Arc::clone(&shared))?;
    let reader = match place.seconds {
        // It remembers every document: an endless demo would fill the memory.
        None => None,
        Some(_) => Some(reader::Verifier::connect(settings, place, Arc::clone(&shared))?),
    };
    let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let failed = |error: std::io::Error| format!("no thread can be started: {error}");
    Ok(Box::new(Running {
        shared,
        writer: Some(spawn("demo-writer").spawn(move || writer.run()).map_err(failed)?),
        reader: reader
            .map(|reader| spawn("demo-verifier").spawn(move || reader.run()))
            .transpose()
            .map_err(failed)?,
    }))
}

impl Demo for Running {
    fn go(&self, _requests: &Requests) {
        self.shared.go.store(true, Ordering::Release);
    }

    fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Acquire)
    }

    fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    fn finish(mut self: Box<Self>) -> Result<CameOf, String> {
        self.stop();
        // A writer that was never let go must end too.
        self.go(&Requests::new());
        ended(self.writer.take())?.transpose()?;
        self.shared.settled.store(true, Ordering::Release);
        let verified = ended(self.reader.take())?.transpose()?;
        Ok(verified.map_or(CameOf::Nothing, CameOf::Documents))
    }
}

fn ended<T>(thread: Option<JoinHandle<T>>) -> Result<Option<T>, String> {
    let joined = thread.map(JoinHandle::join).transpose();
    joined.map_err(|_| "a thread of the demo panicked: this is a bug, see above".to_owned())
}
