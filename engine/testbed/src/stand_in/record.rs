//! The record of what a stand-in was told: a JSON line per item.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use xxhash_rust::xxh3::xxh3_64;

use super::StandInOptions;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// Where items are recorded, if anywhere.
#[derive(Debug)]
pub(super) struct Record {
    file: Option<BufWriter<File>>,
    bodies: bool,
    failed: Option<io::Error>,
}

/// One item as it was answered.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) operation: &'static str,
    pub(super) index: &'a str,
    pub(super) id: &'a str,
    pub(super) version: u64,
    pub(super) status: u16,
    pub(super) source: &'a [u8],
}

impl Record {
    pub(super) fn new(options: &StandInOptions) -> io::Result<Self> {
        let file = options.record.as_ref().map(File::create).transpose()?;
        let file = file.map(|file| BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(Self { file, bodies: options.record_bodies, failed: None })
    }

    /// Adds an item; a failure shows at [`flush`](Self::flush).
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = write_line(file, entry, self.bodies) {
            self.failed.get_or_insert(error);
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

fn write_line(out: &mut impl io::Write, entry: &Entry<'_>, bodies: bool) -> io::Result<()> {
    let Entry { operation, index, id, version, status, source } = entry;
    write!(out, "{{\"op\":\"{operation}\",\"index\":")?;
    serde_json::to_writer(&mut *out, index)?;
    out.write_all(b",\"id\":")?;
    serde_json::to_writer(&mut *out, id)?;
    write!(out, ",\"version\":{version},\"status\":{status},\"body_bytes\":{}", source.len())?;
    write!(out, ",\"body_xxh3\":\"{:016x}\"", xxh3_64(source))?;
    if bodies && !source.is_empty() {
        out.write_all(b",\"source\":")?;
        out.write_all(source)?;
    }
    out.write_all(b"}\n")
}
