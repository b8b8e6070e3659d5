//! Where the shared servers are. Tests ask here; a server that is not there is a failure, never a skip.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::TestbedError;
use crate::recipe;

/// Names the Kafka to test against: `HOST:PORT`.
pub const KAFKA: &str = "THALWEG_KAFKA";
/// Names what clients of Kafka's proxied listener connect to, `HOST:PORT`: a proxy must listen there.
pub const KAFKA_PROXIED: &str = "THALWEG_KAFKA_PROXIED";
/// Names where a proxy at [`KAFKA_PROXIED`] must forward to, `HOST:PORT`.
pub const KAFKA_PROXY_TARGET: &str = "THALWEG_KAFKA_PROXY_TARGET";
/// Names the Elasticsearch to test against: `http://HOST:PORT`.
pub const ELASTICSEARCH: &str = "THALWEG_ELASTICSEARCH";

/// The addresses of the servers that are up; `None`: not started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// Kafka's `HOST:PORT`.
    pub kafka: Option<String>,
    /// See [`KAFKA_PROXIED`].
    pub kafka_proxied: Option<String>,
    /// See [`KAFKA_PROXY_TARGET`].
    pub kafka_proxy_target: Option<String>,
    /// Elasticsearch's URL.
    pub elasticsearch: Option<String>,
}

impl Addresses {
    /// What the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            kafka: variable(KAFKA),
            kafka_proxied: variable(KAFKA_PROXIED),
            kafka_proxy_target: variable(KAFKA_PROXY_TARGET),
            elasticsearch: variable(ELASTICSEARCH),
        }
    }

    /// The same as environment variables, for a program that is to be run against them.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, &str)> {
        [
            (KAFKA, &self.kafka),
            (KAFKA_PROXIED, &self.kafka_proxied),
            (KAFKA_PROXY_TARGET, &self.kafka_proxy_target),
            (ELASTICSEARCH, &self.elasticsearch),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect()
    }

    /// What of the shared servers runs on this machine now, started by `cargo testbed`.
    ///
    /// # Errors
    /// When the folder for servers can't be made.
    pub fn running() -> Result<Self, TestbedError> {
        let mut addresses = Self::default();
        let kafka = recipe::Kafka::shared()?;
        if kafka.process().is_some() {
            addresses.add_kafka(&kafka);
        }
        let elasticsearch = recipe::Elasticsearch::shared()?;
        if elasticsearch.process().is_some() {
            addresses.elasticsearch = Some(elasticsearch.url());
        }
        Ok(addresses)
    }

    /// Enters the three addresses of a broker of ours.
    pub fn add_kafka(&mut self, kafka: &recipe::Kafka) {
        self.kafka = Some(kafka.bootstrap());
        self.kafka_proxied = Some(format!("127.0.0.1:{}", kafka.ports.proxy));
        self.kafka_proxy_target = Some(format!("127.0.0.1:{}", kafka.ports.proxied));
    }
}

/// The shared Kafka: `HOST:PORT`.
///
/// # Panics
/// When there is none, naming the command that starts it.
#[must_use]
pub fn kafka() -> String {
    demand(find("Kafka", "kafka", KAFKA, |addresses| addresses.kafka.clone()))
}

/// The shared Kafka's listener for clients behind a proxy: (where the proxy must listen and clients connect, where the
/// proxy must forward to).
///
/// # Panics
/// When there is none, naming the command that starts it.
#[must_use]
pub fn kafka_proxied() -> (String, String) {
    let what = "proxied Kafka listener";
    let target =
        demand(find(what, "kafka", KAFKA_PROXY_TARGET, |addresses| addresses.kafka_proxy_target.clone()));
    // Nothing listens there yet.
    let [named, running] = known(|addresses| addresses.kafka_proxied.clone());
    (demand(choose(what, "kafka", KAFKA_PROXIED, named, running, |_| true)), target)
}

/// The shared Elasticsearch: `http://HOST:PORT`.
///
/// # Panics
/// When there is none, naming the command that starts it.
#[must_use]
pub fn elasticsearch() -> String {
    demand(find("Elasticsearch", "elasticsearch", ELASTICSEARCH, |addresses| addresses.elasticsearch.clone()))
}

#[expect(clippy::panic, reason = "a test without its server must fail, and say how to get it")]
fn demand(address: Result<String, String>) -> String {
    address.unwrap_or_else(|reason| panic!("{reason}"))
}

fn find(
    what: &str,
    name: &str,
    variable: &str,
    of: impl Fn(&Addresses) -> Option<String>,
) -> Result<String, String> {
    let [named, running] = known(of);
    choose(what, name, variable, named, running, answers)
}

/// What the environment names, and what runs here.
fn known(of: impl Fn(&Addresses) -> Option<String>) -> [Option<String>; 2] {
    [of(&Addresses::from_environment()), Addresses::running().ok().and_then(|running| of(&running))]
}

/// The named address, else the running one; an error that says what to do when there is none or it does not answer.
fn choose(
    what: &str,
    name: &str,
    variable: &str,
    named: Option<String>,
    running: Option<String>,
    answers: impl Fn(&str) -> bool,
) -> Result<String, String> {
    let address = named.or(running).ok_or_else(|| {
        format!(
            "no {what} to test against: run all tests with `cargo testbed`, or start it with \
             `cargo testbed up {name}`, or name one in {variable}"
        )
    })?;
    if answers(&address) {
        return Ok(address);
    }
    Err(format!(
        "the {what} at {address} does not answer: start one with `cargo testbed up {name}`, or run `cargo testbed`"
    ))
}

fn answers(address: &str) -> bool {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/');
    authority
        .to_socket_addrs()
        .is_ok_and(|mut all| all.any(|one| TcpStream::connect_timeout(&one, Duration::from_secs(2)).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka_of(named: Option<&str>, running: Option<&str>, up: bool) -> Result<String, String> {
        choose("Kafka", "kafka", KAFKA, named.map(str::to_owned), running.map(str::to_owned), |_| up)
    }

    #[test]
    fn the_environment_goes_before_what_runs() {
        assert_eq!(kafka_of(Some("a:1"), Some("b:1"), true).unwrap(), "a:1");
        assert_eq!(kafka_of(None, Some("b:1"), true).unwrap(), "b:1");
    }

    #[test]
    fn without_a_server_the_error_says_how_to_get_one() {
        let missing = kafka_of(None, None, true).unwrap_err();
        for part in ["`cargo testbed`", "`cargo testbed up kafka`", "THALWEG_KAFKA"] {
            assert!(missing.contains(part), "{missing}");
        }
        let gone = kafka_of(Some("a:1"), Some("b:1"), false).unwrap_err();
        assert!(gone.contains("a:1 does not answer") && gone.contains("`cargo testbed up kafka`"), "{gone}");
        assert!(!answers("http://127.0.0.1:1/"));
    }
}
