//! A view: what it is of, and what routes read from it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use thalweg_core::batch::Batch;
use thalweg_core::record::Record;

use super::item::Item;
use super::page::{Page, PageRequest};
use super::progress::Progress;
use super::reading::AHEAD_BYTES;
use super::settings::ViewSettings;
use super::table::{Change, Full, Table, To};

/// Bytes of a page's things, beyond which it ends.
const PAGE_BYTES_MAX: usize = 256 << 10;

/// Keys that are looked at for one page, and those of them before others may write.
const PAGE_LOOKS_MAX: usize = 10_000;
const LOOKS_MAX: usize = 1_000;

/// Records that are taken in before others may read.
const CHANGES_MAX: usize = 256;

/// See the module's text of [`crate::views`]. A handle: clones show the same.
pub struct View<V>(Arc<Shared<V>>);

pub(super) struct Shared<V> {
    topic: String,
    settings: ViewSettings,
    decode: fn(&[u8]) -> Result<V, String>,
    table: RwLock<Table<V>>,
    undecodable: AtomicU64,
    progress: Progress,
}

/// What the metrics say of a view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ViewCounted {
    pub(crate) topic: String,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) undecodable: u64,
    pub(crate) ready: bool,
    /// Offsets still to be read, as far as is known.
    pub(crate) lag: u64,
}

/// A view, whatever it shows.
pub(crate) trait AnyView: Send + Sync {
    fn topic(&self) -> &str;
    fn settings(&self) -> &ViewSettings;
    fn progress(&self) -> &Progress;
    /// Takes a batch of one partition in.
    fn apply(&self, batch: &Batch) -> Result<(), Full>;
    /// Lets go of everything.
    fn clear(&self);
    fn counted(&self) -> ViewCounted;

    /// Bytes that it takes at most, what is read ahead of it included.
    fn kept_bytes(&self) -> u64 {
        self.settings().bytes_max.saturating_add(AHEAD_BYTES)
    }
}

impl<V> Clone for View<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> fmt::Debug for View<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.0.topic).finish()
    }
}

impl<V: DeserializeOwned + Send + Sync + 'static> View<V> {
    /// Of that topic, whose values are JSON; `V` needs to have only what routes look at. The topic is made when it is
    /// missing, with as many partitions as the flow's source; one that is there must be compacted.
    ///
    /// A value that is not of that form is counted, and its key shown as if there were nothing.
    #[must_use]
    pub fn json(topic: &str, settings: &ViewSettings) -> Self {
        Self::decoded(topic, settings, |bytes| {
            serde_json::from_slice(bytes).map_err(|error| error.to_string())
        })
    }
}

impl View<()> {
    /// Of that topic, whose values are any bytes; otherwise as [`View::json`].
    #[must_use]
    pub fn bytes(topic: &str, settings: &ViewSettings) -> Self {
        Self::decoded(topic, settings, |_| Ok(()))
    }
}

impl<V: Send + Sync + 'static> View<V> {
    fn decoded(topic: &str, settings: &ViewSettings, decode: fn(&[u8]) -> Result<V, String>) -> Self {
        Self(Arc::new(Shared {
            topic: topic.to_owned(),
            settings: settings.clone(),
            decode,
            table: RwLock::new(Table::new(settings.bytes_max)),
            undecodable: AtomicU64::new(0),
            progress: Progress::default(),
        }))
    }

    /// The latest of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<Item<V>>> {
        self.0.table.read().get(key)
    }

    /// Some of what is wanted, in the order of keys. `wanted` is asked with key and value; it must not wait for anything.
    pub fn page(&self, asked: &PageRequest, wanted: impl Fn(&str, &V) -> bool) -> Page<V> {
        let items_max = self.0.settings.page_items_max;
        let items_max = asked.limit.map_or(items_max, |limit| limit.min(items_max)) as usize;
        let (mut items, mut bytes, mut looks) = (Vec::new(), 0, 0);
        let mut after: Option<Box<str>> = asked.after.as_deref().map(Into::into);
        loop {
            let limits = (items_max - items.len(), PAGE_BYTES_MAX - bytes, LOOKS_MAX);
            let found = self.0.table.read().scan(after.as_deref(), limits, &wanted);
            bytes += found.items.iter().map(|item| item.bytes.len()).sum::<usize>();
            items.extend(found.items);
            looks += LOOKS_MAX;
            after = found.next;
            let is_full = items.len() >= items_max || bytes >= PAGE_BYTES_MAX || looks >= PAGE_LOOKS_MAX;
            if after.is_none() || is_full {
                return Page { items, next: after.map(String::from) };
            }
        }
    }

    pub(crate) fn erased(&self) -> Arc<dyn AnyView> {
        Arc::<Shared<V>>::clone(&self.0)
    }
}

impl<V> Shared<V> {
    /// What a record makes of its key; `None`: it has no key that could be shown.
    fn change(&self, record: &Record<'_>, partition: u32) -> Option<Change<V>> {
        let timestamp_ms = record.timestamp_ms;
        let Some(key) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else {
            self.complain(record, partition, "its key is missing, or no UTF-8");
            return None;
        };
        let item = record.value.and_then(|value| match (self.decode)(value) {
            Ok(decoded) => {
                let bytes = Bytes::copy_from_slice(value);
                Some(Arc::new(Item { value: decoded, bytes, partition, timestamp_ms }))
            }
            Err(reason) => {
                self.complain(record, partition, &reason);
                None
            }
        });
        let to = item.map_or(To::Nothing { partition, timestamp_ms }, To::Item);
        Some(Change { key: key.into(), to })
    }

    /// Counts it; the first one is named.
    fn complain(&self, record: &Record<'_>, partition: u32, reason: &str) {
        let (topic, offset) = (self.topic.as_str(), record.position.offset);
        if self.undecodable.fetch_add(1, Relaxed) == 0 {
            tracing::warn!(
                topic,
                partition,
                offset,
                "a record of a view can't be read, and is shown as if it were not there; of further ones only the metric \
                 thalweg_view_undecodable_total tells: {reason}"
            );
        }
    }
}

impl<V: Send + Sync> AnyView for Shared<V> {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn settings(&self) -> &ViewSettings {
        &self.settings
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn apply(&self, batch: &Batch) -> Result<(), Full> {
        let partition = batch.partition().0;
        let changes: Vec<_> =
            (0..batch.len()).filter_map(|index| self.change(&batch.record(index), partition)).collect();
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let mut table = self.table.write();
            changes.by_ref().take(CHANGES_MAX).try_for_each(|change| table.apply(change))?;
        }
        Ok(())
    }

    fn clear(&self) {
        let emptied = Table::new(self.settings.bytes_max);
        // What was there is dropped without the lock.
        let before = std::mem::replace(&mut *self.table.write(), emptied);
        drop(before);
    }

    fn counted(&self) -> ViewCounted {
        let (records, bytes) = {
            let table = self.table.read();
            (table.len() as u64, table.bytes())
        };
        let (ready, lag) = self.progress.told();
        let undecodable = self.undecodable.load(Relaxed);
        ViewCounted { topic: self.topic.clone(), records, bytes, undecodable, ready, lag }
    }
}

#[cfg(test)]
mod tests;
