//! From the command line to Kafka: settings, the dead-letter topic, what it is right now.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thalweg::kafka::{KafkaSettings, Span, Topics};
use thalweg::settings::{Layers, SettingError, Variable};

use crate::command_line::Where;
use crate::failure::Failure;

/// How long a broker may take to answer: a healthy one takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The environment variable that deployments know.
const VARIABLES: [Variable; 1] = [Variable { name: "KAFKA_BROKERS", key: "kafka.brokers" }];

/// What is read of a flow's settings; whatever else stands in its file is the flow's.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    kafka: KafkaSettings,
    source: Named,
    dead_letters: Named,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Named {
    topic: String,
}

/// The dead-letter topic as it is at the start of a command.
pub(crate) struct Connection {
    pub(crate) kafka: KafkaSettings,
    pub(crate) topics: Topics,
    /// The dead-letter topic.
    pub(crate) topic: String,
    /// By partition number, all that is there.
    pub(crate) spans: Vec<Span>,
}

impl Connection {
    /// Reads settings, asks the brokers. `group` names the consumer group once the topic is known.
    pub(crate) fn open(place: &Where, group: impl FnOnce(&str) -> String) -> Result<Self, Failure> {
        let mut flags = place.set.clone();
        flags.extend(place.brokers.as_ref().map(|brokers| format!("kafka.brokers={brokers}")));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let layers = Layers::gather(place.settings.as_deref(), &VARIABLES, environment, &flags)?;
        let settings: Settings = layers.read()?;
        let topic = topic_of(place, &settings)?;
        let mut kafka = settings.kafka;
        kafka.group.id = group(&topic);
        // The member that the flow has by that name is another one.
        kafka.group.instance_id = None;
        let of_kafka = |error| layers.explain(SettingError::of_connector("kafka", &error));
        kafka.check().map_err(of_kafka)?;
        let topics = Topics::connect(&kafka, TIMEOUT)?;
        let partitions = topics.describe(&topic)?.partitions;
        let mut spans = Vec::new();
        for number in 0..partitions {
            let (from, end) = topics.bounds_of(&topic, number)?;
            spans.push(Span { partition: number.cast_signed(), from, end });
        }
        Ok(Self { kafka, topics, topic, spans })
    }
}

fn topic_of(place: &Where, settings: &Settings) -> Result<String, Failure> {
    let named = [place.topic.as_ref(), Some(&settings.dead_letters.topic)];
    if let Some(topic) = named.into_iter().flatten().find(|topic| !topic.is_empty()) {
        return Ok(topic.clone());
    }
    if settings.source.topic.is_empty() {
        return Err(Failure::Usage(
            "which dead-letter topic? Say --topic TOPIC, or --settings FILE with a flow's settings that name \
             source.topic or dead_letters.topic"
                .to_owned(),
        ));
    }
    Ok(format!("{}.dlq", settings.source.topic))
}
