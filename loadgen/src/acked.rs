//! The list of what the broker acknowledged: what must be on the topic, whatever happened since.
//!
//! The file, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `TWACKED1` |
//! | 2 | length of the topic's name |
//! | n | the topic's name, UTF-8 |
//! | 20 each | partition `u32`, offset `u64`, fingerprint `u64` ([`crate::fingerprint`]) |
//!
//! The offset is [`UNKNOWN_OFFSET`] where the broker said "I have it already" without saying where. Entries stand
//! in the order of acknowledgement, not of offsets. A last entry cut short (the writer was killed) is dropped.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

/// An acknowledgement that did not say where the record is.
pub const UNKNOWN_OFFSET: u64 = u64::MAX;

const MAGIC: &[u8; 8] = b"TWACKED1";
const ENTRY_BYTES: usize = 20;

/// One acknowledged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The partition it went to.
    pub partition: u32,
    /// Its offset there, or [`UNKNOWN_OFFSET`].
    pub offset: u64,
    /// Its [`crate::fingerprint::fingerprint`].
    pub fingerprint: u64,
}

/// Writes the list while the load runs.
#[derive(Debug)]
pub struct AckedWriter {
    file: BufWriter<File>,
}

impl AckedWriter {
    /// Starts a new list, replacing a file of that name.
    ///
    /// # Errors
    /// When the file can't be made or written, or the topic's name is longer than 65,535 bytes.
    pub fn create(path: &Path, topic: &str) -> Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("can't create the list of acknowledged records {}", path.display()))?;
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(MAGIC)?;
        file.write_all(&u16::try_from(topic.len()).context("the topic's name is too long")?.to_le_bytes())?;
        file.write_all(topic.as_bytes())?;
        Ok(Self { file })
    }

    /// Adds one record.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn add(&mut self, acked: Acked) -> std::io::Result<()> {
        let mut entry = [0; ENTRY_BYTES];
        entry[..4].copy_from_slice(&acked.partition.to_le_bytes());
        entry[4..12].copy_from_slice(&acked.offset.to_le_bytes());
        entry[12..].copy_from_slice(&acked.fingerprint.to_le_bytes());
        self.file.write_all(&entry)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Reads a whole list that was written for `topic`.
///
/// # Errors
/// When the file can't be read, is no such list, or belongs to another topic.
pub fn read(path: &Path, topic: &str) -> Result<Vec<Acked>> {
    let name = path.display();
    let file =
        File::open(path).with_context(|| format!("can't open the list of acknowledged records {name}"))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut head = [0; 10];
    file.read_exact(&mut head).with_context(|| format!("{name} is too short for such a list"))?;
    let (magic, length) = head.split_at(MAGIC.len());
    ensure!(magic == MAGIC, "{name} is not a list written by `loadgen --acked` (its first bytes differ)");
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let mut written_for = vec![0; length];
    file.read_exact(&mut written_for).with_context(|| format!("{name} ends within its topic's name"))?;
    if written_for != topic.as_bytes() {
        bail!("{name} was written for topic {}, not {topic}", String::from_utf8_lossy(&written_for));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(parse).collect())
}

fn parse(entry: &[u8; ENTRY_BYTES]) -> Acked {
    let number = |range: std::ops::Range<usize>| {
        entry[range].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    // Four bytes always fit: the default is never taken.
    let partition = u32::try_from(number(0..4)).unwrap_or(u32::MAX);
    Acked { partition, offset: number(4..12), fingerprint: number(12..20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Acked> {
        (0..1000)
            .map(|n| Acked {
                partition: n % 7,
                offset: if n == 5 { UNKNOWN_OFFSET } else { u64::from(n) << 33 },
                fingerprint: u64::MAX - u64::from(n),
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acked");
        let mut writer = AckedWriter::create(&path, "topic").unwrap();
        sample().into_iter().for_each(|acked| writer.add(acked).unwrap());
        writer.flush().unwrap();
        assert_eq!(read(&path, "topic").unwrap(), sample());
        assert!(read(&path, "other").unwrap_err().to_string().contains("written for topic topic"));

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(read(&path, "topic").unwrap(), sample()[..999]);
        std::fs::write(&path, b"something else entirely").unwrap();
        assert!(read(&path, "topic").unwrap_err().to_string().contains("not a list"));
    }
}
