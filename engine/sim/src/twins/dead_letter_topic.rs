//! The twin of the dead-letter topic: reads the Kafka sink's real request bytes and answers with real answer bytes.

use thalweg_connectors::kafka::answer::ItemAnswer;
use thalweg_connectors::kafka::produce::Produce;
use thalweg_core::sink::Request;

use crate::weather::{Trouble, Weather};

/// A letter as the topic took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The partition it lies in.
    pub partition: i32,
    /// The original's partition and offset, as its headers say.
    pub original: (u32, i64),
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, encoded.
    pub headers: Vec<u8>,
}

/// A topic that takes letters. It keeps none: what it took is handed to the caller.
#[derive(Debug)]
pub struct DeadLetterTopic {
    name: String,
    letter_bytes_max: usize,
}

impl DeadLetterTopic {
    /// A topic that takes letters of up to so many bytes of key, value and headers.
    #[must_use]
    pub fn new(name: impl Into<String>, letter_bytes_max: usize) -> Self {
        Self { name: name.into(), letter_bytes_max }
    }

    /// Takes a request; answers status and body, and adds what it took to `taken`. `None` when the request is none.
    pub fn serve(
        &self,
        request: &Request,
        weather: &mut Weather,
        taken: &mut Vec<Letter>,
    ) -> Option<(u16, Vec<u8>)> {
        let (mut rest, mut body) = (request.body.as_slice(), Vec::new());
        while !rest.is_empty() {
            let record = Produce::decode(&mut rest)?;
            self.take(&record, weather, taken)?.encode(&mut body);
        }
        Some((0, body))
    }

    fn take(
        &self,
        record: &Produce<'_>,
        weather: &mut Weather,
        taken: &mut Vec<Letter>,
    ) -> Option<ItemAnswer> {
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if record.topic != self.name {
            return Some(ItemAnswer::Refused(format!("unknown topic {}", record.topic)));
        }
        if size + record.headers.as_bytes().len() > self.letter_bytes_max {
            return Some(ItemAnswer::TooLarge("Broker: Message size too large".to_owned()));
        }
        if weather.strikes(Trouble::Items503) || weather.strikes(Trouble::Items403) {
            return Some(ItemAnswer::Refused("Broker: Topic authorization failed".to_owned()));
        }
        let gives_up = weather.strikes(Trouble::Items412) || weather.strikes(Trouble::Items429);
        if !(gives_up && weather.strikes(Trouble::Items429)) {
            taken.push(letter(record)?);
        }
        Some(if gives_up {
            ItemAnswer::Failed("Local: Purged in flight".to_owned())
        } else {
            ItemAnswer::Delivered
        })
    }
}

fn letter(record: &Produce<'_>) -> Option<Letter> {
    let text = |name: &str| record.headers.get(name).and_then(|value| std::str::from_utf8(value).ok());
    Some(Letter {
        partition: record.partition?,
        original: (text("dlq.original.partition")?.parse().ok()?, text("dlq.original.offset")?.parse().ok()?),
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: record.headers.as_bytes().to_vec(),
    })
}
