//! What a commit says beyond its position: which offsets above it are already finished (design D6).
//!
//! A Kafka commit carries a string of at most 4,096 bytes. Ours is `t1` followed by fields `;name=value`, so that
//! later versions can add fields; unknown ones are ignored. The field `f` holds finished stretches relative to the
//! position: `r` and run lengths (alternating unfinished and finished, as LEB128 varints), or `b` and a bitmap
//! (bit 0 of byte 0 is the position), base64url without padding; whichever is smaller. What does not fit is left
//! out: its effects are simply done again.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::leb128;

/// What brokers accept by default (`offset.metadata.max.bytes`).
pub const METADATA_BYTES_MAX: usize = 4_096;

const VERSION: &str = "t1";

/// Bytes before base64: the prefix `t1;f=r` and room for other fields (64 bytes) taken off, three quarters of it.
const PAYLOAD_BYTES_MAX: usize = (METADATA_BYTES_MAX - 64 - 6) / 4 * 3;

/// Why a commit's metadata can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataError {
    /// It is not ours, or of a version we do not know.
    Foreign,
    /// It is ours, and damaged.
    Damaged(&'static str),
    /// It is of a flow that commits single records, and a flow with transactions was to take it over.
    AtLeastOnce,
}

impl std::fmt::Display for MetadataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => write!(f, "the commit's metadata was not written by this program's version"),
            Self::Damaged(what) => write!(f, "the commit's metadata is damaged: {what}"),
            Self::AtLeastOnce => write!(
                f,
                "the commit was written by an at-least-once flow, and names offsets above it that are finished; \
                 let that flow finish them before an exactly-once flow takes over its group"
            ),
        }
    }
}

impl std::error::Error for MetadataError {}

/// Writes the metadata of a commit at `position`: `finished` are ascending, disjoint stretches above it.
#[must_use]
pub fn encode(position: i64, finished: impl Iterator<Item = Range<i64>>) -> String {
    let runs = relative(position, finished);
    if runs.is_empty() {
        return VERSION.to_owned();
    }
    let (runs_bytes, runs_cover) = run_lengths(&runs);
    let (map_bytes, map_cover) = bitmap(&runs);
    let map_is_better =
        map_cover > runs_cover || (map_cover == runs_cover && map_bytes.len() < runs_bytes.len());
    let (form, bytes) = if map_is_better { ('b', map_bytes) } else { ('r', runs_bytes) };
    format!("{VERSION};f={form}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads the finished stretches above `position`; empty metadata has none.
///
/// # Errors
/// When the metadata is foreign or damaged; nothing of it should be believed then.
pub fn decode(position: i64, metadata: &str) -> Result<Vec<Range<i64>>, MetadataError> {
    if metadata.is_empty() {
        return Ok(Vec::new());
    }
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(MetadataError::Foreign);
    }
    let mut fields = metadata.split(';');
    if fields.next() != Some(VERSION) {
        return Err(MetadataError::Foreign);
    }
    let Some(finished) = fields.find_map(|field| field.strip_prefix("f=")) else { return Ok(Vec::new()) };
    let mut chars = finished.chars();
    let form = chars.next();
    let bytes =
        URL_SAFE_NO_PAD.decode(chars.as_str()).map_err(|_| MetadataError::Damaged("it is not base64url"))?;
    let runs = match form {
        Some('r') => read_run_lengths(&bytes)?,
        Some('b') => read_bitmap(&bytes),
        _ => return Err(MetadataError::Damaged("its form is neither runs nor bitmap")),
    };
    runs.into_iter()
        .map(|run| {
            let shift = |offset: u64| position.checked_add_unsigned(offset);
            shift(run.start).zip(shift(run.end)).map(|(start, end)| start..end)
        })
        .collect::<Option<_>>()
        .ok_or(MetadataError::Damaged("its offsets pass the largest there are"))
}

/// Tells one transaction from all others: which worker's life it is of, and its number there. It stands in the field
/// `s`, as two hexadecimal numbers with a dot between, in the commit of every partition that the transaction touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionTag {
    /// Drawn at random when the worker began.
    pub life: u64,
    /// Counts the worker's transactions.
    pub number: u64,
}

/// Writes the metadata of a commit that is part of that transaction.
#[must_use]
pub fn encode_transaction(tag: TransactionTag) -> String {
    format!("{VERSION};s={:x}.{:x}", tag.life, tag.number)
}

/// Reads which transaction a commit was part of; `None` where none was: the group has just begun.
///
/// # Errors
/// When the metadata can't be read, or is of an at-least-once flow that has finished offsets above its position.
pub fn decode_transaction(metadata: &str) -> Result<Option<TransactionTag>, MetadataError> {
    if !decode(0, metadata)?.is_empty() {
        return Err(MetadataError::AtLeastOnce);
    }
    let Some(tag) = metadata.split(';').find_map(|field| field.strip_prefix("s=")) else { return Ok(None) };
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let read = tag.split_once('.').and_then(|(life, count)| number(life).zip(number(count)));
    let (life, number) = read.ok_or(MetadataError::Damaged("its transaction is no two numbers"))?;
    Ok(Some(TransactionTag { life, number }))
}

fn relative(position: i64, finished: impl Iterator<Item = Range<i64>>) -> Vec<Range<u64>> {
    finished
        .map(|run| {
            assert!(run.start >= position && run.end > run.start, "stretches lie above the position");
            (run.start - position).cast_unsigned()..(run.end - position).cast_unsigned()
        })
        .collect()
}

