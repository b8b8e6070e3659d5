//! What a correct sequential reader would have made of the topic, against index and dead letters. The reader is the
//! verifier's: it shares no code with the engine.

use std::collections::BTreeMap;

use loadgen::brokers::Brokers;
use loadgen::verify::compare::compare;
use loadgen::verify::elasticsearch::Elasticsearch;
use loadgen::verify::reader::Reader;
use loadgen::verify::topic::{Topic, header, record};
use rdkafka::message::Message;

use super::Scene;
use super::topics::Position;

/// Dedupe's default.
const WINDOW: u64 = 100_000;

/// What was found beside being right.
#[derive(Debug)]
pub struct Found {
    /// Records on the topic.
    pub records: u64,
    /// Documents that readers see.
    pub visible: u64,
    /// Documents hidden from readers.
    pub tombstones: u64,
    /// Updates of what was deleted before.
    pub superseded: u64,
    /// Reasons of the dead letters, by the record's place.
    pub reasons: BTreeMap<Position, String>,
    /// Dead letters beyond the first of a record.
    pub letters_twice: u64,
}

fn open(brokers: &str, topic: &str) -> Option<Topic> {
    let brokers = Brokers { brokers: brokers.to_owned(), properties: Vec::new() };
    Topic::open(&brokers, topic).unwrap()
}

impl Scene {
    /// Checks index and dead letters; whatever is wrong fails the test and is named.
    pub fn assert_correct(&self) -> Found {
        self.assert_correct_but_refused(&[])
    }

    /// The same, where the sink was made to refuse these records although they are in order: they must be dead letters,
    /// and none of them may have had an effect.
    pub fn assert_correct_but_refused(&self, refused: &[Position]) -> Found {
        let mut reader = Reader::new(WINDOW);
        open(&self.brokers, &self.topic)
            .expect("the topic is there")
            .each(|position, message| {
                if refused.contains(&(position.partition, position.offset)) {
                    reader.read_refused(position, &record(message));
                } else {
                    reader.read(position, &record(message));
                }
            })
            .unwrap();
        let (reasons, letters_twice) = self.letters(&reader);
        let mut index = Elasticsearch::new(&self.elasticsearch, &self.alias, None).unwrap();
        let difference = compare(&mut reader.documents, &mut index).unwrap();
        let wrong = [&difference.lost, &difference.extra, &difference.stale].map(|kind| &kind.named);
        assert_eq!(wrong, [&Vec::<String>::new(); 3], "lost, extra, stale documents");
        assert_eq!(reader.documents.ambiguous.named, Vec::<String>::new());
        Found {
            records: reader.records,
            visible: difference.visible,
            tombstones: difference.behind.tombstones,
            superseded: reader.superseded,
            reasons,
            letters_twice,
        }
    }

    /// Checks that exactly the records that can't be processed have a dead letter, each what it was and with the
    /// reader's reason.
    fn letters(&self, reader: &Reader) -> (BTreeMap<Position, String>, u64) {
        let mut found = BTreeMap::new();
        let mut twice = 0;
        let Some(topic) = open(&self.brokers, &self.dead_letters()) else { panic!("no dead-letter topic") };
        topic
            .each(|_, letter| {
                let text = |name| {
                    let value = header(letter, name).unwrap_or_else(|| panic!("a letter without {name}"));
                    std::str::from_utf8(value).unwrap().to_owned()
                };
                assert_eq!(text("dlq.original.topic"), self.topic);
                let [partition, offset] =
                    ["dlq.original.partition", "dlq.original.offset"].map(|name| text(name).parse().unwrap());
                let reason = text("dlq.reason");
                let position = loadgen::verify::reason::Position { partition: partition as u32, offset };
                let Some(expected) = reader.dead_letters.get(&position) else {
                    panic!(
                        "record {position} is a dead letter ({reason}: {}), and should not",
                        text("dlq.message")
                    )
                };
                // A letter that is too large for its topic comes without the value.
                let emptied = letter.payload().is_none() && expected.value_bytes > 900_000;
                assert!(
                    emptied || record(letter).fingerprint == expected.fingerprint,
                    "the letter of {position} was altered"
                );
                twice += u64::from(found.insert((position.partition, position.offset), reason).is_some());
            })
            .unwrap();
        let expected = reader.dead_letters.iter();
        let expected: BTreeMap<Position, String> =
            expected.map(|(at, dead)| ((at.partition, at.offset), dead.reason.name().to_owned())).collect();
        assert_eq!(found, expected, "dead letters found, and expected");
        (found, twice)
    }
}
