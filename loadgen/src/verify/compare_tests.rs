use super::*;
use crate::verify::decode::{Change, Event};
use crate::verify::reason::Position;
use serde_json::json;

struct Shown(Vec<Visible>);

impl Source for Shown {
    fn each(&mut self, visit: &mut dyn FnMut(Visible)) -> Result<Behind> {
        self.0.drain(..).for_each(visit);
        Ok(Behind::default())
    }
}

fn source(content: &str) -> Value {
    json!({"timestamp": "2023", "content": content, "metadata": {"a": 1, "b": [null]}})
}

/// Documents `a` and `b`, and `gone`, which was deleted.
fn expected() -> Documents {
    let mut documents = Documents::default();
    let mut offset = 0;
    let mut apply = |id: &str, change| {
        offset += 1;
        let event = Event { document_id: id.to_owned(), change };
        documents.apply(event, Position { partition: 3, offset }).unwrap();
    };
    for id in ["a", "b", "gone"] {
        let Value::Object(document) = source("x") else { unreachable!() };
        apply(id, Change::Created(document));
    }
    apply("gone", Change::Deleted);
    documents
}

fn visible(id: &str, source: Value) -> Visible {
    Visible { id: id.to_owned(), version: Some(9), source }
}

fn found(shown: Vec<Visible>) -> [Vec<String>; 3] {
    let difference = compare(&mut expected(), &mut Shown(shown)).unwrap();
    [difference.lost, difference.extra, difference.stale].map(|examples| {
        assert_eq!(examples.count, examples.named.len() as u64);
        examples.named
    })
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn an_index_that_is_right_passes() {
    let marked =
        json!({"metadata": {"b": [null], "a": 1.0}, "content": "x", "timestamp": "2023", "deleted": false});
    assert_eq!(found(vec![visible("b", marked), visible("a", source("x"))]), [NOTHING; 3]);
}

#[test]
fn a_lost_document_is_named_with_its_event() {
    let lost = found(vec![visible("b", source("x"))]);
    assert_eq!(lost, [vec!["a: decided by 3/1, not in the index".to_owned()], NOTHING, NOTHING]);
}

#[test]
fn extra_documents_are_named() {
    let sound = || vec![visible("a", source("x")), visible("b", source("x"))];
    for (extra, name) in [
        ("gone", "gone: deleted by 3/4 (shown with version 9)"),
        ("stranger", "stranger: no event ever created it (shown with version 9)"),
        ("a", "a: visible twice (shown with version 9)"),
    ] {
        let mut shown = sound();
        shown.push(visible(extra, source("x")));
        assert_eq!(found(shown), [NOTHING, vec![name.to_owned()], NOTHING]);
    }
}

#[test]
fn stale_documents_are_named_with_the_field() {
    let without_metadata = json!({"timestamp": "2023", "content": "x"});
    let with = |name: &str, value: Value| {
        let mut changed = source("x");
        changed[name] = value;
        changed
    };
    for (shown, name) in [
        (source("y"), r#"b: content should be "x" by 3/2, is "y" (shown with version 9)"#),
        (
            without_metadata,
            r#"b: metadata should be {"a":1,"b":[null]} by 3/2, is nothing (shown with version 9)"#,
        ),
        (with("deleted", json!(true)), "b: deleted should be nothing by 3/2, is true (shown with version 9)"),
        (
            with("senderId", json!(null)),
            "b: senderId should be nothing by 3/2, is null (shown with version 9)",
        ),
        (json!([]), "b: _source should be nothing by 3/2, is nothing (shown with version 9)"),
    ] {
        assert_eq!(
            found(vec![visible("a", source("x")), visible("b", shown)]),
            [NOTHING, NOTHING, vec![name.to_owned()]]
        );
    }
}

#[test]
fn numbers_are_compared_by_value_and_exactly() {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for (a, b, equal) in [
        ("1e3", "1000", true),
        ("1.0", "1", true),
        ("-0.0", "0", true),
        ("0.5", "0.50", true),
        ("9007199254740993", "9007199254740992.0", false),
        ("9007199254740993", "9007199254740993", true),
        ("18446744073709551615", "18446744073709551616.0", false),
        ("1", "1.5", false),
        ("1", "true", false),
        ("[1,2]", "[2,1]", false),
        (r#"{"a":1,"b":null}"#, r#"{"b":null,"a":1e0}"#, true),
        (r#"{"a":1,"b":null}"#, r#"{"a":1}"#, false),
    ] {
        assert_eq!(same(&parsed(a), &parsed(b)), equal, "{a} {b}");
        assert_eq!(same(&parsed(b), &parsed(a)), equal, "{b} {a}");
    }
}
