//! The document sink as a whole, flight by flight, against Elasticsearch's twin: whatever is replayed, lost or refused,
//! the index ends as a sequential reader of the log would leave it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on must fail")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log};
use thalweg_connectors::elasticsearch::{
    Document, DocumentId, DocumentOptions, DocumentSink, Field, Kept, Operation, Rule, Rules, Target,
};
use thalweg_core::failure::{RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkMachine};
use thalweg_sim::twins::elasticsearch::{ElasticsearchTwin, Faults, NoFaults};

const LANE: LaneId = LaneId(0);
const MAPPING: &str = r#"{"id":{"type":"keyword"},"content":{"type":"text"},"date":{"type":"date"},
    "metadata":{"type":"flattened"}}"#;

/// What a record of the log asks for.
#[derive(Debug, Clone)]
enum Ask {
    Put(u8, Value),
    Merge(u8, Value),
    Remove(u8),
}

impl Ask {
    fn encoded(&self) -> (Domain, Vec<u8>) {
        let mut bytes = Vec::new();
        let (Self::Put(id, _) | Self::Merge(id, _) | Self::Remove(id)) = self;
        let name = id.to_string();
        let id = DocumentId::new("tenant", b"key", &name).unwrap();
        let empty = json!({});
        let value = if let Self::Put(_, value) | Self::Merge(_, value) = self { value } else { &empty };
        let fields: Vec<(&str, String)> = value
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_string()))
            .collect();
        let fields: Vec<Field<'_>> =
            fields.iter().map(|(name, json)| Field { name, json, merge: *name == "metadata" }).collect();
        let domain = DocumentSink::<Kept>::encode(
            match self {
                Self::Put(..) => Document::Put { id, fields: &fields },
                Self::Merge(..) => Document::Merge { id, fields: &fields },
                Self::Remove(_) => Document::Remove { id, removed_at_ms: 1_000 },
            },
            &mut bytes,
        );
        (domain, bytes)
    }
}

fn prepared_twin() -> ElasticsearchTwin {
    let target = Target::new("messages").unwrap();
    let plan = IndexPlan::new(target.clone(), 1, 0, MAPPING).unwrap();
    let log = Log { topic: "t".into(), topic_id: "x".into(), partitions: 1 };
    let mut twin = ElasticsearchTwin::new(target);
    let (status, _) = twin.answer(&Operation::CreateIndex.request(plan.create_body(&log)), &mut NoFaults);
    assert_eq!(status, 200);
    twin
}

fn flight(asks: &[(i64, Ask)]) -> Flight {
    let encoded: Vec<_> = asks.iter().map(|(offset, ask)| (*offset, ask.encoded())).collect();
    Flight::of_effects(encoded.iter().map(|(offset, (domain, bytes))| (*offset, *domain, bytes.as_slice())))
}

/// What the network does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Applied, but the answer is lost.
    AnswerLost,
    /// Never arrives.
    NotSent,
}

fn reply(twin: &mut ElasticsearchTwin, request: &Request, fate: Fate, faults: &mut impl Faults) -> Reply {
    if fate == Fate::NotSent {
        return Reply::NotSent("refused".into());
    }
    let (status, body) = twin.answer(request, faults);
    if fate == Fate::AnswerLost { Reply::Unknown("timeout".into()) } else { Reply::Answer { status, body } }
}

/// Flies one flight to its end; answers the requests it took.
fn fly<R: Rules>(
    sink: &mut DocumentSink<R>,
    twin: &mut ElasticsearchTwin,
    flight: &mut Flight,
    mut fate: impl FnMut() -> Fate,
    faults: &mut impl Faults,
) -> (Vec<Operation>, Option<RequestFailure>) {
    let (mut requests, mut next) = (Vec::new(), sink.begin(LANE, flight));
    loop {
        match next {
            Next::Settled => return (requests, None),
            Next::Failed(failure) => return (requests, Some(failure)),
            Next::Send(request) => {
                requests.push(Operation::of(request.operation).unwrap());
                let reply = reply(twin, &request, fate(), faults);
                next = sink.resume(LANE, flight, reply);
            }
        }
    }
}

fn apply(
    sink: &mut DocumentSink,
    twin: &mut ElasticsearchTwin,
    asks: &[(i64, Ask)],
) -> (Vec<Operation>, Vec<Verdict>) {
    let mut flight = flight(asks);
    let (requests, failure) = fly(sink, twin, &mut flight, || Fate::Answered, &mut NoFaults);
    assert_eq!(failure, None);
    (requests, flight.verdicts().iter().map(|verdict| verdict.clone().unwrap()).collect())
}

fn put(id: u8, content: &str) -> Ask {
    Ask::Put(id, json!({"id": id.to_string(), "content": content, "metadata": {"a": 1}}))
}

fn merge(id: u8, content: &str) -> Ask {
    Ask::Merge(id, json!({"content": content, "metadata": {"b": 2, "c": null}}))
}

