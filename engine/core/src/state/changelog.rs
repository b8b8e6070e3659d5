//! What a changelog's records look like.
//!
//! The key is the item's name: one byte that says what it is (1 a row, 2 a timer), then for a row its table's number and
//! its key, for a timer its [name](crate::timers::TimerName). Compaction goes by these bytes, so they never change.
//! A record without a value says that the item is gone. A value is one byte of version (1), the content (a row's value; a
//! timer's deadline as 8 bytes, the lowest first), and 4 bytes of checksum over key and content: what somebody else
//! wrote into the topic must not become state.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::state::{Content, TableId};
use crate::timers::TimerRef;

/// The first byte of a row's name.
pub(super) const ROW: u8 = 1;
/// The first byte of a timer's name.
pub(super) const TIMER: u8 = 2;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Why a record of a changelog can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangelogError {
    /// It is of a form that this version does not know.
    Newer(u8),
    /// It is none of ours, or damaged.
    Damaged(&'static str),
}

impl std::fmt::Display for ChangelogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newer(form) => write!(
                f,
                "the record has form {form}, which this version does not know: it was written by a newer version of \
                 this program, or is none of its records"
            ),
            Self::Damaged(what) => {
                write!(f, "the record is damaged, or was not written by this program: {what}")
            }
        }
    }
}

impl std::error::Error for ChangelogError {}

/// A record of a changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The item's name: the record's key.
    pub name: &'a [u8],
    /// The item's content; `None`: it is gone.
    pub content: Option<Content<'a>>,
}

impl<'a> Entry<'a> {
    /// Appends the record's value; answers whether it has one.
    pub fn write_value(&self, into: &mut Vec<u8>) -> bool {
        let Some(content) = self.content else { return false };
        into.push(VERSION);
        let start = into.len();
        match content {
            Content::Row(value) => into.extend_from_slice(value),
            Content::Timer(deadline_ms) => into.extend_from_slice(&deadline_ms.to_le_bytes()),
        }
        let sum = checksum(self.name, &into[start..]);
        into.extend_from_slice(&sum);
        true
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is not one of ours; nothing of it should be believed then.
    pub fn read(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Result<Self, ChangelogError> {
        let name = key.ok_or(ChangelogError::Damaged("it has no key"))?;
        let kind = kind_of(name)?;
        let content = value.map(|value| read_content(kind, name, value)).transpose()?;
        Ok(Self { name, content })
    }
}

/// What a name from outside says its item is, if it is a name.
pub(super) fn kind_of(name: &[u8]) -> Result<u8, ChangelogError> {
    let (kind, inner) = name.split_first().ok_or(ChangelogError::Damaged("its key is empty"))?;
    match *kind {
        ROW if inner.is_empty() => Err(ChangelogError::Damaged("its key names no table")),
        TIMER if TimerRef::read_name(inner).is_none() => Err(ChangelogError::Damaged("its key is cut off")),
        ROW | TIMER => Ok(*kind),
        form => Err(ChangelogError::Newer(form)),
    }
}

fn read_content<'a>(kind: u8, name: &[u8], value: &'a [u8]) -> Result<Content<'a>, ChangelogError> {
    let (version, rest) = value.split_first().ok_or(ChangelogError::Damaged("its value is empty"))?;
    if *version != VERSION {
        return Err(ChangelogError::Newer(*version));
    }
    let (content, sum) =
        rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or(ChangelogError::Damaged("its value is cut off"))?;
    if *sum != checksum(name, content) {
        return Err(ChangelogError::Damaged("its checksum is wrong"));
    }
    content_of(kind, content)
}

/// An item's content as bytes, read.
pub(super) fn content_of(kind: u8, content: &[u8]) -> Result<Content<'_>, ChangelogError> {
    if kind == ROW {
        return Ok(Content::Row(content));
    }
    let deadline = content.try_into().map_err(|_| ChangelogError::Damaged("its deadline is not 8 bytes"))?;
    Ok(Content::Timer(i64::from_le_bytes(deadline)))
}

fn checksum(name: &[u8], content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    (xxh3_64_with_seed(content, xxh3_64(name)) as u32).to_le_bytes()
}

/// Appends the name of a row.
pub(super) fn write_row_name(table: TableId, key: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&[ROW, table.0]);
    into.extend_from_slice(key);
}

/// Appends the name of a timer, whose own name that is.
pub(super) fn write_timer_name(timer_name: &[u8], into: &mut Vec<u8>) {
    into.push(TIMER);
    into.extend_from_slice(timer_name);
}

/// What a name begins with, and the rest of it.
pub(super) fn split(name: &[u8]) -> (u8, &[u8]) {
    let (kind, inner) = name.split_first().expect("names are checked before they come in");
    (*kind, inner)
}
