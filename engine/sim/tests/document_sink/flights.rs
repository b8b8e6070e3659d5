//! Flights of asks, and what becomes of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log};
use thalweg_connectors::elasticsearch::{
    Document, DocumentId, DocumentOptions, DocumentSink, Field, Kept, Operation, Rules, Target,
};
use thalweg_core::failure::{RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkMachine};
use thalweg_sim::twins::elasticsearch::{ElasticsearchTwin, Faults, NoFaults};

pub(crate) const LANE: LaneId = LaneId(0);
pub(crate) const MAPPING: &str = r#"{"id":{"type":"keyword"},"content":{"type":"text"},"date":{"type":"date"},
    "metadata":{"type":"flattened"}}"#;

/// What a record of the log asks for.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Put(u8, Value),
    Merge(u8, Value),
    Remove(u8),
}

impl Ask {
    pub(crate) fn encoded(&self) -> (Domain, Vec<u8>) {
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

pub(crate) fn prepared_twin() -> ElasticsearchTwin {
    let target = Target::new("messages").unwrap();
    let plan = IndexPlan::new(target.clone(), 1, 0, MAPPING).unwrap();
    let log = Log { topic: "t".into(), topic_id: "x".into(), partitions: 1 };
    let mut twin = ElasticsearchTwin::new(target);
    let (status, _) = twin.answer(&Operation::CreateIndex.request(plan.create_body(&log)), &mut NoFaults);
    assert_eq!(status, 200);
    twin
}

pub(crate) fn flight(asks: &[(i64, Ask)]) -> Flight {
    let encoded: Vec<_> = asks.iter().map(|(offset, ask)| (*offset, ask.encoded())).collect();
    Flight::of_effects(encoded.iter().map(|(offset, (domain, bytes))| (*offset, *domain, bytes.as_slice())))
}

/// What the network does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// Applied, but the answer is lost.
    AnswerLost,
    /// Never arrives.
    NotSent,
}

pub(crate) fn reply(
    twin: &mut ElasticsearchTwin,
    request: &Request,
    fate: Fate,
    faults: &mut impl Faults,
) -> Reply {
    if fate == Fate::NotSent {
        return Reply::NotSent("refused".into());
    }
    let (status, body) = twin.answer(request, faults);
    if fate == Fate::AnswerLost { Reply::Unknown("timeout".into()) } else { Reply::Answer { status, body } }
}

/// Flies one flight to its end; answers the requests it took.
pub(crate) fn fly<R: Rules>(
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

pub(crate) fn apply(
    sink: &mut DocumentSink,
    twin: &mut ElasticsearchTwin,
    asks: &[(i64, Ask)],
) -> (Vec<Operation>, Vec<Verdict>) {
    let mut flight = flight(asks);
    let (requests, failure) = fly(sink, twin, &mut flight, || Fate::Answered, &mut NoFaults);
    assert_eq!(failure, None);
    (requests, flight.verdicts().iter().map(|verdict| verdict.clone().unwrap()).collect())
}

pub(crate) fn put(id: u8, content: &str) -> Ask {
    Ask::Put(id, json!({"id": id.to_string(), "content": content, "metadata": {"a": 1}}))
}

pub(crate) fn merge(id: u8, content: &str) -> Ask {
    Ask::Merge(id, json!({"content": content, "metadata": {"b": 2, "c": null}}))
}

pub(crate) fn class(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Answered(_) => "answered",
        Verdict::Superseded => "superseded",
        Verdict::Refused(reason) => reason.class,
        Verdict::Overloaded | Verdict::ComeBack { .. } => "overloaded",
        Verdict::SinkDown(_) => "down",
        Verdict::Unknown(_) | Verdict::Unsettled { .. } => "unknown",
        Verdict::NotYet { .. } => "not yet",
        Verdict::Unclear(_) => "unclear",
    }
}

/// Documents that readers see, as JSON.
pub(crate) fn visible(twin: &ElasticsearchTwin) -> BTreeMap<String, Value> {
    let documents = twin.documents().filter(|(_, stored)| !stored.tombstone);
    documents.map(|(id, stored)| (id.to_owned(), serde_json::from_str(&stored.source).unwrap())).collect()
}

pub(crate) fn new_sink() -> DocumentSink {
    DocumentSink::new(DocumentOptions::default())
}
