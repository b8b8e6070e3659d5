//! What users do and what happens to them, as proptest draws it.

use proptest::prelude::*;
use serde_json::{Value, json};
use ticketing_audit::{Answered, History, Sent, Verb};

use crate::world::{self, BAD, ORDERS_INBOX, PAYMENTS_INBOX, TICKETS_INBOX, World};

/// Few, so that they get into each other's way.
const TICKETS: u8 = 3;
const USERS: u8 = 4;

/// Something happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Somebody reads so many records.
    Read(u8, u8),
    Wait(u16),
    Restart(u8),
    /// A record is read again.
    Repeat(u8, u16),
    CreateTicket {
        ticket: u8,
        user: u8,
    },
    EditTicket {
        ticket: u8,
        user: u8,
    },
    Order {
        ticket: u8,
        user: u8,
    },
    /// A user sends a command again.
    Again(u16),
    Cancel {
        order: u16,
        by_owner: bool,
    },
    Pay {
        order: u16,
        by_owner: bool,
        declined: bool,
    },
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        120 => (any::<u8>(), 1..8u8).prop_map(|(reader, records)| Act::Read(reader, records)),
        4 => (0..400u16).prop_map(Act::Wait),
        2 => any::<u8>().prop_map(Act::Restart),
        8 => any::<(u8, u16)>().prop_map(|(reader, which)| Act::Repeat(reader, which)),
        2 => (0..TICKETS, 0..USERS).prop_map(|(ticket, user)| Act::CreateTicket { ticket, user }),
        2 => (0..TICKETS, 0..USERS).prop_map(|(ticket, user)| Act::EditTicket { ticket, user }),
        6 => (0..TICKETS, 0..USERS).prop_map(|(ticket, user)| Act::Order { ticket, user }),
        2 => any::<u16>().prop_map(Act::Again),
        5 => (any::<u16>(), prop::bool::weighted(0.9)).prop_map(|(order, by_owner)| Act::Cancel { order, by_owner }),
        12 => (any::<u16>(), prop::bool::weighted(0.9), prop::bool::weighted(0.3))
            .prop_map(|(order, by_owner, declined)| Act::Pay { order, by_owner, declined }),
    ];
    prop::collection::vec(act, 100..900)
}

struct Command {
    verb: Verb,
    id: String,
    topic: &'static str,
    value: Value,
    has_key: bool,
}

/// A play under way.
pub(crate) struct Play {
    world: World,
    commands: Vec<Command>,
    /// Commands by the correlation id with which they were sent.
    sent: Vec<usize>,
    /// Orders that somebody wanted, and who.
    orders: Vec<(String, u8)>,
}

impl Play {
    pub(crate) fn begin() -> Self {
        let mut play =
            Self { world: World::begin(), commands: Vec::new(), sent: Vec::new(), orders: Vec::new() };
        for ticket in 0..TICKETS {
            play.act(&Act::CreateTicket { ticket, user: 0 });
        }
        // Everybody knows the tickets, so that there is something to order.
        for _ in 0..3 {
            for reader in 0..play.world.readers() {
                play.world.step(reader);
            }
        }
        play
    }

