//! The topic that commands are written to: the one that the flow reads.

use std::time::Duration;

use thalweg_connectors::kafka::answer::{ItemAnswer, decode_answers};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::sink::PRODUCE;
use thalweg_core::headers::Headers;
use thalweg_core::sink::{Reply, Request};

use super::envelope::CommandHeaders;
use super::request::NewCommand;
use crate::exit::ExitError;
use crate::startup::RECORD_BYTES_MAX;

/// Writes commands, each once, acknowledged by all replicas in sync.
pub(super) struct Inbox {
    producer: KafkaProducer,
    topic: String,
}

/// What became of a command on its way into the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    /// Certainly not there, and why.
    NotWritten(String),
    /// Certainly not there: no broker takes a record of that size.
    TooLarge,
    /// It may be there or not.
    Unknown(String),
}

impl Inbox {
    /// The topic of a flow's source. A command that could not be written for `timeout` is given up.
    pub(super) fn connect(kafka: &KafkaSettings, topic: &str, timeout: Duration) -> Result<Self, ExitError> {
        let producer =
            KafkaProducer::with_timeout(kafka, RECORD_BYTES_MAX, timeout).map_err(ExitError::failed)?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Writes a command, and waits until its fate is known; once begun it is written even if nobody waits.
    pub(super) async fn write(&self, command: &NewCommand, headers: &CommandHeaders<'_>) -> Fate {
        let (mut encoded, mut body) = (Vec::new(), Vec::new());
        headers.encode(&mut encoded);
        let record = Produce {
            topic: &self.topic,
            partition: None,
            key: Some(&command.key),
            value: Some(&command.value),
            headers: Headers::new(&encoded),
        };
        record.encode(&mut body);
        fate(self.producer.send(Request { operation: PRODUCE, body }).await)
    }
}

fn fate(reply: Reply) -> Fate {
    let body = match reply {
        Reply::Answer { body, .. } => body,
        Reply::NotSent(why) => return Fate::NotWritten(why),
        Reply::Unknown(why) => return Fate::Unknown(why),
    };
    match decode_answers(&body, 1).and_then(|mut answers| answers.pop()) {
        Some(ItemAnswer::Delivered) => Fate::Written,
        Some(ItemAnswer::TooLarge(_)) => Fate::TooLarge,
        Some(ItemAnswer::Invalid(why) | ItemAnswer::Refused(why)) => Fate::NotWritten(why),
        Some(ItemAnswer::Failed(why)) => Fate::Unknown(why),
        None => Fate::Unknown("the answer can't be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_certain_is_unknown() {
        let answered = |answer: ItemAnswer| {
            let mut body = Vec::new();
            answer.encode(&mut body);
            Reply::Answer { status: 0, body }
        };
        let why = || "why".to_owned();
        for (reply, expected) in [
            (answered(ItemAnswer::Delivered), Fate::Written),
            (answered(ItemAnswer::TooLarge(why())), Fate::TooLarge),
            (answered(ItemAnswer::Invalid(why())), Fate::NotWritten(why())),
            (answered(ItemAnswer::Refused(why())), Fate::NotWritten(why())),
            (answered(ItemAnswer::Failed(why())), Fate::Unknown(why())),
            (Reply::NotSent(why()), Fate::NotWritten(why())),
            (Reply::Unknown(why()), Fate::Unknown(why())),
            (
                Reply::Answer { status: 0, body: vec![9] },
                Fate::Unknown("the answer can't be read".to_owned()),
            ),
        ] {
            assert_eq!(fate(reply), expected);
        }
    }
}