fn class(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Superseded => "superseded",
        Verdict::Refused(reason) => reason.class,
        Verdict::Overloaded => "overloaded",
        Verdict::SinkDown(_) => "down",
        Verdict::Unknown(_) => "unknown",
        Verdict::Unclear(_) => "unclear",
    }
}

/// Documents that readers see, as JSON.
fn visible(twin: &ElasticsearchTwin) -> BTreeMap<String, Value> {
    let documents = twin.documents().filter(|(_, stored)| !stored.tombstone);
    documents.map(|(id, stored)| (id.to_owned(), serde_json::from_str(&stored.source).unwrap())).collect()
}

fn new_sink() -> DocumentSink {
    DocumentSink::new(DocumentOptions::default())
}

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
        let mut flight = self::flight(&[(4, merge(1, "c")), (5, merge(2, "c"))]);
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
fn a_base_of_an_ended_epoch_is_forgotten() {
    let (mut sink, mut twin) = (new_sink(), prepared_twin());
    let _ = apply(&mut sink, &mut twin, &[(0, put(1, "a"))]);
    sink.forget(PartitionId(0), Epoch(0));
    assert_eq!(apply(&mut sink, &mut twin, &[(1, merge(1, "b"))]).0, [Operation::Mget, Operation::Bulk]);
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

/// What a sequential reader of the log ends with: the documents, and the offsets of updates that found none though none
/// had been removed.
fn sequential(log: &[Ask]) -> (BTreeMap<String, Value>, BTreeSet<usize>) {
    let mut documents: BTreeMap<String, Value> = BTreeMap::new();
    let (mut removed, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for (offset, ask) in log.iter().enumerate() {
        let (Ask::Put(id, _) | Ask::Merge(id, _) | Ask::Remove(id)) = ask;
        let name = format!("tenant/key/{id}");
        match ask {
            Ask::Put(_, value) => drop(documents.insert(name, value.clone())),
            Ask::Remove(_) => {
                documents.remove(&name);
                removed.insert(name);
            }
            Ask::Merge(_, changes) => match documents.get_mut(&name) {
                Some(document) => {
                    merge_naively(document.as_object_mut().unwrap(), changes.as_object().unwrap())
                }
                None if !removed.contains(&name) => drop(missing.insert(offset)),
                None => {}
            },
        }
    }
    (documents, missing)
}

fn merge_naively(document: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        match (name.as_str(), document.get_mut(name), value) {
            ("metadata", Some(Value::Object(old)), Value::Object(new)) => {
                old.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            _ => drop(document.insert(name.clone(), value.clone())),
        }
    }
}

fn metadata() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        (0..9).prop_map(|n| json!(n)),
        "[a-z\"\\\\\n]{0,3}".prop_map(|s| json!(s))
    ];
    prop::collection::btree_map("[abc\"]{1,2}", value, 0..4).prop_map(|map| json!(map))
}

fn ask() -> impl Strategy<Value = Ask> {
    let fields = || ("[a-z\n ü]{0,4}", prop::option::of(metadata()));
    let document = |(content, metadata): (String, Option<Value>)| match metadata {
        Some(metadata) => json!({"content": content, "metadata": metadata}),
        None => json!({"content": content}),
    };
    prop_oneof![
        3 => (0..4_u8, fields()).prop_map(move |(id, fields)| Ask::Put(id, document(fields))),
        4 => (0..4_u8, fields()).prop_map(move |(id, fields)| Ask::Merge(id, document(fields))),
        2 => (0..4_u8).prop_map(Ask::Remove),
    ]
}

/// One step of a worker's unsteady life. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// Sends the next effects, at most one per document, with these fates for its requests and these item statuses.
    Fly { effects: usize, fates: [Fate; 2], refused_item: Option<(u8, u16)> },
    /// The worker crashes, and the next one starts some records back, with or without the bases of before (an epoch).
    Restart { back: usize },
    /// Elasticsearch restarts.
    ForgetDeletes,
    /// A request of an earlier life arrives only now.
    Late(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let fate =
        || prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::AnswerLost), 1 => Just(Fate::NotSent)];
    let item = prop::option::weighted(0.2, (0..4_u8, prop::sample::select(vec![429_u16, 403, 503])));
    prop_oneof![
        8 => (1..5_usize, fate(), fate(), item)
            .prop_map(|(effects, a, b, refused_item)| Step::Fly { effects, fates: [a, b], refused_item }),
        1 => (0..12_usize).prop_map(|back| Step::Restart { back }),
        1 => Just(Step::ForgetDeletes),
        1 => (0..50_usize).prop_map(Step::Late),
    ]
}

struct RefusedItem(Option<(u8, u16)>);

impl Faults for RefusedItem {
    fn item(&mut self, _operation: Operation, id: &str) -> Option<u16> {
        let (number, status) = self.0?;
        id.ends_with(&format!("/{number}")).then_some(status)
    }
}

