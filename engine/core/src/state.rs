//! State of one operator in one partition: the rows of its tables, and its timers.
//!
//! In memory, and changed only by whole runs: what a run writes is collected in [`Writes`], which the run reads back, and
//! is applied when its chain has ended ([`State::apply`]) or thrown away. What was applied belongs to the open
//! transaction: [`State::changes`] are its entries for the changelog. [`State::seal`] makes it the one that is ending, by
//! [`State::committed`] or [`State::rolled_back`]; runs go on meanwhile, in the next one. Who restores reads the changelog
//! back with [`State::restore`].
//!
//! Everything in it is an *item*: a name (the bytes by which the changelog knows it) and a content.

pub mod changelog;
mod items;
mod rows;
mod run;
pub mod snapshot;

use crate::state::changelog::{ChangelogError, Entry};
use crate::state::items::{Items, hash_of};
use crate::state::rows::Rows;
use crate::timers::{DueTimer, TIMER_BYTES, Timers};
pub use run::{RunState, Writes};

/// A table of an operator; an operator numbers its own. The number is part of the changelog, and must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableId(pub u8);

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A row with that value.
    Row(&'a [u8]),
    /// A timer with that deadline, in ms.
    Timer(i64),
}

/// How much a state may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// Bytes of memory for rows and timers together. What the transactions have to remember that have not ended comes on top;
    /// the limit of a transaction's size bounds it.
    pub bytes_max: usize,
    /// Bytes of a row's key and value together: it must fit into a record of the changelog.
    pub row_bytes_max: usize,
}

/// Why a run's writes were refused, or a changelog can't be restored. Nothing of the run was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// There would be too much of it: for the operator of the system.
    Full {
        /// What it would take with the run's writes, in bytes.
        needed_bytes: usize,
        /// What it may take, in bytes.
        bytes_max: usize,
        /// Rows it holds.
        rows: usize,
        /// Timers it holds.
        timers: usize,
    },
    /// A row is too large for the changelog: for who sent the record, or wrote the operator.
    RowTooLarge {
        /// Bytes of its key and value.
        row_bytes: usize,
        /// What they may have.
        row_bytes_max: usize,
    },
    /// The changelog can't be read.
    Changelog(ChangelogError),
    /// An operator can't read what it finds in its state: for who runs the program, or wrote it.
    Unreadable(String),
}

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { needed_bytes, bytes_max, rows, timers } => write!(
                f,
                "the state ({rows} rows, {timers} timers) would take {needed_bytes} bytes of memory, and may take \
                 {bytes_max}: raise the limit if the machine has the memory, or spread the partitions over more workers"
            ),
            Self::RowTooLarge { row_bytes, row_bytes_max } => write!(
                f,
                "a row of {row_bytes} bytes (key and value) does not fit into a record of the changelog, which takes \
                 {row_bytes_max}"
            ),
            Self::Changelog(error) => write!(f, "{error}"),
            Self::Unreadable(what) => write!(f, "{what}"),
        }
    }
}

impl std::error::Error for StateError {}

/// See the module's text.
#[derive(Debug)]
pub struct State {
    rows: Rows,
    timers: Timers,
    limits: StateLimits,
    /// What the open transaction has touched, as it was before.
    before: Items,
    /// What the transaction has touched that is ending, as it was before.
    sealed: Items,
}

impl State {
    /// An empty state.
    #[must_use]
    pub fn new(limits: StateLimits) -> Self {
        let (rows, timers) = (Rows::default(), Timers::default());
        Self { rows, timers, limits, before: Items::default(), sealed: Items::default() }
    }

    /// Makes what a run wrote part of the open transaction; `writes` is empty afterwards.
    ///
    /// # Errors
    /// When the state would pass its limits; then nothing of the run is applied.
    pub fn apply(&mut self, writes: &mut Writes) -> Result<(), StateError> {
        let fits = self.fits(writes);
        if fits.is_ok() {
            for (hash, name, content) in writes.items.iter() {
                self.touch(hash, name);
                self.set(hash, name, content);
            }
        }
        writes.clear();
        fits
    }

