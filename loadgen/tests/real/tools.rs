//! Running the binaries, and what the tests put on the servers themselves.

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A name that no other run uses.
pub(crate) fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("loadgen-{name}-{}-{}", std::process::id(), now.as_micros())
}

pub(crate) fn loadgen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.env("KAFKA_BROKERS", thalweg_testbed::servers::kafka()).args(arguments);
    command
}

pub(crate) fn verify(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command
        .env("KAFKA_BROKERS", thalweg_testbed::servers::kafka())
        .env("ELASTICSEARCH_URL", thalweg_testbed::servers::elasticsearch())
        .args(arguments);
    command
}

/// The JSON in the last line of output.
pub(crate) fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {last:?}; {}", errors(output)))
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Sends one request to Elasticsearch and returns status and answer.
pub(crate) fn elasticsearch(method: &str, path: &str, body: String) -> (u16, Value) {
    let url = format!("{}/{path}", thalweg_testbed::servers::elasticsearch());
    let response = reqwest::blocking::Client::new()
        .request(method.parse().unwrap(), url)
        .header("content-type", "application/x-ndjson")
        .body(body)
        .send()
        .unwrap();
    (response.status().as_u16(), response.json().unwrap())
}

/// An index with the mapping of message search behind an alias that hides tombstones.
pub(crate) fn make_index(alias: &str) -> String {
    let index = format!("{alias}-000001");
    let keyword = json!({"type": "keyword"});
    let body = json!({
        "settings": {"number_of_shards": 2, "number_of_replicas": 0},
        "mappings": {"dynamic": "strict", "properties": {
            "id": keyword, "conversationId": keyword, "senderId": keyword, "tenantId": keyword,
            "content": {"type": "text"}, "timestamp": {"type": "date"}, "metadata": {"type": "flattened"},
            "deleted": {"type": "boolean"},
        }},
        "aliases": {alias: {"filter": {"bool": {"must_not": {"term": {"deleted": true}}}}}},
    });
    let (status, answer) = elasticsearch("PUT", &index, body.to_string());
    assert_eq!(status, 200, "{answer}");
    index
}

/// A dead letter as the flow writes it.
pub(crate) struct Letter {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) message_id: Vec<u8>,
    pub(crate) headers: [(&'static str, String); 4],
}

pub(crate) fn produce(topic: &str, letters: impl IntoIterator<Item = Letter>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", thalweg_testbed::servers::kafka())
        .set("message.max.bytes", "4000000")
        .set("compression.type", "lz4")
        .create()
        .unwrap();
    for letter in letters {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &letter.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        headers = headers.insert(Header { key: "message-id", value: Some(&letter.message_id) });
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).headers(headers);
        record.key = letter.key.as_deref();
        record.payload = letter.value.as_deref();
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}
