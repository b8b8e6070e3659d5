//! The four programs beside each other.

use thalweg_testbed::instance::{Instance, until};
use ticketing_provider::Conduct;

use crate::client::{Addresses, User};
use crate::scene::{Scene, command};

/// Where four programs take requests; the first three of these do.
fn addresses(programs: &mut [Instance; 4]) -> Addresses {
    let [tickets, orders, payments, _] = programs;
    Addresses {
        tickets: tickets.address("tickets"),
        orders: orders.address("orders"),
        payments: payments.address("payments"),
    }
}

#[test]
fn a_ticket_is_sold_and_another_order_expires() {
    let scene = Scene::new("four", Conduct::default());
    let mut programs = ["tickets", "orders", "payments", "expiration"].map(|name| match name {
        "orders" => scene.start(name, &["orders.expire_after_ms=20000"]),
        name => scene.start(name, &[]),
    });
    programs.iter_mut().for_each(Instance::wait_ready);
    let addresses = addresses(&mut programs);
    let (ann, bob) = (User::new("ann", &addresses), User::new("bob", &addresses));
    let (opera, ballet) = (ann.sell("opera", 2_500), ann.sell("ballet", 900));
    let (paid, left) = (bob.order_soon(&opera), bob.order_soon(&ballet));
    let payment = bob.pay_soon(&paid, "visa");
    assert_eq!((payment.status, &payment.body["amount"]), (201, &2_500.into()), "{payment:?}");
    scene.wait_status(&paid, "complete");
    assert_eq!(scene.history(&paid), ["order.created", "order.pending"]);
    assert_eq!(scene.provider.of_order(&paid), ["charge"]);
    let kinds = |topic, id: &str| -> Vec<String> {
        scene.events(topic, id).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("payments", &paid), ["payment.created", "payment.succeeded"]);
    // The other one is left alone.
    scene.wait_status(&left, "cancelled");
    assert_eq!(scene.history(&left), ["order.created", "order.cancelled"]);
    assert_eq!(kinds("expiration", &left), ["expiration.expired"]);
    assert_eq!(kinds("expiration", &paid), Vec::<String>::new());
    until("the ticket is free again", || {
        scene
            .events("tickets", &ballet)
            .last()
            .is_some_and(|event| event["version"] == 3 && event["orderId"].is_null())
    });
    for program in programs {
        assert_eq!(program.stop().code, 0);
    }
}

#[test]
fn what_is_missing_is_made_and_what_can_not_be_is_said() {
    let scene = Scene::new("made", Conduct::default());
    let checked = scene.command("orders", &[]).arg("--check").output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let mut made = scene.topics();
    made.sort_unstable();
    let expected = [
        "expiration",
        "orders",
        "orders-changelog",
        "orders-dlq",
        "orders-expiration-changelog",
        "orders-expiration-dlq",
        "orders-inbox",
        "orders-payments-changelog",
        "orders-payments-dlq",
        "orders-tickets-changelog",
        "orders-tickets-dlq",
        "orders-view",
        "payments",
        "replies",
        "tickets",
    ];
    assert_eq!(made, expected);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("orders.commands.listen={}", taken.local_addr().unwrap());
    let ended = scene.command("orders", &[&listen]).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && said.contains("set orders.commands.listen"), "{said}");
    let without = command("payments").env_remove("TOKEN_SECRET").output().unwrap();
    let said = String::from_utf8(without.stderr).unwrap();
    assert!(without.status.code() == Some(2) && said.contains("payments.commands.token_secret"), "{said}");
    for (setting, key) in [
        ("orders.groups.tickets=", "orders.groups.tickets"),
        ("orders.groups.tickets=orders-payments", "orders.groups"),
        ("topics.partitions=0", "topics.partitions"),
        ("orders.expire_after_ms=soon", "orders.expire_after_ms"),
    ] {
        let ended = command("orders").args(["--set", setting]).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(2) && said.contains(key), "{setting}: {said}");
    }
}
