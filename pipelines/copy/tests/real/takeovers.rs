//! Somebody else takes over in the middle of a transaction: the group, or a process of the same name.

use rustix::process::Signal;
use thalweg_testbed::instance::until;

use crate::checker::check;
use crate::scene::Scene;
use crate::topics;
use crate::written::records;

/// Long intervals: whoever is interrupted is interrupted in the middle of a transaction.
const LONG: [&str; 2] = ["engine.commit_interval_ms=2000", "transactions.runs_max=1000000"];

#[test]
fn a_process_of_the_same_name_ends_the_first_one_and_goes_on() {
    let scene = Scene::new("same-name", 3);
    let mut first = scene.start("same", &LONG);
    first.wait_log("state restored");
    let mut written = 20_000;
    topics::write(&scene.brokers, &scene.source, &records(0, written));
    let second = scene.start("same", &LONG);
    // Who has nothing to write does not notice that another one writes in its place.
    until("the first one has ended", || {
        topics::write(&scene.brokers, &scene.source, &records(written, written + 1_000));
        written += 1_000;
        first.ended().is_some()
    });
    let ended = first.wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("another process writes under the transactional id"), "{}", ended.log);
    assert!(ended.log.contains("transactions.instance"), "it says what to do: {}", ended.log);
    let mut left = [second];
    scene.wait_finished(&mut left);
    check(&scene, &records(0, written));
    for instance in left {
        assert_eq!(instance.stop().code, 0);
    }
}

#[test]
fn who_was_suspended_for_longer_than_a_transaction_comes_back_and_writes_nothing_twice() {
    let scene = Scene::new("suspended", 4);
    let names = ["sleeps", "wakes"];
    let mut instances: Vec<_> = names.iter().map(|name| scene.start(name, &[])).collect();
    instances.iter_mut().for_each(|instance| instance.wait_log("state restored"));
    let all = records(0, 12_000);
    topics::write(&scene.brokers, &scene.source, &all[..4_000]);
    instances[0].signal(Signal::STOP);
    topics::write(&scene.brokers, &scene.source, &all[4_000..8_000]);
    // The other one gets all partitions, and every transaction that was open is over.
    scene.wait_finished(&mut instances[1..]);
    instances[0].signal(Signal::CONT);
    let assigned = |log: String| log.matches("partitions assigned").count();
    until("it has partitions again", || assigned(instances[0].log()) > 1);
    topics::write(&scene.brokers, &scene.source, &all[8_000..]);
    scene.wait_finished(&mut instances);
    check(&scene, &all);
    for instance in instances {
        assert_eq!(instance.stop().code, 0);
    }
}
