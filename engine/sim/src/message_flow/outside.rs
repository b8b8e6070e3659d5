//! The world around the flow: its traffic, its sequential reader, and the index's twin.

use serde_json::Value;
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log};
use thalweg_connectors::elasticsearch::{Operation, Target};
use thalweg_core::sink::Request;

use super::reader::Reader;
use super::traffic::{BREAKS_REQUEST, Traffic};
use crate::broker::log::{LogRecord, NewRecord};
use crate::flow::{Fate, Outside, Touch};
use crate::twins::elasticsearch::{ElasticsearchTwin, NoFaults};
use crate::weather::Weather;

const MAPPING: &str = r#"{"id":{"type":"keyword"},"conversationId":{"type":"keyword"},"senderId":{"type":"keyword"},
    "content":{"type":"text"},"tenantId":{"type":"keyword"},"timestamp":{"type":"date"},
    "metadata":{"type":"flattened"}}"#;

/// Versions are a generation above this many offsets.
const OFFSETS: u64 = 1 << 48;

/// See the module's text.
#[derive(Debug)]
pub struct MessageWorld {
    partitions: u32,
    traffic: Traffic,
    reader: Reader,
    index: ElasticsearchTwin,
}

impl MessageWorld {
    pub(super) fn new(partitions: u32, window: u64) -> Self {
        let traffic = Traffic::new(partitions, window);
        Self { partitions, traffic, reader: Reader::default(), index: prepared_index(partitions) }
    }

    fn touch(&self, (name, version): (String, Option<u64>), applied: bool) -> Touch {
        let offset = version.and_then(|version| i64::try_from(version % OFFSETS).ok());
        Touch { place: partition_of(&name, self.partitions).zip(offset), domain: name, applied }
    }
}

/// The partition that holds the documents of that name's key.
fn partition_of(name: &str, partitions: u32) -> Option<u32> {
    let conversation: u32 = name.split('/').nth(1)?.strip_prefix('c')?.parse().ok()?;
    Some(conversation % partitions)
}

fn prepared_index(partitions: u32) -> ElasticsearchTwin {
    let log = Log { topic: "events".to_owned(), topic_id: "1".to_owned(), partitions };
    let plan = Target::new("messages").ok().and_then(|target| IndexPlan::new(target, 1, 0, MAPPING).ok());
    let plan = plan.unwrap_or_else(|| unreachable!("the mapping above is one"));
    let mut index = ElasticsearchTwin::new(plan.target().clone());
    let (status, _) = index.answer(&Operation::CreateIndex.request(plan.create_body(&log)), &mut NoFaults);
    assert_eq!(status, 200, "the twin creates the index");
    index
}

impl Outside for MessageWorld {
    fn next_record(&mut self, rng: &mut fastrand::Rng) -> NewRecord {
        self.traffic.next(rng)
    }

    fn read(&mut self, record: &LogRecord) -> Fate {
        self.reader.read(record)
    }

    fn forget(&mut self, partition: u32) {
        let partitions = self.partitions;
        self.reader.forget(|name| partition_of(name, partitions) == Some(partition));
    }

    fn serve(
        &mut self,
        _sink: usize,
        request: &Request,
        weather: &mut Weather,
        touches: &mut Vec<Touch>,
    ) -> (u16, Vec<u8>) {
        if request.body.len() > weather.request_bytes_max {
            return (413, Vec::new());
        }
        let breaker = BREAKS_REQUEST.as_bytes();
        if request.body.windows(breaker.len()).any(|window| window == breaker) {
            return (400, br#"{"error":{"type":"parse_exception","reason":"broken"},"status":400}"#.to_vec());
        }
        let (status, body) = self.index.answer(request, weather);
        if Operation::of(request.operation) == Some(Operation::Bulk) && status == 200 {
            for (write, applied) in writes(&request.body).zip(statuses(&body)) {
                touches.push(self.touch(write, applied));
            }
        }
        (status, body)
    }

    fn restart(&mut self, _sink: usize) {
        self.index.forget_deletes();
    }

    fn difference(&self) -> Option<String> {
        let mut found =
            self.index.documents().filter(|(_, stored)| !stored.tombstone).map(|(name, stored)| {
                (name.to_owned(), serde_json::from_str(&stored.source).unwrap_or(Value::Null))
            });
        let documents = self.reader.documents().iter();
        let mut wanted = documents.filter_map(|(name, document)| {
            document.clone().map(|document| (name.clone(), Value::Object(document)))
        });
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return None,
                (wanted, found) if wanted == found => {}
                (wanted, found) => {
                    let say = |side: Option<(String, Value)>| match side {
                        Some((name, document)) => format!("{name}: {document}"),
                        None => "nothing more".to_owned(),
                    };
                    return Some(format!("the reader has {}\n  the index has  {}", say(wanted), say(found)));
                }
            }
        }
    }
}

/// Names and versions of the writes in a bulk request.
fn writes(body: &[u8]) -> impl Iterator<Item = (String, Option<u64>)> {
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    std::iter::from_fn(move || {
        let action: Value = serde_json::from_slice(lines.next()?).ok()?;
        let (verb, target) = action.as_object()?.iter().next()?;
        if verb == "index" {
            lines.next()?;
        }
        Some((target["_id"].as_str()?.to_owned(), target["version"].as_u64()))
    })
}

/// Whether each item of a bulk answer was applied.
fn statuses(body: &[u8]) -> impl Iterator<Item = bool> {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().map(|item| {
        let result = item.as_object().and_then(|item| item.values().next().cloned()).unwrap_or_default();
        matches!(result["status"].as_u64(), Some(200 | 201))
    })
}