    /// Takes out the timer that is due first, if one is at `now_ms`, as a part of the open transaction.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<DueTimer> {
        let due = self.timers.pop_due(now_ms)?;
        let mut name = Vec::with_capacity(1 + due.name.as_bytes().len());
        changelog::write_timer_name(due.name.as_bytes(), &mut name);
        let hash = hash_of(&name);
        if !self.before.contains(hash, &name) {
            self.before.push(hash, &name, Some(Content::Timer(due.deadline_ms)));
        }
        Some(due)
    }

    /// When to ask [`State::pop_due`] again; see [`Timers::next_wake_ms`].
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<i64> {
        self.timers.next_wake_ms()
    }

    /// The open transaction's entries for the changelog: one for each item that is not as it was before.
    pub fn changes(&self) -> impl Iterator<Item = Entry<'_>> {
        self.before.iter().filter_map(|(hash, name, before)| {
            let content = self.content(hash, name);
            (content != before).then_some(Entry { name, content })
        })
    }

    /// How many items the open transaction has touched: 0 when there is nothing to commit.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.before.len()
    }

    /// How many items the transaction has touched that is ending.
    #[must_use]
    pub fn sealed(&self) -> usize {
        self.sealed.len()
    }

    /// The open transaction is to end; what is applied from now on belongs to the next one.
    ///
    /// # Panics
    /// When one is ending already.
    pub fn seal(&mut self) {
        assert_eq!(self.sealed.len(), 0, "one transaction ends at a time");
        std::mem::swap(&mut self.before, &mut self.sealed);
    }

    /// The transaction that was ending is committed.
    pub fn committed(&mut self) {
        self.sealed.clear();
    }

    /// The open transaction is given up: everything is as it was before.
    pub fn take_back(&mut self) {
        let mut before = std::mem::take(&mut self.before);
        self.undo(&before);
        before.clear();
        self.before = before;
    }

    /// The transaction that was ending is aborted, and the open one is given up with it: everything is as it was before both.
    pub fn rolled_back(&mut self) {
        self.take_back();
        let mut sealed = std::mem::take(&mut self.sealed);
        self.undo(&sealed);
        sealed.clear();
        self.sealed = sealed;
    }

    fn undo(&mut self, before: &Items) {
        for (hash, name, content) in before.iter() {
            self.set(hash, name, content);
        }
    }

    /// Takes in a record of the changelog, in the changelog's order. `key` and `value` as they are there.
    ///
    /// # Errors
    /// When the record can't be read, or the state has passed its limit.
    ///
    /// # Panics
    /// When a transaction is open.
    pub fn restore(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), StateError> {
        let entry = Entry::read(key, value).map_err(StateError::Changelog)?;
        self.restore_entry(&entry)
    }

    /// Takes in what was read of a changelog or a snapshot.
    fn restore_entry(&mut self, entry: &Entry<'_>) -> Result<(), StateError> {
        assert_eq!(self.touched() + self.sealed(), 0, "restoring comes before the first run");
        self.set(hash_of(entry.name), entry.name, entry.content);
        if self.bytes() > self.limits.bytes_max {
            return Err(self.full(self.bytes()));
        }
        Ok(())
    }

    /// Bytes of memory that rows and timers take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.timers.bytes()
    }

    /// Rows it holds.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Timers it holds.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// The content of that item now.
    fn content(&self, hash: u64, name: &[u8]) -> Option<Content<'_>> {
        content_of(&self.rows, &self.timers, hash, name)
    }

    fn set(&mut self, hash: u64, name: &[u8], content: Option<Content<'_>>) {
        let (kind, inner) = changelog::split(name);
        match content {
            Some(Content::Row(value)) => self.rows.put(hash, inner, value),
            Some(Content::Timer(deadline_ms)) => {
                self.timers.set_named(inner, deadline_ms);
            }
            None if kind == changelog::ROW => self.rows.remove(hash, inner),
            None => {
                self.timers.cancel_named(inner);
            }
        }
    }

    /// Remembers the item as it is, unless the transaction has touched it already.
    fn touch(&mut self, hash: u64, name: &[u8]) {
        if !self.before.contains(hash, name) {
            let content = content_of(&self.rows, &self.timers, hash, name);
            self.before.push(hash, name, content);
        }
    }

    fn fits(&self, writes: &Writes) -> Result<(), StateError> {
        let (mut taken, mut freed) = (self.bytes(), 0);
        for (hash, name, content) in writes.items.iter() {
            let (_, inner) = changelog::split(name);
            match content {
                Some(Content::Row(value)) => {
                    let row_bytes = inner.len() + value.len();
                    if row_bytes > self.limits.row_bytes_max {
                        let row_bytes_max = self.limits.row_bytes_max;
                        return Err(StateError::RowTooLarge { row_bytes, row_bytes_max });
                    }
                    taken += rows::row_bytes(inner, value);
                }
                Some(Content::Timer(_)) => taken += inner.len() + TIMER_BYTES,
                None => {}
            }
            freed += match self.content(hash, name) {
                Some(Content::Row(value)) => rows::row_bytes(inner, value),
                Some(Content::Timer(_)) => inner.len() + TIMER_BYTES,
                None => 0,
            };
        }
        let needed_bytes = (taken - freed).max(writes.refused_bytes);
        if needed_bytes > self.limits.bytes_max {
            return Err(self.full(needed_bytes));
        }
        Ok(())
    }

    fn full(&self, needed_bytes: usize) -> StateError {
        let StateLimits { bytes_max, .. } = self.limits;
        StateError::Full { needed_bytes, bytes_max, rows: self.rows(), timers: self.timers() }
    }
}

fn content_of<'s>(rows: &'s Rows, timers: &Timers, hash: u64, name: &[u8]) -> Option<Content<'s>> {
    match changelog::split(name) {
        (changelog::ROW, row) => rows.get(hash, row).map(Content::Row),
        (_, timer) => timers.deadline_of_named(timer).map(Content::Timer),
    }
}

#[cfg(test)]
mod tests;
