//! What the verifier believes an index refuses is what the real one refuses.

use crate::tools::{elasticsearch, make_index, unique};
use loadgen::verify::mapping;
use serde_json::{Map, Value, json};

fn documents() -> Vec<Map<String, Value>> {
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
    let listed = |levels| (0..levels).fold(json!(1), |inner, _| json!([{ "a": inner }]));
    let mut fields = vec![
        ("metadata", nested(20)),
        ("metadata", nested(21)),
        ("metadata", json!({ "a": listed(19) })),
        ("metadata", json!({ "a": listed(20) })),
        ("metadata", json!({ "a\0b": 1 })),
        ("metadata", json!({ "a": "x\0y", "": 1, ".": null })),
        ("metadata", json!({ "ab": "x".repeat(32_763) })),
        ("metadata", json!({ "ab": "x".repeat(32_764) })),
        ("metadata", json!({ "a": { "b": "x".repeat(32_762) } })),
        ("metadata", json!({ "a": { "b": "x".repeat(32_763) } })),
        ("metadata", json!({ ("k".repeat(33_000)): 1 })),
        ("metadata", json!({ ("k".repeat(33_000)): null })),
        ("senderId", json!("é".repeat(16_383))),
        ("senderId", json!("é".repeat(16_384))),
        ("content", json!("x".repeat(200_000))),
    ];
    for text in [
        "not-a-date",
        "",
        "2023",
        "2023-08",
        "2023-08-15",
        "2023-02-29",
        "2024-02-29",
        "2023-08-15T",
        "2023-08-15T10:30:00Z",
        "2023-08-15T10:30:00.5+02:00",
        "2023-08-15T10:30:00.1234567891Z",
        "2023-08-15T10:30:00+18:00",
        "2023-08-15T10:30:00+18:01",
        "2023-08-15 10:30:00",
        "2023-08-15T24:00:00Z",
        "12345",
        "-5",
        "1.5",
        "1.",
        ".5",
        "1.1234567",
        "12345678901234567890",
        "2023-08Z",
        "2023T10:00:00Z",
        "20230815",
        "2023-08-15T1030Z",
        "２０２３",
        "2023-08-15T10:30:00 Z",
        "--5",
        "2023-",
        "2023-13-01",
    ] {
        fields.push(("timestamp", json!(text)));
    }
    let document = |(field, value): (&str, Value)| {
        let mut document = Map::new();
        document.insert("timestamp".to_owned(), json!("2023-08-15T10:30:00Z"));
        document.insert(field.to_owned(), value);
        document
    };
    fields.into_iter().map(document).collect()
}

#[test]
fn the_verifier_refuses_what_elasticsearch_refuses() {
    let index = make_index(&unique("mapping"));
    for document in documents() {
        let body = Value::Object(document.clone()).to_string();
        let (status, answer) = elasticsearch("POST", &format!("{index}/_doc"), body.clone());
        let taken = match status {
            201 => true,
            400 => false,
            _ => panic!("{status} {answer}"),
        };
        let shown: String = body.chars().take(120).collect();
        assert_eq!(mapping::takes(&document), taken, "{shown}");
    }
    elasticsearch("DELETE", &index, String::new());
}
