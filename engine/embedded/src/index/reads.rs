//! Gets: documents by id, as of now, whatever an alias hides from searches.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::answer::{self, Answer};
use super::documents::{PRIMARY_TERM, Stored};
use super::indices::Indices;
use super::refusal::Refusal;
use axum::http::StatusCode;

/// `_mget` of ids of one index.
pub(super) fn multi_get(indices: &Indices, name: &str, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ids {
        ids: Vec<String>,
    }
    let Ids { ids } = serde_json::from_slice(body).map_err(|error| {
        let reason = format!("the embedded index knows [ids] of one index only: {error}");
        Refusal::new(400, "x_content_parse_exception", reason)
    })?;
    if ids.is_empty() {
        let reason = "Validation Failed: 1: no documents to get;";
        return Err(Refusal::new(400, "action_request_validation_exception", reason));
    }
    let target = indices.target(name);
    let mut answered = String::from("{\"docs\":[");
    for (number, id) in ids.iter().enumerate() {
        if number > 0 {
            answered.push(',');
        }
        match &target {
            Ok(target) => push(&mut answered, &target.index.name, id, target.index.documents.lock().get(id)),
            Err(refusal) => {
                let (quoted, error) = (Value::from(id.as_str()), refusal.as_json());
                // Writing to a text can't fail.
                let _ = write!(
                    answered,
                    "{{\"_index\":{},\"_id\":{quoted},\"error\":{error}}}",
                    Value::from(name)
                );
            }
        }
    }
    answered.push_str("]}");
    Ok(answer::json(StatusCode::OK, answered))
}

/// `GET _doc`.
pub(super) fn get(indices: &Indices, name: &str, id: &str) -> Answer {
    let target = indices.target(name)?;
    let documents = target.index.documents.lock();
    let found = documents.get(id);
    let mut answered = String::new();
    push(&mut answered, &target.index.name, id, found);
    Ok(answer::json(if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND }, answered))
}

fn push<S: AsRef<Stored>>(into: &mut String, index: &str, id: &str, found: Option<&S>) {
    let id = Value::from(id);
    // Writing to a text can't fail.
    let _ = match found.map(AsRef::as_ref) {
        None => write!(into, "{{\"_index\":\"{index}\",\"_id\":{id},\"found\":false}}"),
        Some(Stored { version, seq_no, source, .. }) => write!(
            into,
            "{{\"_index\":\"{index}\",\"_id\":{id},\"_version\":{version},\"_seq_no\":{seq_no},\
             \"_primary_term\":{PRIMARY_TERM},\"found\":true,\"_source\":{source}}}"
        ),
    };
}
