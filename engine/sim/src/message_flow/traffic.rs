//! Traffic: few documents under few keys, so that effects meet; duplicates near and far; replays; poison of every kind.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::broker::log::NewRecord;
use crate::plan::REQUEST_BYTES_MAX;

/// A content with this in it makes the index refuse the whole request it comes in.
pub(super) const BREAKS_REQUEST: &str = "<breaks the request>";

/// What stands where a date should.
pub(super) const NO_DATE: &str = "the day before yesterday";

#[derive(Debug)]
pub(super) struct Traffic {
    partitions: u32,
    keys: u32,
    documents: u32,
    poison_percent: u8,
    /// Of the repeated records, how many come as replays of a dead letter; none in most runs.
    replay_percent: u8,
    next_id: u64,
    /// Records to be repeated: a bit more than the dedupe window of every partition.
    recent: VecDeque<NewRecord>,
    recent_max: usize,
}

impl Traffic {
    pub(super) fn new(partitions: u32, window: u64) -> Self {
        let recent_max = (window as usize * partitions as usize * 2).min(1_000);
        Self {
            partitions,
            keys: 0,
            documents: 0,
            poison_percent: 0,
            replay_percent: 0,
            next_id: 0,
            recent: VecDeque::new(),
            recent_max,
        }
    }

    pub(super) fn next(&mut self, rng: &mut fastrand::Rng) -> NewRecord {
        if self.keys == 0 {
            self.keys = rng.u32(2..24);
            self.documents = rng.u32(1..5);
            self.poison_percent = rng.u8(1..14);
            self.replay_percent = if rng.u8(0..3) == 0 { rng.u8(10..90) } else { 0 };
        }
        let again = rng.u8(0..100) < 5;
        if let Some(repeated) = self.recent.get(rng.usize(0..self.recent.len().max(1))).filter(|_| again) {
            let mut repeated = repeated.clone();
            if rng.u8(0..100) < self.replay_percent {
                let count = rng.u8(1..4).to_string();
                repeated.headers.push(("dlq.replay_count".to_owned(), count.into_bytes()));
            }
            return repeated;
        }
        let record = self.fresh(rng);
        self.recent.push_back(record.clone());
        if self.recent.len() > self.recent_max {
            self.recent.pop_front();
        }
        record
    }

    fn fresh(&mut self, rng: &mut fastrand::Rng) -> NewRecord {
        self.next_id += 1;
        let conversation = rng.u32(0..self.keys);
        let key = format!("c{conversation}");
        let id = format!("m{}", rng.u32(0..self.documents));
        let tenant = if rng.u8(0..100) < 95 { "t1" } else { "t2" };
        let value = match rng.u8(0..100) {
            0..40 => created(rng, &key, &id, tenant, self.next_id),
            40..80 => updated(rng, &id, tenant, self.next_id),
            80..94 => json!({"type": "message.deleted", "payload": {"id": id, "tenantId": tenant}}),
            _ => json!({"type": "message.read", "payload": {"id": id, "by": "u1"}}),
        };
        let mut headers = vec![("correlation-id".to_owned(), b"x".to_vec())];
        if rng.u8(0..100) < 97 {
            headers.push(("message-id".to_owned(), format!("e{}", self.next_id).into_bytes()));
        }
        let mut record = NewRecord {
            partition: conversation % self.partitions,
            key: Some(key.into_bytes()),
            value: Some(value.to_string().into_bytes()),
            headers,
        };
        if rng.u8(0..100) < self.poison_percent {
            poison(rng, &mut record, &value);
        }
        record
    }
}

fn created(rng: &mut fastrand::Rng, key: &str, id: &str, tenant: &str, number: u64) -> Value {
    let mut payload = json!({
        "id": id,
        "conversationId": key,
        "senderId": format!("u{}", rng.u32(0..9)),
        "content": content(rng, number),
        "tenantId": tenant,
        "timestamp": "2023-08-15T10:30:00Z",
    });
    if rng.bool() {
        payload["metadata"] = metadata(rng, number);
    }
    json!({"type": "message.created", "payload": payload})
}

fn updated(rng: &mut fastrand::Rng, id: &str, tenant: &str, number: u64) -> Value {
    let mut payload = json!({"id": id, "tenantId": tenant});
    // Often only a part, so that a lost update shows.
    if rng.u8(0..100) < 40 {
        payload["content"] = content(rng, number).into();
    }
    if rng.u8(0..100) < 80 {
        payload["metadata"] = metadata(rng, number);
    }
    json!({"type": "message.updated", "payload": payload})
}

fn content(rng: &mut fastrand::Rng, number: u64) -> String {
    format!("text {number} \"ü\n{}", "y".repeat(rng.usize(0..200)))
}

fn metadata(rng: &mut fastrand::Rng, number: u64) -> Value {
    let mut metadata = json!({});
    for _ in 0..rng.u8(0..3) {
        let name = format!("k{}", rng.u8(0..8));
        metadata[name] = if rng.u8(0..10) == 0 { Value::Null } else { format!("v{number}").into() };
    }
    metadata
}

/// Makes the record one that can't be processed (or, now and then, one that can).
fn poison(rng: &mut fastrand::Rng, record: &mut NewRecord, value: &Value) {
    let text = value.to_string();
    let mut value = value.clone();
    let bytes = match rng.u8(0..15) {
        0 => text.as_bytes()[..text.len() / 2].to_vec(),
        1 => Vec::new(),
        2 => {
            record.value = None;
            return;
        }
        3 => {
            record.key = None;
            record.partition = rng.u32(0..64);
            return;
        }
        4 => vec![0xFF, 0xFE, b'{'],
        5 => "[".repeat(300).into_bytes(),
        kind => {
            change(kind, &mut value);
            value.to_string().into_bytes()
        }
    };
    record.value = Some(bytes);
}

fn change(kind: u8, value: &mut Value) {
    let payload = &mut value["payload"];
    match kind {
        6 => value["type"] = "message.exploded".into(),
        7 => payload["id"] = 7.into(),
        8 => {
            if let Some(payload) = payload.as_object_mut() {
                payload.remove("id");
            }
        }
        9 => payload["id"] = "i".repeat(600).into(),
        10 => payload["timestamp"] = NO_DATE.into(),
        11 => payload["conversationId"] = "elsewhere".into(),
        12 => payload["content"] = "h".repeat(REQUEST_BYTES_MAX * 2).into(),
        13 => payload["content"] = BREAKS_REQUEST.into(),
        _ => payload["tenantId"] = "t3".into(),
    }
}
