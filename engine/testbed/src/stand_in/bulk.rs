//! Answering `_bulk`: the straight line of a stand-in, so nothing is parsed but the action lines.

use std::io::Write as _;

use bytes::Bytes;

use super::Keep;
use super::answer_fields::AnswerFields;
use super::documents::{Write, Written};
use super::indices::Indices;
use super::record::{Entry, Record};
use crate::bulk_request::{Item, Operation, items};

/// Bytes of an item's answer, about.
const ANSWER_BYTES: usize = 200;

/// A bulk request's answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) body: Vec<u8>,
    pub(super) items: u64,
}

/// Applies every item of `body` in order; an error when it is not a bulk request (what came before is applied, as it
/// is by Elasticsearch).
pub(super) fn apply(
    body: &Bytes,
    default_index: Option<&str>,
    fields: AnswerFields,
    keep: Keep,
    indices: &mut Indices,
    record: &mut Record,
) -> Result<Answered, String> {
    let mut answers = Vec::with_capacity(body.len() / 2 + ANSWER_BYTES);
    let mut errors = false;
    let mut count = 0;
    for item in items(body) {
        let item = item?;
        if count > 0 {
            answers.push(b',');
        }
        let index = item.target.index.as_deref().or(default_index).ok_or("an item names no index")?;
        let id = item.target.id.as_deref().ok_or("the stand-in makes no ids: an item has none")?;
        let (index, documents) = indices.documents(index);
        let outcome = write_of(&item, id, body).map(|write| documents.write(write, keep));
        let status = status_of(outcome.as_ref());
        errors |= status >= 400 && status != 404;
        let version = outcome.as_ref().map_or(0, |written| version_of(*written));
        let operation = item.operation.name();
        record.add(&Entry { operation, index, id, version, status, source: item.source });
        let answer = ItemAnswer { operation, index, id, status, outcome: &outcome, sequence: count };
        answer.put(&mut answers, fields).map_err(|error| error.to_string())?;
        count += 1;
    }
    let took = if fields.took { "\"took\":0," } else { "" };
    let mut body = format!("{{\"errors\":{errors},{took}\"items\":[").into_bytes();
    body.append(&mut answers);
    body.extend_from_slice(b"]}");
    Ok(Answered { body, items: count })
}

fn write_of<'a>(item: &Item<'_>, id: &'a str, body: &Bytes) -> Result<Write<'a>, &'static str> {
    let (external, or_equal) = match (item.target.version_type.as_deref(), item.target.version) {
        (Some("external"), Some(version)) => (Some(version), false),
        (Some("external_gte"), Some(version)) => (Some(version), true),
        (None | Some("internal"), None) => (None, false),
        _ => return Err("the stand-in knows external versions only"),
    };
    if item.operation == Operation::Update {
        return Err("the stand-in does no updates");
    }
    // A slice of the request's own buffer: nothing is copied.
    Ok(Write { operation: item.operation, id, external, or_equal, source: body.slice_ref(item.source) })
}

fn status_of(outcome: Result<&Written, &&'static str>) -> u16 {
    match outcome {
        Ok(Written::Created(_)) => 201,
        Ok(Written::Updated(_) | Written::Deleted(_)) => 200,
        Ok(Written::NotFound(_)) => 404,
        Ok(Written::Conflict(_)) => 409,
        Err(_) => 400,
    }
}

fn version_of(written: Written) -> u64 {
    match written {
        Written::Created(version)
        | Written::Updated(version)
        | Written::Deleted(version)
        | Written::NotFound(version)
        | Written::Conflict(version) => version,
    }
}

/// The answer to one item.
struct ItemAnswer<'a> {
    operation: &'static str,
    index: &'a str,
    id: &'a str,
    status: u16,
    outcome: &'a Result<Written, &'static str>,
    sequence: u64,
}

impl ItemAnswer<'_> {
    fn put(&self, out: &mut Vec<u8>, fields: AnswerFields) -> std::io::Result<()> {
        write!(out, "{{\"{}\":{{", self.operation)?;
        let start = out.len();
        if fields.index {
            out.extend_from_slice(b"\"_index\":");
            serde_json::to_writer(&mut *out, self.index)?;
            out.push(b',');
        }
        if fields.id {
            out.extend_from_slice(b"\"_id\":");
            serde_json::to_writer(&mut *out, self.id)?;
            out.push(b',');
        }
        match self.outcome {
            Ok(Written::Conflict(version)) => {
                let kind = "version_conflict_engine_exception";
                let reason =
                    format!("[{}]: version conflict, current version [{version}] is not lower", self.id);
                put_error(out, fields, kind, &reason)?;
            }
            Ok(written) => self.put_success(out, fields, *written)?,
            Err(reason) => put_error(out, fields, "illegal_argument_exception", reason)?,
        }
        if fields.status {
            write!(out, "\"status\":{},", self.status)?;
        }
        // The comma after the last field.
        if out.len() > start {
            out.pop();
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }

    fn put_success(&self, out: &mut Vec<u8>, fields: AnswerFields, written: Written) -> std::io::Result<()> {
        if fields.version {
            write!(out, "\"_version\":{},", version_of(written))?;
        }
        if fields.result {
            let result = match written {
                Written::Created(_) => "created",
                Written::Updated(_) => "updated",
                Written::Deleted(_) => "deleted",
                Written::NotFound(_) | Written::Conflict(_) => "not_found",
            };
            write!(out, "\"result\":\"{result}\",")?;
        }
        if fields.shards {
            out.extend_from_slice(b"\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0},");
        }
        if fields.sequence {
            write!(out, "\"_seq_no\":{},\"_primary_term\":1,", self.sequence)?;
        }
        Ok(())
    }
}

fn put_error(out: &mut Vec<u8>, fields: AnswerFields, kind: &str, reason: &str) -> std::io::Result<()> {
    if fields.error {
        write!(out, "\"error\":{{\"type\":\"{kind}\",\"reason\":")?;
        serde_json::to_writer(&mut *out, reason)?;
        out.extend_from_slice(b"},");
    }
    Ok(())
}
