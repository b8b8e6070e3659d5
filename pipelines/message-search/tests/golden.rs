//! What the flow makes of single records: see `golden.toml`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test, helpers included"
)]

use message_search::{Settings, flow};
use serde::Deserialize;
use thalweg::trial::{self, Reply, Request, TrialRecord};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    no_key: bool,
    key: Option<String>,
    key_hex: Option<String>,
    value: Option<String>,
    value_hex: Option<String>,
    value_repeat: Option<(String, String, usize, String)>,
    value_after: Option<(String, usize, String)>,
    dead_letter: Option<String>,
    bulk: Option<String>,
}

impl Case {
    fn key(&self) -> Option<Vec<u8>> {
        let named = self.key_hex.as_deref().map(bytes).or_else(|| self.key.clone().map(String::into_bytes));
        (!self.no_key).then(|| named.unwrap_or_else(|| b"c-1".to_vec()))
    }

    fn value(&self) -> Option<Vec<u8>> {
        let repeated = self.value_repeat.as_ref().map(|(before, repeated, times, after)| {
            let rest = self.value_after.as_ref().map(|(unit, times, end)| unit.repeat(*times) + end);
            format!("{before}{}{after}{}", repeated.repeat(*times), rest.unwrap_or_default())
        });
        let text = self.value.clone().or(repeated).map(String::into_bytes);
        text.or_else(|| self.value_hex.as_deref().map(bytes))
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Elasticsearch with one document; takes whatever it is told.
fn answer(request: &Request) -> Option<Reply> {
    let asked = String::from_utf8_lossy(&request.body);
    let body = if asked.starts_with("{\"index\"") {
        let id = asked.split('"').nth(5).unwrap_or_default();
        format!(r#"{{"errors":false,"items":[{{"index":{{"_id":"{id}","status":200}}}}]}}"#)
    } else if asked.contains("t-1/c-1/m-1") {
        let source = r#"{"id":"m-1","content":"before","metadata":{"a":1,"b":{"x":1}}}"#;
        format!(r#"{{"docs":[{{"_id":"t-1/c-1/m-1","_version":1,"found":true,"_source":{source}}}]}}"#)
    } else {
        r#"{"docs":[{"_id":"t-2/c-1/m-1","found":false}]}"#.to_owned()
    };
    Some(Reply::Answer { status: 200, body: body.into_bytes() })
}

#[test]
fn every_record_ends_as_written_down() {
    let golden: Golden = toml::from_str(include_str!("golden.toml")).unwrap();
    let flow = flow(&Settings::default());
    assert!(golden.case.len() > 40);
    for case in golden.case {
        let (key, value) = (case.key(), case.value());
        let record = TrialRecord {
            key: key.as_deref(),
            value: value.as_deref(),
            timestamp_ms: 1_700_000_000_123,
            ..TrialRecord::default()
        };
        let tried = trial::run(&flow, &record, |_, request| answer(request));
        let name = &case.name;
        assert_eq!(tried.ended, 1, "{name}: {tried:?}");
        let class = tried.dead_letter.as_ref().map(|(class, _)| class);
        assert_eq!(class, case.dead_letter.as_ref(), "{name}: {:?}", tried.dead_letter);
        let written = tried.sent.last().filter(|_| class.is_none());
        let written = written.map(|(_, request)| String::from_utf8_lossy(&request.body).into_owned());
        let expected = case.bulk.as_ref().map(|bulk| bulk.trim_start().to_owned());
        assert_eq!(written, expected, "{name}");
    }
}

#[test]
fn messages_of_dead_letters_quote_nothing_of_the_record() {
    let flow = flow(&Settings::default());
    for value in [
        r#"{"type":"message.SECRET","payload":{}}"#,
        r#"{"type":["SECRET"],"payload":{}}"#,
        r#"{"type":"message.deleted","payload":"SECRET"}"#,
        r#"{"type":"message.deleted","payload":{"id":"SECRET","id":"SECRET"}}"#,
        r#"{"type":"message.deleted","payload":{"id":{"SECRET":1},"tenantId":"SECRET"}}"#,
        r#"{"type":"message.updated","payload":{"id":"1","tenantId":"t","metadata":"SECRET"}}"#,
        r#"{"type":"message.updated","payload":{"id":"1","tenantId":"t","content":"\ud800SECRET"}}"#,
        r#"{"SECRET"}"#,
        r#""SECRET""#,
    ] {
        let record = TrialRecord { key: Some(b"c"), value: Some(value.as_bytes()), ..TrialRecord::default() };
        let tried = trial::run(&flow, &record, |_, request| answer(request));
        let (class, message) = tried.dead_letter.unwrap();
        assert!(!message.contains("SECRET"), "{class}: {message}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_bring_it_down(key: Option<Vec<u8>>, value: Option<Vec<u8>>) {
        let record = TrialRecord { key: key.as_deref(), value: value.as_deref(), ..TrialRecord::default() };
        let tried = trial::run(&flow(&Settings::default()), &record, |_, request| answer(request));
        assert_eq!(tried.ended, 1);
    }

    #[test]
    fn no_json_like_text_brings_it_down(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
    ) {
        let value = pieces.concat();
        let record = TrialRecord { key: Some(b"c-1"), value: Some(value.as_bytes()), ..TrialRecord::default() };
        let tried = trial::run(&flow(&Settings::default()), &record, |_, request| answer(request));
        assert_eq!(tried.ended, 1, "{value}");
    }
}

/// What events are made of, and what breaks them.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "null",
    "true",
    "1e999",
    "-",
    "0",
    " ",
    "\"type\":",
    "\"message.created\"",
    "\"message.updated\"",
    "\"message.deleted\"",
    "\"payload\":",
    "\"id\":",
    "\"tenantId\":\"t-1\"",
    "\"metadata\":",
    "\"content\":",
    "\"m-1\"",
    "{\"type\":\"message.updated\",\"payload\":{",
    "\"conversationId\":\"c-1\"",
    "}}",
    "\u{0}",
    "é",
];
