//! The full-text index: a thread of its own writes what it is told and shows it to searches at every refresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tantivy::directory::RamDirectory;
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::schema::{Field, Schema};
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError,
    Term,
};
use tokio::sync::oneshot;

use super::documents::Documents;
use super::refusal::Refusal;
use super::words;

/// What the writer buffers before it makes a segment of it: tantivy takes no less than 15 MB; a second at 20,000
/// messages takes about this.
const WRITER_BYTES: usize = 20 << 20;

/// Changes that may wait for the writer; at 20,000 a second, two and a half seconds' worth. More is refused as load.
const WAITING_MAX: usize = 50_000;

/// A change of what is found.
pub(super) type Change = UserOperation<TantivyDocument>;

enum Told {
    /// With the sequence numbers of the documents that are not found any more.
    Change {
        changes: Vec<Change>,
        retired: Vec<u64>,
    },
    Refresh(oneshot::Sender<()>),
}

/// See the module's text.
pub(super) struct FullText {
    to_writer: Option<Sender<Told>>,
    reader: IndexReader,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the writer's thread shares with everybody.
struct Shared {
    waiting: AtomicUsize,
    interval_ms: AtomicU64,
    bytes: AtomicU64,
    failed: Mutex<Option<String>>,
}

impl FullText {
    /// An empty index, whose writer drops from `documents` what no search finds any more.
    pub(super) fn start(schema: Schema, documents: Arc<Mutex<Documents>>) -> Result<Self, TantivyError> {
        let directory = RamDirectory::create();
        let mut index = Index::create(directory.clone(), schema, IndexSettings::default())?;
        index.set_tokenizers(words::tokenizers());
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let shared = Arc::new(Shared {
            waiting: AtomicUsize::new(0),
            interval_ms: AtomicU64::new(1_000),
            bytes: AtomicU64::new(0),
            failed: Mutex::new(None),
        });
        // Bounded by `WAITING_MAX`, which is looked at before a change is made.
        let (to_writer, told) = channel();
        let writing = Writing {
            writer,
            reader: IndexReader::clone(&reader),
            directory,
            documents,
            shared: Arc::clone(&shared),
            retired: Vec::new(),
            retired_before: Vec::new(),
            is_dirty: false,
        };
        let thread = std::thread::Builder::new()
            .name("index-writer".into())
            .spawn(move || writing.run(&told))
            .map_err(TantivyError::from)?;
        Ok(Self { to_writer: Some(to_writer), reader, shared, thread: Some(thread) })
    }

    /// Whether changes are taken.
    pub(super) fn ready(&self) -> Result<(), Refusal> {
        if let Some(why) = &*self.shared.failed.lock() {
            return Err(Refusal::new(
                503,
                "unavailable_shards_exception",
                format!("the full-text index ended: {why}"),
            ));
        }
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        if waiting >= WAITING_MAX {
            let reason = format!("rejected execution: {waiting} changes wait for the full-text index");
            return Err(Refusal::new(429, "es_rejected_execution_exception", reason));
        }
        Ok(())
    }

    /// Hands changes over; searches see them after the next refresh. Does not wait.
    pub(super) fn change(&self, changes: Vec<Change>, retired: Vec<u64>) {
        if changes.is_empty() {
            return;
        }
        self.shared.waiting.fetch_add(changes.len(), Ordering::Relaxed);
        self.tell(Told::Change { changes, retired });
    }

    /// Shows searches everything that was handed over before.
    pub(super) async fn refresh(&self) -> Result<(), Refusal> {
        let (done, refreshed) = oneshot::channel();
        self.tell(Told::Refresh(done));
        // Only a writer that has ended does not answer.
        refreshed.await.or_else(|_| self.ready())
    }

    fn tell(&self, told: Told) {
        if let Some(to_writer) = &self.to_writer {
            // A writer that has ended has said why; `ready` tells.
            let _ = to_writer.send(told);
        }
    }

    /// How often it is refreshed by itself.
    pub(super) fn set_interval(&self, interval: Duration) {
        self.shared.interval_ms.store(interval.as_millis() as u64, Ordering::Relaxed);
    }

    /// What searches see now.
    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// The memory that it takes, as of the last refresh.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for FullText {
    fn drop(&mut self) {
        self.to_writer = None;
        if let Some(thread) = self.thread.take() {
            // It panics only on a bug, which its own message has told already.
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Writing {
    writer: IndexWriter,
    reader: IndexReader,
    directory: RamDirectory,
    documents: Arc<Mutex<Documents>>,
    shared: Arc<Shared>,
    /// Not found after the next refresh.
    retired: Vec<u64>,
    /// Not found since the last refresh; kept for searches that began before it.
    retired_before: Vec<u64>,
    is_dirty: bool,
}

impl Writing {
    fn run(mut self, told: &Receiver<Told>) {
        if let Err(error) = self.write(told) {
            tracing::error!("the full-text index ends: {error}");
            *self.shared.failed.lock() = Some(error.to_string());
        }
    }

    fn write(&mut self, told: &Receiver<Told>) -> Result<(), TantivyError> {
        let mut refreshed = Instant::now();
        loop {
            let interval = Duration::from_millis(self.shared.interval_ms.load(Ordering::Relaxed));
            match told.recv_timeout(interval.saturating_sub(refreshed.elapsed())) {
                Ok(Told::Change { changes, retired }) => self.change(changes, retired)?,
                Ok(Told::Refresh(done)) => {
                    self.refresh()?;
                    refreshed = Instant::now();
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if refreshed.elapsed() >= interval {
                self.refresh()?;
                refreshed = Instant::now();
            }
        }
    }

    fn change(&mut self, changes: Vec<Change>, retired: Vec<u64>) -> Result<(), TantivyError> {
        let count = changes.len();
        self.writer.run(changes)?;
        self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
        self.retired.extend(retired);
        self.is_dirty = true;
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), TantivyError> {
        if self.is_dirty {
            self.writer.commit()?;
            self.reader.reload()?;
            self.is_dirty = false;
        }
        if !self.retired_before.is_empty() {
            self.documents.lock().forget(&self.retired_before);
        }
        self.retired_before = std::mem::take(&mut self.retired);
        self.shared.bytes.store(self.directory.total_mem_usage() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The change after which a document is found.
pub(super) fn addition(mut document: TantivyDocument, seq_no_field: Field, seq_no: u64) -> Change {
    document.add_u64(seq_no_field, seq_no);
    UserOperation::Add(document)
}

/// The change after which it is not found.
pub(super) fn removal(seq_no_field: Field, seq_no: u64) -> Change {
    UserOperation::Delete(Term::from_field_u64(seq_no_field, seq_no))
}
