use super::*;
use crate::fingerprint::fingerprint;
use crate::load::generator::{Generator, Shape};
use crate::load::mix::{Kind, Mix, Shares};
use crate::load::poison::Poison;
use clap::ValueEnum;
use std::collections::{BTreeMap, HashSet};

const WINDOW: u64 = 100_000;

fn at(offset: u64) -> Position {
    Position { partition: 0, offset }
}

fn read(reader: &mut Reader, offset: u64, value: Option<&str>, message_id: Option<&str>) {
    replay(reader, offset, value, message_id, None);
}

fn replay(
    reader: &mut Reader,
    offset: u64,
    value: Option<&str>,
    message_id: Option<&str>,
    count: Option<&str>,
) {
    let [value, message_id, replay_count] = [value, message_id, count].map(|text| text.map(str::as_bytes));
    let key = Some(b"c".as_slice());
    reader.read(at(offset), &Record { key, value, message_id, replay_count, fingerprint: 0 });
}

#[test]
fn a_replay_is_another_event_and_the_same_replay_again_is_not() {
    let mut reader = Reader::new(10);
    for (offset, count) in [None, Some("1"), Some("1"), Some("2"), None, Some("1")].into_iter().enumerate() {
        replay(&mut reader, offset as u64, None, Some("a"), count);
    }
    let mut dead: Vec<_> = reader.dead_letters.keys().map(|at| at.offset).collect();
    dead.sort_unstable();
    assert_eq!((dead.as_slice(), reader.duplicates), ([0, 1, 3].as_slice(), 3));
}

#[test]
fn duplicates_go_first_and_by_header_only() {
    let update = r#"{"type":"message.updated","payload":{"id":"i","tenantId":"t"}}"#;
    let delete = r#"{"type":"message.deleted","payload":{"id":"i","tenantId":"t"}}"#;
    let mut reader = Reader::new(10);
    read(&mut reader, 0, Some(update), Some("a"));
    // A different value under the same id is a duplicate all the same, so nothing is deleted.
    read(&mut reader, 1, Some(delete), Some("a"));
    read(&mut reader, 2, Some(update), Some("b"));
    // Poison refreshes its id as well: 13 is a duplicate of the duplicate at 3.
    read(&mut reader, 3, None, Some("b"));
    read(&mut reader, 13, Some(delete), Some("b"));
    // Out of the window, and without an id: read.
    read(&mut reader, 24, None, Some("b"));
    read(&mut reader, 25, None, None);
    read(&mut reader, 26, None, None);
    let mut dead: Vec<_> = reader.dead_letters.iter().map(|(at, dead)| (at.offset, dead.reason)).collect();
    dead.sort_unstable();
    let (missing, tombstone) = (Reason::DocumentMissing, Reason::Tombstone);
    assert_eq!(dead, [(0, missing), (2, missing), (24, tombstone), (25, tombstone), (26, tombstone)]);
    assert_eq!((reader.records, reader.duplicates, reader.without_id), (8, 3, 2));
    assert!(reader.documents.by_id.is_empty());
}

fn generator(seed: u64) -> Generator {
    let shares = Shares {
        updates: 0.2,
        deletes: 0.1,
        recreates: 0.03,
        late_updates: 0.03,
        duplicates: 0.05,
        poison: 0.02,
    };
    let poison: Vec<Poison> =
        Poison::value_variants().iter().copied().filter(|poison| *poison != Poison::TooLarge).collect();
    Generator::new(Shape {
        seed,
        conversations: 300,
        zipf: 0.9,
        content_bytes: 0..=80,
        tenants: 9,
        mix: Mix::new(&shares, &poison).unwrap(),
    })
}

/// The dead letters that the reader finds are exactly the records that the generator meant as poison, and each
/// kind of poison is found for its own reason.
#[test]
fn the_reader_finds_exactly_the_poison() {
    let mut generator = generator(11);
    let mut reader = Reader::new(WINDOW);
    let mut poison = BTreeMap::new();
    let mut duplicates = 0;
    for offset in 0..60_000 {
        let (kind, record) = generator.next_record();
        match kind {
            Kind::Poison(kind) => drop(poison.insert(offset, kind)),
            Kind::Duplicate => duplicates += 1,
            _ => {}
        }
        let message_id = Some(&record.message_id[..]);
        let (key, value) = (record.key(), record.value());
        let fingerprint = fingerprint(key, value, message_id);
        reader.read(at(offset), &Record { key, value, message_id, replay_count: None, fingerprint });
    }
    let found: BTreeMap<u64, Reason> =
        reader.dead_letters.iter().map(|(at, dead)| (at.offset, dead.reason)).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), poison.keys().collect::<Vec<_>>());
    assert_eq!(reader.duplicates, duplicates);
    assert!(reader.superseded > 500, "{}", reader.superseded);
    assert_eq!(reader.documents.ambiguous.count, 0);
    let pairs: HashSet<(String, &str)> =
        poison.iter().map(|(offset, kind)| (kind.name(), found[offset].name())).collect();
    let pairs: BTreeMap<_, _> = pairs.into_iter().collect();
    let expected: BTreeMap<String, &str> = [
        ("duplicate-fields", "undecodable"),
        ("empty", "undecodable"),
        ("empty-id", "bad_id"),
        ("empty-tenant", "bad_id"),
        ("key-not-utf8", "bad_key"),
        ("long-id", "id_too_long"),
        ("mapping", "document_refused"),
        ("missing-document", "document_missing"),
        ("missing-id", "undecodable"),
        ("not-an-object", "undecodable"),
        ("not-utf8", "undecodable"),
        ("null-key", "missing_key"),
        ("other-tenant", "document_missing"),
        ("tombstone", "tombstone"),
        ("too-deep", "too_deep"),
        ("truncated", "undecodable"),
        ("unknown-type", "unknown_type"),
        ("wrong-key", "key_mismatch"),
        ("wrong-types", "undecodable"),
    ]
    .map(|(kind, reason)| (kind.to_owned(), reason))
    .into();
    assert_eq!(pairs, expected);
}

#[test]
fn the_same_seed_makes_the_same_records() {
    let prints = |seed| {
        let mut generator = generator(seed);
        let prints = (0..5000).map(|_| {
            let (_, record) = generator.next_record();
            fingerprint(record.key(), record.value(), Some(&record.message_id))
        });
        prints.collect::<Vec<_>>()
    };
    assert_eq!(prints(3), prints(3));
    assert_ne!(prints(3), prints(4));
}
