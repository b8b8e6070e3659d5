//! The same request again, and services that end in between.

use ticketing_provider::Conduct;

use crate::client::User;
use crate::scene::Scene;

#[test]
fn a_repeat_gets_its_answer_again_and_another_key_is_another_order() {
    let scene = Scene::new("repeats", Conduct::default());
    let (all, addresses) = scene.start_all(&[]);
    let [ann, bob] = ["ann", "bob"].map(|name| User::new(name, &addresses));
    let ticket = ann.sell("opera", 10);
    // Refusals are remembered too: who comes too early needs another key.
    bob.order_soon(&ann.sell("first", 10));
    let order = bob.order_soon(&ticket);
    assert_eq!(bob.cancel(&order).status, 200);
    let first = bob.order(&ticket, Some("k"));
    let again = bob.order(&ticket, Some("k"));
    assert_eq!((first.id(), first.repeated, again.repeated), (again.id(), false, true));
    bob.order(&ticket, Some("l")).assert_problem(409, "ticket-taken");
    assert_eq!(bob.cancel(&first.id()).status, 200);
    // It says what was so then.
    assert_eq!(bob.order(&ticket, Some("k")).id(), first.id());
    assert_eq!(scene.status(&first.id()).as_deref(), Some("cancelled"));
    let other = ann.sell("ballet", 10);
    let elsewhere = bob.ask("POST", "/orders", &serde_json::json!({ "ticketId": other }), Some("k"));
    assert!(
        !elsewhere.repeated && elsewhere.status != 422,
        "an idempotency key is one of its ticket: {elsewhere:?}"
    );
    assert_eq!(all.stop().code, 0);
}

#[test]
fn orders_is_killed_between_order_and_payment_and_nothing_is_lost() {
    let scene = Scene::new("between", Conduct::default());
    let never = "orders.expire_after_ms=600000";
    let settings = [never, "kafka.group.instance_id=a"];
    let mut orders = scene.start("orders", &settings);
    let others = ["tickets", "payments", "expiration"].map(|name| scene.start(name, &[]));
    orders.wait_ready();
    let mut others = others;
    others.iter_mut().for_each(thalweg_testbed::instance::Instance::wait_ready);
    let mut addresses = crate::client::Addresses {
        tickets: others[0].address("tickets"),
        orders: orders.address("orders"),
        payments: others[1].address("payments"),
    };
    let (ann, bob) = (User::new("ann", &addresses), User::new("bob", &addresses));
    let ticket = ann.sell("opera", 10);
    let order = bob.order_soon(&ticket);
    orders.kill();
    // Nobody says that the order waits for its payment, so nothing is charged.
    assert_eq!(bob.pay_soon(&order, "visa").status, 201);
    assert_eq!(scene.history(&order), ["order.created"]);
    assert_eq!(scene.provider.ledger(), []);
    let mut orders = scene.start("orders", &settings);
    addresses.orders = orders.address("orders");
    scene.wait_status(&order, "complete");
    assert_eq!(scene.provider.of_order(&order), ["charge"]);
    User::new("eve", &addresses).order(&ticket, None).assert_problem(409, "ticket-taken");
    for program in others.into_iter().chain([orders]) {
        assert_eq!(program.stop().code, 0);
    }
}
