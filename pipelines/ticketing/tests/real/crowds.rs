//! Many who want the same ticket at once.

use std::collections::BTreeMap;

use thalweg_testbed::instance::PATIENCE;
use ticketing_provider::Conduct;

use crate::client::{User, token};
use crate::scene::Scene;

const AT_ONCE: usize = 10_000;
/// As many requests are under way at a time.
const CONNECTIONS: usize = 500;

#[test]
fn of_two_who_order_at_once_one_gets_the_ticket() {
    let scene = Scene::new("two", Conduct::default());
    let (all, addresses) = scene.start_all(&[]);
    let ann = User::new("ann", &addresses);
    User::new("eve", &addresses).order_soon(&ann.sell("first", 10));
    for _ in 0..5 {
        let ticket = ann.sell("opera", 10);
        // Known to orders once somebody has had it.
        let probe = User::new("eve", &addresses);
        assert_eq!(probe.cancel(&probe.order_soon(&ticket)).status, 200);
        let mut statuses = std::thread::scope(|scope| {
            let order = |name: &'static str| {
                let (addresses, ticket) = (&addresses, &ticket);
                scope.spawn(move || User::new(name, addresses).order(ticket, None).status)
            };
            [order("bob"), order("cid")].map(|asked| asked.join().unwrap())
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
    assert_eq!(all.stop().code, 0);
}

/// Orders that ticket so often, each by another user; how often each status was answered.
fn order_all(address: &str, ticket: &str) -> BTreeMap<u16, usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let body = format!("{{\"ticketId\":\"{ticket}\"}}");
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    runtime.block_on(async {
        let sent = (0..AT_ONCE).map(|number| {
            let request =
                client.post(format!("http://{address}/orders")).bearer_auth(token(&format!("u{number}")));
            let (request, places) = (request.body(body.clone()), std::sync::Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                request.send().await.unwrap().status().as_u16()
            })
        });
        let sent: Vec<_> = sent.collect();
        let mut statuses = BTreeMap::new();
        for status in sent {
            *statuses.entry(status.await.unwrap()).or_default() += 1;
        }
        statuses
    })
}

#[test]
fn of_ten_thousand_who_order_at_once_one_gets_the_ticket() {
    let scene = Scene::new("crowd", Conduct::default());
    // A crowded machine may take its time.
    let patient = ["orders.commands.answer_deadline_ms=60000", "orders.expire_after_ms=600000"];
    let (all, addresses) = scene.start_all(&patient);
    let (ann, eve) = (User::new("ann", &addresses), User::new("eve", &addresses));
    let ticket = ann.sell("opera", 10);
    let probe = eve.order_soon(&ticket);
    assert_eq!(eve.cancel(&probe).status, 200);
    let statuses = order_all(&addresses.orders, &ticket);
    assert_eq!(statuses, BTreeMap::from([(201, 1), (409, AT_ONCE - 1)]));
    let created =
        scene.events("orders", &ticket).iter().filter(|event| event["type"] == "order.created").count();
    assert_eq!(created, 2, "the one before, and the one who won");
    assert_eq!(all.stop().code, 0);
}
