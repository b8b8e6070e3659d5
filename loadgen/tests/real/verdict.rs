//! The verifier against a real index and real dead letters: right ones pass, and each way to be wrong is named.

use crate::tools::{Letter, elasticsearch, errors, loadgen, make_index, produce, report, unique, verify};
use clap::Parser;
use loadgen::brokers::Brokers;
use loadgen::verify::reader::Reader;
use loadgen::verify::topic::{Topic, record};
use serde_json::Value;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    brokers: Brokers,
}

/// What must come of the topic, and the dead letters to say so.
fn expected(topic: &str) -> (Reader, Vec<Letter>) {
    let kafka = thalweg_testbed::servers::kafka();
    let Line { brokers } = Line::parse_from(["test", "--brokers", &kafka]);
    let mut reader = Reader::new(100_000);
    let mut letters = Vec::new();
    Topic::open(&brokers, topic)
        .unwrap()
        .unwrap()
        .each(|position, message| {
            let record = record(message);
            reader.read(position, &record);
            if let Some(dead) = reader.dead_letters.get(&position) {
                letters.push(Letter {
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    message_id: record.message_id.unwrap().to_vec(),
                    headers: [
                        ("dlq.original.topic", topic.to_owned()),
                        ("dlq.original.partition", position.partition.to_string()),
                        ("dlq.original.offset", position.offset.to_string()),
                        ("dlq.reason", dead.reason.name().to_owned()),
                    ],
                });
            }
        })
        .unwrap();
    (reader, letters)
}

fn encoded(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn index_all(index: &str, reader: &Reader) {
    let mut body = String::new();
    let mut ids: Vec<_> = reader.documents.by_id.iter().collect();
    ids.sort_by_key(|(_, document)| document.decided_by);
    for (number, (id, document)) in ids.iter().enumerate() {
        let id = Value::String(id.to_string());
        let source = document.source.as_deref().unwrap_or(r#"{"deleted":true}"#);
        body += &format!("{{\"index\":{{\"_id\":{id}}}}}\n{source}\n");
        if body.len() > 4_000_000 || number + 1 == ids.len() {
            let (status, answer) =
                elasticsearch("POST", &format!("{index}/_bulk"), std::mem::take(&mut body));
            assert_eq!((status, &answer["errors"]), (200, &false.into()), "{answer}");
        }
    }
}

struct Setup {
    topic: String,
    alias: String,
    index: String,
}

impl Setup {
    fn verdict(&self) -> (Value, String) {
        let output = verify(&["--topic", &self.topic, "--alias", &self.alias]).output().unwrap();
        let found = report(&output);
        assert_eq!(output.status.success(), found["ok"] == true, "{}", errors(&output));
        (found, errors(&output))
    }

    fn put(&self, id: &str, source: &str) {
        let path = format!("{}/_doc/{}", self.index, encoded(id));
        let (status, answer) = elasticsearch("PUT", &path, source.to_owned());
        assert!(status < 300, "{answer}");
    }

    fn delete(&self, id: &str) {
        let (status, answer) =
            elasticsearch("DELETE", &format!("{}/_doc/{}", self.index, encoded(id)), String::new());
        assert_eq!(status, 200, "{answer}");
    }
}

fn loaded(topic: &str) {
    for (topic, records) in [(topic.to_owned(), "15000"), (format!("{topic}.dlq"), "0")] {
        let seed = ["--topic", &topic, "-n", records, "--seed", "9", "--profile", "all-out"];
        let poison = ["--poison", "0.01", "--poison-kinds", "all", "--conversations", "500"];
        let output = loadgen(&[&seed[..], &poison].concat()).output().unwrap();
        assert!(output.status.success(), "{}", errors(&output));
    }
}

#[test]
fn a_right_index_passes_and_every_wrong_one_is_named() {
    let topic = unique("verdict");
    loaded(&topic);
    let alias = unique("alias");
    let setup = Setup { index: make_index(&alias), topic, alias };
    let (reader, mut letters) = expected(&setup.topic);
    index_all(&setup.index, &reader);
    let living = reader.documents.by_id.iter().find(|(_, document)| document.source.is_some()).unwrap();
    let deleted = reader.documents.by_id.iter().find(|(_, document)| document.source.is_none()).unwrap();
    let (id, source) = (living.0.as_ref(), living.1.source.as_deref().unwrap());

    let last = letters.pop().unwrap();
    let dead_letters = format!("{}.dlq", setup.topic);
    produce(&dead_letters, letters);
    let (found, text) = setup.verdict();
    assert_eq!((&found["ok"], &found["dead_letters_missing"]), (&false.into(), &1.into()), "{text}");
    assert!(text.contains(&format!("{}/{}", last.headers[1].1, last.headers[2].1)), "{text}");
    let again = |letter: &Letter| Letter {
        key: letter.key.clone(),
        value: letter.value.clone(),
        message_id: letter.message_id.clone(),
        headers: letter.headers.clone(),
    };
    produce(&dead_letters, [again(&last), again(&last)]);

    let (found, text) = setup.verdict();
    assert_eq!(found["ok"], true, "{text}");
    assert_eq!((&found["dead_letters_twice"], &found["lost"]), (&1.into(), &0.into()));
    assert_eq!(found["reasons"], found["reasons_expected"]);
    assert_eq!(
        (&found["index_documents"], &found["tombstones"]),
        (&found["expected_documents"], &found["tombstones_expected"])
    );
    assert!(found["index_documents"].as_u64() > Some(5000) && found["tombstones"].as_u64() > Some(100));

    setup.delete(id);
    assert_named(&setup, "lost", id);
    setup.put(id, &source.replacen("\"content\":\"", "\"content\":\"old ", 1));
    assert_named(&setup, "stale", id);
    setup.put(id, source);
    setup.put("stranger", source);
    assert_named(&setup, "extra", "stranger");
    setup.delete("stranger");
    setup.put(deleted.0, source);
    assert_named(&setup, "extra", deleted.0);
    setup.put(deleted.0, r#"{"deleted":true}"#);

    let mut sound = again(&last);
    // Offset 0 of partition 0 is a sound create with this seed.
    sound.headers[1].1 = "0".to_owned();
    sound.headers[2].1 = "0".to_owned();
    produce(&dead_letters, [sound]);
    assert_named(&setup, "dead_letters_unexpected", "record 0/0: dead letter");
    elasticsearch("DELETE", &setup.index, String::new());
}

/// Exactly one thing is wrong, of this kind and name.
fn assert_named(setup: &Setup, kind: &str, name: &str) {
    let (found, text) = setup.verdict();
    assert_eq!(found["ok"], false, "{kind}: {text}");
    for counted in ["lost", "extra", "stale", "dead_letters_missing", "dead_letters_unexpected"] {
        assert_eq!(found[counted], u64::from(counted == kind), "{counted}: {text}");
    }
    assert!(text.contains(name), "{name}: {text}");
}
