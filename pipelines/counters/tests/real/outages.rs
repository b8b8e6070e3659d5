//! Flows that stand still or crash, brokers that are away.

use rustix::process::Signal;
use thalweg_testbed::instance::until;
use thalweg_testbed::proxy::{TcpProxy, Traffic};

use crate::client::User;
use crate::scene::Scene;

#[test]
fn no_answer_is_a_504_and_the_repeat_is_applied_once() {
    let scene = Scene::new("stands-still", 1);
    let mut working = scene.start_ready(&[]);
    let mut asked = scene.start(&["commands.answer_deadline_ms=2000"]);
    let address = asked.address("");
    asked.wait_log("admin page: ");
    let ann = User::new("ann", &address);
    let answered = |counter: &str, by: u64, key: &str| {
        let mut answer = ann.raise(counter, by, Some(key));
        until("it is answered", || {
            if answer.status == 504 {
                answer = ann.raise(counter, by, Some(key));
            }
            answer.status != 504
        });
        (answer.status, answer.body.as_u64())
    };
    assert_eq!(answered("c", 1, "before"), (200, Some(1)), "answered by another instance");
    let timeouts = asked.metric("thalweg_command_timeouts_total", "");
    working.signal(Signal::STOP);
    let unanswered = ann.raise("c", 10, Some("k"));
    unanswered.assert_problem(504, "no-answer");
    let detail = unanswered.body["detail"].as_str().unwrap();
    assert!(detail.contains("2000 ms") && detail.contains("same Idempotency-Key"), "{detail}");
    let keyless = ann.raise("d", 10, None);
    assert!(keyless.body["detail"].as_str().unwrap().contains("may apply it twice"), "{keyless:?}");
    assert_eq!(asked.metric("thalweg_command_timeouts_total", ""), timeouts + 2.0);
    // It never comes back: the other one takes over.
    working.kill();
    assert_eq!(answered("c", 10, "k"), (200, Some(11)));
    assert_eq!(answered("c", 1, "after"), (200, Some(12)), "applied once");
    assert_eq!(asked.stop().code, 0);
}

#[test]
fn a_stop_answers_what_it_has_taken() {
    let scene = Scene::new("stops", 1);
    let mut instance = scene.start_ready(&["engine.commit_interval_ms=300"]);
    let address = instance.address("");
    let ann = User::new("ann", &address);
    assert_eq!(ann.raise("c", 1, None).body.as_u64(), Some(1));
    let answered = std::thread::scope(|scope| {
        let raise = || std::iter::from_fn(|| User::new("bob", &address).try_raise("c")).collect::<Vec<_>>();
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(raise)).collect();
        until("some are answered", || instance.metric("thalweg_command_answers_total", "2xx") > 10.0);
        instance.signal(Signal::TERM);
        asking.into_iter().flat_map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(instance.wait_end().code, 0);
    assert!(answered.len() > 10 && answered.iter().all(|answer| answer.status == 200), "{answered:?}");
    let mut instance = scene.start_ready(&[]);
    let total = User::new("ann", &instance.address("")).raise("c", 1, None).body.as_u64().unwrap();
    assert_eq!(total, 2 + answered.len() as u64, "what was answered was applied, and nothing else");
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn what_brokers_can_not_take_is_a_503_and_comes_to_nothing() {
    let proxy = TcpProxy::before_shared_kafka().unwrap();
    let scene = Scene::new("away", 1);
    let working = scene.start_ready(&[]);
    let brokers = format!("kafka.brokers={}", proxy.address());
    let mut asked = scene.start(&[&brokers, "commands.answer_deadline_ms=8000"]);
    let ann = User::new("ann", &asked.address(""));
    assert_eq!(ann.raise("c", 1, None).body.as_u64(), Some(1));
    proxy.set(Traffic::Refuse);
    asked.wait_log("brokers are down");
    let refused = ann.raise("c", 10, Some("k"));
    refused.assert_problem(503, "not-accepted");
    assert_eq!(refused.header("retry-after"), Some("1"));
    proxy.set(Traffic::Forward { delay_ms: 0 });
    let mut answer = ann.raise("c", 100, None);
    until("brokers are there again", || {
        if answer.status != 200 {
            answer = ann.raise("c", 100, None);
        }
        answer.status == 200
    });
    let hundreds = answer.body.as_u64().unwrap() - 1;
    assert!(hundreds.is_multiple_of(100), "what was not accepted was applied: {hundreds}");
    assert_eq!(asked.stop().code, 0);
    assert_eq!(working.stop().code, 0);
}
