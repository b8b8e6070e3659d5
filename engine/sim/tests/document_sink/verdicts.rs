//! What the sink says of each effect, and which requests it takes.

use serde_json::json;
use thalweg_connectors::elasticsearch::{
    Document, DocumentId, DocumentOptions, DocumentSink, Field, Kept, Operation,
};
use thalweg_core::failure::{RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::sink::{Next, Reply, Sink, SinkMachine};
use thalweg_sim::twins::elasticsearch::{Faults, NoFaults};

use crate::flights::{
    Ask, Fate, LANE, apply, class, flight, fly, merge, new_sink, prepared_twin, put, visible,
};

#[test]
fn the_life_of_a_document() {
    let (mut sink, mut twin) = (new_sink(), prepared_twin());
    let bulk = [Operation::Bulk];
    assert_eq!(apply(&mut sink, &mut twin, &[(0, put(1, "a"))]), (bulk.to_vec(), vec![Verdict::Done]));
    // The base is remembered: no read.
    assert_eq!(apply(&mut sink, &mut twin, &[(1, merge(1, "b"))]), (bulk.to_vec(), vec![Verdict::Done]));
    let wanted = json!({"id": "1", "content": "b", "metadata": {"a": 1, "b": 2, "c": null}});
    assert_eq!(visible(&twin)["tenant/key/1"], wanted);
    assert_eq!(apply(&mut sink, &mut twin, &[(2, Ask::Remove(1))]).1, [Verdict::Done]);
    assert!(visible(&twin).is_empty());
    // An update after the removal needs no request at all, and a create brings it back.
    assert_eq!(apply(&mut sink, &mut twin, &[(3, merge(1, "c"))]), (vec![], vec![Verdict::Superseded]));
    assert_eq!(apply(&mut sink, &mut twin, &[(4, put(1, "d"))]).1, [Verdict::Done]);
    assert_eq!(visible(&twin)["tenant/key/1"]["content"], "d");
}

#[test]
fn replays_change_nothing_even_after_a_restart_of_both() {
    let mut twin = prepared_twin();
    let asks = [(0, put(1, "a")), (1, merge(1, "b")), (2, Ask::Remove(1))];
    for ask in &asks {
        assert_eq!(apply(&mut new_sink(), &mut twin, std::slice::from_ref(ask)).1, [Verdict::Done]);
    }
    let after = twin.clone();
    twin.forget_deletes();
    for ask in &asks {
        assert_eq!(apply(&mut new_sink(), &mut twin, std::slice::from_ref(ask)).1, [Verdict::Superseded]);
    }
    assert!(twin.documents().eq(after.documents()));
}

#[test]
fn an_update_of_what_never_was_is_refused_and_of_what_is_removed_superseded() {
    let (mut sink, mut twin) = (new_sink(), prepared_twin());
    assert_eq!(apply(&mut sink, &mut twin, &[(9, Ask::Remove(2))]).1, [Verdict::Done]);
    let (requests, verdicts) = apply(&mut new_sink(), &mut twin, &[(10, merge(1, "b")), (11, merge(2, "b"))]);
    assert_eq!(requests, [Operation::Mget]);
    assert_eq!(verdicts.iter().map(class).collect::<Vec<_>>(), ["document_missing", "superseded"]);
}

#[test]
fn one_bad_document_is_refused_alone() {
    let (mut sink, mut twin) = (new_sink(), prepared_twin());
    let bad = Ask::Put(2, json!({"id": "2", "date": "yesterday"}));
    let strange = Ask::Put(3, json!({"id": "3", "colour": "red"}));
    let (_, verdicts) =
        apply(&mut sink, &mut twin, &[(0, put(1, "a")), (1, bad), (2, strange), (3, put(4, "d"))]);
    let classes: Vec<_> = verdicts.iter().map(class).collect();
    assert_eq!(classes, ["done", "document_refused", "document_refused", "done"]);
    assert_eq!(visible(&twin).len(), 2);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() {
    let options = DocumentOptions { document_bytes_max: 100, ..DocumentOptions::default() };
    let (mut sink, mut twin) = (DocumentSink::new(options), prepared_twin());
    let (requests, verdicts) = apply(&mut sink, &mut twin, &[(0, put(1, &"x".repeat(100)))]);
    assert_eq!((requests, class(&verdicts[0])), (vec![], "document_too_large"));
    assert_eq!(apply(&mut sink, &mut twin, &[(1, put(1, "x"))]).1, [Verdict::Done]);
    // So is what becomes too large by merging.
    let (requests, verdicts) = apply(&mut sink, &mut twin, &[(2, merge(1, &"x".repeat(90)))]);
    assert_eq!((requests, class(&verdicts[0])), (vec![], "document_too_large"));
}

struct ItemStatus(u16);

impl Faults for ItemStatus {
    fn item(&mut self, _operation: Operation, id: &str) -> Option<u16> {
        id.ends_with("/2").then_some(self.0)
    }
}

#[test]
fn items_are_judged_one_by_one_and_their_bases_forgotten() {
    for (status, wanted) in
        [(429, "overloaded"), (403, "down"), (404, "down"), (503, "down"), (400, "document_refused")]
    {
        let (mut sink, mut twin) = (new_sink(), prepared_twin());
        let _ = apply(&mut sink, &mut twin, &[(0, put(1, "a")), (1, put(2, "a"))]);
        let mut flight = flight(&[(2, merge(1, "b")), (3, merge(2, "b"))]);
        let (requests, _) =
            fly(&mut sink, &mut twin, &mut flight, || Fate::Answered, &mut ItemStatus(status));
        assert_eq!(requests, [Operation::Bulk]);
        let classes: Vec<_> =
            flight.verdicts().iter().map(|verdict| class(verdict.as_ref().unwrap())).collect();
        assert_eq!(classes, ["done", wanted], "{status}");
        // The retry reads, because nobody said what is there now.
        let (requests, verdicts) = apply(&mut sink, &mut twin, &[(3, merge(2, "b"))]);
        assert_eq!((requests, verdicts), (vec![Operation::Mget, Operation::Bulk], vec![Verdict::Done]));
        // Reads fail item by item too.
        let mut flight = crate::flights::flight(&[(4, merge(1, "c")), (5, merge(2, "c"))]);
        let (_, _) = fly(&mut new_sink(), &mut twin, &mut flight, || Fate::Answered, &mut ItemStatus(status));
        let wanted = if status == 400 { "unclear" } else { wanted };
        let classes: Vec<_> =
            flight.verdicts().iter().map(|verdict| class(verdict.as_ref().unwrap())).collect();
        assert_eq!(classes, ["done", wanted], "{status}");
    }
}

struct WholeStatus(Operation, u16);

impl Faults for WholeStatus {
    fn request(&mut self, operation: Operation) -> Option<u16> {
        (operation == self.0).then_some(self.1)
    }
}

#[test]
fn whole_requests_fail_by_cause() {
    let name = |failure: &RequestFailure| match failure {
        RequestFailure::Overloaded => "overloaded",
        RequestFailure::Refused(_) => "refused",
        RequestFailure::SinkDown(_) => "down",
        RequestFailure::Unknown(_) => "unknown",
    };
    let mut twin = prepared_twin();
    let _ = apply(&mut new_sink(), &mut twin, &[(0, put(1, "a"))]);
    for operation in [Operation::Mget, Operation::Bulk] {
        for (status, wanted) in [
            (400, "refused"),
            (413, "refused"),
            (429, "overloaded"),
            (401, "down"),
            (403, "down"),
            (404, "down"),
            (503, "down"),
        ] {
            let mut flight = flight(&[(1, merge(1, "b"))]);
            let mut faults = WholeStatus(operation, status);
            let (_, failure) = fly(&mut new_sink(), &mut twin, &mut flight, || Fate::Answered, &mut faults);
            assert_eq!(failure.as_ref().map(name), Some(wanted), "{operation:?} {status}");
            assert!(!flight.is_settled(0));
        }
        for (fate, wanted) in [(Fate::NotSent, "down"), (Fate::AnswerLost, "unknown")] {
            let mut flight = flight(&[(1, merge(1, "b"))]);
            let (_, failure) = fly(&mut new_sink(), &mut twin.clone(), &mut flight, || fate, &mut NoFaults);
            assert_eq!(failure.as_ref().map(name), Some(wanted), "{fate:?}");
        }
    }
}

#[test]
fn answers_to_other_questions_are_unknown_outcomes() {
    let twin = prepared_twin();
    let other = |asks: &[(i64, Ask)]| {
        let mut flight = flight(asks);
        let Next::Send(request) = new_sink().begin(LANE, &mut flight) else { panic!("a bulk request") };
        twin.clone().answer(&request, &mut NoFaults).1
    };
    let asks = [(0, put(1, "a")), (1, put(2, "a"))];
    let swapped = other(&[(1, put(2, "a")), (0, put(1, "a"))]);
    let short = other(&asks[..1]);
    let cut = other(&asks)[..40].to_vec();
    for body in [swapped, short, cut, b"<html>".to_vec(), Vec::new()] {
        let (mut sink, mut flight) = (new_sink(), flight(&asks));
        let Next::Send(_) = sink.begin(LANE, &mut flight) else { panic!("a bulk request") };
        let next = sink.resume(LANE, &mut flight, Reply::Answer { status: 200, body });
        assert!(matches!(next, Next::Failed(RequestFailure::Unknown(_))), "{next:?}");
    }
}

#[test]
fn a_write_of_unknown_outcome_is_not_a_base() {
    let (mut sink, mut twin) = (new_sink(), prepared_twin());
    let _ = apply(&mut sink, &mut twin, &[(0, put(1, "a"))]);
    let mut lost = flight(&[(1, put(1, "b"))]);
    let (_, failure) = fly(&mut sink, &mut twin, &mut lost, || Fate::AnswerLost, &mut NoFaults);
    assert!(matches!(failure, Some(RequestFailure::Unknown(_))));
    assert_eq!(apply(&mut sink, &mut twin, &[(1, put(1, "b"))]).1, [Verdict::Superseded]);
    let (requests, verdicts) =
        apply(&mut sink, &mut twin, &[(2, Ask::Merge(1, json!({"metadata": {"z": 1}})))]);
    assert_eq!((requests, verdicts), (vec![Operation::Mget, Operation::Bulk], vec![Verdict::Done]));
    assert_eq!(visible(&twin)["tenant/key/1"]["content"], "b");
}

#[test]
fn flights_of_ten_thousand() {
    let (mut sink, mut twin) = (new_sink(), prepared_twin());
    let name = |index: i64| index.to_string();
    let encode = |offset: i64, put: bool| {
        let (mut bytes, name) = (Vec::new(), name(offset % 10_000));
        let id = DocumentId::new("tenant", b"key", &name).unwrap();
        let fields =
            [Field { name: "metadata", json: if put { "{\"a\":1}" } else { "{\"b\":2}" }, merge: true }];
        let effect =
            if put { Document::Put { id, fields: &fields } } else { Document::Merge { id, fields: &fields } };
        (offset, DocumentSink::<Kept>::encode(effect, &mut bytes), bytes)
    };
    for put in [true, false] {
        let effects: Vec<_> =
            (0..10_000).map(|index| encode(index + i64::from(!put) * 10_000, put)).collect();
        let mut flight = Flight::of_effects(
            effects.iter().map(|(offset, domain, bytes)| (*offset, *domain, bytes.as_slice())),
        );
        let (_, failure) = fly(&mut sink, &mut twin, &mut flight, || Fate::Answered, &mut NoFaults);
        assert_eq!(failure, None);
        assert!(flight.verdicts().iter().all(|verdict| *verdict == Some(Verdict::Done)));
    }
    let documents = visible(&twin);
    assert_eq!(documents.len(), 10_000);
    assert!(documents.values().all(|document| *document == json!({"metadata": {"a": 1, "b": 2}})));
}
