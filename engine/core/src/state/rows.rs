//! The rows of all tables: values by name (a table's number and a key), in as little memory as a map takes.

use crate::leb128;
use crate::shards::Shards;
use crate::state::items::inner_hash_of;

/// What a row takes beside its name and value: its place in the map (17, and up to as much again that is empty), the
/// length of its name, and what an allocator rounds up.
pub(super) const ROW_BYTES: usize = 48;

/// What a row takes.
pub(super) fn row_bytes(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ROW_BYTES
}

/// One allocation a row: the length of its name as LEB128, its name, its value.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Shards<Box<[u8]>>,
    bytes: usize,
}

impl Rows {
    /// `hash` is that of an item with that name.
    pub(super) fn get(&self, hash: u64, name: &[u8]) -> Option<&[u8]> {
        let row = self.rows.find(hash, |row| split(row).0 == name)?;
        Some(split(row).1)
    }

    pub(super) fn put(&mut self, hash: u64, name: &[u8], value: &[u8]) {
        let Some(row) = self.rows.find_mut(hash, |row| split(row).0 == name) else {
            self.bytes += row_bytes(name, value);
            self.rows.insert(hash, join(name, value), |row| inner_hash_of(split(row).0));
            return;
        };
        let start = row.len() - split(row).1.len();
        // A counter's value keeps its length.
        if row.len() - start == value.len() {
            row[start..].copy_from_slice(value);
        } else {
            self.bytes = self.bytes - (row.len() - start) + value.len();
            *row = join(name, value);
        }
    }

    pub(super) fn remove(&mut self, hash: u64, name: &[u8]) {
        if let Some(row) = self.rows.remove(hash, |row| split(row).0 == name) {
            let (name, value) = split(&row);
            self.bytes -= row_bytes(name, value);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Names and values of one part (see [`Shards`]), in no order.
    pub(super) fn part(&self, part: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.part(part).map(|row| split(row))
    }

    /// Names and values, in no order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|row| split(row))
    }
}

fn join(name: &[u8], value: &[u8]) -> Box<[u8]> {
    const LENGTH_BYTES_MAX: usize = 10;
    let mut row = Vec::with_capacity(LENGTH_BYTES_MAX + name.len() + value.len());
    leb128::write(name.len() as u64, &mut row);
    row.extend_from_slice(name);
    row.extend_from_slice(value);
    row.into_boxed_slice()
}

/// Name and value of a row.
fn split(row: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = row;
    let name_len = leb128::read(&mut rest).expect("a row begins with its name's length");
    rest.split_at(name_len as usize)
}
