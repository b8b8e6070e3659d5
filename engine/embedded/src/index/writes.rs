//! Writes: actions applied to an index one after the other, each for itself.

use std::sync::Arc;

use super::action::{Action, Verb};
use super::documents::{Changed, Condition};
use super::field_values;
use super::full_text::{self, Change};
use super::indices::{Index, State};
use super::refusal::Refusal;

/// What became of a write.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) verb: Verb,
    pub(super) id: String,
    pub(super) outcome: Result<Changed, Refusal>,
}

impl Written {
    /// The status that Elasticsearch gives to it.
    pub(super) fn status(&self) -> u16 {
        match &self.outcome {
            Err(refusal) => refusal.status,
            Ok(Changed { replaced: None, .. }) if self.verb == Verb::Delete => 404,
            Ok(Changed { replaced: None, .. }) => 201,
            Ok(_) => 200,
        }
    }

    /// What Elasticsearch calls it.
    pub(super) fn result(&self) -> &'static str {
        match self.status() {
            404 => "not_found",
            201 => "created",
            _ if self.verb == Verb::Delete => "deleted",
            _ => "updated",
        }
    }
}

/// Writes to one index in the order of the calls; what searches should see of it is handed over at the end.
pub(super) struct Writes {
    index: Arc<Index>,
    state: State,
    changes: Vec<Change>,
    retired: Vec<u64>,
}

impl Writes {
    pub(super) fn to(index: &Arc<Index>) -> Self {
        let state = index.state();
        Self { index: Arc::clone(index), state, changes: Vec::new(), retired: Vec::new() }
    }

    pub(super) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Applies one action.
    pub(super) fn apply(&mut self, action: &Action<'_>) -> Written {
        let id = match &action.id {
            Some(id) => id.clone().into_owned(),
            // Long enough that nobody guesses an id that is going to be made up.
            None => format!("{:016x}{:08x}", rand_u64(), rand_u64() as u32),
        };
        let outcome = self.outcome(action, &id);
        Written { verb: action.verb, id, outcome }
    }

    fn outcome(&mut self, action: &Action<'_>, id: &str) -> Result<Changed, Refusal> {
        if self.state.settings.writes_blocked {
            let reason = format!("index [{}] blocked by: [FORBIDDEN/8/index write (api)];", self.index.name);
            return Err(Refusal::new(403, "cluster_block_exception", reason));
        }
        let seq_no_field = self.state.mapping.seq_no;
        let changed = match action.verb {
            Verb::Delete => self.index.documents.lock().remove(id, action.condition)?,
            Verb::Index | Verb::Create => self.put(id, action.document, action.condition)?,
        };
        if let Some(replaced) = changed.replaced {
            self.changes.push(full_text::removal(seq_no_field, replaced));
            self.retired.push(replaced);
        }
        Ok(changed)
    }

    fn put(&mut self, id: &str, document: &[u8], condition: Condition) -> Result<Changed, Refusal> {
        let source = std::str::from_utf8(document).map_err(|error| Refusal::parsing(error.to_string()))?;
        // Before its version is looked at, as Elasticsearch does.
        let fields = field_values::indexed(&self.state.mapping, id, source)?;
        let changed = self.index.documents.lock().put(id, source, condition)?;
        self.changes.push(full_text::addition(fields, self.state.mapping.seq_no, changed.seq_no));
        Ok(changed)
    }
}

impl Drop for Writes {
    /// What was written is going to be found, whatever else happens.
    fn drop(&mut self) {
        let (changes, retired) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.retired));
        self.index.full_text.change(changes, retired);
    }
}

fn rand_u64() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
