//! Three instances, killed again and again while records come; then a second run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thalweg_testbed::instance::Instance;

use crate::checker::{Follower, check};
use crate::scene::Scene;
use crate::topics;
use crate::written::records;

const NAMES: [&str; 3] = ["one", "two", "three"];

/// Records of the first run, written in portions.
const FIRST_RUN: u64 = 30_000;
const PORTION: u64 = 500;

/// Kills in the first run.
const KILLS: usize = 4;

/// Writes the first run's records, so that there is something to do all the time.
fn write_slowly(scene: &Scene) {
    for from in (0..FIRST_RUN).step_by(PORTION as usize) {
        topics::write(&scene.brokers, &scene.source, &records(from, from + PORTION));
        std::thread::sleep(Duration::from_millis(150));
    }
}

fn kill_one_after_the_other(scene: &Scene, instances: &mut [Instance]) {
    for kill in 0..KILLS {
        let index = kill % instances.len();
        let committed = |instance: &Instance| instance.metric("thalweg_commits_total", "").max(0.0);
        // Only who is at work can be hit in the middle of it.
        let before = committed(&instances[index]);
        thalweg_testbed::instance::until("it commits", || committed(&instances[index]) > before + 5.0);
        instances[index].kill();
        instances[index] = scene.start(NAMES[index], &[]);
    }
}

#[test]
fn every_record_has_its_effects_once_whatever_is_killed() {
    let scene = Scene::new("kills", 6);
    let mut instances: Vec<_> = NAMES.iter().map(|name| scene.start(name, &[])).collect();
    let done = AtomicBool::new(false);
    let mut followed = Follower::begin(&scene, &scene.copies());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_slowly(&scene));
        let follower = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                followed.poll();
            }
        });
        kill_one_after_the_other(&scene, &mut instances);
        writer.join().unwrap();
        scene.wait_finished(&mut instances);
        done.store(true, Ordering::Relaxed);
        follower.join().unwrap();
    });
    let all = records(0, FIRST_RUN);
    eprintln!("longest stall of a reader of what is committed: {:?}", followed.stall);
    check(&scene, &all);

    for instance in instances {
        let ended = instance.stop();
        assert_eq!(ended.code, 0, "{}", ended.log);
    }
    let all = records(0, FIRST_RUN + 5_000);
    topics::write(&scene.brokers, &scene.source, &all[FIRST_RUN as usize..]);
    let mut again = vec![scene.start("one", &[]), scene.start("two", &[])];
    scene.wait_finished(&mut again);
    check(&scene, &all);
    for instance in again {
        assert_eq!(instance.stop().code, 0);
    }
}
