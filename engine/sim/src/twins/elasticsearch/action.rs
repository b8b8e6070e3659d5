//! The lines of a bulk request.

use serde::Deserialize;

/// One action, with its document if it brings one.
#[derive(Debug)]
pub(super) struct Action<'a> {
    pub(super) verb: Verb,
    pub(super) id: String,
    /// The version given, for `version_type` external.
    pub(super) version: Option<i64>,
    /// (`if_seq_no`, `if_primary_term`).
    pub(super) guard: Option<(u64, u64)>,
    pub(super) document: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Index,
    Delete,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Delete => "delete",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Index(Meta),
    Delete(Meta),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    #[serde(rename = "_id")]
    id: String,
    version: Option<i64>,
    version_type: Option<String>,
    if_seq_no: Option<u64>,
    if_primary_term: Option<u64>,
}

/// The actions of a bulk body.
///
/// # Errors
/// What makes Elasticsearch refuse the whole request, as (type, reason).
pub(super) fn actions(body: &[u8]) -> Result<Vec<Action<'_>>, (&'static str, String)> {
    let malformed = |reason: String| ("illegal_argument_exception", reason);
    let Some(body) = body.strip_suffix(b"\n") else {
        return Err(malformed("The bulk request must be terminated by a newline [\\n]".into()));
    };
    let mut lines = body.split(|&byte| byte == b'\n');
    let mut actions = Vec::new();
    while let Some(line) = lines.next() {
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            ("x_content_parse_exception", format!("Malformed action/metadata line: {error}"))
        })?;
        let (verb, meta) = match line {
            Line::Index(meta) => (Verb::Index, meta),
            Line::Delete(meta) => (Verb::Delete, meta),
        };
        let document = match verb {
            Verb::Index => lines.next().ok_or_else(|| malformed("the last action has no document".into()))?,
            Verb::Delete => &[],
        };
        check(&meta)?;
        let guard = meta.if_seq_no.zip(meta.if_primary_term);
        actions.push(Action { verb, id: meta.id, version: meta.version, guard, document });
    }
    Ok(actions)
}

fn check(meta: &Meta) -> Result<(), (&'static str, String)> {
    let invalid =
        |what: String| Err(("action_request_validation_exception", format!("Validation Failed: 1: {what};")));
    if meta.id.is_empty() || meta.id.len() > 512 {
        return invalid(format!("id of {} bytes", meta.id.len()));
    }
    if meta.version.is_some_and(|version| version < 0) {
        return invalid("illegal version value for version type [EXTERNAL]".into());
    }
    if meta.version.is_some() != (meta.version_type.as_deref() == Some("external")) {
        return invalid("internal versioning can not be used for optimistic concurrency control".into());
    }
    Ok(())
}
