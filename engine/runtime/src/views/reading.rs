//! Reads a view's topic, on a thread of its own, as long as the routes are served that show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use thalweg_connectors::kafka::follow::Follower;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::topics::Topics;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};

use super::looking::{COMPLAINT_PAUSE, Look};
use super::progress::Unready;
use super::view::AnyView;
use crate::exit::ExitError;

/// What is read ahead of a view's partitions, all together.
const AHEAD_KILOBYTES: u32 = 1_024;

/// What that takes of the memory, with what is being decoded: the client unpacks batches into buffers several times their
/// size.
pub(crate) const AHEAD_BYTES: u64 = (AHEAD_KILOBYTES as u64) << 13;

/// How soon the thread looks up when nothing wakes it.
const POLL: Duration = Duration::from_millis(200);

/// Makes sure that there is a topic that a view can be kept from. Blocks.
pub(crate) fn prepare(view: &dyn AnyView, topics: &Topics, partitions: u32) -> Result<(), ExitError> {
    let ensured = topics.ensure_compacted(view.topic(), partitions);
    ensured.map(|_| ()).map_err(|error| ExitError::Failed(format!("the view: {error}")))
}

/// Ends the threads of a view when dropped.
pub(crate) struct ViewReader {
    view: Arc<dyn AnyView>,
    stop: Arc<AtomicBool>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl ViewReader {
    /// Begins to read; `None`: somebody has begun already. Blocks until brokers have said where the topic ends.
    ///
    /// # Errors
    /// When they don't, or the client can't be made.
    pub(crate) fn start(
        view: &Arc<dyn AnyView>,
        kafka: &KafkaSettings,
        topics: &Arc<Topics>,
    ) -> Result<Option<Self>, ExitError> {
        let failed = |error: &dyn std::fmt::Display| ExitError::Failed(format!("the view: {error}"));
        let described = Instant::now();
        let topic = topics.describe(view.topic()).map_err(|error| failed(&error))?;
        let ends = topics.ends_of(view.topic(), topic.partitions).map_err(|error| failed(&error))?;
        if !view.progress().begin(&ends) {
            return Ok(None);
        }
        let (ring, rung) = sync_channel(1);
        // Full: it is awake, or about to be.
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            let _ = ring.try_send(());
        });
        let place = (view.topic(), topic.partitions);
        let follower = Follower::open(kafka, place, AHEAD_KILOBYTES, Arc::clone(&wake));
        let follower = follower.map_err(|error| failed(&error))?;
        let (stop, partitions) = (Arc::<AtomicBool>::default(), Arc::new(AtomicU32::new(topic.partitions)));
        let read = Read {
            view: Arc::clone(view),
            follower,
            rung,
            stop: Arc::clone(&stop),
            partitions: Arc::clone(&partitions),
            complained: None,
        };
        let (looked_at, waking) = (Arc::clone(view), Arc::clone(&wake));
        let look =
            Look { view: looked_at, topics: Arc::clone(topics), topic, described, partitions, wake: waking };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("view-look").spawn(move || look.run()).map_err(ExitError::failed)?;
        // From here on dropping it ends the thread that looks.
        let reader = Self { view: Arc::clone(view), stop, wake };
        thread("view-read").spawn(move || read.run()).map_err(ExitError::failed)?;
        Ok(Some(reader))
    }
}

impl Drop for ViewReader {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.view.progress().end();
        (self.wake)();
    }
}

/// What the thread reads with.
struct Read {
    view: Arc<dyn AnyView>,
    follower: Follower,
    rung: Receiver<()>,
    stop: Arc<AtomicBool>,
    partitions: Arc<AtomicU32>,
    complained: Option<Instant>,
}

impl Read {
    fn run(mut self) {
        let begun = Instant::now();
        let mut batch = Batch::new(PartitionId(0), Epoch(0));
        while !self.stop.load(Relaxed) {
            match self.turn(&mut batch, begun) {
                Ok(0) => {
                    // Whether it was rung or time is over: the next turn finds out.
                    let _ = self.rung.recv_timeout(POLL);
                }
                Ok(_) => {}
                Err(why) => return self.give_up(why),
            }
        }
    }

    /// How many records there were.
    fn turn(&mut self, batch: &mut Batch, begun: Instant) -> Result<usize, Unready> {
        self.widen();
        let read = self.follower.read(batch).map_err(Unready::Failed)?;
        if read > 0 && self.view.apply(batch).is_err() {
            return Err(Unready::TooLarge(self.view.settings().bytes_max));
        }
        if self.view.progress().at(self.follower.positions()) {
            let (counted, ms) = (self.view.counted(), begun.elapsed().as_millis());
            let topic = counted.topic;
            tracing::info!(topic, records = counted.records, bytes = counted.bytes, ms, "a view is ready");
        }
        let warnings = self.follower.warnings();
        if let Some(warning) = warnings.first() {
            self.complain(warning);
        }
        Ok(read)
    }

    fn widen(&mut self) {
        let partitions = self.partitions.load(Relaxed);
        if partitions > self.follower.partitions()
            && let Err(error) = self.follower.widen(partitions)
        {
            self.complain(&error.to_string());
        }
    }

    fn complain(&mut self, what: &str) {
        if self.complained.is_none_or(|last| last.elapsed() > COMPLAINT_PAUSE) {
            tracing::warn!(topic = self.view.topic(), "a view has trouble with its topic: {what}");
            self.complained = Some(Instant::now());
        }
    }

    fn give_up(self, why: Unready) {
        let topic = self.view.topic().to_owned();
        tracing::error!(topic, "a view is shown no more: {why}");
        self.view.progress().stop(why);
        self.view.clear();
    }
}
