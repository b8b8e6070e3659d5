use super::*;
use crate::events::PaymentEvent;

fn ticket(id: &str, version: u64, order: Option<&str>) -> Event {
    let ticket = TicketEvent {
        id: id.to_owned(),
        user_id: "Ada".to_owned(),
        ticket_id: id.to_owned(),
        version,
        title: format!("seat {id}"),
        price: 500,
        order_id: order.map(str::to_owned),
    };
    if version == 1 { Event::TicketCreated(ticket) } else { Event::TicketUpdated(ticket) }
}

fn order(id: &str, version: u64, reason: Option<&str>) -> OrderEvent {
    OrderEvent {
        id: id.to_owned(),
        user_id: "Ben".to_owned(),
        ticket_id: crate::ids::ticket_of(id).to_owned(),
        version,
        number: 1,
        price: 500,
        expires_at: 9_000,
        payment_id: None,
        reason: reason.map(str::to_owned),
    }
}

fn paid(order_id: &str) -> Event {
    Event::PaymentSucceeded(PaymentEvent {
        id: format!("{order_id}.p"),
        user_id: "Ben".to_owned(),
        ticket_id: crate::ids::ticket_of(order_id).to_owned(),
        order_id: order_id.to_owned(),
        version: 2,
        amount: 500,
        reason: None,
    })
}

fn scene(events: Vec<Event>) -> Scene {
    let mut scene = Scene::new(Duration::from_secs(15));
    events.into_iter().for_each(|event| scene.take(event, 1_000));
    scene
}

#[test]
fn an_order_is_paid_whichever_topic_is_read_first() {
    let created = || Event::OrderCreated(order("t.o", 1, None));
    let pending = || Event::OrderPending(order("t.o", 2, None));
    let ways = [
        vec![created(), pending(), paid("t.o")],
        vec![created(), paid("t.o"), pending()],
        vec![paid("t.o"), created(), pending()],
    ];
    for way in ways {
        let mut events = vec![ticket("t", 1, None), ticket("t", 2, Some("t.o"))];
        events.extend(way);
        let scene = scene(events);
        let shown = scene.shown(2_000, false);
        assert_eq!((shown.counts.paid, shown.counts.orders, shown.news.len()), (1, 1, 1));
        assert_eq!((shown.news[0].user.as_str(), shown.news[0].title.as_str()), ("Ben", "seat t"));
        assert_eq!((shown.tickets[0].state, shown.tickets[0].holder), ("sold", Some("Ben")));
        assert!(shown.orders.is_empty() && shown.on_sale == 0);
    }
}

#[test]
fn what_is_under_way_is_shown_with_its_end_and_what_ended_once() {
    let mut scene = scene(vec![ticket("t", 1, None), Event::OrderCreated(order("t.o", 1, None))]);
    let shown = scene.shown(2_000, false);
    assert_eq!((shown.waiting, shown.orders[0].expires_unix_ms, shown.orders[0].title), (1, 9_000, "seat t"));
    for _ in 0..2 {
        scene.take(Event::OrderCancelled(order("t.o", 2, Some("expired"))), 9_001);
    }
    // An older one that comes late says nothing new.
    scene.take(Event::OrderPending(order("t.o", 1, None)), 9_002);
    let shown = scene.shown(9_100, false);
    assert_eq!((shown.counts.expired, shown.news.len(), shown.waiting), (1, 1, 0));
    assert_eq!((shown.on_sale, shown.tickets[0].state), (1, "free"));
}

#[test]
fn memory_is_bounded_and_what_is_under_way_stays() {
    let mut scene = scene(vec![ticket("t", 1, None), Event::OrderCreated(order("t.o", 1, None))]);
    for number in 0..3 * REMEMBERED_MAX {
        let (id, order_id) = (format!("x{number}"), format!("x{number}.o"));
        scene.take(ticket(&id, 1, None), 1);
        scene.take(ticket(&id, 2, Some(&order_id)), 1);
        scene.take(Event::OrderCreated(order(&order_id, 1, None)), 1);
        scene.take(Event::OrderPending(order(&order_id, 2, None)), 1);
        scene.take(paid(&order_id), 1);
    }
    assert!(scene.orders.len() <= REMEMBERED_MAX + 1 && scene.tickets.len() <= REMEMBERED_MAX + 1);
    assert_eq!((scene.numbers.len(), scene.counts.paid), (scene.tickets.len(), 3 * REMEMBERED_MAX as u64));
    let shown = scene.shown(1, false);
    assert_eq!((shown.waiting, shown.orders[0].title), (1, "seat t"));
}
