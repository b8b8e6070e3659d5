//! What one test has to itself: topics, groups, a provider, a folder; gone afterwards.

use std::cell::Cell;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use thalweg_testbed::instance::{self, Instance, PATIENCE};
use thalweg_testbed::process::wait_until;
use ticketing_provider::Conduct;

use crate::client::Addresses;
use crate::provider::Provider;
use crate::topics;

/// The secret of all tokens.
pub(crate) const SECRET: &str = "only-for-tests-only-for-tests-only";

/// The command of that program, with nothing set but the secret.
pub(crate) fn command(program: &str) -> Command {
    let mut command = instance::command(match program {
        "tickets" => env!("CARGO_BIN_EXE_tickets"),
        "orders" => env!("CARGO_BIN_EXE_orders"),
        "payments" => env!("CARGO_BIN_EXE_payments"),
        "expiration" => env!("CARGO_BIN_EXE_expiration"),
        _ => env!("CARGO_BIN_EXE_ticketing"),
    });
    command.env("TOKEN_SECRET", SECRET);
    command
}

/// All groups there are.
const GROUPS: [&str; 9] = [
    "tickets.groups.inbox",
    "tickets.groups.orders",
    "orders.groups.inbox",
    "orders.groups.tickets",
    "orders.groups.payments",
    "orders.groups.expiration",
    "payments.groups.inbox",
    "payments.groups.orders",
    "payments.groups.charges",
];

pub(crate) struct Scene {
    pub(crate) brokers: String,
    pub(crate) provider: Provider,
    /// What the names of all topics and groups begin with.
    prefix: String,
    folder: TempDir,
    launches: Cell<u32>,
}

impl Scene {
    /// On the shared Kafka, with a provider that behaves so.
    pub(crate) fn new(what: &str, conduct: Conduct) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            brokers: thalweg_testbed::servers::kafka(),
            provider: Provider::start(conduct),
            prefix: format!("ticketing-{what}-{}-{}-", std::process::id(), now.as_micros()),
            folder: TempDir::new().unwrap(),
            launches: Cell::new(0),
        }
    }

    /// The program with everything of this scene, and what tests can't wait for set short.
    pub(crate) fn command(&self, program: &str, settings: &[&str]) -> Command {
        let (mut command, prefix) = (command(program), &self.prefix);
        let mut all = vec![
            format!("kafka.brokers={}", self.brokers),
            format!("topics.internal_prefix={prefix}"),
            "topics.partitions=2".to_owned(),
            "kafka.group.session_timeout_ms=6000".to_owned(),
            "kafka.group.heartbeat_interval_ms=1000".to_owned(),
            "transactions.timeout_ms=8000".to_owned(),
            "engine.admin_listen=127.0.0.1:0".to_owned(),
        ];
        let topics = ["tickets", "orders", "payments", "expiration"];
        all.extend(topics.map(|topic| format!("topics.{topic}={prefix}{topic}")));
        let has = |service: &str| program == service || program == "ticketing";
        for service in ["tickets", "orders", "payments"].into_iter().filter(|service| has(service)) {
            all.push(format!("{service}.commands.listen=127.0.0.1:0"));
            all.push(format!("{service}.commands.replies_partitions=2"));
            let groups = GROUPS.iter().filter(|group| group.starts_with(service));
            all.extend(groups.map(|group| format!("{group}={prefix}{group}")));
        }
        if has("payments") {
            all.push(format!("payments.provider.url={}", self.provider.url));
        }
        if has("expiration") {
            all.push(format!("expiration.groups.orders={prefix}expiration"));
        }
        for setting in all.iter().map(String::as_str).chain(settings.iter().copied()) {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts an instance of a program.
    pub(crate) fn start(&self, program: &str, settings: &[&str]) -> Instance {
        let launch = self.launches.replace(self.launches.get() + 1);
        let files = self.folder.path().join(format!("{launch}-{program}"));
        Instance::start(self.command(program, settings), files)
    }

    /// Starts all services in one process, and waits until they are ready.
    pub(crate) fn start_all(&self, settings: &[&str]) -> (Instance, Addresses) {
        let mut all = self.start("ticketing", settings);
        let [tickets, orders, payments] =
            ["tickets", "orders", "payments"].map(|service| all.address(service));
        all.wait_ready();
        (all, Addresses { tickets, orders, payments })
    }

    /// What is committed on a documented topic, about that subject, or about all: type by type.
    pub(crate) fn events(&self, topic: &str, id: &str) -> Vec<Value> {
        let all = topics::read_committed(&self.brokers, &format!("{}{topic}", self.prefix));
        let about = |event: &Value, name: &str| event[name] == id;
        all.into_iter()
            .filter(|event| about(event, "id") || about(event, "orderId") || about(event, "ticketId"))
            .collect()
    }

    /// Types of the events of that order.
    pub(crate) fn history(&self, order: &str) -> Vec<String> {
        let events = self.events("orders", order);
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the order's history is this.
    pub(crate) fn wait_history(&self, order: &str, history: &[&str]) {
        let is_so = wait_until(PATIENCE, || self.history(order) == history);
        assert!(is_so, "{order}: {:?}, and not {history:?}", self.history(order));
    }

    /// How an order stands, as the topic of what is shown has it last.
    pub(crate) fn status(&self, order: &str) -> Option<String> {
        let all = self.events("orders-view", order);
        all.last().map(|view| view["status"].as_str().unwrap().to_owned())
    }

    /// Waits until the order stands so.
    pub(crate) fn wait_status(&self, order: &str, status: &str) {
        let is_so = wait_until(PATIENCE, || self.status(order).as_deref() == Some(status));
        assert!(is_so, "{order}: {:?}, and not {status:?}", self.status(order));
    }

    /// Names of the topics that there are, without what they all begin with.
    pub(crate) fn topics(&self) -> Vec<String> {
        let names = topics::names(&self.brokers, &self.prefix);
        names.iter().map(|name| name[self.prefix.len()..].to_owned()).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        topics::delete(&self.brokers, &self.prefix);
    }
}
