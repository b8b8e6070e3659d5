//! The same request again: applied once, for as long as it is remembered.

use thalweg_testbed::instance::until;

use crate::client::User;
use crate::scene::Scene;

#[test]
fn a_repeat_gets_the_same_answer_and_is_applied_once() {
    let scene = Scene::new("repeats", 3);
    let mut instance = scene.start_ready(&[]);
    let (ann, bob) = (User::new("ann", &instance.address("")), User::new("bob", &instance.address("")));
    let first = ann.raise("c", 5, Some("k1"));
    assert_eq!((first.status, first.body.as_u64()), (200, Some(5)));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(first.header("content-type"), Some("application/json"));
    for _ in 0..3 {
        let again = ann.raise("c", 5, Some("k1"));
        assert_eq!((again.status, again.body.as_u64()), (200, Some(5)));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    let counts = |answer: crate::client::Answer| answer.body.as_u64();
    assert_eq!(counts(ann.raise("c", 5, Some("k2"))), Some(10), "another key is another command");
    assert_eq!(counts(bob.raise("c", 5, Some("k1"))), Some(15), "another user's key is another key");
    assert_eq!(counts(ann.raise("d", 5, Some("k1"))), Some(5), "another counter's key is another key");
    assert_eq!(counts(ann.raise("c", 1, None)), Some(16));
    assert_eq!(counts(ann.raise("c", 1, None)), Some(17), "without a key nothing is a repeat");
    ann.raise("c", 6, Some("k1")).assert_problem(422, "idempotency-key-reused");
    assert_eq!(counts(ann.raise("c", 1, None)), Some(18), "what was refused was not applied");
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_refusal_is_remembered_too_and_a_restart_forgets_nothing() {
    let scene = Scene::new("restart", 1);
    let mut instance = scene.start_ready(&[]);
    let ann = User::new("ann", &instance.address(""));
    for raised in 1..=10 {
        assert_eq!(ann.raise("c", 1_000, None).body.as_u64(), Some(raised * 1_000));
    }
    let refused = ann.raise("c", 1_000, Some("full"));
    refused.assert_problem(409, "counter-full");
    instance.kill();
    let mut instance = scene.start_ready(&[]);
    let ann = User::new("ann", &instance.address(""));
    let again = ann.raise("c", 1_000, Some("full"));
    again.assert_problem(409, "counter-full");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn what_is_remembered_is_forgotten_when_its_time_is_over() {
    let scene = Scene::new("forgets", 1);
    let mut instance = scene.start_ready(&["commands.remember_ms=1500"]);
    let ann = User::new("ann", &instance.address(""));
    assert_eq!(ann.raise("c", 5, Some("k")).body.as_u64(), Some(5));
    until("the reply is forgotten", || {
        let rows = instance.metric("thalweg_state_rows", "");
        rows == 1.0 && instance.metric("thalweg_state_timers", "") == 0.0
    });
    let anew = ann.raise("c", 5, Some("k"));
    assert_eq!((anew.body.as_u64(), anew.header("idempotency-replayed")), (Some(10), None));
    assert_eq!(instance.stop().code, 0);
}