/// The run lengths that fit, and how many offsets they cover.
fn run_lengths(runs: &[Range<u64>]) -> (Vec<u8>, u64) {
    let (mut bytes, mut end, mut cover) = (Vec::new(), 0, 0);
    for run in runs {
        let fits = bytes.len();
        leb128::write(run.start - end, &mut bytes);
        leb128::write(run.end - run.start, &mut bytes);
        if bytes.len() > PAYLOAD_BYTES_MAX {
            bytes.truncate(fits);
            break;
        }
        cover += run.end - run.start;
        end = run.end;
    }
    (bytes, cover)
}

/// The part of the bitmap that fits, and how many offsets it covers.
fn bitmap(runs: &[Range<u64>]) -> (Vec<u8>, u64) {
    const BITS_MAX: u64 = PAYLOAD_BYTES_MAX as u64 * 8;
    let (mut bytes, mut cover) = (Vec::new(), 0);
    for run in runs {
        for bit in run.start..run.end.min(BITS_MAX) {
            let index = (bit / 8) as usize;
            if bytes.len() <= index {
                bytes.resize(index + 1, 0u8);
            }
            bytes[index] |= 1 << (bit % 8);
            cover += 1;
        }
    }
    (bytes, cover)
}

fn read_run_lengths(bytes: &[u8]) -> Result<Vec<Range<u64>>, MetadataError> {
    const DAMAGED: MetadataError = MetadataError::Damaged("its run lengths are cut off or too long");
    let (mut rest, mut end, mut runs) = (bytes, 0u64, Vec::new());
    while !rest.is_empty() {
        let start = leb128::read(&mut rest).and_then(|gap| end.checked_add(gap)).ok_or(DAMAGED)?;
        end = leb128::read(&mut rest).and_then(|len| start.checked_add(len)).ok_or(DAMAGED)?;
        if end > start {
            runs.push(start..end);
        }
    }
    Ok(runs)
}

fn read_bitmap(bytes: &[u8]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let bits = bytes.iter().enumerate().flat_map(|(index, byte)| {
        (0..8u64).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| index as u64 * 8 + bit)
    });
    for bit in bits {
        match runs.last_mut().filter(|run| run.end == bit) {
            Some(run) => run.end = bit + 1,
            None => runs.push(bit..bit + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn stretches() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((1i64..2_000, 1i64..500), 0..3_000)
    }

    fn above(position: i64, steps: &[(i64, i64)]) -> Vec<Range<i64>> {
        let mut end = position;
        steps
            .iter()
            .map(|(gap, len)| {
                let start = end + gap;
                end = start + len;
                start..end
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn reads_back_what_fits_and_never_more(position in 0i64..1 << 40, steps in stretches()) {
            let finished = above(position, &steps);
            let text = encode(position, finished.iter().cloned());
            prop_assert!(text.len() <= METADATA_BYTES_MAX);
            let read = decode(position, &text).unwrap();
            let all: BTreeSet<i64> = finished.iter().cloned().flatten().collect();
            let known: BTreeSet<i64> = read.iter().cloned().flatten().collect();
            prop_assert!(known.is_subset(&all));
            if steps.len() < 500 {
                prop_assert_eq!(known, all);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", ours in "[A-Za-z0-9_-]{0,80}") {
            let _ = decode(5, &text);
            let _ = decode(i64::MAX - 3, &format!("t1;x=1;f=r{ours}"));
            let _ = decode(i64::MAX - 3, &format!("t1;f=b{ours}"));
        }
    }

    #[test]
    fn alternating_offsets_become_a_bitmap_and_long_runs_do_not() {
        let alternating = encode(0, (0..1_000).map(|n| 2 * n + 1..2 * n + 2));
        assert!(alternating.starts_with("t1;f=b"), "{alternating}");
        let long = encode(0, std::iter::once(1..1_000_000));
        assert!(long.starts_with("t1;f=r") && long.len() < 20, "{long}");
    }

    #[test]
    fn a_transaction_is_read_back_and_nothing_else_is_taken_for_one() {
        let tag = TransactionTag { life: u64::MAX, number: 17 };
        let text = encode_transaction(tag);
        assert_eq!(text, "t1;s=ffffffffffffffff.11");
        assert_eq!(decode_transaction(&text), Ok(Some(tag)));
        assert_eq!(decode(5, &text), Ok(Vec::new()), "readers of finished offsets find none");
        assert_eq!(decode_transaction(""), Ok(None));
        assert_eq!(decode_transaction("t1"), Ok(None));
        let finished = encode(5, std::iter::once(7..9));
        assert_eq!(decode_transaction(&finished), Err(MetadataError::AtLeastOnce));
        assert_eq!(decode_transaction("hello"), Err(MetadataError::Foreign));
        for damaged in ["t1;s=", "t1;s=12", "t1;s=12.", "t1;s=x.1", "t1;s=1.2.3", "t1;s=11111111111111111.1"]
        {
            assert!(matches!(decode_transaction(damaged), Err(MetadataError::Damaged(_))), "{damaged}");
        }
    }

    #[test]
    fn foreign_metadata_is_told_from_damage() {
        assert_eq!(decode(0, ""), Ok(Vec::new()));
        assert_eq!(decode(0, "t1;seq=4"), Ok(Vec::new()));
        assert_eq!(decode(0, "hello"), Err(MetadataError::Foreign));
        assert!(matches!(decode(0, "t1;f=r_w"), Err(MetadataError::Damaged(_))));
    }
}