/// A worker that reads the log in order, keeps a failed effect and all later ones of its document back, and goes on.
struct Reader<R> {
    rules: R,
    sink: DocumentSink<R>,
    /// Offsets not done yet, in order.
    open: Vec<usize>,
    /// Requests of all its lives.
    requests: Vec<Request>,
    /// Offsets refused, in all its lives.
    refused: BTreeSet<usize>,
}

impl<R: Rules> Reader<R> {
    fn new(rules: R, log_len: usize) -> Self {
        let sink = DocumentSink::with_rules(
            DocumentOptions { bases_bytes: 2_000, ..DocumentOptions::default() },
            rules.clone(),
        );
        Self { rules, sink, open: (0..log_len).collect(), requests: Vec::new(), refused: BTreeSet::new() }
    }

    fn fly(
        &mut self,
        twin: &mut ElasticsearchTwin,
        log: &[Ask],
        effects: usize,
        fates: [Fate; 2],
        faults: &mut RefusedItem,
    ) {
        let (mut chosen, mut domains) = (Vec::new(), Vec::new());
        for &offset in &self.open {
            let (domain, _) = log[offset].encoded();
            if chosen.len() < effects && !domains.contains(&domain) {
                chosen.push(offset);
            }
            domains.push(domain);
        }
        if chosen.is_empty() {
            return;
        }
        let asks: Vec<_> = chosen.iter().map(|&offset| (offset as i64, log[offset].clone())).collect();
        let mut flight = flight(&asks);
        let mut fates = fates.into_iter();
        let mut next = self.sink.begin(LANE, &mut flight);
        while let Next::Send(request) = next {
            let reply = reply(twin, &request, fates.next().unwrap_or(Fate::Answered), faults);
            self.requests.push(request);
            next = self.sink.resume(LANE, &mut flight, reply);
        }
        for (&offset, verdict) in chosen.iter().zip(flight.verdicts()) {
            if matches!(verdict, Some(Verdict::Refused(_))) {
                self.refused.insert(offset);
            }
            if matches!(verdict, Some(Verdict::Done | Verdict::Superseded | Verdict::Refused(_))) {
                self.open.retain(|&open| open != offset);
            }
        }
    }

    fn step(&mut self, twin: &mut ElasticsearchTwin, log: &[Ask], step: &Step) {
        match *step {
            Step::Fly { effects, fates, refused_item } => {
                self.fly(twin, log, effects, fates, &mut RefusedItem(refused_item));
            }
            Step::Restart { back } => {
                let first = self.open.first().copied().unwrap_or(log.len());
                let next = Self::new(self.rules.clone(), log.len());
                (self.sink, self.open) = (next.sink, next.open);
                self.open.retain(|&offset| offset + back >= first);
            }
            Step::ForgetDeletes => twin.forget_deletes(),
            Step::Late(index) if !self.requests.is_empty() => {
                let request = &self.requests[index % self.requests.len()];
                let _ = twin.answer(request, &mut NoFaults);
            }
            Step::Late(_) => {}
        }
    }
}

fn ends_like_a_sequential_reader<R: Rules>(
    rules: R,
    log: &[Ask],
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let mut twin = prepared_twin();
    let mut reader = Reader::new(rules, log.len());
    for step in steps {
        reader.step(&mut twin, log, &step);
    }
    let mut turns = 0;
    while !reader.open.is_empty() {
        reader.fly(&mut twin, log, 4, [Fate::Answered; 2], &mut RefusedItem(None));
        turns += 1;
        prop_assert!(turns < 10 * log.len() + 10, "no progress");
    }
    let (documents, missing) = sequential(log);
    prop_assert_eq!(visible(&twin), documents);
    prop_assert_eq!(reader.refused, missing);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn any_history_ends_like_a_sequential_reader(
        log in prop::collection::vec(ask(), 1..40),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        ends_like_a_sequential_reader(Kept, &log, steps)?;
    }
}

/// Breaks one rule.
#[derive(Debug, Clone, Copy)]
struct Breaks(Rule);

impl Rules for Breaks {
    fn keep(&self, rule: Rule) -> bool {
        rule != self.0
    }
}

#[test]
fn each_broken_rule_is_noticed() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, TestRng, TestRunner};
    let strategy = (prop::collection::vec(ask(), 1..40), prop::collection::vec(step(), 0..60));
    // A base of another epoch needs two workers; this test has one at a time.
    for rule in Rule::ALL.into_iter().filter(|&rule| rule != Rule::BaseOfEpoch) {
        let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let caught = (0..2_000).any(|_| {
            let (log, steps) = strategy.new_tree(&mut runner).unwrap().current();
            ends_like_a_sequential_reader(Breaks(rule), &log, steps).is_err()
        });
        assert!(caught, "{rule:?} can be broken unnoticed");
    }
}
