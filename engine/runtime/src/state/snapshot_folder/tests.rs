use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const P: PartitionId = PartitionId(0);
const E: Epoch = Epoch(5);

fn piece(bytes: &[u8], first: bool, last: bool) -> SnapshotPiece {
    SnapshotPiece { partition: P, epoch: E, bytes: bytes.to_vec(), first, last }
}

struct Disk {
    thread: SnapshotThread,
    bell: Arc<(Mutex<bool>, std::sync::Condvar)>,
}

impl Disk {
    fn new(folder: SnapshotFolder) -> Self {
        let bell = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
        let ring = Arc::clone(&bell);
        let wake = move || {
            *ring.0.lock().unwrap() = true;
            ring.1.notify_all();
        };
        Self { thread: SnapshotThread::start(Arc::new(folder), 0, Arc::new(wake)).unwrap(), bell }
    }

    fn next(&self) -> SnapshotEvent {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.thread.event() {
                return event;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is told");
            let mut rung = self.bell.0.lock().unwrap();
            while !*rung {
                let waited = self.bell.1.wait_timeout(rung, Duration::from_millis(100)).unwrap();
                rung = waited.0;
                if waited.1.timed_out() {
                    break;
                }
            }
            *rung = false;
        }
    }

    fn write(&self, number: i32, piece: SnapshotPiece) -> Result<(), String> {
        self.thread.write(number, piece);
        match self.next() {
            SnapshotEvent::Written(P, E, written) => written,
            event => panic!("{event:?}"),
        }
    }

    fn load(&self, number: i32) -> (Vec<u8>, Result<bool, String>) {
        self.thread.load(P, E, number);
        let mut bytes = Vec::new();
        loop {
            match self.next() {
                SnapshotEvent::Read(P, E, piece) => bytes.extend(piece),
                SnapshotEvent::Ends(P, E, ended) => return (bytes, ended),
                event => panic!("{event:?}"),
            }
        }
    }
}

#[test]
fn a_snapshot_is_there_once_its_last_piece_is_written_and_stays_until_the_next_one() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::new(SnapshotFolder::open(place.path(), "log").unwrap());
    assert_eq!(disk.load(3), (Vec::new(), Ok(false)));
    let large = vec![7; PIECE_BYTES + 10];
    assert_eq!(disk.write(3, piece(b"one ", true, false)), Ok(()));
    assert_eq!(disk.load(3), (Vec::new(), Ok(false)), "half of it is none");
    assert_eq!(disk.write(3, piece(&large, false, true)), Ok(()));
    let whole = [b"one ", &large[..]].concat();
    assert_eq!(disk.load(3), (whole.clone(), Ok(true)));
    assert_eq!(disk.write(3, piece(b"two", true, false)), Ok(()));
    assert_eq!(disk.load(3), (whole, Ok(true)));
    assert_eq!(disk.write(3, piece(b"three", true, true)), Ok(()), "what was begun before is given up");
    assert_eq!(disk.load(3), (b"three".to_vec(), Ok(true)));
}

#[test]
fn what_can_not_be_written_is_told_and_the_one_before_stays() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::new(SnapshotFolder::open(place.path(), "log").unwrap());
    assert_eq!(disk.write(0, piece(b"one", true, true)), Ok(()));
    let half = place.path().join("log/0.0.tmp");
    std::os::unix::fs::symlink("/dev/full", &half).unwrap();
    let said = disk.write(0, piece(&[0; 100], true, true)).unwrap_err();
    assert!(said.contains("0.0.tmp") && said.contains("No space left"), "{said}");
    assert!(disk.write(0, piece(b"more", false, true)).is_err(), "the pieces before are missing");
    assert_eq!(disk.load(0), (b"one".to_vec(), Ok(true)));
    assert_eq!(disk.write(0, piece(b"two", true, true)), Ok(()), "there is room again");
    fs::create_dir(&half).unwrap();
    assert!(disk.write(0, piece(b"three", true, true)).is_err());
    assert_eq!(disk.load(0), (b"two".to_vec(), Ok(true)));
}

#[test]
fn one_process_has_a_folder_and_finds_what_others_have_left() {
    let place = tempfile::tempdir().unwrap();
    let first = SnapshotFolder::open(place.path(), "log").unwrap();
    let said = SnapshotFolder::open(place.path(), "log").unwrap_err();
    assert!(said.contains("another process keeps its snapshots in") && said.contains("log"), "{said}");
    assert!(SnapshotFolder::open(place.path(), "other").is_ok(), "another changelog has its own");
    fs::write(place.path().join("log/1.0.tmp"), "half").unwrap();
    fs::write(place.path().join("log/1.snapshot"), "whole").unwrap();
    drop(first);
    let disk = Disk::new(SnapshotFolder::open(place.path(), "log").unwrap());
    assert!(!place.path().join("log/1.0.tmp").exists());
    assert_eq!(disk.load(1), (b"whole".to_vec(), Ok(true)));
    fs::write(place.path().join("file"), "").unwrap();
    let said = SnapshotFolder::open(&place.path().join("file"), "log").unwrap_err();
    assert!(said.contains("can't be made"), "{said}");
}
