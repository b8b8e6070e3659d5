//! Orders that go other ways than to be paid, and requests that are refused.

use serde_json::{Value, json};
use thalweg_testbed::instance::until;
use ticketing_provider::Conduct;

use crate::client::User;
use crate::scene::Scene;

/// Long enough that nothing expires by itself.
const NEVER: [&str; 1] = ["orders.expire_after_ms=600000"];

#[test]
fn orders_are_cancelled_and_what_is_nobodys_business_is_refused() {
    let scene = Scene::new("cancels", Conduct::default());
    let (all, addresses) = scene.start_all(&NEVER);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| User::new(name, &addresses));
    let ticket = ann.sell("opera", 10);
    let order = bob.order_soon(&ticket);
    eve.order(&ticket, None).assert_problem(409, "ticket-taken");
    until("tickets knows that it is reserved", || match ann.edit(&ticket, 20) {
        answer if answer.status == 409 => {
            answer.assert_problem(409, "ticket-reserved");
            true
        }
        answer => {
            assert_eq!(answer.status, 200, "{answer:?}");
            false
        }
    });
    eve.edit(&ticket, 1).assert_problem(403, "ticket-foreign");
    eve.cancel(&order).assert_problem(403, "order-foreign");
    eve.pay_soon(&order, "visa").assert_problem(403, "order-foreign");
    assert_eq!(bob.cancel(&order).body["status"], "cancelled");
    bob.cancel(&order).assert_problem(409, "order-ended");
    until("payments knows that it was cancelled", || match bob.pay(&order, "visa") {
        answer if answer.status == 409 => {
            assert_eq!(answer.body["type"], "urn:problem:order-ended");
            true
        }
        answer => panic!("an order that was cancelled was paid: {answer:?}"),
    });
    // Free again, at the price as it is now.
    let again = eve.order_soon(&ticket);
    assert_eq!(scene.history(&order), ["order.created", "order.cancelled"]);
    assert_eq!(scene.events("orders", &again)[0]["number"], 2);
    ann.cancel(&again).assert_problem(403, "order-foreign");
    assert_eq!(scene.provider.ledger(), []);
    assert_eq!(all.stop().code, 0);
}

#[test]
fn everybody_sees_tickets_and_users_their_own_orders() {
    let scene = Scene::new("shows", Conduct::default());
    let (all, addresses) = scene.start_all(&NEVER);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| User::new(name, &addresses));
    let tickets = [ann.sell("opera", 10), ann.sell("ballet", 20)];
    // Who has written reads it, at once.
    for (ticket, title) in tickets.iter().zip(["opera", "ballet"]) {
        let shown = eve.see(&format!("/tickets/{ticket}"));
        assert_eq!((shown.status, &shown.body["title"]), (200, &title.into()), "{shown:?}");
    }
    let orders = [bob.order_soon(&tickets[0]), eve.order_soon(&tickets[1])];
    let shown = bob.see(&format!("/orders/{}", orders[0]));
    assert_eq!((shown.status, &shown.body["status"]), (200, &"created".into()), "{shown:?}");
    eve.see(&format!("/orders/{}", orders[0])).assert_problem(403, "order-foreign");
    eve.see(&format!("/orders/{}.{}", tickets[0], "0".repeat(32))).assert_problem(404, "order-unknown");
    eve.see(&format!("/tickets/{}", "0".repeat(32))).assert_problem(404, "ticket-unknown");
    let ids = |answer: crate::client::Answer| -> Vec<String> {
        let items = answer.body["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(bob.see("/orders")), [orders[0].clone()]);
    assert_eq!(ids(eve.see("/orders")), [orders[1].clone()]);
    assert_eq!(ids(ann.see("/orders")), Vec::<String>::new());
    let mut sorted = tickets.to_vec();
    sorted.sort_unstable();
    assert_eq!(ids(bob.see("/tickets")), sorted);
    assert_eq!(ids(bob.see("/tickets?limit=1")), sorted[..1]);
    until("the ticket is shown as reserved", || {
        bob.see(&format!("/tickets/{}", tickets[0])).body["orderId"] == orders[0].as_str()
    });
    assert_eq!(all.stop().code, 0);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let scene = Scene::new("malformed", Conduct::default());
    let (all, addresses) = scene.start_all(&NEVER);
    let ann = User::new("ann", &addresses);
    let ticket = ann.sell("opera", 10);
    let unknown = "0".repeat(32);
    let own = format!("/tickets/{ticket}");
    let (no_ticket, no_order) = (format!("/tickets/{unknown}"), format!("/orders/{ticket}.{unknown}"));
    let cases: [(&str, &str, Value, u16, &str); 17] = [
        ("POST", "/tickets", json!({ "title": "x" }), 400, "malformed-body"),
        ("POST", "/tickets", json!({ "title": "x", "price": -1 }), 400, "malformed-body"),
        ("POST", "/tickets", json!({ "title": "x", "price": "1" }), 400, "malformed-body"),
        ("POST", "/tickets", json!({ "title": "x", "price": 1, "userId": "bob" }), 400, "malformed-body"),
        ("POST", "/tickets", json!({ "title": "", "price": 1 }), 422, "title-invalid"),
        ("POST", "/tickets", json!({ "title": "a\nb", "price": 1 }), 422, "title-invalid"),
        ("POST", "/tickets", json!({ "title": "x".repeat(201), "price": 1 }), 422, "title-invalid"),
        ("POST", "/tickets", json!({ "title": "x", "price": 0 }), 422, "price-invalid"),
        ("PUT", &own, json!({ "title": "x", "price": 2_000_000_000 }), 422, "price-invalid"),
        ("PUT", &no_ticket, json!({ "title": "x", "price": 1 }), 404, "ticket-unknown"),
        ("PUT", "/tickets/a.b", json!({ "title": "x", "price": 1 }), 404, "ticket-unknown"),
        ("POST", "/orders", json!({ "ticketId": "a.b" }), 422, "ticket-id-invalid"),
        ("POST", "/orders", json!({ "ticketId": unknown }), 404, "ticket-unknown"),
        ("DELETE", &no_order, Value::Null, 404, "order-unknown"),
        ("DELETE", "/orders/a", Value::Null, 404, "order-unknown"),
        ("POST", "/payments", json!({ "orderId": "a", "token": "x" }), 422, "order-id-invalid"),
        ("POST", "/payments", json!({ "orderId": "a.b", "token": "" }), 422, "token-invalid"),
    ];
    for (method, path, body, status, name) in cases {
        ann.ask(method, path, &body, None).assert_problem(status, name);
    }
    ann.pay(&format!("{ticket}.{unknown}"), "visa").assert_problem(404, "order-unknown");
    until("orders knows the ticket", || ann.order(&ticket, None).status == 403);
    ann.order(&ticket, None).assert_problem(403, "ticket-own");
    assert_eq!(all.stop().code, 0);
}
