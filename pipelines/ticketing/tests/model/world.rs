//! All services in one process, on topics in memory. Whoever plays decides who reads next, and when.

use std::collections::{BTreeMap, BTreeSet};

use thalweg::flow::Flow;
use thalweg::kafka::Produce;
use thalweg::trial::{Lasting, TrialRecord, Tried};
use ticketing::settings::Settings;
use ticketing::{charges, flows};
use ticketing_audit::{Entry, Record};

/// When every world begins.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// How long orders wait for their payment.
pub(crate) const EXPIRE_AFTER_MS: u64 = 1_000;

/// How long answers are remembered: so that some are forgotten before the command is sent again.
const REMEMBER_MS: u64 = 500;

/// Tokens that the provider declines begin so.
pub(crate) const BAD: &str = "bad";

pub(crate) const ORDERS_INBOX: &str = "ticketing-orders-inbox";
pub(crate) const TICKETS_INBOX: &str = "ticketing-tickets-inbox";
pub(crate) const PAYMENTS_INBOX: &str = "ticketing-payments-inbox";
const CHARGES: &str = "ticketing-charges";
const REPLIES: &str = "ticketing-replies";

#[derive(Clone)]
struct Logged {
    timestamp_ms: i64,
    key: String,
    value: String,
    headers: Vec<(String, String)>,
}

/// A flow, and how far it has read.
struct Reader {
    flow: Lasting,
    topic: &'static str,
    next: usize,
}

/// A command on its way.
pub(crate) struct Sent<'s> {
    pub(crate) value: &'s serde_json::Value,
    /// Which one of all commands it is: when it is sent again, the same.
    pub(crate) command: usize,
    /// Whether it has an idempotency key.
    pub(crate) has_key: bool,
}

/// A reply: the status, and the version that its body names.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) version: Option<u64>,
}

pub(crate) struct World {
    now_ms: i64,
    topics: BTreeMap<String, Vec<Logged>>,
    readers: Vec<Reader>,
    /// How many charge requests the provider has seen.
    asked: usize,
    /// What the provider did, by the key that it was asked with.
    done: BTreeMap<String, charges::Outcome>,
    pub(crate) ledger: Vec<Entry>,
}

impl World {
    pub(crate) fn begin() -> Self {
        let mut settings = Settings::default();
        settings.orders.expire_after_ms = EXPIRE_AFTER_MS;
        for commands in
            [&mut settings.tickets.commands, &mut settings.orders.commands, &mut settings.payments.commands]
        {
            commands.remember_ms = REMEMBER_MS;
        }
        let reader = |topic, flow: fn(&Settings) -> Flow| {
            let flow = Lasting::begin(&flow(&settings), BEGIN_MS).expect("the flow is exactly once");
            Reader { flow, topic, next: 0 }
        };
        let readers = vec![
            reader(TICKETS_INBOX, flows::tickets),
            reader(ORDERS_INBOX, flows::orders),
            reader(PAYMENTS_INBOX, flows::payments),
            reader("orders", flows::expiration),
            reader("tickets", flows::orders_tickets),
            reader("payments", flows::orders_payments),
            reader("expiration", flows::orders_expiration),
            reader("orders", flows::tickets_orders),
            reader("orders", flows::payments_orders),
        ];
        let (topics, done) = (BTreeMap::new(), BTreeMap::new());
        Self { now_ms: BEGIN_MS, topics, readers, asked: 0, done, ledger: Vec::new() }
    }

    /// Who can read something: flows, and then the provider.
    pub(crate) fn readers(&self) -> usize {
        self.readers.len() + 1
    }

    /// Writes a command as a gateway does.
    pub(crate) fn write(&mut self, topic: &str, key: &str, correlation_id: usize, sent: &Sent<'_>) {
        let Sent { value, command, has_key } = sent;
        let id = |number: &usize| format!("{number:032x}");
        let always = [
            ("correlation-id", id(&correlation_id)),
            ("reply-partition", "0".to_owned()),
            ("user", value["userId"].as_str().unwrap().to_owned()),
            ("request-hash", id(command)),
        ];
        let key_of_command = has_key.then(|| ("idempotency-key", format!("k{command}")));
        let headers = always.into_iter().chain(key_of_command);
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        self.append(topic, key.to_owned(), value.to_string(), headers);
    }

    fn append(&mut self, topic: &str, key: String, value: String, headers: Vec<(String, String)>) {
        let timestamp_ms = self.now_ms;
        self.topics.entry(topic.to_owned()).or_default().push(Logged { timestamp_ms, key, value, headers });
    }

    /// Time passes. Who has timers notices when it is looked at.
    pub(crate) fn wait(&mut self, ms: u32) {
        self.now_ms += i64::from(ms);
    }

    /// Lets somebody look at the clock and read one record; answers whether that did anything.
    pub(crate) fn step(&mut self, reader: usize) -> bool {
        let Some(Reader { flow, topic, next }) = self.readers.get_mut(reader) else { return self.charge() };
        let mut tried = vec![flow.wait_until(self.now_ms)];
        if let Some(record) = self.topics.get(*topic).and_then(|log| log.get(*next)) {
            *next += 1;
            tried.push(show(flow, record));
        }
        self.take(tried)
    }

