//! Many at once, on one key.

use std::collections::{BTreeSet, HashMap};

use thalweg_testbed::instance::PATIENCE;

use crate::client::token;
use crate::scene::Scene;
use crate::topics;

const AT_ONCE: u64 = 1_000;

/// A crowded machine may take its time.
const SLOW: [&str; 1] = ["commands.answer_deadline_ms=60000"];

/// Sends that many requests, half of them to each address, before any of them is answered; the counts that came back.
fn raise_all(addresses: &[String]) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    runtime.block_on(async {
        let token = token("ann");
        let sent = (0..AT_ONCE).zip(addresses.iter().cycle()).map(|(number, address)| {
            let request = client.post(format!("http://{address}/counters/c")).bearer_auth(&token);
            let request = request.header("Idempotency-Key", format!("k{number}")).body("{\"by\":1}");
            tokio::spawn(async move {
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.text().await.unwrap().parse::<u64>().unwrap()
            })
        });
        let sent: Vec<_> = sent.collect();
        let mut counts = Vec::new();
        for answer in sent {
            counts.push(answer.await.unwrap());
        }
        counts
    })
}

#[test]
fn a_thousand_at_once_on_one_key_are_all_answered_in_the_order_of_the_log() {
    let scene = Scene::new("order", 2);
    let mut instances = [scene.start_ready(&SLOW), scene.start(&SLOW)];
    let addresses = instances.each_mut().map(|instance| instance.address(""));
    let counts: BTreeSet<u64> = raise_all(&addresses).into_iter().collect();
    assert_eq!(counts, (1..=AT_ONCE).collect(), "each was applied once, and told where it stood");
    // The order of the log: replies lie in two partitions, by the instance that waits.
    let log = topics::read_committed(&scene.brokers, &scene.source, 2);
    let replies = topics::read_committed(&scene.brokers, &scene.replies(), 2);
    let answered: HashMap<_, _> =
        replies.into_iter().map(|reply| (reply.correlation_id, reply.value)).collect();
    let in_order: Vec<u64> =
        log.iter().map(|record| answered[&record.correlation_id].parse().unwrap()).collect();
    assert_eq!(in_order, (1..=AT_ONCE).collect::<Vec<_>>());
    for instance in instances {
        assert_eq!(instance.stop().code, 0);
    }
}
