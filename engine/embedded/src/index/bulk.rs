//! `_bulk`: actions applied one after the other, and one answer for each.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::action::{self, Action, Verb};
use super::documents::PRIMARY_TERM;
use super::filter_path;
use super::indices::{Index, Indices};
use super::refusal::Refusal;
use super::writes::{Writes, Written};

/// What our own connector asks for: answered without building a tree first.
const SHORT: &str = "errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason";

/// How a bulk request was made.
pub(super) struct BulkOptions<'a> {
    /// The index or alias in the path.
    pub(super) name: Option<&'a str>,
    pub(super) requires_alias: bool,
    pub(super) filter_path: Option<&'a str>,
}

/// An answered bulk request.
pub(super) struct Answered {
    pub(super) body: String,
    /// The indices that were written to.
    pub(super) indices: Vec<Arc<Index>>,
}

/// Applies a bulk request.
///
/// # Errors
/// When it is refused as a whole; nothing was applied then.
pub(super) fn apply(indices: &Indices, body: &[u8], options: &BulkOptions<'_>) -> Result<Answered, Refusal> {
    let actions = action::actions(body)?;
    indices.has_room(body.len() as u64)?;
    let mut targets = Targets { indices, options, known: HashMap::new() };
    let mut written = Vec::with_capacity(actions.len());
    for action in &actions {
        let name = action.index.as_deref().or(options.name);
        written.push(match targets.of(name, action) {
            Ok((name, writes)) => (name, writes.apply(action)),
            Err(refusal) => {
                let id = action.id.as_deref().unwrap_or_default().to_owned();
                (
                    name.unwrap_or_default().to_owned(),
                    Written { verb: action.verb, id, outcome: Err(refusal) },
                )
            }
        });
    }
    let indices = targets.known.into_values().flatten().map(|writes| Arc::clone(writes.index())).collect();
    let body = match options.filter_path {
        Some(SHORT) => short(&written),
        Some(paths) => filter_path::filtered(&full(&written), paths).to_string(),
        None => full(&written).to_string(),
    };
    Ok(Answered { body, indices })
}

/// The indices that a request writes to, looked up once each.
struct Targets<'t> {
    indices: &'t Indices,
    options: &'t BulkOptions<'t>,
    known: HashMap<String, Result<Writes, Refusal>>,
}

impl Targets<'_> {
    fn of(&mut self, name: Option<&str>, action: &Action<'_>) -> Result<(String, &mut Writes), Refusal> {
        let name = name.ok_or_else(|| {
            Refusal::new(
                400,
                "action_request_validation_exception",
                "Validation Failed: 1: index is missing;",
            )
        })?;
        if !self.known.contains_key(name) {
            let requires_alias = self.options.requires_alias || action.requires_alias;
            self.known.insert(name.to_owned(), look_up(self.indices, name, requires_alias));
        }
        match self.known.get_mut(name) {
            Some(Ok(writes)) => Ok((writes.index().name.clone(), writes)),
            Some(Err(refusal)) => Err(refusal.clone()),
            None => Err(Refusal::missing(name)),
        }
    }
}

fn look_up(indices: &Indices, name: &str, requires_alias: bool) -> Result<Writes, Refusal> {
    let because = format!("and [require_alias] request flag is [true] and [{name}] is not an alias");
    let target = indices.target(name).map_err(|refusal| match refusal.status {
        404 if requires_alias => {
            Refusal::new(404, "index_not_found_exception", format!("no such index [{name}] {because}"))
        }
        // Not made by a write, as Elasticsearch would: it would have no mapping.
        _ => refusal,
    })?;
    if requires_alias && !target.is_alias {
        return Err(Refusal::new(
            404,
            "index_not_found_exception",
            format!("no such index [{name}] {because}"),
        ));
    }
    target.index.full_text.ready()?;
    Ok(Writes::to(&target.index))
}

/// The answer in full.
fn full(written: &[(String, Written)]) -> Value {
    let items: Vec<_> =
        written.iter().map(|(index, written)| json!({written.verb.name(): item(index, written)})).collect();
    json!({"took": 0, "errors": written.iter().any(|(_, written)| written.outcome.is_err()), "items": items})
}

/// One item of it; a single write's answer, too.
pub(super) fn item(index: &str, written: &Written) -> Value {
    let (id, status) = (&written.id, written.status());
    match &written.outcome {
        Err(refusal) => json!({"_index": index, "_id": id, "status": status, "error": refusal.as_json()}),
        Ok(changed) => json!({
            "_index": index, "_id": id, "_version": changed.version, "result": written.result(),
            "_shards": {"total": 1, "successful": 1, "failed": 0}, "_seq_no": changed.seq_no,
            "_primary_term": PRIMARY_TERM, "status": status,
        }),
    }
}

/// What [`SHORT`] leaves of the answer.
fn short(written: &[(String, Written)]) -> String {
    let errors = written.iter().any(|(_, written)| written.outcome.is_err());
    let mut body = String::with_capacity(64 + written.len() * 100);
    let _ = write!(body, "{{\"errors\":{errors},\"items\":[");
    for (number, (_, written)) in written.iter().enumerate() {
        if number > 0 {
            body.push(',');
        }
        push_short(&mut body, written.verb, written);
    }
    body.push_str("]}");
    body
}

fn push_short(into: &mut String, verb: Verb, written: &Written) {
    into.push_str("{\"");
    into.push_str(verb.name());
    into.push_str("\":{\"_id\":");
    push_quoted(into, &written.id);
    into.push_str(",\"status\":");
    into.push_str(itoa::Buffer::new().format(written.status()));
    if let Err(refusal) = &written.outcome {
        // Writing to a text can't fail.
        let _ = write!(into, ",\"error\":{}", refusal.as_json());
    }
    into.push_str("}}");
}

fn push_quoted(into: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        into.push('"');
        into.push_str(text);
        into.push('"');
    } else {
        into.push_str(&Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::documents::Changed;

    #[test]
    fn the_short_answer_is_the_full_one_filtered() {
        let changed = |replaced| Ok(Changed { version: 7, seq_no: 3, replaced });
        let refusal = Refusal::parsing("no \"such\" field");
        let written: Vec<(String, Written)> = [
            (Verb::Index, "t/k/1", changed(None)),
            (Verb::Index, "odd \" \\ \u{1} ü", changed(Some(2))),
            (Verb::Delete, "gone", changed(None)),
            (Verb::Create, "bad", Err(refusal)),
        ]
        .into_iter()
        .map(|(verb, id, outcome)| ("i".to_owned(), Written { verb, id: id.to_owned(), outcome }))
        .collect();
        let parsed: Value = serde_json::from_str(&short(&written)).unwrap();
        assert_eq!(parsed, filter_path::filtered(&full(&written), SHORT));
        assert!(
            short(&written[..1])
                .starts_with(r#"{"errors":false,"items":[{"index":{"_id":"t/k/1","status":201}}]}"#)
        );
    }
}