    /// Shows a flow a record again that it has read before, or, if there is no such, none.
    pub(crate) fn repeat(&mut self, reader: usize, which: usize) {
        let Some(Reader { flow, topic, next }) = self.readers.get_mut(reader) else { return };
        let Some(record) = self.topics.get(*topic).and_then(|log| log[..*next].get(which % (*next).max(1)))
        else {
            return;
        };
        // Commands are repeated by users, not by logs.
        if record.headers.iter().any(|(name, _)| name == "correlation-id") {
            return;
        }
        let tried = show(flow, record);
        self.take(vec![tried]);
    }

    /// A process ends, and another one takes over.
    pub(crate) fn restart(&mut self, reader: usize) {
        let Some(reader) = self.readers.get_mut(reader) else { return };
        let tried = reader.flow.restart();
        self.take(vec![tried]);
    }

    fn take(&mut self, tried: Vec<Tried>) -> bool {
        let mut did = false;
        for Tried { sent, dead_letter, ended, failed } in tried {
            assert_eq!((dead_letter, failed), (None, None));
            did |= ended > 0 || !sent.is_empty();
            for (_, request) in sent {
                let record =
                    Produce::decode(&mut request.body.as_slice()).expect("it was encoded by the flow");
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
                let headers = record.headers.iter();
                let headers = headers.map(|(name, value)| (text(Some(name)), text(value))).collect();
                let (topic, key, value) = (record.topic.to_owned(), text(record.key), text(record.value));
                self.append(&topic, key, value, headers);
            }
        }
        did
    }

    /// The provider, and who asks it: the same answer for the same key, brought twice every other time.
    fn charge(&mut self) -> bool {
        let Some(record) = self.topics.get(CHARGES).and_then(|log| log.get(self.asked)) else { return false };
        self.asked += 1;
        let request: charges::Request = serde_json::from_str(&record.value).unwrap();
        let key = record.key.clone();
        let outcome = match request {
            charges::Request::Charge { key, order_id, payment_id, amount, token } => {
                self.done.get(&key).cloned().unwrap_or_else(|| {
                    let outcome = if token.starts_with(BAD) {
                        let reason = "no money".to_owned();
                        charges::Outcome::Declined { order_id, payment_id, reason }
                    } else {
                        self.ledger.push(Entry::Charge { order_id: order_id.clone(), amount });
                        charges::Outcome::Charged { order_id, payment_id }
                    };
                    self.done.insert(key, outcome.clone());
                    outcome
                })
            }
            charges::Request::Refund { order_id, payment_id, amount, .. } => {
                self.ledger.push(Entry::Refund { order_id: order_id.clone(), amount });
                charges::Outcome::Refunded { order_id, payment_id }
            }
        };
        for _ in 0..=self.asked % 2 {
            self.append(PAYMENTS_INBOX, key.clone(), serde_json::to_string(&outcome).unwrap(), Vec::new());
        }
        true
    }

    /// Lets everybody read until nobody has anything to do, and every deadline has passed.
    pub(crate) fn finish(&mut self) {
        for _ in 0..3 {
            while (0..self.readers()).any(|reader| self.step(reader)) {}
            self.wait(2 * EXPIRE_AFTER_MS as u32);
        }
    }

    /// The orders that were accepted.
    pub(crate) fn created_orders(&self) -> BTreeSet<String> {
        let values = self.topics.get("orders").into_iter().flatten();
        let events = values.map(|record| serde_json::from_str::<serde_json::Value>(&record.value).unwrap());
        let created = events.filter(|event| event["type"] == "order.created");
        created.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What is on the documented topics.
    pub(crate) fn records(&self) -> Vec<Record> {
        let documented = ["tickets", "orders", "payments", "expiration"];
        let logs = documented.iter().filter_map(|topic| self.topics.get(*topic));
        logs.flatten()
            .map(|Logged { timestamp_ms, key, value, .. }| Record {
                timestamp_ms: *timestamp_ms,
                key: key.clone(),
                value: value.clone(),
            })
            .collect()
    }

    /// Replies by correlation id.
    pub(crate) fn replies(&self) -> BTreeMap<usize, Reply> {
        let header = |record: &Logged, name: &str| {
            record.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
        };
        let replies = self.topics.get(REPLIES).into_iter().flatten().map(|record| {
            let body: serde_json::Value = serde_json::from_str(&record.value).unwrap();
            let status = header(record, "status").unwrap().parse().unwrap();
            let id = usize::from_str_radix(&header(record, "correlation-id").unwrap(), 16).unwrap();
            (id, Reply { status, version: body["version"].as_u64() })
        });
        replies.collect()
    }
}

fn show(flow: &mut Lasting, record: &Logged) -> Tried {
    let headers: Vec<_> =
        record.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    flow.record(&TrialRecord {
        key: Some(record.key.as_bytes()),
        value: Some(record.value.as_bytes()),
        headers: &headers,
        timestamp_ms: record.timestamp_ms,
    })
}
