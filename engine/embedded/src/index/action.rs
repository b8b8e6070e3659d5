//! The lines of a bulk request: actions, each with its document if it brings one.

use std::borrow::Cow;

use serde::Deserialize;

use super::documents::Condition;
use super::refusal::Refusal;

/// Elasticsearch's limit for an id.
const ID_BYTES_MAX: usize = 512;

/// One action.
#[derive(Debug)]
pub(super) struct Action<'a> {
    pub(super) verb: Verb,
    /// The index or alias, when the action names one.
    pub(super) index: Option<Cow<'a, str>>,
    /// `None`: to be made up.
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) condition: Condition,
    pub(super) requires_alias: bool,
    /// Empty for a removal.
    pub(super) document: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Index,
    Create,
    Delete,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Index(#[serde(borrow)] About<'a>),
    Create(#[serde(borrow)] About<'a>),
    Delete(#[serde(borrow)] About<'a>),
}

/// What an action says about its document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About<'a> {
    #[serde(rename = "_index", borrow, default)]
    index: Option<Cow<'a, str>>,
    #[serde(rename = "_id", borrow, default)]
    id: Option<Cow<'a, str>>,
    version: Option<i64>,
    #[serde(borrow, default)]
    version_type: Option<Cow<'a, str>>,
    if_seq_no: Option<u64>,
    if_primary_term: Option<u64>,
    #[serde(default)]
    require_alias: bool,
}

/// The actions of a bulk body.
///
/// # Errors
/// What makes Elasticsearch refuse the whole request.
pub(super) fn actions(body: &[u8]) -> Result<Vec<Action<'_>>, Refusal> {
    let Some(body) = body.strip_suffix(b"\n") else {
        return Err(Refusal::illegal("The bulk request must be terminated by a newline [\\n]"));
    };
    let mut lines = body.split(|&byte| byte == b'\n');
    let mut actions = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
            let reason = format!("Malformed action/metadata line: {error}");
            Refusal::new(400, "x_content_parse_exception", reason)
        })?;
        let (verb, about) = match line {
            Line::Index(about) => (Verb::Index, about),
            Line::Create(about) => (Verb::Create, about),
            Line::Delete(about) => (Verb::Delete, about),
        };
        let document = match verb {
            Verb::Delete => &[],
            _ => lines.next().ok_or_else(|| Refusal::illegal("the last action has no document"))?,
        };
        let condition = about.condition(verb)?;
        let About { index, id, require_alias: requires_alias, .. } = about;
        actions.push(Action { verb, index, id, condition, requires_alias, document });
    }
    if actions.is_empty() {
        return Err(invalid("no requests added"));
    }
    Ok(actions)
}

impl<'a> About<'a> {
    /// What a request for one document says by its parameters.
    pub(super) fn new(
        id: Option<&'a str>,
        version: Option<i64>,
        version_type: Option<Cow<'a, str>>,
        guard: Option<(u64, u64)>,
    ) -> Self {
        let (if_seq_no, if_primary_term) = guard.unzip();
        let id = id.map(Cow::Borrowed);
        Self { index: None, id, version, version_type, if_seq_no, if_primary_term, require_alias: false }
    }

    /// What the write asks about the document that is there.
    pub(super) fn condition(&self, verb: Verb) -> Result<Condition, Refusal> {
        match &self.id {
            Some(id) => check_id(id)?,
            None if verb == Verb::Delete => {
                return Err(invalid("an id must be provided if version type or value are set"));
            }
            None => {}
        }
        let guard = self.if_seq_no.zip(self.if_primary_term);
        match (self.version, self.version_type.as_deref(), guard) {
            (Some(version), ..) if version < 0 => {
                Err(invalid("illegal version value for version type [EXTERNAL]"))
            }
            (Some(version), Some("external"), None) if verb != Verb::Create => {
                Ok(Condition::OlderThan(version))
            }
            (None, None, Some((seq_no, term))) if verb != Verb::Create => Ok(Condition::Is(seq_no, term)),
            (None, None, None) if verb == Verb::Create => Ok(Condition::Absent),
            (None, None, None) => Ok(Condition::None),
            (_, Some(other), _) if other != "external" => {
                Err(Refusal::unsupported(format_args!("the version type [{other}]")))
            }
            _ => Err(invalid(
                "internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and \
                 `if_primary_term` instead",
            )),
        }
    }
}

/// Whether a document may have that id.
fn check_id(id: &str) -> Result<(), Refusal> {
    if (1..=ID_BYTES_MAX).contains(&id.len()) {
        return Ok(());
    }
    Err(invalid(&format!(
        "id is too long or empty, must be no longer than {ID_BYTES_MAX} bytes but was: {}",
        id.len()
    )))
}

fn invalid(what: &str) -> Refusal {
    Refusal::new(400, "action_request_validation_exception", format!("Validation Failed: 1: {what};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_with_their_conditions() {
        let body = b"{\"index\":{\"_id\":\"a\\u0062\",\"version\":7,\"version_type\":\"external\"}}\n{\"x\":1}\n\
            {\"delete\":{\"_id\":\"c\",\"if_seq_no\":3,\"if_primary_term\":1}}\n{\"create\":{\"_index\":\"i\"}}\n{}\n";
        let all = actions(body).unwrap();
        let seen: Vec<_> = all.iter().map(|a| (a.verb, a.id.as_deref(), a.condition, a.document)).collect();
        let wanted: [(_, _, _, &[u8]); 3] = [
            (Verb::Index, Some("ab"), Condition::OlderThan(7), b"{\"x\":1}"),
            (Verb::Delete, Some("c"), Condition::Is(3, 1), b""),
            (Verb::Create, None, Condition::Absent, b"{}"),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_is_no_bulk_request_is_refused_as_a_whole() {
        for bad in [
            "{\"index\":{}}\n{}",
            "{\"index\":{}}\n",
            "{\"update\":{\"_id\":\"a\"}}\n{}\n",
            "{\"index\":{\"routing\":\"x\"}}\n{}\n",
            "{\"index\":{\"_id\":\"\"}}\n{}\n",
            "{\"index\":{\"_id\":\"a\",\"version\":1}}\n{}\n",
            "{\"index\":{\"_id\":\"a\",\"version\":1,\"version_type\":\"external_gte\"}}\n{}\n",
            "{\"delete\":{}}\n",
            "\n",
        ] {
            assert!(actions(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
