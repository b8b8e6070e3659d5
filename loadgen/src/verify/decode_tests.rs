use super::*;
use serde_json::json;

fn decoded(value: &str) -> Result<Event, Reason> {
    decode(Some(b"c"), Some(value.as_bytes()))
}

fn payload(kind: &str, payload: &str) -> String {
    format!(r#"{{"type":"message.{kind}","payload":{payload}}}"#)
}

const SOUND: &str =
    r#"{"id":"i","conversationId":"c","senderId":"s","content":"x","tenantId":"t","timestamp":"2023"}"#;

fn created_with(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from}");
    payload("created", &SOUND.replace(from, to))
}

#[test]
fn sound_events_are_decoded() {
    let document: Map<String, Value> = serde_json::from_str(SOUND).unwrap();
    let id = "t/c/i".to_owned();
    let create = Event { document_id: id.clone(), change: Change::Created(document) };
    for same in [
        payload("created", SOUND),
        created_with("{", "{\"metadata\":null,"),
        created_with("{", "{\"other\":{\"id\":1},\"other\":[1e999,\"\\ud800\"],"),
        created_with("\"id\"", "\"\\u0069d\""),
        format!(" \n{}\t ", payload("created", SOUND)),
        format!(r#"{{"payload":{SOUND},"version":3,"type":"message.created","version":4}}"#),
    ] {
        assert_eq!(decoded(&same), Ok(create.clone()), "{same}");
    }
    let Ok(Event { change: Change::Created(with_metadata), .. }) =
        decoded(&created_with("{", r#"{"metadata":{"a":null,"b":{"c":1}},"#))
    else {
        panic!("not decoded");
    };
    assert_eq!(with_metadata["metadata"], json!({"a": null, "b": {"c": 1}}));

    for (update, content, metadata) in [
        (r#"{"id":"i","tenantId":"t"}"#, None, None),
        (r#"{"id":"i","tenantId":"t","metadata":null}"#, None, None),
        (r#"{"id":"i","tenantId":"t","content":""}"#, Some(String::new()), None),
        (r#"{"id":"i","tenantId":"t","metadata":{},"senderId":5}"#, None, Some(Map::new())),
    ] {
        let change = Change::Updated { content, metadata };
        assert_eq!(decoded(&payload("updated", update)), Ok(Event { document_id: id.clone(), change }));
    }
    let deleted = payload("deleted", r#"{"id":"i","tenantId":"t","content":7}"#);
    assert_eq!(decoded(&deleted), Ok(Event { document_id: id, change: Change::Deleted }));
}

#[test]
fn document_ids_are_unambiguous() {
    for (tenant, key, id, expected) in [
        ("t/1", "k", "i", "t%2F1/k/i"),
        ("t%2F1", "k", "i", "t%252F1/k/i"),
        ("t", "k/%", "i/%/j", "t/k%2F%25/i/%/j"),
        ("ü", "", "i", "ü//i"),
    ] {
        let delete = payload("deleted", &json!({"id": id, "tenantId": tenant}).to_string());
        let event = decode(Some(key.as_bytes()), Some(delete.as_bytes())).unwrap();
        assert_eq!(event.document_id, expected);
    }
}

#[test]
fn what_is_wrong_is_named() {
    use Reason::*;
    let id_of = |bytes: usize| created_with("\"i\"", &format!("\"{}\"", "a".repeat(bytes)));
    let content_of = |bytes: usize| {
        let rest = created_with("\"x\"", "\"\"").len();
        created_with("\"x\"", &format!("\"{}\"", "a".repeat(bytes - rest)))
    };
    // The envelope and the payload are two levels.
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels - 2), "]".repeat(levels - 2));
    let deep = |levels| created_with("{", &format!("{{\"other\":{},", nested(levels)));
    let too_large = |bytes| if decoded(&content_of(bytes)).is_ok() { None } else { Some(TooLarge) };
    assert_eq!((too_large(1 << 20), too_large((1 << 20) + 1)), (None, Some(TooLarge)));
    for (value, expected) in [
        (String::new(), Some(Undecodable)),
        (payload("created", SOUND)[..60].to_owned(), Some(Undecodable)),
        (payload("created", SOUND) + "x", Some(Undecodable)),
        ("null".to_owned(), Some(Undecodable)),
        (format!(r#"["message.created",{SOUND}]"#), Some(Undecodable)),
        (payload("created", r#"["i","c","s","x","t","2023"]"#), Some(Undecodable)),
        (payload("created", "\"text\""), Some(Undecodable)),
        (payload("archived", SOUND), Some(UnknownType)),
        (payload("archived", "null"), Some(UnknownType)),
        (format!(r#"{{"type":5,"payload":{SOUND}}}"#), Some(Undecodable)),
        (format!(r#"{{"payload":{SOUND}}}"#), Some(Undecodable)),
        (r#"{"type":"message.created"}"#.to_owned(), Some(Undecodable)),
        (
            format!(r#"{{"type":"message.created","type":"message.created","payload":{SOUND}}}"#),
            Some(Undecodable),
        ),
        (created_with("\"id\"", "\"di\""), Some(Undecodable)),
        (created_with("{", "{\"id\":\"i\","), Some(Undecodable)),
        (created_with("{", "{\"metadata\":{},\"metadata\":{},"), Some(Undecodable)),
        (created_with("\"x\"", "42"), Some(Undecodable)),
        (created_with("\"x\"", "null"), Some(Undecodable)),
        (created_with("\"2023\"", "2023"), Some(Undecodable)),
        (created_with("{", "{\"metadata\":[],"), Some(Undecodable)),
        (created_with("{", "{\"metadata\":\"a\","), Some(Undecodable)),
        (created_with("\"c\"", "\"d\""), Some(KeyMismatch)),
        (created_with("\"i\"", "\"\""), Some(BadId)),
        (created_with("\"t\"", "\"\""), Some(BadId)),
        (id_of(508), None),
        (id_of(509), Some(IdTooLong)),
        (deep(128), None),
        (deep(129), Some(TooDeep)),
        ("[".repeat(100_000), Some(TooDeep)),
        (payload("updated", r#"{"id":"i","tenantId":"t","content":null}"#), Some(Undecodable)),
        (payload("updated", r#"{"id":"i"}"#), Some(Undecodable)),
        (payload("deleted", r#"{"tenantId":"t"}"#), Some(Undecodable)),
    ] {
        assert_eq!(decoded(&value).err(), expected, "{}", value.chars().take(200).collect::<String>());
    }
    let sound = payload("created", SOUND);
    assert_eq!(decode(None, Some(sound.as_bytes())), Err(MissingKey));
    assert_eq!(decode(None, None), Err(MissingKey));
    assert_eq!(decode(Some(b"c"), None), Err(Tombstone));
    assert_eq!(decode(Some(b"\xff"), Some(sound.as_bytes())), Err(BadKey));
    let latin1 = sound.replace('x', "caf#").into_bytes();
    let latin1: Vec<u8> = latin1.iter().map(|byte| if *byte == b'#' { 0xe9 } else { *byte }).collect();
    assert_eq!(decode(Some(b"c"), Some(&latin1)), Err(Undecodable));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered(
        value in proptest::collection::vec(proptest::num::u8::ANY, 0..200), cut in 0_usize..200, byte in 0_u8..255
    ) {
        drop(decode(Some(b"c"), Some(&value)));
        let mut damaged = payload("created", SOUND).into_bytes();
        let place = cut % damaged.len();
        damaged[place] = byte;
        drop(decode(Some(b"c"), Some(&damaged)));
    }
}
