//! Reading a snapshot, in pieces of any size, into a state.

use crate::leb128;
use crate::state::changelog::{self, Entry};
use crate::state::snapshot::{
    CHAIN_START, END, FRAME_BYTES, HEADER, ITEMS, MAGIC, SnapshotHeader, SnapshotRefusal, SnapshotTerms,
    VERSION, checksum,
};
use crate::state::{State, StateError};

const LENGTH_BYTES: usize = 4;
const SUM_BYTES: usize = 8;

/// What a reader that is broken on purpose does not look at.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Trusts {
    pub(crate) damaged: bool,
    pub(crate) foreign: bool,
    pub(crate) old: bool,
}

/// How far a snapshot is read. Once it refuses, the state that it was read into must be thrown away.
#[derive(Debug)]
pub struct SnapshotReader {
    terms: SnapshotTerms,
    trusts: Trusts,
    /// What has come and is no whole frame yet.
    rest: Vec<u8>,
    /// A frame that says to be larger is damaged: what has come is kept until a frame is whole.
    frame_bytes_max: usize,
    chain: u64,
    versioned: bool,
    header: Option<SnapshotHeader>,
    items: u64,
    bytes: u64,
    ended: bool,
}

impl SnapshotReader {
    /// Reads one that must keep these terms. `row_bytes_max`: what a row may have at most.
    #[must_use]
    pub fn new(terms: SnapshotTerms, row_bytes_max: usize) -> Self {
        Self::trusting(terms, row_bytes_max, Trusts::default())
    }

    pub(crate) fn trusting(terms: SnapshotTerms, row_bytes_max: usize, trusts: Trusts) -> Self {
        Self {
            terms,
            trusts,
            rest: Vec::new(),
            frame_bytes_max: row_bytes_max.saturating_add(2 * FRAME_BYTES),
            chain: CHAIN_START,
            versioned: false,
            header: None,
            items: 0,
            bytes: 0,
            ended: false,
        }
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// When the snapshot must not be used.
    pub fn read(&mut self, bytes: &[u8], state: &mut State) -> Result<(), SnapshotRefusal> {
        self.bytes += bytes.len() as u64;
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut place = 0;
        if !self.versioned && rest.len() > MAGIC.len() {
            place = MAGIC.len() + 1;
            self.check_version(&rest[..place])?;
        }
        while self.versioned && !self.ended {
            let Some(frame) = self.frame_at(&rest, place)? else { break };
            place += LENGTH_BYTES + frame.len() + SUM_BYTES;
            self.take(frame, state)?;
        }
        if self.ended && place < rest.len() && !self.trusts.damaged {
            return Err(SnapshotRefusal::Damaged("something stands behind its end"));
        }
        rest.drain(..place);
        self.rest = rest;
        Ok(())
    }

    /// There are no more bytes: answers what it says of itself, and how many bytes it had.
    ///
    /// # Errors
    /// When that was not all of it.
    pub fn finish(self) -> Result<(SnapshotHeader, u64), SnapshotRefusal> {
        let whole = self.ended || self.trusts.damaged;
        let header = self.header.filter(|_| whole).ok_or(SnapshotRefusal::CutOff)?;
        Ok((header, self.bytes))
    }

    fn check_version(&mut self, start: &[u8]) -> Result<(), SnapshotRefusal> {
        if start[..MAGIC.len()] != MAGIC {
            return Err(SnapshotRefusal::Damaged("it does not begin like a snapshot"));
        }
        match start[MAGIC.len()] {
            VERSION => self.versioned = true,
            0 => return Err(SnapshotRefusal::Damaged("there is no form 0")),
            newer => return Err(SnapshotRefusal::Newer(newer)),
        }
        Ok(())
    }

    /// The payload of the frame that begins there, if all of it has come.
    fn frame_at<'b>(&mut self, bytes: &'b [u8], place: usize) -> Result<Option<&'b [u8]>, SnapshotRefusal> {
        let bytes = &bytes[place..];
        let Some((length, bytes)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.frame_bytes_max {
            return Err(SnapshotRefusal::Damaged("a frame is too long"));
        }
        let Some((payload, bytes)) = bytes.split_at_checked(length) else { return Ok(None) };
        let Some((sum, _)) = bytes.split_first_chunk::<SUM_BYTES>() else { return Ok(None) };
        let sum = u64::from_le_bytes(*sum);
        if sum != checksum(payload, self.chain) && !self.trusts.damaged {
            return Err(SnapshotRefusal::Damaged("a checksum is wrong"));
        }
        self.chain = sum;
        Ok(Some(payload))
    }

    fn take(&mut self, payload: &[u8], state: &mut State) -> Result<(), SnapshotRefusal> {
        let Some((kind, content)) = payload.split_first() else {
            return Err(SnapshotRefusal::Damaged("a frame is empty"));
        };
        match (*kind, &self.header) {
            (HEADER, None) => {
                let header =
                    read_header(content).ok_or(SnapshotRefusal::Damaged("its first frame is cut off"))?;
                self.admit(&header)?;
                self.header = Some(header);
            }
            (ITEMS, Some(_)) => {
                let taken = self.take_items(content, state);
                if !self.trusts.damaged {
                    taken?;
                }
            }
            (END, Some(_)) => {
                if content != self.items.to_le_bytes() && !self.trusts.damaged {
                    return Err(SnapshotRefusal::Damaged("items are missing"));
                }
                self.ended = true;
            }
            _ if self.trusts.damaged => {}
            _ => return Err(SnapshotRefusal::Damaged("a frame is out of place")),
        }
        Ok(())
    }

    fn admit(&self, header: &SnapshotHeader) -> Result<(), SnapshotRefusal> {
        use SnapshotRefusal::{OtherPartition, OtherTopic, TooOld};
        match self.terms.admit(header) {
            Err(OtherTopic(_) | OtherPartition(_)) if self.trusts.foreign => Ok(()),
            Err(TooOld { .. }) if self.trusts.old => Ok(()),
            admitted => admitted,
        }
    }

    fn take_items(&mut self, mut rest: &[u8], state: &mut State) -> Result<(), SnapshotRefusal> {
        while !rest.is_empty() {
            let (name, content) = take_field(&mut rest)
                .zip(take_field(&mut rest))
                .ok_or(SnapshotRefusal::Damaged("an item is cut off"))?;
            let damaged = |_| SnapshotRefusal::Damaged("an item is none");
            let kind = changelog::kind_of(name).map_err(damaged)?;
            let content = changelog::content_of(kind, content).map_err(damaged)?;
            match state.restore_entry(&Entry { name, content: Some(content) }) {
                Ok(()) => {}
                Err(StateError::Full { .. }) => return Err(SnapshotRefusal::TooLarge),
                Err(_) => return Err(SnapshotRefusal::Damaged("an item is none")),
            }
            self.items += 1;
        }
        Ok(())
    }
}

fn take_field<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(leb128::read(rest)?).ok()?;
    let (field, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(field)
}

fn read_header(mut content: &[u8]) -> Option<SnapshotHeader> {
    let (next_offset, rest) = content.split_first_chunk::<8>()?;
    content = rest;
    let (complete_ms, rest) = content.split_first_chunk::<8>()?;
    content = rest;
    let (number, topic_id) = content.split_first_chunk::<4>()?;
    Some(SnapshotHeader {
        topic_id: String::from_utf8(topic_id.to_vec()).ok()?,
        number: i32::from_le_bytes(*number),
        next_offset: i64::from_le_bytes(*next_offset),
        complete_ms: i64::from_le_bytes(*complete_ms),
    })
}
