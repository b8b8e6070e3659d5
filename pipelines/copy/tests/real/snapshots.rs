//! Local snapshots: a restart reads the changelog's tail, and all of it where a snapshot is not what it should be.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thalweg_testbed::instance::{Instance, until};

use crate::checker::check;
use crate::scene::Scene;
use crate::topics;
use crate::written::{Written, records};

/// Records before the first snapshots.
const MANY: u64 = 2_000;

/// Where a snapshot says its version.
const VERSION_PLACE: usize = 4;

/// A scene with a folder for snapshots, and what was written so far.
struct Kept {
    scene: Scene,
    folder: TempDir,
    settings: Vec<String>,
    all: Vec<Written>,
}

impl Kept {
    fn new(what: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = vec![
            format!("state.snapshot_folder={}", folder.path().display()),
            "state.snapshot_interval_ms=100".to_owned(),
            // So that the changelog gets a record for almost every one that is copied.
            "transactions.runs_max=20".to_owned(),
        ];
        Self { scene: Scene::new(what, 2), folder, settings, all: Vec::new() }
    }

    fn start(&self) -> Instance {
        self.scene.start("one", &self.settings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn write(&mut self, many: u64) {
        let from = self.all.len() as u64;
        let new = records(from, from + many);
        topics::write(&self.scene.brokers, &self.scene.source, &new);
        self.all.extend(new);
    }

    fn snapshot(&self, number: i32) -> PathBuf {
        self.folder.path().join(self.scene.changelog()).join(format!("{number}.snapshot"))
    }

    /// Writes a few records at a time until every partition has a snapshot that was begun after this call: it is of an end of
    /// the changelog that a later commit has proved.
    fn write_until_kept(&mut self, instance: &mut Instance) {
        // None is taken while it is behind.
        self.scene.wait_finished(std::slice::from_mut(instance));
        let counted = |instance: &Instance| metric(instance, "thalweg_snapshots_written_total");
        let enough = counted(instance) + 4.0 * f64::from(self.scene.partitions);
        until("snapshots are written", || {
            self.write(10);
            assert_eq!(instance.ended(), None, "{}", instance.log());
            counted(instance) >= enough
        });
        let all = (0..self.scene.partitions).all(|number| self.snapshot(number).exists());
        assert!(all, "every partition has its snapshot");
        self.scene.wait_finished(std::slice::from_mut(instance));
    }

    /// Starts again, and waits until the state is there and what is new is copied.
    fn start_again(&mut self) -> Instance {
        self.write(10);
        let mut instance = self.start();
        self.scene.wait_finished(std::slice::from_mut(&mut instance));
        check(&self.scene, &self.all);
        let partitions = f64::from(self.scene.partitions);
        until("its restores are counted", || metric(&instance, "thalweg_restores_total") == partitions);
        instance
    }
}

fn metric(instance: &Instance, name: &str) -> f64 {
    instance.metric(name, "")
}

#[test]
fn a_restart_reads_only_what_the_changelog_has_got_since() {
    let mut kept = Kept::new("tail");
    let mut instance = kept.start();
    kept.write(MANY);
    kept.write_until_kept(&mut instance);
    instance.kill();
    let instance = kept.start_again();
    assert_eq!(metric(&instance, "thalweg_restores_from_snapshot_total"), 2.0, "{}", instance.log());
    assert_eq!(metric(&instance, "thalweg_snapshots_refused_total"), 0.0, "{}", instance.log());
    let tail = metric(&instance, "thalweg_restored_records_total");
    assert_eq!(instance.stop().code, 0);

    // Without the snapshots, all of it is read.
    std::fs::remove_dir_all(kept.folder.path().join(kept.scene.changelog())).unwrap();
    let instance = kept.start_again();
    assert_eq!(metric(&instance, "thalweg_restores_from_snapshot_total"), 0.0);
    let whole = metric(&instance, "thalweg_restored_records_total");
    assert!(whole > 1_000.0 && tail < whole / 5.0, "{tail} records were read of {whole}");
    assert_eq!(instance.stop().code, 0);
}

/// Does something to a file.
type Harm = fn(&Kept, &Path);

#[test]
fn a_snapshot_that_is_not_as_it_was_written_leads_to_a_whole_restore() {
    let harms: [(&str, Harm); 4] = [
        ("it is cut off", |_, path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("it is damaged", |_, path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() * 2 / 3;
            bytes[middle] ^= 4;
            std::fs::write(path, bytes).unwrap();
        }),
        ("which this version does not know", |_, path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[VERSION_PLACE] += 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("it is of partition", |kept, path| {
            // Each becomes the other's.
            if *path == kept.snapshot(0) {
                let other = std::fs::read(kept.snapshot(1)).unwrap();
                std::fs::rename(path, kept.snapshot(1)).unwrap();
                std::fs::write(path, other).unwrap();
            }
        }),
    ];
    let mut kept = Kept::new("harmed");
    let mut instance = kept.start();
    kept.write(MANY);
    for (said, harm) in harms {
        kept.write_until_kept(&mut instance);
        instance.kill();
        (0..2).for_each(|number| harm(&kept, &kept.snapshot(number)));
        instance = kept.start_again();
        assert_eq!(metric(&instance, "thalweg_restores_from_snapshot_total"), 0.0, "{}", instance.log());
        assert_eq!(metric(&instance, "thalweg_snapshots_refused_total"), 2.0, "{}", instance.log());
        assert_eq!(instance.log().matches(said).count(), 2, "{said}: {}", instance.log());
        let whole = metric(&instance, "thalweg_restored_records_total");
        assert!(whole > 1_000.0, "all of it is read, not {whole}: {}", instance.log());
    }
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_snapshot_that_is_older_than_half_of_what_deletions_stay_is_refused() {
    let mut kept = Kept::new("old");
    let settings = [("cleanup.policy", "compact"), ("delete.retention.ms", "4000")];
    topics::create(&kept.scene.brokers, &kept.scene.changelog(), 2, &settings);
    let mut instance = kept.start();
    kept.write(100);
    kept.write_until_kept(&mut instance);
    // Nothing comes, so that there is no newer one.
    let age = |instance: &Instance| metric(instance, "thalweg_snapshot_age_seconds");
    until("the snapshots are old", || age(&instance) > 2.0 * 2.5);
    instance.kill();
    let instance = kept.start_again();
    assert_eq!(metric(&instance, "thalweg_restores_from_snapshot_total"), 0.0, "{}", instance.log());
    assert_eq!(instance.log().matches("delete.retention.ms").count(), 2, "{}", instance.log());
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_full_disk_costs_a_snapshot_and_nothing_else() {
    let mut kept = Kept::new("full");
    let mut instance = kept.start();
    until("its state is there", || metric(&instance, "thalweg_restores_total") == 2.0);
    let folder = kept.folder.path().join(kept.scene.changelog());
    for number in 0..2 {
        // Every write to it fails as on a disk without room.
        std::os::unix::fs::symlink("/dev/full", folder.join(format!("{number}.0.tmp"))).unwrap();
    }
    until("writing fails", || {
        kept.write(10);
        metric(&instance, "thalweg_snapshots_failed_total") >= 2.0
    });
    assert!(instance.log().contains("No space left on device"), "{}", instance.log());
    // There is room again.
    kept.write_until_kept(&mut instance);
    check(&kept.scene, &kept.all);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_folder_that_can_not_be_used_is_told_and_done_without() {
    let mut kept = Kept::new("folder");
    let mut first = kept.start();
    until("its state is there", || metric(&first, "thalweg_restores_total") == 2.0);
    // Another instance has it.
    let settings: Vec<_> = kept.settings.iter().map(String::as_str).collect();
    let mut second = kept.scene.start("two", &settings);
    second.wait_log("another process keeps its snapshots in");
    let mut third = kept.scene.start("three", &["state.snapshot_folder=/dev/null"]);
    third.wait_log("no local snapshots of the state");
    until("that is counted", || metric(&third, "thalweg_snapshots_failed_total") == 1.0);
    kept.write(MANY);
    let mut instances = [first, second, third];
    kept.scene.wait_finished(&mut instances);
    check(&kept.scene, &kept.all);
    [first, second, third] = instances;
    for instance in [first, second, third] {
        assert_eq!(instance.stop().code, 0);
    }
}
