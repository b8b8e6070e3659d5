//! The state as one run sees it: what stands, and what the run itself has written.

use crate::state::items::{Items, hash_of};
use crate::state::{Content, State, StateError, TableId, changelog};
use crate::timers::TimerRef;

/// What a run writes, until its chain has ended; used again from run to run.
#[derive(Debug, Default)]
pub struct Writes {
    pub(super) items: Items,
    /// Where the run has written more than the state may hold: so much, in bytes. The rest was not noted, and the run
    /// will be refused.
    pub(super) refused_bytes: usize,
    /// Why the flow must not go on with what the run found.
    failure: Option<StateError>,
    /// The name that is being looked for.
    name: Vec<u8>,
}

impl Writes {
    /// Whether the run has written nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.len() == 0 && self.refused_bytes == 0
    }

    /// Bytes of what it wrote.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.items.bytes()
    }

    /// Why the flow must not go on, if the run has said so.
    pub fn take_failure(&mut self) -> Option<StateError> {
        self.failure.take()
    }

    /// Throws away what the run wrote.
    pub fn clear(&mut self) {
        self.failure = None;
        self.items.clear();
        self.refused_bytes = 0;
    }
}

/// What an operator reads and writes in the run of one record or timer.
#[derive(Debug)]
pub struct RunState<'s> {
    state: &'s State,
    writes: &'s mut Writes,
    key: &'s [u8],
}

impl<'s> RunState<'s> {
    /// The run of a record or a timer of `key`.
    pub fn new(state: &'s State, writes: &'s mut Writes, key: &'s [u8]) -> Self {
        Self { state, writes, key }
    }

    /// What was found can't be read: whatever the run says, nothing of it counts, and the flow ends with this.
    pub fn fail(&mut self, what: String) {
        self.writes.failure.get_or_insert(StateError::Unreadable(what));
    }

    /// The value of a row, as this run would leave it.
    pub fn get(&mut self, table: TableId, key: &[u8]) -> Option<&[u8]> {
        self.name(|name| changelog::write_row_name(table, key, name));
        match self.content()? {
            Content::Row(value) => Some(value),
            Content::Timer(_) => None,
        }
    }

    /// Writes a row.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) {
        self.name(|name| changelog::write_row_name(table, key, name));
        self.note(Some(Content::Row(value)));
    }

    /// Deletes a row, if it is there.
    pub fn delete(&mut self, table: TableId, key: &[u8]) {
        self.name(|name| changelog::write_row_name(table, key, name));
        self.note(None);
    }

    /// The deadline of a timer of this run's key, as this run would leave it.
    pub fn timer_ms(&mut self, id: &[u8]) -> Option<i64> {
        self.timer_name(id);
        match self.content()? {
            Content::Timer(deadline_ms) => Some(deadline_ms),
            Content::Row(_) => None,
        }
    }

    /// Sets a timer of this run's key, or gives it another deadline.
    pub fn set_timer(&mut self, id: &[u8], deadline_ms: i64) {
        self.timer_name(id);
        self.note(Some(Content::Timer(deadline_ms)));
    }

    /// Cancels a timer of this run's key, if it is pending.
    pub fn cancel_timer(&mut self, id: &[u8]) {
        self.timer_name(id);
        self.note(None);
    }

    fn name(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.writes.name.clear();
        write(&mut self.writes.name);
    }

    fn timer_name(&mut self, id: &[u8]) {
        let timer = TimerRef { key: self.key, id };
        self.name(|name| {
            name.push(changelog::TIMER);
            timer.write_name(name);
        });
    }

    fn content(&self) -> Option<Content<'_>> {
        let name = &self.writes.name;
        let hash = hash_of(name);
        match self.writes.items.get(hash, name) {
            Some(written) => written,
            None => self.state.content(hash, name),
        }
    }

    fn note(&mut self, content: Option<Content<'_>>) {
        let Writes { items, refused_bytes, name, .. } = &mut *self.writes;
        let value_bytes = match content {
            Some(Content::Row(value)) => value.len(),
            _ => 0,
        };
        let written_bytes = items.bytes() + name.len() + value_bytes;
        if written_bytes > self.state.limits.bytes_max {
            *refused_bytes = written_bytes.max(*refused_bytes);
        } else {
            items.put(hash_of(name), name, content);
        }
    }
}
