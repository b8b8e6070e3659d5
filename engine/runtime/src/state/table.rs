//! A table of rows by key.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thalweg_core::exactly_once::Run;
use thalweg_core::state::TableId;

use super::encoding::{decode, with_bytes};

/// What a table's rows are. A type whose form changes gets another version, and reads the forms that it had before.
pub trait Row: Serialize + DeserializeOwned {
    /// Of the form that is written.
    const VERSION: u8 = 1;

    /// Reads a row of an earlier version, with the help of [`decode`]; `None`: it can't be read.
    #[must_use]
    fn of_version(_version: u8, _bytes: &[u8]) -> Option<Self> {
        None
    }
}

impl Row for u64 {}
impl Row for i64 {}
impl Row for String {}
impl Row for Vec<u8> {}

/// A table of an exactly-once flow's operator: a constant beside it. Its rows belong to the partition whose records are
/// run.
#[derive(Debug)]
pub struct Table<K: ?Sized, V> {
    id: TableId,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: Serialize + ?Sized, V: Row> Table<K, V> {
    /// The operator's table of that number, which stands in the changelog: it must not change, nor be given to another
    /// table later.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self { id: TableId(number), types: PhantomData }
    }

    /// The key's row, as this run would leave it.
    pub fn get(&self, run: &mut Run<'_>, key: &K) -> Option<V> {
        let found = with_bytes(run, &[], key, |run, key| run.state.get(self.id, key).map(read::<V>))??;
        match found {
            Ok(row) => Some(row),
            Err(version) => {
                run.state.fail(format!(
                    "a row of table {} (version {version}) is no {} of version {} or one before: it was written by \
                     another program, or a newer version of this one",
                    self.id.0,
                    std::any::type_name::<V>(),
                    V::VERSION
                ));
                None
            }
        }
    }

    /// Writes the key's row.
    pub fn put(&self, run: &mut Run<'_>, key: &K, row: &V) {
        with_bytes(run, &[], key, |run, key| {
            with_bytes(run, &[V::VERSION], row, |run, row| run.state.put(self.id, key, row));
        });
    }

    /// Deletes the key's row, if there is one.
    pub fn delete(&self, run: &mut Run<'_>, key: &K) {
        with_bytes(run, &[], key, |run, key| run.state.delete(self.id, key));
    }
}

/// Reads a row, or says what version it claims to be.
fn read<V: Row>(bytes: &[u8]) -> Result<V, u8> {
    let (version, row) = bytes.split_first().ok_or(0u8)?;
    let read = if *version == V::VERSION { decode(row) } else { V::of_version(*version, row) };
    read.ok_or(*version)
}
