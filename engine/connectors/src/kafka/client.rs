//! What every client of ours shares: its configuration, its log, and the last thing that went wrong.

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Mutex, PoisonError};

use super::properties::Properties;

/// The configuration of those properties. Its `Debug` shows passwords: never print it.
pub(super) fn config(properties: Properties) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        config.set(name, value);
    }
    config
}

/// Hands a line of librdkafka's log on.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// Drops a client on a thread of its own: that waits for its threads, and for brokers.
pub(super) fn drop_elsewhere<T: Send + 'static>(client: T) {
    let dropping = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || drop(client));
    if let Err(error) = dropping {
        tracing::error!("no thread can be started to close a Kafka client: {error}");
    }
}

/// A context that remembers the last error, so that a call that only timed out can say why.
#[derive(Debug, Default)]
pub(super) struct LastError {
    said: Mutex<Option<String>>,
}

impl LastError {
    /// What went wrong last.
    pub(super) fn take(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for LastError {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers down" follows the error that says why, and says less.
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *said = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for LastError {}
