//! A few histories, small enough for every test run: the command runs thousands.

use thalweg_core::sabotage::{Bug, ExactlyOnceBug};
use thalweg_sim::call_flow::CallFlow;
use thalweg_sim::campaign::{Guarantee, catch_all, run_seeds};
use thalweg_sim::message_flow::MessageFlow;
use thalweg_sim::sabotage::{DriverBug, Sabotage};
use thalweg_sim::{Count, Options, Run, run, transactional};

fn messages(seed: u64, options: Options) -> Run {
    run(MessageFlow, seed, options)
}

/// Seeds that once failed, by what was wrong then: a busy worker, a batch let go too early, a flight cut short, a
/// breaker closed by a flight that asked nobody, a budget passed by small records.
const ONCE_FAILED: [u64; 8] = [7, 15, 21, 52, 257, 549, 1_153, 2_300];

#[test]
fn every_invariant_holds_in_some_histories() {
    let summary = run_seeds(&messages, 1, 60, |_| {});
    let failed: Vec<_> = summary.failed.iter().map(|run| (run.seed, &run.violation)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    for count in Count::FAULTS {
        assert!(summary.share_with(count) > 1.0 / 3.0, "{} is rare", count.name());
    }
}

#[test]
fn seeds_that_once_failed_hold() {
    for seed in ONCE_FAILED {
        let told = run(MessageFlow, seed, Options::default());
        assert_eq!(told.violation, None, "seed {seed}");
    }
}

#[test]
fn equal_seeds_have_equal_histories_and_others_have_others() {
    for seed in [3, 4] {
        let (once, again) =
            (run(MessageFlow, seed, Options::default()), run(MessageFlow, seed, Options::default()));
        assert_eq!(once.trace_hash, again.trace_hash);
        assert_eq!(once.tally, again.tally);
        assert_ne!(once.trace_hash, run(MessageFlow, seed + 100, Options::default()).trace_hash);
    }
}

#[test]
fn broken_engines_are_caught() {
    let broken = [
        Sabotage::Engine(Bug::CommitBeforeAck),
        Sabotage::Engine(Bug::Ignore429Items),
        Sabotage::Engine(Bug::RetryOutOfOrder),
        Sabotage::Engine(Bug::NoDedupeRewind),
        Sabotage::Engine(Bug::NoFenceAfterSuspension),
    ];
    for caught in catch_all(&messages, &broken, 1, 60, |_| {}) {
        assert!(caught.by.is_some(), "{} escaped", caught.sabotage.name());
        assert_eq!(
            caught.sound_fails,
            None,
            "the unbroken engine fails a seed of {}",
            caught.sabotage.name()
        );
    }
}

fn calls(seed: u64, options: Options) -> Run {
    run(CallFlow, seed, options)
}

#[test]
fn every_invariant_holds_in_some_histories_of_calls() {
    let summary = run_seeds(&calls, 1, 60, |_| {});
    let failed: Vec<_> = summary.failed.iter().map(|run| (run.seed, &run.violation)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    for count in Guarantee::Calls.faults() {
        assert!(summary.share_with(*count) > 1.0 / 3.0, "{} is rare", count.name());
    }
}

#[test]
fn records_that_do_not_follow_from_their_call_are_missed_and_calls_that_are_made_twice_are_seen() {
    let broken = [
        Sabotage::Engine(Bug::CloseBeforeFollowUp),
        Sabotage::Engine(Bug::ForgetFollowUps),
        Sabotage::Engine(Bug::DropFollowUpsOnRevoke),
        Sabotage::Engine(Bug::ForgetWhoWasBefore),
        Sabotage::CallsNotSettled,
        // These show here as well as with documents.
        Sabotage::Engine(Bug::RetryOutOfOrder),
        Sabotage::Engine(Bug::UnknownIsDone),
    ];
    for caught in catch_all(&calls, &broken, 1, 60, |_| {}) {
        let name = caught.sabotage.name();
        assert!(caught.by.is_some(), "{name} escaped");
        assert_eq!(caught.sound_fails, None, "the unbroken engine fails a seed of {name}");
    }
}

fn counters(seed: u64, options: Options) -> Run {
    transactional::run(seed, options)
}

#[test]
fn every_invariant_holds_in_some_exactly_once_histories() {
    // So many, because the rarest fault is in less than two of five.
    let summary = run_seeds(&counters, 1, 240, |_| {});
    let failed: Vec<_> = summary.failed.iter().map(|run| (run.seed, &run.violation)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    for count in Guarantee::ExactlyOnce.faults() {
        assert!(summary.share_with(*count) > 1.0 / 3.0, "{} is rare", count.name());
    }
}

#[test]
fn equal_seeds_have_equal_exactly_once_histories() {
    let (once, again) = (counters(3, Options::default()), counters(3, Options::default()));
    assert_eq!((once.trace_hash, &once.tally), (again.trace_hash, &again.tally));
    assert_ne!(once.trace_hash, counters(4, Options::default()).trace_hash);
}

#[test]
fn broken_exactly_once_engines_are_caught() {
    let broken = [
        Sabotage::ExactlyOnce(ExactlyOnceBug::FireEarly),
        Sabotage::ExactlyOnce(ExactlyOnceBug::KeepStateAfterAbort),
        Sabotage::ExactlyOnce(ExactlyOnceBug::UnknownIsAborted),
        Sabotage::Driver(DriverBug::RestoreToLastStable),
        Sabotage::Driver(DriverBug::OffsetsOutsideTransaction),
    ];
    for caught in catch_all(&counters, &broken, 1, 100, |_| {}) {
        assert!(caught.by.is_some(), "{} escaped", caught.sabotage.name());
        let name = caught.sabotage.name();
        assert_eq!(caught.sound_fails, None, "the unbroken engine fails a seed of {name}");
    }
}

#[test]
fn sabotages_have_names_of_their_own() {
    let mut names: Vec<_> = Sabotage::all().into_iter().map(Sabotage::name).collect();
    assert!(names.iter().all(|name| Sabotage::named(name).is_some()));
    let all = names.len();
    names.sort();
    names.dedup();
    assert!(all >= 15 && names.len() == all);
    assert_eq!(Sabotage::named("no_such_thing"), None);
}
