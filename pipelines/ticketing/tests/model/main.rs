//! The services against everything that can happen between them: all interleavings that topics allow, records that come
//! twice and late, restarts, and users who do what they like. The auditor judges, who knows nothing of the services.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod play;
mod world;

use std::cell::RefCell;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use ticketing_audit::{Counts, audit};

use play::{Play, acts};

/// Enough that every way an order can go is gone many times.
const CASES: u32 = 150;

#[test]
fn whatever_happens_the_auditor_finds_nothing() {
    let total = RefCell::new(Counts::default());
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&acts(), |acts| {
        let mut play = Play::begin();
        acts.iter().for_each(|act| play.act(act));
        let report = audit(&play.finish());
        if !report.is_clean() {
            return Err(TestCaseError::fail(format!("{:#?}", report.problems)));
        }
        add(&mut total.borrow_mut(), &report.counts);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, acts)) => panic!("{why}\nafter {acts:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    // Tame histories prove nothing.
    let total = total.into_inner();
    let Counts { orders, paid, expired, cancelled, failed, refunds, refused, .. } = total;
    let least = u64::from(CASES) / 5;
    for (what, times) in [
        ("orders", orders),
        ("paid", paid),
        ("expired", expired),
        ("cancelled", cancelled),
        ("failed", failed),
        ("refunds", refunds),
        ("refused", refused),
    ] {
        assert!(times >= least, "{what}: {times} of {total:?}");
    }
}

fn add(total: &mut Counts, counts: &Counts) {
    total.orders += counts.orders;
    total.paid += counts.paid;
    total.expired += counts.expired;
    total.cancelled += counts.cancelled;
    total.failed += counts.failed;
    total.refunds += counts.refunds;
    total.refused += counts.refused;
}
