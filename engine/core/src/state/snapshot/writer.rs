//! Writing a snapshot, part by part.

use crate::leb128;
use crate::shards::PARTS;
use crate::state::snapshot::{
    CHAIN_START, END, FRAME_BYTES, HEADER, ITEMS, MAGIC, SnapshotHeader, VERSION, checksum,
};
use crate::state::{Content, State, changelog};

/// How far a snapshot is written. Rows come first, then timers.
#[derive(Debug)]
pub struct SnapshotWriter {
    chain: u64,
    items: u64,
    /// Of rows below [`PARTS`], of timers from there on.
    next_part: usize,
    payload: Vec<u8>,
}

impl SnapshotWriter {
    /// Begins one; appends its first bytes.
    #[must_use]
    pub fn begin(header: &SnapshotHeader, into: &mut Vec<u8>) -> Self {
        into.extend_from_slice(&MAGIC);
        into.push(VERSION);
        let mut writer = Self { chain: CHAIN_START, items: 0, next_part: 0, payload: Vec::new() };
        writer.payload.push(HEADER);
        writer.payload.extend_from_slice(&header.next_offset.to_le_bytes());
        writer.payload.extend_from_slice(&header.complete_ms.to_le_bytes());
        writer.payload.extend_from_slice(&header.number.to_le_bytes());
        writer.payload.extend_from_slice(header.topic_id.as_bytes());
        writer.frame(into);
        writer
    }

    /// Appends more of the state: whole parts of it (1/64 of its rows or timers), one or so many that it is `slice_bytes`.
    /// Answers whether that was the last of it. Between two calls the state may change, but it must be as it is committed.
    pub fn write(&mut self, state: &State, slice_bytes: usize, into: &mut Vec<u8>) -> bool {
        let start = into.len();
        while self.next_part < 2 * PARTS {
            self.part(state, into);
            self.next_part += 1;
            if into.len() + self.payload.len() - start >= slice_bytes && self.next_part < 2 * PARTS {
                self.frame(into);
                return false;
            }
        }
        self.frame(into);
        self.payload.push(END);
        self.payload.extend_from_slice(&self.items.to_le_bytes());
        self.frame(into);
        true
    }

    fn part(&mut self, state: &State, into: &mut Vec<u8>) {
        if let Some(part) = self.next_part.checked_sub(PARTS) {
            for (name, deadline_ms) in state.timers.part(part) {
                self.item(changelog::TIMER, name, Content::Timer(deadline_ms), into);
            }
        } else {
            for (name, value) in state.rows.part(self.next_part) {
                self.item(changelog::ROW, name, Content::Row(value), into);
            }
        }
    }

    fn item(&mut self, kind: u8, inner: &[u8], content: Content<'_>, into: &mut Vec<u8>) {
        let deadline;
        let content = match content {
            Content::Row(value) => value,
            Content::Timer(deadline_ms) => {
                deadline = deadline_ms.to_le_bytes();
                &deadline[..]
            }
        };
        if self.payload.is_empty() {
            self.payload.push(ITEMS);
        }
        leb128::write(1 + inner.len() as u64, &mut self.payload);
        self.payload.push(kind);
        self.payload.extend_from_slice(inner);
        leb128::write(content.len() as u64, &mut self.payload);
        self.payload.extend_from_slice(content);
        self.items += 1;
        if self.payload.len() >= FRAME_BYTES {
            self.frame(into);
        }
    }

    /// Puts what was collected into a frame, if there is something.
    fn frame(&mut self, into: &mut Vec<u8>) {
        if self.payload.is_empty() {
            return;
        }
        let len = u32::try_from(self.payload.len()).expect("a row fits into a record");
        self.chain = checksum(&self.payload, self.chain);
        into.extend_from_slice(&len.to_le_bytes());
        into.extend_from_slice(&self.payload);
        into.extend_from_slice(&self.chain.to_le_bytes());
        self.payload.clear();
    }
}
