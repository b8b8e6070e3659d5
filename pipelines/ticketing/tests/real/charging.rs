//! The provider, on good and bad days.

use std::time::Duration;

use thalweg_testbed::instance::until;
use ticketing_provider::Conduct;

use crate::client::User;
use crate::scene::Scene;

/// The provider is slow, and orders wait for it.
const SETTINGS: [&str; 3] = [
    "orders.expire_after_ms=600000",
    "payments.provider.request_timeout_ms=700",
    "payments.provider.settle_ms=700",
];

#[test]
fn a_charge_that_is_declined_fails_the_order_and_frees_the_ticket() {
    let scene = Scene::new("declined", Conduct::default());
    let (all, addresses) = scene.start_all(&SETTINGS);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| User::new(name, &addresses));
    let ticket = ann.sell("opera", 10);
    let order = bob.order_soon(&ticket);
    assert_eq!(bob.pay_soon(&order, "declined-visa").status, 201);
    scene.wait_history(&order, &["order.created", "order.pending", "order.failed"]);
    assert_eq!(scene.provider.of_order(&order), ["decline"]);
    assert!(scene.events("payments", &order)[1]["reason"].as_str().unwrap().contains("no money"));
    bob.pay(&order, "visa").assert_problem(409, "payment-failed");
    let again = eve.order_soon(&ticket);
    assert_eq!(eve.pay_soon(&again, "visa").status, 201);
    scene.wait_status(&again, "complete");
    eve.pay(&again, "visa").assert_problem(409, "order-paid");
    bob.order(&ticket, None).assert_problem(409, "ticket-taken");
    assert!(!all.log().contains("visa"), "tokens stand in no log");
    assert_eq!(all.stop().code, 0);
}

#[test]
fn a_provider_that_loses_its_answers_is_asked_until_it_is_known_and_charges_once() {
    let losing = Conduct { losing_share: 1.0, ..Conduct::default() };
    let scene = Scene::new("loses", losing);
    let (all, addresses) = scene.start_all(&SETTINGS);
    let (ann, bob) = (User::new("ann", &addresses), User::new("bob", &addresses));
    let orders: Vec<_> = (0..3).map(|price| bob.order_soon(&ann.sell("opera", 10 + price))).collect();
    let money = |index| if index == 2 { "declined" } else { "visa" };
    for (index, order) in orders.iter().enumerate() {
        assert_eq!(bob.pay_soon(order, money(index)).status, 201);
    }
    scene.wait_status(&orders[0], "complete");
    scene.wait_status(&orders[1], "complete");
    scene.wait_status(&orders[2], "failed");
    let asked: Vec<_> = orders.iter().map(|order| scene.provider.of_order(order)).collect();
    assert_eq!(asked, [["charge"], ["charge"], ["decline"]]);
    assert_eq!(all.stop().code, 0);
}

#[test]
fn a_charge_for_an_order_that_was_given_up_meanwhile_is_refunded() {
    // Long enough for the user to change their mind.
    let slow = Conduct { slow_share: 1.0, slow: Duration::from_secs(3), ..Conduct::default() };
    let scene = Scene::new("refunds", slow);
    let (all, addresses) = scene.start_all(&["orders.expire_after_ms=600000"]);
    let (ann, bob) = (User::new("ann", &addresses), User::new("bob", &addresses));
    let order = bob.order_soon(&ann.sell("opera", 10));
    assert_eq!(bob.pay_soon(&order, "visa").status, 201);
    scene.wait_history(&order, &["order.created", "order.pending"]);
    assert_eq!(bob.cancel(&order).status, 200);
    until("it is refunded", || scene.provider.of_order(&order) == ["charge", "refund"]);
    scene.wait_history(&order, &["order.created", "order.pending", "order.cancelled"]);
    assert_eq!(all.stop().code, 0);
}

#[test]
fn who_is_killed_while_the_provider_is_asked_charges_once() {
    let losing = Conduct { losing_share: 1.0, ..Conduct::default() };
    let scene = Scene::new("killed", losing);
    let (mut all, addresses) =
        scene.start_all(&["payments.provider.settle_ms=700", "kafka.group.instance_id=a"]);
    let (ann, bob) = (User::new("ann", &addresses), User::new("bob", &addresses));
    let order = bob.order_soon(&ann.sell("opera", 10));
    assert_eq!(bob.pay_soon(&order, "visa").status, 201);
    until("it is charged", || !scene.provider.ledger().is_empty());
    // It waits for an answer that will not come, and nobody is told what was asked for.
    all.kill();
    let (again, _) = scene.start_all(&["payments.provider.settle_ms=700", "kafka.group.instance_id=a"]);
    scene.wait_status(&order, "complete");
    assert_eq!(scene.provider.of_order(&order), ["charge"]);
    assert_eq!(again.stop().code, 0);
}
