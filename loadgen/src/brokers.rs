//! How both binaries reach Kafka.

use clap::Args;
use rdkafka::ClientConfig;

/// Where the brokers are, and what else librdkafka should know (TLS, SASL).
#[derive(Args, Clone)]
pub struct Brokers {
    /// Kafka brokers, host:port[,host:port…]
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092", value_name = "LIST")]
    pub brokers: String,

    /// A librdkafka property, e.g. -X linger.ms=0 (may be given more than once)
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = property)]
    pub properties: Vec<(String, String)>,
}

impl Brokers {
    /// A client configuration with the given defaults; what the user gave with `-X` wins.
    #[must_use]
    pub fn config(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}