    pub(crate) fn act(&mut self, act: &Act) {
        let reader = |reader: &u8| usize::from(*reader) % self.world.readers();
        match act {
            Act::Read(found, records) => {
                let reader = reader(found);
                (0..*records).all(|_| self.world.step(reader));
            }
            Act::Wait(ms) => self.world.wait((*ms).into()),
            Act::Restart(found) => self.world.restart(reader(found)),
            Act::Repeat(found, which) => self.world.repeat(reader(found), (*which).into()),
            Act::CreateTicket { ticket, user } => {
                self.ticket(Verb::CreateTicket, "create_ticket", *ticket, *user);
            }
            Act::EditTicket { ticket, user } => {
                self.ticket(Verb::EditTicket, "edit_ticket", *ticket, *user);
            }
            Act::Order { ticket, user } => {
                let id = format!("t{ticket}.o{}", self.orders.len());
                self.orders.push((id.clone(), *user));
                let value = json!({ "type": "create_order", "orderId": id, "userId": format!("u{user}") });
                self.command(Verb::CreateOrder, id, ORDERS_INBOX, value);
            }
            Act::Again(which) => {
                let command = usize::from(*which) % self.commands.len();
                self.send(command);
            }
            Act::Cancel { order, by_owner } => {
                let Some((id, user)) = self.choose(*order, *by_owner) else { return };
                let value = json!({ "type": "cancel_order", "orderId": id, "userId": user });
                self.command(Verb::CancelOrder, id, ORDERS_INBOX, value);
            }
            Act::Pay { order, by_owner, declined } => {
                let Some((id, user)) = self.choose(*order, *by_owner) else { return };
                let id = format!("{id}.p{}", self.commands.len());
                let token = if *declined { BAD } else { "good" };
                let value =
                    json!({ "type": "create_payment", "paymentId": id, "userId": user, "token": token });
                self.command(Verb::CreatePayment, id, PAYMENTS_INBOX, value);
            }
        }
    }

    /// One of the latest orders; rarely one that was never accepted.
    fn choose(&self, order: u16, by_owner: bool) -> Option<(String, String)> {
        let created = self.world.created_orders();
        let wanted = self.orders.iter().rev();
        let latest: Vec<_> =
            wanted.filter(|(id, _)| order.is_multiple_of(8) || created.contains(id)).take(3).collect();
        let (id, owner) = latest.get(usize::from(order / 8).checked_rem(latest.len())?)?;
        let user = if by_owner { *owner } else { (owner + 1) % USERS };
        Some((id.clone(), format!("u{user}")))
    }

    fn ticket(&mut self, verb: Verb, kind: &str, ticket: u8, user: u8) {
        let id = format!("t{ticket}");
        let price = 10 + self.commands.len();
        let value = json!({ "type": kind, "ticketId": id, "userId": format!("u{user}"), "title": "x", "price": price });
        self.command(verb, id, TICKETS_INBOX, value);
    }

    fn command(&mut self, verb: Verb, id: String, topic: &'static str, value: Value) {
        let has_key = self.commands.len().is_multiple_of(2);
        self.commands.push(Command { verb, id, topic, value, has_key });
        self.send(self.commands.len() - 1);
    }

    fn send(&mut self, command: usize) {
        let Command { id, topic, value, has_key, .. } = &self.commands[command];
        let ticket = id.split('.').next().unwrap();
        let sent = world::Sent { value, command, has_key: *has_key };
        self.world.write(topic, ticket, self.sent.len(), &sent);
        self.sent.push(command);
    }

    /// Lets everything come to its end; answers what there is to judge.
    pub(crate) fn finish(mut self) -> History {
        self.world.finish();
        let replies = self.world.replies();
        assert_eq!(replies.len(), self.sent.len(), "every command is answered");
        let mut commands: Vec<Sent> = Vec::new();
        for (correlation_id, reply) in replies {
            let Command { verb, id, has_key, .. } = &self.commands[self.sent[correlation_id]];
            let answered = if reply.status < 400 { Answered::Accepted } else { Answered::Refused };
            let is_edit = *verb == Verb::EditTicket;
            let version = reply.version.filter(|_| is_edit);
            let sent = Sent { verb: *verb, id: Some(id.clone()), version, answered };
            // The same command sent again: its best answer counts. Each edit is another one, but for those whose answer
            // was remembered.
            let same = commands.iter_mut().find(|other| {
                let as_before = if is_edit { *has_key && other.version == version } else { true };
                as_before && (other.verb, &other.id) == (*verb, &sent.id)
            });
            match same {
                Some(other) if answered == Answered::Accepted => other.answered = answered,
                Some(_) => {}
                None => commands.push(sent),
            }
        }
        History { records: self.world.records(), ledger: self.world.ledger, commands }
    }
}
