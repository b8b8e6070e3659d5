//! Where local snapshots of state lie: a folder for each changelog, a file for each partition, written and read by a thread.
//!
//! Nothing here may hold a flow up or end it: a snapshot that can't be written or read costs the next restart some time.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use thalweg_core::exactly_once::SnapshotPiece;
use thalweg_core::position::{Epoch, PartitionId};

/// A snapshot is read in pieces of that size.
const PIECE_BYTES: usize = 64 << 10;

/// So many of them wait for the worker at most.
const PIECES_WAITING: usize = 4;

/// A folder that this process has for itself as long as this lives.
#[derive(Debug)]
pub(crate) struct SnapshotFolder {
    path: PathBuf,
    /// Locked; the lock goes with the process.
    _lock: File,
}

impl SnapshotFolder {
    /// Opens the one for that changelog, below `folder`; makes it if it is missing.
    ///
    /// # Errors
    /// Why snapshots can't be kept there, for people.
    pub(crate) fn open(folder: &Path, changelog: &str) -> Result<Self, String> {
        let path = folder.join(changelog);
        let failed =
            |what: &str, error: std::io::Error| format!("{} can't be {what}: {error}", path.display());
        fs::create_dir_all(&path).map_err(|error| failed("made", error))?;
        let lock = File::create(path.join("lock")).map_err(|error| failed("written to", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("another process keeps its snapshots in {}", path.display()));
            }
            Err(TryLockError::Error(error)) => return Err(failed("locked", error)),
        }
        for entry in fs::read_dir(&path).map_err(|error| failed("read", error))?.flatten() {
            let left = entry.path();
            if left.extension().is_some_and(|extension| extension == "tmp") {
                // What a crash has left half written. Where it can't be removed, writing will say why.
                let _ = fs::remove_file(left);
            }
        }
        Ok(Self { path, _lock: lock })
    }

    fn snapshot(&self, number: i32) -> PathBuf {
        self.path.join(format!("{number}.snapshot"))
    }

    /// Another worker may still be at one of the same partition, which it has lost.
    fn half_written(&self, number: i32, worker: u16) -> PathBuf {
        self.path.join(format!("{number}.{worker}.tmp"))
    }
}

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum SnapshotEvent {
    /// The next bytes of a snapshot.
    Read(PartitionId, Epoch, Vec<u8>),
    /// That was all of it; or there was none. An error: it can't be read (on).
    Ends(PartitionId, Epoch, Result<bool, String>),
    /// What became of a piece.
    Written(PartitionId, Epoch, Result<(), String>),
}

enum Job {
    Load { partition: PartitionId, epoch: Epoch, number: i32 },
    Write { number: i32, piece: SnapshotPiece },
}

/// The thread of one worker. Ends after what it is doing once this is dropped.
pub(crate) struct SnapshotThread {
    jobs: Sender<Job>,
    events: Receiver<SnapshotEvent>,
}

impl SnapshotThread {
    /// Starts it; `wake` is called after each event.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn start(
        folder: Arc<SnapshotFolder>,
        worker: u16,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<Self> {
        // At most one piece to be written, and one load for each partition.
        let (jobs, todo) = unbounded();
        let (told, events) = bounded(PIECES_WAITING);
        let mut thread = Thread { folder, worker, told, wake, open: None };
        let run = move || while todo.recv().is_ok_and(|job| thread.does(job)) {};
        std::thread::Builder::new().name("snapshots".to_owned()).spawn(run)?;
        Ok(Self { jobs, events })
    }

    /// Reads the snapshot of the partition with that number.
    pub(crate) fn load(&self, partition: PartitionId, epoch: Epoch, number: i32) {
        let _ = self.jobs.send(Job::Load { partition, epoch, number });
    }

    /// Writes a piece.
    pub(crate) fn write(&self, number: i32, piece: SnapshotPiece) {
        let _ = self.jobs.send(Job::Write { number, piece });
    }

    /// The next event, if one is there.
    pub(crate) fn event(&self) -> Option<SnapshotEvent> {
        self.events.try_recv().ok()
    }
}

struct Thread {
    folder: Arc<SnapshotFolder>,
    worker: u16,
    told: Sender<SnapshotEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
    /// What is being written.
    open: Option<File>,
}

impl Thread {
    /// Answers whether somebody still listens.
    fn does(&mut self, job: Job) -> bool {
        match job {
            Job::Load { partition, epoch, number } => match self.load(partition, epoch, number) {
                None => false,
                Some(loaded) => self.tell(SnapshotEvent::Ends(partition, epoch, loaded)),
            },
            Job::Write { number, piece } => {
                let path = self.folder.half_written(number, self.worker);
                let written = self.write(number, &path, &piece).map_err(|error| {
                    self.open = None;
                    // As a full disk needs.
                    let _ = fs::remove_file(&path);
                    format!("{}: {error}", path.display())
                });
                self.tell(SnapshotEvent::Written(piece.partition, piece.epoch, written))
            }
        }
    }

    fn tell(&self, event: SnapshotEvent) -> bool {
        let told = self.told.send(event).is_ok();
        (self.wake)();
        told
    }

    /// Hands the file on in pieces. Answers whether there is one; `None`: nobody listens.
    fn load(&self, partition: PartitionId, epoch: Epoch, number: i32) -> Option<Result<bool, String>> {
        let path = self.folder.snapshot(number);
        let failed = |error: std::io::Error| Some(Err(format!("{}: {error}", path.display())));
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Some(Ok(false)),
            Err(error) => return failed(error),
        };
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            match (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece) {
                Ok(0) => return Some(Ok(true)),
                Ok(_) if self.tell(SnapshotEvent::Read(partition, epoch, piece)) => {}
                Ok(_) => return None,
                Err(error) => return failed(error),
            }
        }
    }

    /// What was written lies where it is looked for only once all of it is on the disk.
    fn write(&mut self, number: i32, path: &Path, piece: &SnapshotPiece) -> std::io::Result<()> {
        if piece.first {
            self.open = Some(File::create(path)?);
        }
        let Some(file) = &mut self.open else {
            return Err(std::io::Error::other("the pieces before were not written"));
        };
        file.write_all(&piece.bytes)?;
        if piece.last {
            file.sync_all()?;
            self.open = None;
            fs::rename(path, self.folder.snapshot(number))?;
            File::open(&self.folder.path)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
