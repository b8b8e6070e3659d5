//! The operations, each from request bytes to response bytes.

use serde_json::{Map, Value, json};
use thalweg_connectors::elasticsearch::{Operation, Target};

use super::action::{self, Action};
use super::answers::{self, Refusal, fine, push_item, refused};
use super::fault::{self, Faults};
use super::index::{Index, PRIMARY_TERM};
use super::mapping::Mapping;

type Answer = (u16, Vec<u8>);

pub(super) fn bulk(
    target: &Target,
    mut index: Option<&mut Index>,
    body: &[u8],
    faults: &mut impl Faults,
) -> Answer {
    let actions = match action::actions(body) {
        Ok(actions) => actions,
        Err((kind, reason)) => return refused(400, kind, &reason),
    };
    let (mut errors, mut items) = (false, String::new());
    for action in &actions {
        let result = match faults.item(Operation::Bulk, &action.id) {
            Some(status) => {
                let (kind, reason) = fault::cause(status);
                Err(Refusal::new(status, kind, reason))
            }
            None => write(target, index.as_deref_mut(), action),
        };
        errors |= result.is_err();
        if !items.is_empty() {
            items.push(',');
        }
        push_item(&mut items, action.verb.name(), &action.id, &result);
    }
    (200, format!("{{\"errors\":{errors},\"items\":[{items}]}}").into_bytes())
}

fn write(target: &Target, index: Option<&mut Index>, action: &Action<'_>) -> Result<u16, Refusal> {
    let alias = target.alias();
    let Some(index) = index else {
        let reason = format!(
            "no such index [{alias}] and [require_alias] request flag is [true] and [{alias}] is not an alias"
        );
        return Err(Refusal::new(404, "index_not_found_exception", reason));
    };
    if index.write_blocked {
        let reason = format!("index [{}] blocked by: [FORBIDDEN/8/index write (api)];", target.first_index());
        return Err(Refusal::new(403, "cluster_block_exception", reason));
    }
    index.apply(action)
}

pub(super) fn multi_get(
    target: &Target,
    index: Option<&Index>,
    body: &[u8],
    faults: &mut impl Faults,
) -> Answer {
    #[derive(serde::Deserialize)]
    struct Ids {
        ids: Vec<String>,
    }
    let Ok(Ids { ids }) = serde_json::from_slice(body) else {
        return refused(400, "x_content_parse_exception", "not a multi-get");
    };
    if ids.is_empty() {
        let reason = "Validation Failed: 1: no documents to get;";
        return refused(400, "action_request_validation_exception", reason);
    }
    let mut documents = Vec::with_capacity(ids.len());
    for id in &ids {
        let injected = faults.item(Operation::Mget, id).map(|status| {
            let (kind, reason) = fault::cause(status);
            Refusal::new(status, kind, reason)
        });
        documents.push(match (injected, index) {
            (Some(refusal), _) => failed_read(id, target.alias(), &refusal),
            (None, None) => {
                let reason = format!("no such index [{}]", target.alias());
                failed_read(id, target.alias(), &Refusal::new(404, "index_not_found_exception", reason))
            }
            (None, Some(index)) => read(index, id, &target.first_index()),
        });
    }
    (200, format!("{{\"docs\":[{}]}}", documents.join(",")).into_bytes())
}

fn read(index: &Index, id: &str, name: &str) -> String {
    let quoted = Value::from(id);
    let Some(stored) = index.get(id) else {
        return format!("{{\"_index\":\"{name}\",\"_id\":{quoted},\"found\":false}}");
    };
    format!(
        "{{\"_index\":\"{name}\",\"_id\":{quoted},\"_version\":{},\"_seq_no\":{},\"_primary_term\":{PRIMARY_TERM},\
         \"found\":true,\"_source\":{}}}",
        stored.version, stored.seq_no, stored.source
    )
}

fn failed_read(id: &str, index: &str, refusal: &Refusal) -> String {
    json!({"_index": index, "_id": id, "error": {
        "root_cause": [refusal.as_json()], "type": refusal.kind, "reason": refusal.reason,
    }})
    .to_string()
}

pub(super) fn read_index(target: &Target, index: Option<&Index>) -> Answer {
    let Some(index) = index else { return missing(target) };
    let description = json!({"aliases": index.aliases, "mappings": index.mapping.body, "settings": {"index": index.settings}});
    fine(&json!({target.first_index(): description}), 200)
}

pub(super) fn create_index(target: &Target, index: &mut Option<Index>, body: &[u8]) -> Answer {
    let name = target.first_index();
    if index.is_some() {
        return refused(
            400,
            "resource_already_exists_exception",
            &format!("index [{name}/uuid] already exists"),
        );
    }
    let Ok(mut body) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return refused(400, "x_content_parse_exception", "not an index");
    };
    let mut part = |name: &str| body.remove(name).unwrap_or_else(|| json!({}));
    let (mapping, settings) = (Mapping { body: part("mappings") }, part("settings"));
    let Value::Object(aliases) = part("aliases") else {
        return refused(400, "x_content_parse_exception", "not aliases");
    };
    *index = Some(Index::new(mapping, settings, aliases));
    fine(&json!({"acknowledged": true, "shards_acknowledged": true, "index": name}), 200)
}

pub(super) fn put_mapping(target: &Target, index: Option<&mut Index>, body: &[u8]) -> Answer {
    let Some(index) = index else { return missing(target) };
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return refused(400, "x_content_parse_exception", "not a mapping");
    };
    if let (Some(meta), Some(mapping)) = (body.get("_meta"), index.mapping.body.as_object_mut()) {
        mapping.insert("_meta".into(), meta.clone());
    }
    fine(&json!({"acknowledged": true}), 200)
}

/// Knows the one search that the purge sends.
pub(super) fn search_tombstones(target: &Target, index: Option<&Index>, body: &[u8]) -> Answer {
    let Some(index) = index else { return missing(target) };
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return refused(400, "parsing_exception", "not a search");
    };
    let older_than = body.pointer("/query/bool/filter/1/range/deletedAt/lt").and_then(Value::as_i64);
    let (Some(older_than_ms), Some(size)) = (older_than, body["size"].as_u64()) else {
        return refused(400, "parsing_exception", "not the search this twin knows");
    };
    let old = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms < older_than_ms);
    let hits: Vec<Value> = index
        .documents()
        .filter(|(_, stored)| stored.tombstone && old(stored.deleted_at_ms))
        .take(usize::try_from(size).unwrap_or(usize::MAX))
        .map(|(id, stored)| json!({"_id": id, "_seq_no": stored.seq_no, "_primary_term": PRIMARY_TERM}))
        .collect();
    let mut answer = json!({"timed_out": false, "_shards": {"failed": 0}});
    if let (false, Some(answer)) = (hits.is_empty(), answer.as_object_mut()) {
        answer.insert("hits".into(), json!({"hits": hits}));
    }
    answers::fine(&answer, 200)
}

fn missing(target: &Target) -> Answer {
    refused(404, "index_not_found_exception", &format!("no such index [{}]", target.alias()))
}
